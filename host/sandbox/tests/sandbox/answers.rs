//! An answer that Vault could not decode is refused before anything of its request is stored.

use airlock_sandbox::types::{Operation, Request};
use airlock_sandbox::{CallError, Limits};

use crate::support::Bench;

#[tokio::test]
async fn nothing_is_stored_for_an_answer_that_vault_cannot_decode() {
    let bench = Bench::new("adversary", Limits::default()).await;
    let too_deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (answer, what) in [
        (r#"{"a":1e400}"#, "does not fit a 64-bit float"),
        (&too_deep, "nested deeper than 10000 levels"),
        (r#"{"http_status_code":"200"}"#, "`http_status_code`"),
        (r#"{"http_status_code":200}"#, "`http_content_type`"),
        ("null", "not a JSON object"),
    ] {
        let path = format!("write-then-answer {answer}");
        match bench.ask(Operation::Patch, &path).await {
            Err(error @ CallError::Contract { .. }) => {
                assert_eq!(error.status(), 500);
                assert!(error.to_string().contains(what), "{error}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(bench.stored("adversary/written"), None, "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_vault_decodes_is_given_as_it_is() {
    let bench = Bench::new("adversary", Limits::default()).await;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(9_999), "]".repeat(9_999));
    for answer in [r#"{"n": 9007199254740993, "e":1e308}"#, &deep] {
        let request = Request::new(Operation::Patch, format!("write-then-answer {answer}"));
        assert_eq!(bench.send(request).await.unwrap(), answer);
        assert_eq!(bench.stored("adversary/written").unwrap(), "1");
    }
}
