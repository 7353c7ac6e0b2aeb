use super::*;
use crate::vault::error::Failure;

fn answered(status: u16, text: &str) -> Failure {
    Failure::Answered {
        status,
        texts: vec![text.to_owned()],
        retry_after: None,
        path: "demo/.airlock/swap".to_owned(),
    }
}

fn control() -> Control {
    let variables = |name: &str| match name {
        "VAULT_ADDR" => Some("http://127.0.0.1:1".to_owned()),
        "VAULT_TOKEN" => Some("hvs.s3cret".to_owned()),
        _ => None,
    };
    Control {
        client: Arc::new(Client::of(&Environment::new(variables)).unwrap()),
        mount: "demo".parse().unwrap(),
    }
}

#[test]
fn a_denied_request_names_the_policy_line_to_add() {
    let denied = control().failed("guests/*", WRITE, answered(403, "permission denied"));
    assert_eq!(
        denied.to_string(),
        "demo/: permission denied: a policy of the token needs  \
         path \"demo/.airlock/guests/*\" { capabilities = [\"create\", \"update\", \"sudo\"] } \
         (or the token is not valid any more: log in again)"
    );
    let unknown_token = control().failed("status", READ, answered(403, "* invalid token"));
    assert!(
        matches!(unknown_token, ControlError::Failed { .. }),
        "{unknown_token}"
    );
}

#[test]
fn a_swap_without_a_clear_answer_may_have_been_done() {
    for status in [500, 502, 504] {
        assert!(is_unknown(&answered(status, "")), "{status}");
    }
    for status in [400, 403, 404, 412, 429, 503] {
        assert!(!is_unknown(&answered(status, "")), "{status}");
    }
}

#[test]
fn an_answer_of_another_form_names_what_is_wrong_in_it() {
    let data = json!({"missing": "none\u{1b}"});
    let error = control()
        .decode::<Stored>("the guest", data)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("demo/: the guest was answered in a form"),
        "{error}"
    );
    assert!(!error.contains('\u{1b}'), "{error}");
}

#[test]
fn a_swap_asks_for_a_reload_only_if_it_is_told_to() {
    assert_eq!(body(Some("ab"), false), json!({"sha256": "ab"}));
    assert_eq!(body(None, true), json!({"reload": true}));
    assert_eq!(body(None, false), json!({}));
}

#[test]
fn what_vault_says_of_the_mount_counts() {
    let mount = "demo".parse().unwrap();
    let check = |path: &str, sha256: &str| {
        let data = json!({"path": path, "type": "kv", "running_sha256": sha256});
        check_is_external(&mount, &data).map_err(|error| error.to_string())
    };
    check("demo/", "ab").unwrap();
    assert!(check("demo/", "").unwrap_err().contains("Vault's own kv engine"));
    assert!(
        check("dem/", "ab")
            .unwrap_err()
            .contains("a path in the mount dem/")
    );
    assert!(check_is_external(&mount, &Value::Null).is_err());
}

#[test]
fn every_external_engine_of_a_list_is_asked_and_no_other() {
    let data = json!({
        "auth": {"token/": {"type": "token", "running_sha256": "ab"}},
        "secret": {
            "cubbyhole/": {"type": "cubbyhole", "running_sha256": ""},
            "demo/": {"type": "airlock-kv", "running_sha256": "ab"},
            "sys/": {"type": "system"},
        },
    });
    let found: Vec<_> = external_mounts(&data).map(|mount| mount.to_string()).collect();
    assert_eq!(found, ["demo/"]);
}
