//! The mount's own paths, and what they refuse.

use airlock_trust::Digest;
use serde_json::json;
use vault_plugin::{Backend as _, Error, Operation, Request};

use crate::support::*;

#[tokio::test]
async fn what_is_wrong_with_a_push_is_one_clear_line() {
    let storage = storage();
    let mount = mount(&storage).await;
    let unknown = Digest::of(b"unknown");
    let refused = swap(&mount, unknown).await.unwrap_err();
    assert_eq!(refused.status(), 404, "{refused}");
    let text = format!("no guest {unknown} is stored on this mount: push it first");
    assert_eq!(refused.to_string(), text);
    for (path, data, words) in [
        (".airlock/guests/x", json!({}), "SHA-256"),
        (".airlock//swap", json!({}), "more than one `/`"),
        (
            &format!(".airlock/guests//{unknown}"),
            json!({}),
            "more than one `/`",
        ),
        (
            &format!(".airlock/guests/{}", unknown.to_string().to_uppercase()),
            json!({}),
            "lower case",
        ),
        (
            ".airlock/swap",
            json!({ "sha256": unknown.to_string().to_uppercase() }),
            "lower case",
        ),
        (".airlock/swap", json!({}), "sha256 is missing"),
        (".airlock/swap", json!({ "sha256": "x" }), "SHA-256"),
        (
            &format!(".airlock/guests/{unknown}"),
            json!({ "size": 1, "pieces": [] }),
            "cut into",
        ),
        (
            &format!(".airlock/guests/{unknown}"),
            json!({ "size": 1_u64 << 60, "pieces": [] }),
            "too large",
        ),
        (
            &format!(".airlock/pieces/{unknown}"),
            json!({ "data": "AAAA" }),
            "begin the push again",
        ),
        (
            &format!(".airlock/pieces/{unknown}"),
            json!({ "data": "!" }),
            "base64",
        ),
    ] {
        let refused = write(&mount, path, data).await.unwrap_err();
        assert_eq!(refused.status(), 400, "{path}: {refused}");
        assert!(refused.to_string().contains(words), "{path}: {refused}");
    }
    let not_a_guest = b"not WebAssembly";
    let refused = store(&mount, not_a_guest).await.unwrap_err();
    assert!(refused.to_string().contains("not WebAssembly"), "{refused}");
}

#[tokio::test]
async fn control_paths_answer_nobody_without_a_token_and_have_no_existence_check() {
    let mount = mount(&storage()).await;
    for path in [".airlock", ".airlock/status", ".airlock/swap"] {
        for operation in [Operation::Read, Operation::Update, Operation::List] {
            let mut request = Request::new(operation, path);
            request.unauthenticated = true;
            let refused = mount.handle_request(request).await.unwrap_err();
            assert_eq!(refused.status(), 403, "{path}");
        }
        let check = mount.check_existence(Request::new(Operation::Update, path)).await;
        assert!(matches!(check, Err(Error::UnsupportedPath)));
    }
}
