//! The output of a guest: its answers, its refusals and its description.

use airlock_logical::json::check_object;
use airlock_logical::moment;
use airlock_sandbox::fuzz::{check_answer, check_description, refused};
use airlock_sandbox::types::{
    self, CodedError, Header, Json, Lease, Operation, Response, Secret, Timestamp, WrapInfo,
};
use airlock_sandbox::{CallError, Description, Needs};
use airlock_storage::Prefixes;
use serde_json::{Map, Value};
use vault_plugin::fuzz::{Reply, read_reply, write_reply};

use super::json::WORDS;
use crate::{Input, Target, block_on};

/// An answer: its data, then its other fields.
pub const ANSWERS: Target = Target {
    name: "guest_answers",
    run: answers,
    longest: 8192,
    mutations: 240_000,
    words: WORDS,
    reshape: None,
};

fn answers(input: &[u8]) -> bool {
    let mut input = Input(input);
    let operation = operation(&mut input);
    let response = response(&mut input);
    let checked = block_on(check_answer(&response, &operation));
    let wrong = what_is_wrong(&response, &operation);
    match (&checked, wrong) {
        (Ok(()), None | Some(UNKNOWN)) => {}
        (Err(CallError::Contract { .. }), Some(_)) => {
            let text = checked.unwrap_err().to_string();
            assert!(
                !text.contains(printable::is_unsafe),
                "the reason needs escaping: {text:?}"
            );
            return false;
        }
        (Ok(()), Some(wrong)) => panic!("the check takes an answer whose {wrong}"),
        (Err(error), _) => panic!("the check refuses an answer that Vault takes: {error}"),
    }
    reaches_vault(&response);
    reaches_tools(&response, &operation);
    true
}

/// Marks data about which nothing can be said: `serde_json` reads neither half of a surrogate pair nor more than 127
/// levels, and it uses two names of its own for numbers and texts.
const UNKNOWN: &str = "data is not known";

/// Returns the reason why Vault would not accept an answer, found by other means than the check's.
fn what_is_wrong(response: &Response, operation: &Operation) -> Option<&'static str> {
    let is_object = |text: &Option<Json>| text.as_ref().is_none_or(|text| check_object(text).is_ok());
    let is_moment =
        |time: Option<Timestamp>| time.is_none_or(|time| moment::is_valid(time.seconds, time.nanoseconds));
    if response.headers.len()
        + response
            .headers
            .iter()
            .map(|header| header.values.len())
            .sum::<usize>()
        > 1000
        || response.warnings.len() > 1000
    {
        return Some("parts are too many");
    }
    if let Some(Secret {
        lease, internal_data, ..
    }) = &response.secret
    {
        if lease.ttl < 0 || lease.max_ttl < 0 || lease.increment < 0 || !is_moment(lease.issue_time) {
            return Some("lease has impossible times");
        }
        if !is_object(internal_data) {
            return Some("lease has no object");
        }
    }
    if let Some(info) = &response.wrap_info
        && (info.ttl < 0 || !is_moment(info.creation_time))
    {
        return Some("wrapping has impossible times");
    }
    if !is_object(&response.data) {
        return Some("data is not an object");
    }
    let data: Map<String, Value> = match &response.data {
        None => return None,
        Some(text) if text.contains("$serde") => return Some(UNKNOWN),
        Some(text) => match serde_json::from_str(text) {
            Ok(data) => data,
            Err(_) => return Some(UNKNOWN),
        },
    };
    let is_text = |name: &str| data.get(name).is_none_or(Value::is_string);
    if let Some(status) = data.get("http_status_code") {
        // Vault decodes the status as a float and takes its integer part.
        let status = status
            .as_number()
            .and_then(|number| number.to_string().parse::<f64>().ok());
        let status = status.map_or(0.0, f64::trunc);
        let has_body = status != 204.0;
        if response.secret.is_some()
            || !(200.0..=599.0).contains(&status)
            || !is_text("http_content_type")
            || has_body && (!data.contains_key("http_content_type") || !is_text("http_raw_body"))
        {
            return Some("own HTTP answer cannot be");
        }
    }
    let is_list = matches!(operation, Operation::List | Operation::Scan);
    let are_texts = |keys: &Value| {
        keys.as_array()
            .is_some_and(|keys| keys.iter().all(Value::is_string))
    };
    if is_list
        && data
            .get("keys")
            .is_some_and(|keys| !keys.is_null() && !are_texts(keys))
    {
        return Some("keys are not texts");
    }
    None
}

/// Checks that Vault can decode an answer that the check accepts, and that nothing is lost on the way.
fn reaches_vault(response: &Response) {
    let sent = airlock_mount::fuzz::answer(response.clone());
    let message = write_reply(Ok(Some(sent.clone())));
    let Some(Reply::Answer(Some(read))) = read_reply(&message) else {
        panic!("an answer that the check takes becomes an error");
    };
    assert!(*read == sent, "Vault reads another answer");
    assert_eq!(read.data, response.data);
    assert_eq!(read.warnings, response.warnings);
    let values = |count: usize, (_, values): (&String, &Vec<String>)| count + values.len();
    assert_eq!(
        read.headers.iter().fold(0, values),
        response
            .headers
            .iter()
            .map(|header| header.values.len())
            .sum::<usize>()
    );
    if let (Some(read), Some(given)) = (&read.secret, &response.secret) {
        assert_eq!(read.lease.ttl, given.lease.ttl);
        assert_eq!(read.lease.max_ttl, given.lease.max_ttl);
    }
}

/// Checks that the tools show what Vault accepts: `airlock call` and `test`, and `airlock dev`.
fn reaches_tools(response: &Response, operation: &Operation) {
    let answer = airlock_testkit::fuzz::answer(operation.clone(), Ok(Some(response.clone())));
    assert!((200..600).contains(&answer.status()));
    let Some(text) = &response.data else {
        return;
    };
    let is_deep =
        serde_json::from_str::<Value>(text).is_err_and(|error| error.to_string().contains("recursion"));
    let is_empty_list = *operation == Operation::List && answer.status() == 404;
    if is_deep || is_empty_list || text.contains("$serde") {
        return;
    }
    assert!(answer.data().is_object(), "airlock call shows no data");
    let json = Json::from_text(text.as_str()).unwrap();
    let shown = airlock_dev_server::fuzz::shown(&json).expect("airlock dev cannot show what Vault takes");
    let shown: Map<String, Value> =
        serde_json::from_str(&shown).expect("airlock dev answers what is not JSON");
    let (status, _) = airlock_dev_server::fuzz::raw_answer(&shown);
    // A redirect wins over the engine's own answer.
    let is_redirect = response.redirect.as_ref().is_some_and(|to| !to.is_empty());
    if shown.contains_key("http_status_code") && !is_redirect {
        assert_eq!(
            answer.status(),
            status,
            "airlock call and airlock dev answer differently"
        );
    }
}

/// A refusal: an error's kind, its status and its text.
pub const REFUSALS: Target = Target {
    name: "guest_refusals",
    run: refusals,
    longest: 40_000,
    mutations: 60_000,
    words: &["\u{1b}[2J", "\n", "é", "cannot write to readonly storage"],
    reshape: None,
};

/// Returns true if the contract allows the refusal.
fn refusals(input: &[u8]) -> bool {
    let mut input = Input(input);
    let kind = input.below(7);
    let status = u16::from_le_bytes([input.byte(), input.byte()]);
    let text = input.text();
    let refusal = match kind {
        0 => types::Error::User(text.clone()),
        1 => types::Error::UnsupportedOperation,
        2 => types::Error::UnsupportedPath,
        3 => types::Error::PermissionDenied,
        4 => types::Error::ReadOnly,
        5 => types::Error::Coded(CodedError {
            status,
            message: text.clone(),
        }),
        _ => types::Error::Internal(text.clone()),
    };
    let error = refused(refusal);
    let is_breach = kind == 5 && !(400..600).contains(&status);
    assert_eq!(matches!(error, CallError::Contract { .. }), is_breach);
    assert!((400..600).contains(&error.status()));
    let tool = airlock_testkit::fuzz::answer(Operation::Read, Err(refused_again(kind, status, &text)));
    assert!(!tool.is_success() && tool.error().is_some());
    let message = write_reply(Err(airlock_mount::fuzz::refusal(error)));
    match read_reply(&message).expect("the error is not a message of Vault's") {
        // Vault answers 400 if an answer has `error`, but not for an error.
        Reply::Answer(answer) => {
            let data: Map<String, Value> = answer.unwrap().data.unwrap().decode().unwrap();
            assert!(kind == 0 && data["error"].is_string());
            assert!(text.len() > 16 << 10 || data["error"] == text.as_str());
        }
        Reply::Error { kind, status, text } => {
            assert!(kind <= 10 && (status == 0 || (400..600).contains(&status)));
            assert!(text.len() < (16 << 10) + 200, "a long text is not cut");
        }
    }
    !is_breach
}

fn refused_again(kind: usize, status: u16, text: &str) -> CallError {
    refused(match kind {
        0 => types::Error::User(text.to_owned()),
        5 => types::Error::Coded(CodedError {
            status,
            message: text.to_owned(),
        }),
        _ => types::Error::Internal(text.to_owned()),
    })
}

/// A description: its texts, its prefixes, its needs.
pub const DESCRIPTIONS: Target = Target {
    name: "guest_descriptions",
    run: descriptions,
    longest: 4096,
    mutations: 480_000,
    words: &[
        "kv",
        "1.0.0",
        "0.1.0-rc.1+b",
        "kv/",
        "/",
        "..",
        ".airlock/",
        "\u{1b}",
        ".airlock",
        "./",
    ],
    reshape: None,
};

fn descriptions(input: &[u8]) -> bool {
    let mut input = Input(input);
    let description = Description {
        name: input.text(),
        version: input.text(),
        about: input.text(),
        storage: input.texts(6),
        cacheable: input.texts(6),
        redo_record: input.flag(),
        scratch_bytes: input.number() as u32,
        storage_version: input.number() as u32,
        needs: Needs {
            memory_bytes: input.flag().then(|| input.number() as u64),
            cpu_milliseconds: input.flag().then(|| input.number() as u32),
            wall_milliseconds: input.flag().then(|| input.number() as u32),
            storage_operations: input.flag().then(|| input.number() as u32),
        },
    };
    if let Err(error) = check_description(&description) {
        let text = error.to_string();
        assert!(!text.contains(printable::is_unsafe), "{text:?}");
        return false;
    }
    for shown in [&description.name, &description.version, &description.about] {
        assert!(!shown.contains(char::is_control), "{shown:?} is shown to people");
    }
    let declared = Prefixes::from_iter(&description.storage);
    for prefix in &description.cacheable {
        assert!(declared.contain(prefix));
    }
    // Whatever a guest declares, it cannot reach the host's own entries.
    let own = ".airlock/redo/1";
    assert!(airlock_storage::fuzz::check_key(own, &declared).is_err());
    let settings = description.storage_settings(airlock_storage::Settings::default());
    assert_eq!(settings.redo_record, description.redo_record);
    true
}

fn operation(input: &mut Input<'_>) -> Operation {
    match input.below(6) {
        0 => Operation::Read,
        1 => Operation::List,
        2 => Operation::Scan,
        3 => Operation::Update,
        4 => Operation::Renew,
        _ => Operation::Help,
    }
}

fn response(input: &mut Input<'_>) -> Response {
    Response {
        data: input.maybe_text().map(Json::from),
        secret: input.flag().then(|| Secret {
            lease: Lease {
                ttl: input.number(),
                max_ttl: input.number(),
                renewable: input.flag(),
                increment: input.number(),
                issue_time: timestamp(input),
            },
            internal_data: input.maybe_text().map(Json::from),
            lease_id: input.text(),
        }),
        redirect: input.maybe_text(),
        warnings: input.texts(5),
        headers: input.list(5, |input| Header {
            name: input.text(),
            values: input.texts(3),
        }),
        wrap_info: input.flag().then(|| WrapInfo {
            ttl: input.number(),
            token: input.text(),
            accessor: input.text(),
            creation_time: timestamp(input),
            wrapped_accessor: input.text(),
            wrapped_entity_id: input.text(),
            format: input.text(),
            creation_path: input.text(),
            seal_wrap: input.flag(),
        }),
    }
}

fn timestamp(input: &mut Input<'_>) -> Option<Timestamp> {
    input.flag().then(|| Timestamp {
        seconds: input.number(),
        nanoseconds: input.number() as u32,
    })
}
