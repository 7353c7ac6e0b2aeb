//! Tests what the server tells of a request's effects. It has a process of its own, for the subscriber that this takes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Dev, TOKEN};

#[test]
fn a_request_has_the_effects_that_its_number_finds() {
    tracing::subscriber::set_global_default(airlock_dev_server::subscriber()).unwrap();
    let dev = Dev::memory();
    dev.caller.enable("p", "probe");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let ask = |method: &str, path: &str, body: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}/{path}", dev.caller.address))
            .header("X-Vault-Token", TOKEN)
            .body(body.to_owned());
        let mut response = agent.run(request.unwrap()).unwrap();
        let number = response.headers().get("x-airlock-request").cloned();
        let number = number.map(|number| number.to_str().unwrap().to_owned());
        (number, response.body_mut().read_to_string().unwrap())
    };
    let effects = |number: &str| -> serde_json::Value {
        let (none, text) = ask("GET", &format!("ui/api/effects?number={number}"), "");
        assert_eq!(none, None, "the page's own requests have no number");
        serde_json::from_str(&text).unwrap()
    };
    let mut kinds = Vec::new();
    for (method, body) in [
        ("PUT", r#"{"a":1}"#),
        ("PUT", r#"{"a":2}"#),
        ("GET", ""),
        ("DELETE", ""),
    ] {
        let (number, _) = ask(method, "v1/p/kv/k", body);
        let shown = effects(&number.unwrap());
        assert_eq!(shown["request"]["path"], "p/kv/k");
        for change in shown["changed"].as_array().unwrap() {
            assert_eq!(change["key"], "p/kv/k");
            let text = |which: &str| change[which]["text"].as_str().unwrap_or("-").to_owned();
            kinds.push(format!(
                "{} {} {}",
                change["kind"].as_str().unwrap(),
                text("before"),
                text("after")
            ));
        }
    }
    assert_eq!(
        kinds,
        [
            r#"added - {"a":1}"#,
            r#"changed {"a":1} {"a":2}"#,
            r#"removed {"a":2} -"#
        ]
    );
    assert!(
        effects("1000")["errors"][0]
            .as_str()
            .unwrap()
            .contains("request 1000 is not among")
    );
}
