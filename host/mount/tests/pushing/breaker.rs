//! A guest that fails again and again is set aside, and comes back by itself.

use std::sync::Arc;
use std::time::Duration;

use airlock_faults::FaultyStorage;
use airlock_mount::{BreakerSettings, VaultMount};
use airlock_sandbox::Services;
use airlock_storage::{Storage as _, StorageEntry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::time::timeout;
use vault_plugin::{Backend as _, Error, Operation, Request};

use crate::support::*;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// Returns a mount of the adversary that is set aside after three failures in a row.
async fn breaking(storage: &FaultyStorage, pause: Duration) -> Arc<VaultMount> {
    first(storage, &adversary("0.1.0")).await;
    let breaker = BreakerSettings { failures: 3, pause };
    mount_breaking(storage, false, Services::default(), breaker).await
}

/// Returns a request of somebody who has a token, or of nobody.
fn request(token: &str, operation: Operation, path: &str) -> Request {
    let mut request = Request::new(operation, path);
    request.client_token = token.to_owned();
    request.unauthenticated = token.is_empty();
    request
}

async fn ask(mount: &VaultMount, token: &str, path: &str) -> Result<(), Error> {
    let asked = mount.handle_request(request(token, Operation::Read, path)).await;
    asked.map(drop)
}

/// Writes as Vault does: asks whether the path exists, then sends the request.
async fn write_as(mount: &VaultMount, token: &str, id: &str) -> Result<(), Error> {
    let mut check = request(token, Operation::Update, "ok");
    check.id = id.to_owned();
    mount.check_existence(check.clone()).await?;
    mount.handle_request(check).await.map(drop)
}

/// Lets three callers fail once each.
async fn fail_for_all(mount: &VaultMount) {
    for token in ["ann", "bob", "cid"] {
        assert_eq!(ask(mount, token, "trap").await.unwrap_err().status(), 500);
    }
}

async fn breaker(mount: &VaultMount) -> Value {
    read(mount, ".airlock/status").await.unwrap()["breaker"].clone()
}

async fn metrics(mount: &VaultMount) -> String {
    let answer = read(mount, ".airlock/metrics").await.unwrap();
    let text = answer["http_raw_body"].as_str().unwrap();
    String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn a_guest_that_fails_for_three_callers_is_set_aside_for_everybody() {
    let storage = storage();
    let mount = breaking(&storage, LONG).await;
    fail_for_all(&mount).await;
    for token in ["ann", "dan", ""] {
        let refused = ask(&mount, token, "ok").await.unwrap_err();
        assert_eq!(refused.status(), 503, "{token}: {refused}");
        assert_eq!(
            refused.to_string(),
            "guest adversary is set aside on this mount, because it failed 3 times in a row, the last time because it trapped; \
             one request tries it again in 3600 s; this request did not run"
        );
    }
    let found = breaker(&mount).await;
    for (field, value) in [
        ("state", json!("open")),
        ("failures", json!(3)),
        ("cause", json!("it trapped")),
        ("refuses", json!("everybody")),
    ] {
        assert_eq!(found[field], value, "{found}");
    }
    assert!(
        found["since"].is_string() && found["next_try"].is_string(),
        "{found}"
    );
    // The check of a write is refused before the write comes.
    assert_eq!(write_as(&mount, "dan", "w").await.unwrap_err().status(), 503);
    let metrics = metrics(&mount).await;
    for line in [
        r#"airlock_calls_total{operation="update",outcome="set_aside"} 1"#,
        "airlock_breaker_state 2",
        "airlock_breaker_openings_total 1",
        r#"airlock_calls_total{operation="read",outcome="set_aside"} 3"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line}: {metrics}");
    }
}

#[tokio::test]
async fn one_caller_cannot_take_a_mount_from_the_others() {
    let storage = storage();
    let mount = breaking(&storage, LONG).await;
    for _ in 0..3 {
        assert_eq!(ask(&mount, "mallory", "trap").await.unwrap_err().status(), 500);
    }
    assert_eq!(ask(&mount, "mallory", "ok").await.unwrap_err().status(), 503);
    assert_eq!(breaker(&mount).await["refuses"], json!("callers"));
    // Anybody else is served, and the first answer ends the row.
    ask(&mount, "ann", "ok").await.unwrap();
    assert_eq!(breaker(&mount).await["state"], json!("closed"));
    ask(&mount, "mallory", "ok").await.unwrap();
}

#[tokio::test]
async fn requests_without_a_token_set_no_guest_aside() {
    let storage = storage();
    let mount = breaking(&storage, LONG).await;
    for _ in 0..10 {
        assert_eq!(ask(&mount, "", "trap").await.unwrap_err().status(), 500);
    }
    assert_eq!(breaker(&mount).await["failures"], json!(0));
    ask(&mount, "", "ok").await.unwrap();
}

#[tokio::test]
async fn a_guest_that_was_set_aside_comes_back_by_itself() {
    let storage = storage();
    let mount = breaking(&storage, Duration::from_millis(1)).await;
    fail_for_all(&mount).await;
    let recovered = async {
        while let Err(error) = ask(&mount, "ann", "ok").await {
            assert_eq!(error.status(), 503, "{error}");
            tokio::task::yield_now().await;
        }
    };
    timeout(TOO_LONG, recovered).await.expect("it stayed away");
    let found = breaker(&mount).await;
    assert_eq!(
        (&found["state"], &found["failures"]),
        (&json!("closed"), &json!(0))
    );
    assert!(metrics(&mount).await.contains("\nairlock_breaker_state 0\n"));
}

#[tokio::test]
async fn writes_alone_bring_a_guest_back_each_time() {
    let storage = storage();
    let mount = breaking(&storage, Duration::from_millis(1)).await;
    for opening in 0..2 {
        fail_for_all(&mount).await;
        let recovered = async {
            for number in 0.. {
                // Somebody whom Vault's policies then refuse asks, too.
                let mut check = request("eve", Operation::Update, "ok");
                check.id = format!("eve-{opening}-{number}");
                mount.check_existence(check).await.unwrap();
                match write_as(&mount, "ann", &format!("ann-{opening}-{number}")).await {
                    Ok(()) => break,
                    Err(error) => assert_eq!(error.status(), 503, "{error}"),
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(TOO_LONG, recovered).await.expect("it stayed away");
        assert_eq!(breaker(&mount).await["state"], json!("closed"));
    }
}

#[tokio::test]
async fn another_guest_is_not_set_aside_for_what_the_last_one_did() {
    let storage = storage();
    let mount = breaking(&storage, LONG).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    fail_for_all(&mount).await;
    swap(&mount, second).await.unwrap();
    ask(&mount, "ann", "ok").await.unwrap();
    assert_eq!(breaker(&mount).await["state"], json!("closed"));
}

#[tokio::test]
async fn a_check_that_fails_counts_once_and_when_its_request_comes() {
    let storage = storage();
    let mount = breaking(&storage, LONG).await;
    let command = StorageEntry::new("adversary/check-existence", "trap");
    storage.put(command).await.unwrap();
    for number in 0..5 {
        // A caller whom Vault's policies then refuse.
        let mut check = request("eve", Operation::Update, "ok");
        check.id = format!("refused-{number}");
        assert_eq!(mount.check_existence(check).await.unwrap(), None);
    }
    assert_eq!(breaker(&mount).await["failures"], json!(0));
    for (number, token) in ["ann", "bob", "cid"].into_iter().enumerate() {
        let refused = write_as(&mount, token, token).await.unwrap_err();
        assert!(refused.to_string().contains("existence check"), "{refused}");
        assert_eq!(breaker(&mount).await["failures"], json!(number + 1));
    }
    // The check does not run now, and its request gets the cause.
    let refused = write_as(&mount, "dan", "dan").await.unwrap_err();
    assert_eq!(refused.status(), 503);
    assert!(refused.to_string().contains("is set aside"), "{refused}");
}

#[tokio::test]
async fn a_revocation_runs_and_a_rollback_does_not_while_a_guest_is_set_aside() {
    let storage = storage();
    let mount = breaking(&storage, LONG).await;
    fail_for_all(&mount).await;
    let rollback = mount.handle_request(request("", Operation::Rollback, "ok")).await;
    assert!(
        matches!(rollback, Err(Error::UnsupportedOperation)),
        "{rollback:?}"
    );
    let revoked = mount.handle_request(request("", Operation::Revoke, "ok")).await;
    assert!(revoked.is_ok(), "{revoked:?}");
    assert_eq!(
        breaker(&mount).await["state"],
        json!("open"),
        "a revocation says nothing of requests"
    );
}

#[tokio::test]
async fn a_breaker_that_is_off_never_opens() {
    let storage = storage();
    first(&storage, &adversary("0.1.0")).await;
    let mount = mount_breaking(&storage, false, Services::default(), BreakerSettings::OFF).await;
    for _ in 0..5 {
        fail_for_all(&mount).await;
    }
    assert_eq!(breaker(&mount).await["state"], json!("off"));
}
