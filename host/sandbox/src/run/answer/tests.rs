use super::*;
use crate::limits::{Limit, Limits};
use crate::run::memory::ProcessMemory;
use crate::types::{CodedError, Header, Lease};

fn account() -> Account {
    Account::open(
        "test".into(),
        Limits::default(),
        Limit::Wall,
        &ProcessMemory::new(1 << 30),
    )
}

fn told(result: Result<()>) -> Option<String> {
    match result {
        Ok(()) => None,
        Err(CallError::Contract { what, .. }) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

/// Returns what is wrong with a refusal, or `None` if it is one of the guest's own.
fn told_of(error: CallError) -> Option<String> {
    match error {
        CallError::Guest(_) => None,
        other => told(Err(other)),
    }
}

/// Returns what is wrong with an answer, or `None` if Vault can read it.
async fn complaint(answer: Response, operation: Operation) -> Option<String> {
    told(check(&answer, &operation, &account()).await)
}

async fn complaint_of_data(data: &str) -> Option<String> {
    let answer = Response {
        data: Some(data.into()),
        ..Response::default()
    };
    complaint(answer, Operation::Read).await
}

fn secret(change: impl FnOnce(&mut Secret)) -> Response {
    let lease = Lease {
        ttl: 1,
        max_ttl: i64::MAX,
        renewable: true,
        increment: 0,
        issue_time: None,
    };
    let mut secret = Secret {
        lease,
        internal_data: None,
        lease_id: String::new(),
    };
    change(&mut secret);
    Response {
        secret: Some(secret),
        ..Response::default()
    }
}

fn wrapped(change: impl FnOnce(&mut WrapInfo)) -> Response {
    let mut info = WrapInfo {
        ttl: 1,
        token: String::new(),
        accessor: String::new(),
        creation_time: None,
        wrapped_accessor: String::new(),
        wrapped_entity_id: String::new(),
        format: String::new(),
        creation_path: String::new(),
        seal_wrap: false,
    };
    change(&mut info);
    Response {
        wrap_info: Some(info),
        ..Response::default()
    }
}

const AFTER_9999: Timestamp = Timestamp {
    seconds: moment::LAST_SECOND + 1,
    nanoseconds: 0,
};

#[tokio::test]
async fn data_has_to_be_an_object_that_vault_decodes() {
    for good in ["{}", r#" {"a":[1,2]}"#] {
        assert_eq!(complaint_of_data(good).await, None, "{good}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for bad in [
        "",
        "null",
        "[1]",
        "\"a\"",
        "{",
        "{} {}",
        "{\"a\":}",
        r#"{"a":1e400}"#,
        &deep,
    ] {
        assert!(complaint_of_data(bad).await.is_some(), "{bad}");
    }
    assert_eq!(
        complaint_of_data(r#"{"a":1e400}"#).await.unwrap(),
        "the data of its answer: a number that does not fit a 64-bit float"
    );
}

#[tokio::test]
async fn a_large_answer_is_checked_in_steps() {
    let numbers = "1,".repeat(STEP);
    let answer = Response {
        data: Some(format!("{{\"a\":[{numbers}1]}}").into()),
        ..Response::default()
    };
    let account = account();
    let mut check = std::pin::pin!(check(&answer, &Operation::Read, &account));
    let mut yields = 0;
    let checked = std::future::poll_fn(|context| {
        let polled = check.as_mut().poll(context);
        yields += u32::from(polled.is_pending());
        polled
    });
    checked.await.unwrap();
    assert!(yields >= 2, "it gave way {yields} times");
}

#[tokio::test]
async fn a_secrets_times_and_internal_data_have_to_be_valid() {
    assert_eq!(complaint(secret(|_| {}), Operation::Read).await, None);
    let early = Timestamp {
        seconds: moment::FIRST_SECOND,
        nanoseconds: 999_999_999,
    };
    let early = secret(|secret| secret.lease.issue_time = Some(early));
    assert_eq!(complaint(early, Operation::Read).await, None);
    for (bad, part) in [
        (
            secret(|secret| secret.lease.ttl = -1),
            "a negative length of time",
        ),
        (
            secret(|secret| secret.lease.max_ttl = -1),
            "a negative length of time",
        ),
        (
            secret(|secret| secret.lease.increment = i64::MIN),
            "a negative length of time",
        ),
        (
            secret(|secret| secret.lease.issue_time = Some(AFTER_9999)),
            "the years 1 to 9999",
        ),
        (
            secret(|secret| secret.internal_data = Some("[]".into())),
            "not a JSON object",
        ),
        (
            secret(|secret| secret.internal_data = Some(r#"{"a":-1e999}"#.into())),
            "64-bit float",
        ),
    ] {
        let complaint = complaint(bad, Operation::Read).await.unwrap();
        assert!(
            complaint.contains(part) && complaint.contains("its secret"),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn a_wrapped_answers_times_have_to_be_valid() {
    assert_eq!(complaint(wrapped(|_| {}), Operation::Read).await, None);
    let odd = Timestamp {
        seconds: 0,
        nanoseconds: 1_000_000_000,
    };
    for bad in [
        wrapped(|info| info.ttl = -1),
        wrapped(|info| info.creation_time = Some(AFTER_9999)),
        wrapped(|info| info.creation_time = Some(odd)),
    ] {
        let complaint = complaint(bad, Operation::Read).await.unwrap();
        assert!(
            complaint.starts_with("the wrapping of its answer: "),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn an_http_answer_of_its_own_has_to_be_one_that_vault_sends() {
    for good in [
        r#"{"http_status_code":200,"http_content_type":"text/plain","http_raw_body":"eA=="}"#,
        r#"{"http_status_code":404,"http_content_type":"text/plain"}"#,
        r#"{"http_status_code":204}"#,
        r#"{"http_content_type":5}"#,
    ] {
        assert_eq!(complaint_of_data(good).await, None, "{good}");
    }
    for (bad, part) in [
        (
            r#"{"http_status_code":"200","http_content_type":""}"#,
            "from 200 to 599",
        ),
        (
            r#"{"http_status_code":null,"http_content_type":""}"#,
            "from 200 to 599",
        ),
        (
            r#"{"http_status_code":99,"http_content_type":""}"#,
            "from 200 to 599",
        ),
        (
            r#"{"http_status_code":600,"http_content_type":""}"#,
            "from 200 to 599",
        ),
        (r#"{"http_status_code":200}"#, "needs an `http_content_type`"),
        (
            r#"{"http_status_code":204,"http_content_type":5}"#,
            "`http_content_type` is not",
        ),
        (
            r#"{"http_status_code":200,"http_content_type":"a","http_raw_body":[]}"#,
            "`http_raw_body` is not",
        ),
    ] {
        let complaint = complaint_of_data(bad).await.unwrap();
        assert!(complaint.contains(part), "{bad}: {complaint}");
    }
    let with_secret = Response {
        data: Some(r#"{"http_status_code":204}"#.into()),
        ..secret(|_| {})
    };
    let told = complaint(with_secret, Operation::Read).await.unwrap();
    assert!(told.contains("cannot have a secret"), "{told}");
}

#[tokio::test]
async fn the_keys_of_a_list_have_to_be_strings() {
    for (data, fits) in [
        (r#"{"keys":["a","b/"],"info":1}"#, true),
        (r#"{"keys":[]}"#, true),
        (r#"{"keys":null}"#, true),
        (r#"{}"#, true),
        (r#"{"keys":"a"}"#, false),
        (r#"{"keys":["a",1]}"#, false),
    ] {
        let answer = || Response {
            data: Some(data.into()),
            ..Response::default()
        };
        assert_eq!(
            complaint(answer(), Operation::List).await.is_none(),
            fits,
            "{data}"
        );
        assert_eq!(complaint(answer(), Operation::Read).await, None, "{data}");
    }
}

#[test]
fn an_errors_status_has_to_be_one_of_an_error() {
    let coded = |status| {
        let refusal = Refusal::Coded(CodedError {
            status,
            message: String::new(),
        });
        told_of(refused(refusal, &account()))
    };
    assert_eq!((coded(400), coded(599)), (None, None));
    for bad in [0, 200, 399, 600] {
        assert!(coded(bad).unwrap().contains("not one of 400 to 599"), "{bad}");
    }
    assert_eq!(told_of(refused(Refusal::UnsupportedPath, &account())), None);
}

#[test]
fn a_long_text_of_an_error_is_cut_at_a_character() {
    let long = "é".repeat(LONGEST_TEXT);
    for refusal in [Refusal::User(long.clone()), Refusal::Internal(long)] {
        let CallError::Guest(Refusal::User(text) | Refusal::Internal(text)) = refused(refusal, &account())
        else {
            panic!("another error");
        };
        assert!(text.len() < LONGEST_TEXT + 64, "{}", text.len());
        assert!(
            text.ends_with("… (cut: it has 32768 bytes)"),
            "{}",
            &text[LONGEST_TEXT - 8..]
        );
    }
}

#[tokio::test]
async fn headers_and_warnings_are_counted() {
    let header = |values| Header {
        name: "a".into(),
        values: vec![String::new(); values],
    };
    let with = |headers, warnings| Response {
        headers,
        warnings: vec![String::new(); warnings],
        ..Response::default()
    };
    let most = with(vec![header(MOST_PARTS - 1)], MOST_PARTS);
    assert_eq!(complaint(most, Operation::Read).await, None);
    for over in [
        with(vec![header(MOST_PARTS)], 0),
        with(vec![header(0); MOST_PARTS + 1], 0),
        with(vec![], MOST_PARTS + 1),
    ] {
        assert!(
            complaint(over, Operation::Read)
                .await
                .unwrap()
                .contains("more than 1000")
        );
    }
}
