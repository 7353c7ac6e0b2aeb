//! Requests that no ordinary client sends.

use airlock_tests::{Brand, skipped_on};
use serde_json::json;

use super::Both;

const JSON: &[&str] = &["Content-Type: application/json"];

#[test]
fn bodies_that_are_no_json_or_too_much_of_it_are_refused_the_same() {
    if skipped_on(Brand::OpenBao, super::ONLY_ON_VAULT) {
        return;
    }
    let mut both = Both::start("beside-bodies");
    let deep = format!("{}1{}", "{\"a\":".repeat(301), "}".repeat(301));
    let wide = format!("{{\"value\":[{}1]}}", "1,".repeat(10_001));
    let long = format!("{{\"value\":\"{}\"}}", "x".repeat((1 << 20) + 1));
    let escaped = format!("{{\"value\":\"{}\"}}", "\\n".repeat(600_000));
    let bodies: [&[u8]; 61] = [
        b"{",
        b"[]",
        b"[1]",
        b"{}",
        b"null",
        b"1",
        b"-",
        b"nul",
        b"true x",
        b"\"a",
        b"\"a\\q\"",
        b"x",
        b"'",
        b"\x80",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"\x00{}",
        br#"{"value":1}"#,
        br#"{"value":null}"#,
        br#"{"value":{"a":[1,2.50,1E5,-0,12345678901234567890]}}"#,
        br#"{"value":"a","value":"b"}"#,
        br#"{"Value":"a"}"#,
        br#"{"value":true} trailing"#,
        br#"{"value":"a"}{"value":"b"}"#,
        br#"{"value":"a",}"#,
        br#"{"value" 1}"#,
        br#"{"value":1 "b":2}"#,
        br#"{"value"::1}"#,
        b"{,}",
        b"{1:2}",
        b"[1 2]",
        b"[,1]",
        b"[1,,2]",
        b"[1}",
        b"]",
        b"{\"value\":\"\x01\"}",
        b"{\"value\":\"\n\"}",
        b"{\"value\":\"\xff\"}",
        br#"{"value":"\x"}"#,
        br#"{"value":"\u12"}"#,
        br#"{"value":"\ud800"}"#,
        br#"{"value":"\ud800x"}"#,
        br#"{"value":"\ud83d\ude00"}"#,
        br#"{"value":"\u0000"}"#,
        br#"{"value":1e400}"#,
        br#"{"value":01}"#,
        br#"{"value":-01}"#,
        br#"{"value":1.}"#,
        br#"{"value":.1}"#,
        br#"{"value":1e}"#,
        br#"{"value":1x}"#,
        br#"{"value":tru}"#,
        br#"{"value":NaN}"#,
        br#"{"value":1,"\u0076alue":2}"#,
        br#"{"value":/* */1}"#,
        b"//\n{}",
        b" \t\r\n",
        deep.as_bytes(),
        wide.as_bytes(),
        long.as_bytes(),
        escaped.as_bytes(),
    ];
    for body in bodies {
        both.request("POST", "/v1/demo/b", JSON, body);
        both.request("GET", "/v1/demo/b", &[], b"");
    }
    for media_type in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data; boundary=x",
        "odd",
    ] {
        let header = format!("Content-Type: {media_type}");
        for body in [
            &b"value=x&value=y"[..],
            br#"{"value":"j"}"#,
            b"%zz",
            b"=",
            b"&&",
            b"value",
        ] {
            both.request("POST", "/v1/demo/f", &[&header], body);
        }
        both.request("PATCH", "/v1/users/users/ann", &[&header], br#"{"email":"a@b"}"#);
    }
    both.request(
        "PATCH",
        "/v1/users/users/ann",
        &["Content-Type:"],
        br#"{"email":"a@b"}"#,
    );
    let merge = ["Content-Type: application/merge-patch+json; charset=utf-8"];
    both.request("PATCH", "/v1/users/users/ann", &merge, br#"{"email":"a@b"}"#);
    for method in ["GET", "DELETE", "LIST"] {
        both.request(method, "/v1/demo/f", JSON, b"a body that nobody asked for");
    }
    both.finish(150);
}

#[test]
fn methods_paths_tokens_and_headers_that_are_odd_are_answered_the_same() {
    if skipped_on(Brand::OpenBao, super::ONLY_ON_VAULT) {
        return;
    }
    let mut both = Both::start("beside-odd");
    both.request("POST", "/v1/demo/b", JSON, br#"{"value":"v"}"#);
    for method in [
        "GET", "HEAD", "PUT", "LIST", "SCAN", "OPTIONS", "FOO", "get", "DELETE",
    ] {
        for path in [
            "/v1/demo/b",
            "/v1/demo/b/",
            "/v1/demo/",
            "/v1/demo",
            "/v1/nowhere/x",
            "/v1/users/users",
        ] {
            both.request(method, path, &[], b"");
        }
    }
    for path in [
        "a%2Fb",
        "%2e%2e/x",
        "a//b",
        "a/./b",
        "a/../b",
        "../a",
        "a/..",
        "a/.",
        "%C3%BC",
        "a%20b",
        "a+b",
        "a;b",
        "a%23b",
        "a%3Fb",
        "a:b",
        "a@b",
        "*",
        "~",
        "a%",
        "a%zz",
        "%5c",
        "|",
        "a/",
        "a//",
        "//a",
        "a%20",
        "%20",
        "a?list=true",
        "a?list=1",
        "a?list=odd",
        "a?help=1",
        "a?help=",
        "a?version=1",
        "a?a=1&a=2",
        "config",
        "data/a",
    ] {
        for method in ["GET", "POST", "LIST", "DELETE", "HEAD"] {
            let body: &[u8] = if method == "POST" {
                br#"{"value":"v"}"#
            } else {
                b""
            };
            both.request(
                method,
                &format!("/v1/demo/{path}"),
                if body.is_empty() { &[] } else { JSON },
                body,
            );
        }
    }
    for token in ["", "wrong", "r\u{f6}", "hvs.x", "a/b", "b.AAAA"] {
        let header = match token {
            "" => "X-Vault-Token;".to_owned(), // in curl's notation, a header without a value
            token => format!("X-Vault-Token: {token}"),
        };
        for path in [
            "/v1/demo/b",
            "/v1/sys/mounts",
            "/v1/nowhere/x",
            "/v1/auth/token/lookup-self",
            "/v1/sys/internal/ui/mounts",
        ] {
            both.request("GET", path, &[&header], b"");
        }
    }
    for namespace in ["other", "other/", "root", "a/b"] {
        let header = format!("X-Vault-Namespace: {namespace}");
        both.request("GET", "/v1/demo/b", &[&header], b"");
        both.request("POST", "/v1/demo/b", &[&header, JSON[0]], br#"{"value":"v"}"#);
    }
    for ttl in [
        "60",
        "1h30m",
        "+60s",
        "-1",
        "0",
        "x",
        "1y",
        "0.5",
        "1e3",
        "999999999999999999999",
    ] {
        let header = format!("X-Vault-Wrap-TTL: {ttl}");
        for (method, path) in [
            ("GET", "/v1/demo/b"),
            ("LIST", "/v1/demo/"),
            ("GET", "/v1/demo/none"),
        ] {
            both.request(method, path, &[&header], b"");
        }
    }
    for tuning in [
        json!({"max_lease_ttl": "9999999999999h"}),
        json!({"default_lease_ttl": "18446744073709551615"}),
        json!({"options": {"a": null}}),
        json!({"listing_visibility": "unauth"}),
    ] {
        both.request(
            "POST",
            "/v1/sys/mounts/demo/tune",
            JSON,
            tuning.to_string().as_bytes(),
        );
        both.request("GET", "/v1/sys/mounts/demo/tune", &[], b"");
    }
    both.request("GET", "/v1/sys/internal/ui/mounts", &["X-Vault-Token;"], b"");
    both.finish(300);
}
