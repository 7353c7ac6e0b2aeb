//! Sends the same requests to this server and to a real Vault, with the same engine behind both. The answers must be
//! equal except for ids, times and tokens.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod both;
mod common;

use both::Both;
use common::Answer;
use serde_json::{Value, json};

#[test]
fn engines_answer_as_under_vault() {
    let mut both = Both::start();
    for (name, body) in [
        ("a", json!({"value": "x", "html": "<&>\u{2028}"})),
        ("a", json!({"value": [1, 2.5, null, true, {"deep": {}}]})),
        ("deep/er/k", json!({"big": 1})),
        ("ünï/ço de", json!({"a": "ö"})),
    ] {
        let path = format!("p/kv/{name}").replace(' ', "%20");
        both.post(&path, &body);
        both.get(&path);
        both.same("HEAD", &path, &[], "");
    }
    both.same(
        "PUT",
        "p/kv/n",
        &[],
        r#"{"n": 9007199254740993, "f": 1.50, "e": 1e21, "s": 1e-7, "z": 0.0}"#,
    );
    both.get("p/kv/n");
    for path in [
        "p/kv/missing",
        "p/kv/",
        "p/kv",
        "p/",
        "p",
        "p/nowhere/x",
        "nowhere/x",
        "p/echo/x",
        "p/kv/a%2e%2e/b",
        "p//kv/a",
        "p/kv/../kv/a",
    ] {
        both.get(path);
        both.same("LIST", path, &[], "");
        both.same("DELETE", path, &[], "");
        both.same("POST", path, &[], r#"{"a":1}"#);
        both.same("GET", &format!("{path}?list=true"), &[], "");
    }
    both.get("p/echo/x?a=1&b=2&b=3&c=&list=false");
    both.get("p/echo/x?list=nonsense");
    both.same("DELETE", "p/echo/x?a=1", &[], "");
    both.same("LIST", "p/echo/x?after=k&limit=3", &[], "");
    both.same("POST", "p/echo/x?a=1", &[], r#"{"b": 12345678901234567890123}"#);
    for exists in ["exists-true", "exists-false", "plain"] {
        both.post(&format!("p/echo/{exists}"), &json!({"a": 1}));
    }
    both.same(
        "PATCH",
        "p/echo/x",
        &[("content-type", "application/merge-patch+json")],
        r#"{"a":null}"#,
    );
    both.same(
        "PATCH",
        "p/echo/x",
        &[("content-type", "application/json")],
        r#"{"a":null}"#,
    );
    both.same(
        "PATCH",
        "p/echo/x",
        &[("content-type", "application/merge-patch+json")],
        "[]",
    );
    for body in [
        "",
        " ",
        "{",
        "[]",
        "{}",
        "null",
        "x",
        "1",
        "\"a\"",
        "{} {}",
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,}"#,
        r#"{"a"}"#,
        "{x:1}",
        "[1,]",
        r#"{"a":"\ud83d\ude00"}"#,
    ] {
        both.same("POST", "p/echo/x", &[("content-type", "application/json")], body);
        both.same(
            "POST",
            "p/echo/x",
            &[("content-type", "application/x-www-form-urlencoded")],
            body,
        );
    }
    both.same(
        "POST",
        "p/echo/x",
        &[("content-type", "application/x-www-form-urlencoded")],
        "a=b&c=d&c=e%20f",
    );
    for kind in [
        "user",
        "internal",
        "invalid-request",
        "permission-denied",
        "unsupported-path",
        "path-removed",
        "unsupported-operation",
        "missing-state",
        "rate-limited",
        "too-many-leases",
        "upstream",
        "unrecoverable",
        "read-only",
        "relative-path",
        "coded-418",
        "coded-503",
    ] {
        both.get(&format!("p/error/{kind}"));
        both.post(&format!("p/error/{kind}"), &json!({}));
        both.post(&format!("p/exists/{kind}"), &json!({}));
    }
    for method in ["FOO", "OPTIONS"] {
        both.same(method, "p/kv/a", &[], "");
    }
    both.finish(150);
}

#[test]
fn what_an_engine_answers_reaches_the_caller_as_under_vault() {
    let mut both = Both::start();
    for caller in [both.dev.caller.clone(), both.vault.clone()] {
        let tuning = json!({"passthrough_request_headers": "X-In", "allowed_response_headers": ["X-Probe"]});
        caller.write("sys/mounts/p/tune", tuning).ok();
    }
    for asked in [
        json!({"nothing": true}),
        json!({}),
        json!({"data": {}}),
        json!({"data": {"a": 1}, "warnings": ["be careful", "<b>"]}),
        json!({"warnings": ["only this"]}),
        json!({"data": {"error": "no"}}),
        json!({"data": {"error": "no", "data": {"a": 1}}}),
        json!({"data": {"error": "no", "other": 1}}),
        json!({"data": {"keys": []}}),
        json!({"data": {"keys": ["a", "b/"], "key_info": {"a": {}}}}),
        json!({"headers": {"X-Probe": "yes", "X-Other": "no"}, "data": {"a": 1}}),
        json!({"redirect": "http://127.0.0.1/elsewhere"}),
        json!({"wrap": 60, "data": {"a": 1}}),
        json!({"data": {"http_status_code": 418, "http_content_type": "text/plain", "http_raw_body": "dGVh"}}),
        json!({"data": {"http_status_code": 200, "http_content_type": "text/plain", "http_raw_body": "not base64!"}}),
        json!({"data": {"http_status_code": 204}}),
        json!({"data": {"http_status_code": 200}}),
        json!({"data": {"http_status_code": "200", "http_content_type": "text/plain"}}),
        json!({"data": {"http_status_code": 404, "http_content_type": "application/json", "http_raw_body": "{\"a\":1}"}}),
        json!({"data": {"http_status_code": 401, "http_content_type": "a/b", "http_www_authenticate": "Basic", "http_raw_cache_control": "max-age=1"}}),
    ] {
        both.post("p/answer", &asked);
    }
    for asked in [
        json!({"nothing": true}),
        json!({}),
        json!({"data": {}}),
        json!({"warnings": ["only this"]}),
        json!({"data": {"keys": []}}),
        json!({"data": {"keys": []}, "warnings": ["none"]}),
        json!({"data": {"keys": [], "key_info": {}}}),
        json!({"data": {"keys": null}}),
        json!({"data": {"keys": ["a", "b/"]}}),
        json!({"data": {"keys": "a"}}),
        json!({"data": {"keys": ["a", 1]}}),
        json!({"data": {"other": 1}}),
        json!({"data": {"error": "no"}}),
        json!({"data": {"http_status_code": 204}}),
        json!({"data": {"http_status_code": 204, "keys": []}}),
        json!({"redirect": "/v1/elsewhere?a=1&b=<c>"}),
        json!({"redirect": "/v1/elsewhere", "data": {"error": "no"}}),
        json!({"redirect": "/v1/elsewhere", "data": {"keys": ["a"]}}),
        json!({"redirect": "/v1/elsewhere", "data": {"http_status_code": 204}}),
    ] {
        let query = form_urlencoded::byte_serialize(asked.to_string().as_bytes()).collect::<String>();
        for method in ["LIST", "GET", "DELETE"] {
            both.same(method, &format!("p/answer?json={query}"), &[], "");
        }
    }
    both.same("GET", "p/echo/h", &[("x-in", "1"), ("x-not-in", "2")], "");
    both.same("GET", "p/echo/h", &[("x-vault-wrap-ttl", "nonsense")], "");
    both.same("GET", "p/echo/h", &[("x-vault-wrap-ttl", "-5")], "");
    both.same("GET", "p/kv/none", &[("x-vault-wrap-ttl", "5")], "");
    both.same("GET", "p/echo/h", &[("x-vault-wrap-ttl", "0")], "");
    both.same("GET", "p/kv/a?help=1", &[], "");
    both.same("GET", "nowhere?help=1", &[], "");
    // Without a token, with a wrong token, and on paths that need none.
    for token in ["", "wrong"] {
        let callers = [both.dev.caller.with_token(token), both.vault.with_token(token)];
        for path in [
            "p/kv/a",
            "p/open/x",
            "nowhere/x",
            "sys/mounts",
            "auth/token/lookup-self",
            "sys/health",
        ] {
            let answers = callers.each_ref().map(|caller| caller.read(path));
            both.compare(&format!("GET {path} with token {token:?}"), &answers);
        }
    }
    let bearers = [both.dev.caller.clone(), both.vault.clone()];
    let answers = bearers.each_ref().map(|caller| {
        let bearer = format!("Bearer {}", caller.token);
        caller
            .with_token("")
            .send("GET", "p/echo/x", &[("authorization", &bearer)], "")
    });
    both.compare("a bearer token", &answers);
    both.finish(80);
}

#[test]
fn leases_work_as_under_vault() {
    let mut both = Both::start();
    let id = |answers: &[Answer; 2], at: usize| answers[at].body["lease_id"].as_str().unwrap().to_owned();
    let mut of_lease = |path: &str, calls: &[(&str, Value)]| {
        let lent = both.get(path);
        for (call, fields) in calls {
            let callers = [both.dev.caller.clone(), both.vault.clone()];
            let answers = [0, 1].map(|at| {
                let mut fields = fields.clone();
                fields["lease_id"] = json!(id(&lent, at));
                callers[at].send("PUT", &format!("sys/leases/{call}"), &[], &fields.to_string())
            });
            both.compare(&format!("{call} {fields} of {path}"), &answers);
        }
    };
    let none = json!({});
    of_lease(
        "p/lease/a?ttl=3600",
        &[
            ("lookup", none.clone()),
            ("renew", none.clone()),
            ("renew", json!({"increment": "2h"})),
            ("lookup", none.clone()),
            ("revoke", json!({"sync": true})),
            ("lookup", none.clone()),
            ("renew", none.clone()),
        ],
    );
    of_lease(
        "p/lease/b",
        &[
            ("renew", json!({"increment": 99_999_999})),
            ("revoke", json!({"sync": true})),
        ],
    );
    of_lease("p/lease/c?ttl=7200&max_ttl=3600", &[("renew", none.clone())]);
    of_lease(
        "p/lease/d?ttl=60&renewable=no",
        &[("lookup", none.clone()), ("renew", none.clone())],
    );
    both.get("p/counted/revoked");
    both.same("LIST", "sys/leases/lookup/p/lease", &[], "");
    both.same("LIST", "sys/leases/lookup/p", &[], "");
    both.same("LIST", "sys/leases/lookup/nowhere", &[], "");
    both.post("sys/leases/revoke-prefix/p/lease", &json!({"sync": true}));
    both.same("LIST", "sys/leases/lookup/p", &[], "");
    both.get("p/counted/revoked");
    for call in ["lookup", "renew", "revoke"] {
        both.post(&format!("sys/leases/{call}"), &json!({}));
        both.post(
            &format!("sys/leases/{call}"),
            &json!({"lease_id": "p/lease/none"}),
        );
    }
    both.get("sys/leases");
    both.get("sys/leases/lookup/p");
    both.finish(30);
}

#[test]
fn mounts_work_as_under_vault() {
    let mut both = Both::start();
    for (path, body) in [
        (
            "q",
            json!({"type": "probe", "description": "d <&>", "config": {"default_lease_ttl": "1h", "max_lease_ttl": 7200, "listing_visibility": "unauth", "passthrough_request_headers": "X-A,X-B", "audit_non_hmac_request_keys": ["a"]}, "options": {"a": "b"}, "local": true, "seal_wrap": true}),
        ),
        ("q", json!({"type": "probe"})),
        ("q/below", json!({"type": "probe"})),
        ("r", json!({"type": "nope"})),
        ("r", json!({})),
        ("sys/r", json!({"type": "probe"})),
        ("r", json!({"type": "probe", "options": {"version": "2"}})),
        (
            "r",
            json!({"type": "probe", "config": {"default_lease_ttl": "2h", "max_lease_ttl": "1h"}}),
        ),
        (
            "r",
            json!({"type": "probe", "config": {"default_lease_ttl": "abc"}}),
        ),
        (
            "r",
            json!({"type": "probe", "config": {"listing_visibility": "odd"}}),
        ),
        ("deep/er", json!({"type": "probe"})),
    ] {
        both.post(&format!("sys/mounts/{path}"), &body);
    }
    for path in ["q", "q/", "deep/er", "nope", "cubbyhole"] {
        both.get(&format!("sys/mounts/{path}"));
        both.get(&format!("sys/internal/ui/mounts/{path}"));
    }
    for path in ["q", "deep/er", "nope"] {
        both.get(&format!("sys/mounts/{path}/tune"));
    }
    both.get("q/config");
    for body in [
        json!({"description": "new", "default_lease_ttl": "system", "max_lease_ttl": "5h", "options": {"c": "d"}}),
        json!({"options": {"a": ""}}),
        json!({"default_lease_ttl": "20h"}),
        json!({"default_lease_ttl": "x"}),
        json!({"listing_visibility": "odd"}),
        json!({"options": {"version": "7"}}),
        json!({"options": {"version": "x"}}),
        json!({"options": {"version": "2"}}),
        json!({"options": {"version": "1"}}),
        json!({"passthrough_request_headers": []}),
    ] {
        both.post("sys/mounts/q/tune", &body);
        both.get("sys/mounts/q/tune");
    }
    both.get("q/config");
    both.post("sys/mounts/nope/tune", &json!({"description": "x"}));
    both.post("q/kv/a", &json!({"value": 1}));
    for path in ["q", "q", "nope", "sys"] {
        both.same("DELETE", &format!("sys/mounts/{path}"), &[], "");
    }
    both.get("q/kv/a");
    both.post("sys/mounts/q", &json!({"type": "probe"}));
    both.get("q/kv/a");
    for path in [
        "sys/internal/ui/mounts/nope/x",
        "sys/nope",
        "sys/init",
        "sys/leader",
        "sys/internal/ui/namespaces",
        "sys/internal/ui/resultant-acl",
        "auth/token/lookup-self",
        "sys/plugins/catalog/secret/nope",
    ] {
        both.get(path);
    }
    both.post("sys/capabilities-self", &json!({"paths": ["q/a", "nope"]}));
    both.post("sys/capabilities-self", &json!({"path": "q/a"}));
    both.post("sys/capabilities-self", &json!({}));
    both.post("sys/capabilities", &json!({"token": "x", "paths": ["a"]}));
    both.post("auth/token/renew-self", &json!({}));
    both.post("auth/token/lookup", &json!({"token": "nope"}));
    both.same("PUT", "sys/plugins/reload/backend", &[], r#"{"plugin":"probe"}"#);
    both.same(
        "PUT",
        "sys/plugins/reload/backend",
        &[],
        r#"{"mounts":["nope/"]}"#,
    );
    both.same("PUT", "sys/plugins/reload/backend", &[], "{}");
    both.finish(60);
}

#[test]
fn wrapping_works_as_under_vault() {
    let mut both = Both::start();
    both.post("p/kv/a", &json!({"value": "wrapped"}));
    let token = |answers: &[Answer; 2], at: usize| {
        answers[at].body["wrap_info"]["token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let ttl = [("x-vault-wrap-ttl", "60s")];
    let wrapped = both.same("GET", "p/kv/a", &ttl, "");
    let mut with = |what: &str, wrapped: &[Answer; 2]| {
        let callers = [both.dev.caller.clone(), both.vault.clone()];
        let answers = [0, 1].map(|at| {
            let body = json!({"token": token(wrapped, at)});
            callers[at].send("PUT", &format!("sys/wrapping/{what}"), &[], &body.to_string())
        });
        both.compare(what, &answers);
        answers
    };
    with("lookup", &wrapped);
    let again = with("rewrap", &wrapped);
    with("unwrap", &wrapped);
    with("unwrap", &again);
    with("unwrap", &again);
    with("lookup", &again);
    let wrapped = both.same("POST", "sys/wrapping/wrap", &ttl, r#"{"a": 1, "b": "x"}"#);
    let callers = [both.dev.caller.clone(), both.vault.clone()];
    let answers = [0, 1].map(|at| {
        callers[at]
            .with_token(&token(&wrapped, at))
            .send("POST", "sys/wrapping/unwrap", &[], "")
    });
    both.compare("unwrap with the token itself", &answers);
    both.post("sys/wrapping/wrap", &json!({"a": 1}));
    both.post("sys/wrapping/unwrap", &json!({"token": "nope"}));
    both.same("LIST", "p/kv", &ttl, "");
    both.same("LIST", "p/kv/none", &ttl, "");
    both.same(
        "POST",
        "p/answer",
        &[("x-vault-wrap-ttl", "1h")],
        r#"{"wrap": 60, "data": {"a": 1}}"#,
    );
    both.finish(14);
}
