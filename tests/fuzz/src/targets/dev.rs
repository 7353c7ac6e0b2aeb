//! HTTP requests to `airlock dev`, after hyper has read them.

use airlock_dev_server::fuzz::call;
use airlock_logical::json::{Flaw, check_object};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri};
use vault_plugin::Operation;

use super::json::WORDS;
use crate::{Input, Target};

/// The method, the path with its query, headers, and the body.
pub const CALLS: Target = Target {
    name: "dev_calls",
    run: calls,
    longest: 4096,
    mutations: 360_000,
    words: &[
        "/v1/",
        "/v1/kv/a",
        "//",
        "/../",
        "/./",
        "%2e%2e",
        "%2F",
        "%00",
        "%",
        "%zz",
        "?list=true",
        "?help=1",
        "?a=1&a=2",
        "%ff",
        "localhost",
        "127.0.0.1:8200",
        "[::1]",
        "localhost.evil.example",
        "1h",
        "-1h",
        "application/merge-patch+json",
        "application/x-www-form-urlencoded",
        "a=1&b=%20",
        "{\"a\":1}",
        "\\ud800",
        WORDS[17],
        "é",
        "\n",
        "+",
    ],
    reshape: None,
};

const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "LIST", "HEAD", "OPTIONS", "HELP", "CONNECT",
];

const HEADERS: [&str; 5] = [
    "host",
    "x-vault-token",
    "authorization",
    "x-vault-wrap-ttl",
    "content-type",
];

fn calls(input: &[u8]) -> bool {
    let mut input = Input(input);
    let method = Method::from_bytes(METHODS[input.below(METHODS.len())].as_bytes()).unwrap();
    let Ok(uri) = Uri::try_from(input.bytes()) else {
        return false;
    };
    let mut request = Request::builder().method(method).uri(uri);
    let set = input.byte();
    for (at, name) in HEADERS.iter().enumerate() {
        if set >> at & 1 == 1
            && let Ok(value) = HeaderValue::from_bytes(input.bytes())
        {
            request = request.header(*name, value);
        }
    }
    if set & 1 == 0 {
        request = request.header("host", "localhost");
    }
    let body = Bytes::copy_from_slice(input.rest());
    let call = match call(request.body(body.clone()).unwrap()) {
        Ok(call) => call,
        Err((307, clean)) => {
            assert!(
                clean.starts_with('/') && !clean.split('/').any(|segment| segment == ".." || segment == ".")
            );
            assert!(!clean.contains("//"), "{clean:?} is not clean");
            return false;
        }
        Err((status, _)) => {
            assert!((400..=500).contains(&status));
            return false;
        }
    };
    assert!(!call.path.chars().any(char::is_control));
    assert!(call.operation != Operation::List || call.path.ends_with('/'));
    assert!(call.wrap_ttl.is_none_or(|ttl| ttl.as_nanos() <= i64::MAX as u128));
    if let Some(data) = &call.data {
        match check_object(data.as_str()) {
            // Vault passes on numbers of any size.
            Ok(()) | Err(Flaw::Number) => {}
            Err(flaw) => panic!("the engine gets what is not an object: {flaw}"),
        }
        if !data.as_str().contains("$serde") {
            let decoded = data.decode::<serde_json::Map<String, serde_json::Value>>();
            let is_deep = data.as_str().matches(['{', '[']).count() > 126;
            assert!(decoded.is_ok() || is_deep, "the engine cannot decode its data");
        }
    }
    true
}
