//! Tests the features that only this server has: its clock, its store, replaced engines, its page and its refusals.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use airlock_dev_server::{Clock, DevServer, Error, Observer, RequestRecord, Settings, Store, Unobserved};
use common::{Dev, Probes, TOKEN};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

/// An observer that passes on what it receives.
struct Told {
    requests: Mutex<Sender<RequestRecord>>,
    trouble: Mutex<Sender<String>>,
}

impl Observer for Told {
    fn request(&self, record: &RequestRecord) {
        let _ = self.requests.lock().unwrap().send(record.clone());
    }
    fn trouble(&self, line: &str) {
        let _ = self.trouble.lock().unwrap().send(line.to_owned());
    }
}

fn told() -> (Box<Told>, Receiver<RequestRecord>, Receiver<String>) {
    let ((requests, seen), (trouble, heard)) = (channel(), channel());
    (
        Box::new(Told {
            requests: Mutex::new(requests),
            trouble: Mutex::new(trouble),
        }),
        seen,
        heard,
    )
}

/// Repeats the request until the answer is the expected one, because work beside the requests has no end to wait for.
#[track_caller]
fn until(dev: &Dev, path: &str, count: u64) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let seen = dev.caller.read(path).ok().data()["count"].as_u64().unwrap();
        if seen == count {
            return;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{path} is {seen}, not {count}"
        );
        std::thread::yield_now();
    }
}

fn settings(listen: &str, token: &str) -> Settings {
    Settings {
        listen: listen.parse().unwrap(),
        token: token.to_owned(),
        store: Store::memory().unwrap(),
        clock: Clock::running(),
        observer: Box::new(Unobserved),
        factory: Box::new(Probes),
    }
}

#[test]
fn it_listens_on_loopback_only_with_a_token_and_where_there_is_room() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = |settings| runtime.block_on(DevServer::start(settings));
    let error = start(settings("0.0.0.0:0", TOKEN)).unwrap_err();
    assert!(matches!(error, Error::NotLoopback(_)), "{error}");
    assert!(matches!(
        start(settings("127.0.0.1:0", "")).unwrap_err(),
        Error::BadToken
    ));
    let server = start(settings("[::1]:0", TOKEN))
        .or_else(|_| start(settings("127.0.0.1:0", TOKEN)))
        .unwrap();
    let error = start(settings(&server.address().to_string(), TOKEN)).unwrap_err();
    assert!(
        matches!(error, Error::Listen { .. }) && !error.to_string().contains('\n'),
        "{error}"
    );
}

#[test]
fn an_engines_page_is_sandboxed_on_the_origin_of_the_servers_page() {
    let dev = Dev::memory();
    dev.caller.enable("p", "probe");
    let tuning = json!({"allowed_response_headers": ["Content-Security-Policy", "X-Content-Type-Options"]});
    dev.caller.write("sys/mounts/p/tune", tuning).ok();
    let lax = json!({"Content-Security-Policy": "default-src *", "X-Content-Type-Options": "sniff"});
    let page = json!({
        "http_status_code": 200, "http_content_type": "text/html",
        "http_raw_body": "<script>fetch('/ui/api/keys')</script>",
    });
    for asked in [
        json!({"data": page, "headers": lax}),
        json!({"data": {"a": 1}, "headers": lax}),
    ] {
        let answer = dev.caller.write("p/answer", asked).ok();
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{answer:?}");
        let policy = &answer.headers["content-security-policy"];
        assert!(
            policy.contains("default-src 'none'") && policy.ends_with("; sandbox"),
            "{policy}"
        );
    }
}

#[test]
fn a_request_that_names_another_host_is_refused() {
    let dev = Dev::memory();
    for path in ["sys/health", "sys/mounts", "../ui/", "../ui/api/keys?mount=p"] {
        let refused = dev.caller.send("GET", path, &[("Host", "evil.example")], "");
        assert_eq!(refused.status, 421, "{path}: {refused:?}");
        assert!(refused.text.contains("localhost"), "{refused:?}");
    }
    dev.caller
        .send("GET", "sys/health", &[("Host", "localhost:1")], "")
        .ok();
}

#[test]
fn leases_expire_and_engines_tick_by_the_clock() {
    let clock = Clock::frozen(SystemTime::UNIX_EPOCH + 500_000 * HOUR);
    let dev = Dev::start(Store::memory().unwrap(), clock.clone());
    dev.caller.enable("p", "probe");
    let lent = dev.caller.read("p/lease/a?ttl=3600").ok();
    until(&dev, "p/counted/ticks", 0);
    clock.advance(HOUR - Duration::from_secs(1));
    until(&dev, "p/counted/ticks", 1);
    until(&dev, "p/counted/revoked", 0);
    clock.advance(Duration::from_secs(1));
    until(&dev, "p/counted/revoked", 1);
    // The lease goes once the engine has revoked it.
    airlock_tests::eventually("the lease is gone", || {
        let lookup = dev
            .caller
            .write("sys/leases/lookup", json!({ "lease_id": lent.body["lease_id"] }));
        (lookup.status == 400).then_some(())
    });
    clock.advance(Duration::from_secs(60));
    until(&dev, "p/counted/ticks", 2);
    let health = dev.caller.read("sys/health").body;
    assert_eq!(health["server_time_utc"], 500_001 * 3600 + 60);
    assert!(health["development_server"].is_string());
}

#[test]
fn whoever_moves_the_clock_by_the_api_is_answered_when_all_that_fell_due_is_done() {
    let dev = Dev::start(Store::memory().unwrap(), Clock::frozen(SystemTime::now()));
    dev.caller.enable("p", "probe");
    let count = |what: &str| dev.caller.read(&format!("p/counted/{what}")).ok().data()["count"].clone();
    let start = dev.caller.read("sys/clock").ok().data().clone();
    assert_eq!(start["frozen"], true);
    dev.caller.read("p/lease/a?ttl=3600").ok();
    let moved = dev.caller.write("sys/clock", json!({ "advance": "59m" })).ok();
    assert_ne!(moved.data()["now"], start["now"]);
    assert_eq!((count("revoked"), count("ticks")), (json!(0), json!(1)));
    dev.caller.write("sys/clock", json!({ "advance": 60 })).ok();
    assert_eq!((count("revoked"), count("ticks")), (json!(1), json!(2)));

    let running = dev.caller.write("sys/clock", json!({ "frozen": "false" })).ok();
    assert_eq!(running.data()["frozen"], false);
    let frozen = dev.caller.write("sys/clock", json!({ "frozen": true })).ok();
    assert_eq!(frozen.data(), dev.caller.read("sys/clock").data());
    for wrong in [
        json!({}),
        json!({ "frozen": "maybe" }),
        json!({ "advance": "-1h" }),
        json!({ "advance": "soon", "frozen": false }),
    ] {
        assert_eq!(dev.caller.write("sys/clock", wrong).status, 400);
    }
    assert_eq!(dev.caller.read("sys/clock").data(), frozen.data());
    assert_eq!(dev.caller.delete("sys/clock").status, 405);
}

#[test]
fn mounts_secrets_leases_and_wrapped_answers_outlive_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path()).unwrap();
    let dev = Dev::start(open(), Clock::running());
    dev.caller.enable("p", "probe");
    dev.caller.write("p/kv/a", json!({ "value": 1 })).ok();
    let lease = dev.caller.read("p/lease/a?ttl=3600").ok().body["lease_id"].clone();
    let uuid = dev.caller.read("sys/mounts/p").data()["uuid"].clone();
    let wrapped = dev
        .caller
        .send("GET", "p/kv/a", &[("x-vault-wrap-ttl", "1h")], "")
        .body;
    dev.stop();

    let dev = Dev::start(open(), Clock::running());
    assert_eq!(dev.caller.read("sys/mounts/p").data()["uuid"], uuid);
    assert_eq!(dev.caller.read("p/kv/a").data()["value"], 1);
    let unwrapped = dev.caller.write(
        "sys/wrapping/unwrap",
        json!({ "token": wrapped["wrap_info"]["token"] }),
    );
    assert_eq!(unwrapped.data()["value"], 1);
    dev.caller
        .write("sys/leases/revoke", json!({ "lease_id": lease, "sync": true }))
        .ok();
    assert_eq!(dev.caller.read("p/counted/revoked").data()["count"], 1);
    dev.stop();

    let clock = Clock::running();
    clock.advance(HOUR);
    let dev = Dev::start(open(), clock);
    assert_eq!(dev.caller.list("sys/leases/lookup").status, 404);
}

#[test]
fn a_broken_engine_is_said_and_what_was_served_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let start = |observer| Dev::observed(Store::open(directory.path()).unwrap(), Clock::running(), observer);
    let dev = start(told().0);
    let refused = dev.caller.write("sys/mounts/b", json!({ "type": "broken" }));
    assert_eq!(
        (refused.status, &refused.body),
        (400, &json!({ "errors": ["the guest is broken"] }))
    );
    assert_eq!(dev.caller.read("b/x").status, 404);

    // If an engine cannot be replaced, the old one goes on serving.
    dev.caller.enable("p", "probe");
    dev.caller.write("p/kv/a", json!({ "value": 1 })).ok();
    dev.caller
        .write("sys/mounts/p/tune", json!({ "options": { "break": "now" } }))
        .ok();
    let replaced = dev.runtime.block_on(dev.server().replace("probe"));
    assert!(
        replaced.len() == 1 && replaced[0].mount == "p/" && replaced[0].result.is_err(),
        "{replaced:?}"
    );
    assert_eq!(dev.caller.read("p/kv/a").data()["value"], 1);
    dev.stop();

    // If an engine cannot be loaded, the server starts and says so, until the engine is replaced.
    let (observer, _requests, trouble) = told();
    let dev = start(observer);
    assert_eq!(
        trouble.recv_timeout(HOUR / 60).unwrap(),
        "p/ is not served: the guest is broken"
    );
    let refused = dev.caller.read("p/kv/a");
    let why = "the mount p/ is not served: the guest is broken";
    assert_eq!(
        (refused.status, &refused.body),
        (500, &json!({ "errors": [why] }))
    );
    dev.caller
        .write("sys/mounts/p/tune", json!({ "options": { "break": "" } }))
        .ok();
    let replaced = dev.runtime.block_on(dev.server().replace("probe"));
    assert!(replaced[0].result.is_ok(), "{replaced:?}");
    assert_eq!(dev.caller.read("p/kv/a").data()["value"], 1);
}

#[test]
fn each_request_is_told_with_its_cost_and_nothing_of_its_values() {
    let (observer, requests, _trouble) = told();
    let dev = Dev::observed(Store::memory().unwrap(), Clock::running(), observer);
    dev.caller.enable("p", "probe");
    dev.caller.write("p/kv/a", json!({ "value": "hunter2" })).ok();
    assert_eq!(dev.caller.read("p/kv/none?q=hunter2").status, 404);
    let seen: Vec<RequestRecord> = (0..3)
        .map(|_| requests.recv_timeout(HOUR / 60).unwrap())
        .collect();
    let shown: Vec<(&str, &str, u16)> = seen
        .iter()
        .map(|record| (record.operation.as_str(), record.path.as_str(), record.status))
        .collect();
    assert_eq!(
        shown,
        [
            ("update", "sys/mounts/p", 204),
            ("create", "p/kv/a", 200),
            ("read", "p/kv/none", 404)
        ]
    );
    assert_eq!(seen[0].cost, None);
    assert_eq!(seen[1].cost.unwrap().storage_operations(), 1);
    assert!(!format!("{seen:?}").contains("hunter2"));
}

#[test]
fn a_body_of_more_than_32_mib_is_413() {
    let dev = Dev::memory();
    dev.caller.enable("p", "probe");
    let large = format!(r#"{{"a":["{}"]}}"#, vec!["x".repeat(1 << 20); 32].join("\",\""));
    assert_eq!(dev.caller.send("POST", "p/kv/a", &[], &large).status, 413);
    let fits = format!(r#"{{"a":["{}"]}}"#, vec!["x".repeat(1 << 20); 6].join("\",\""));
    assert_eq!(dev.caller.send("POST", "p/kv/a", &[], &fits).status, 200);
    assert_eq!(dev.caller.read("p/kv/a").data()["a"].as_array().unwrap().len(), 6);
}

#[test]
fn many_callers_at_once_are_served() {
    let dev = Dev::memory();
    dev.caller.enable("p", "probe");
    let caller = Arc::new(dev.caller.clone());
    let callers = (0..64).map(|number| {
        let caller = Arc::clone(&caller);
        std::thread::spawn(move || {
            caller
                .write(&format!("p/kv/{number}"), json!({ "value": number }))
                .ok();
            assert_eq!(caller.read(&format!("p/kv/{number}")).data()["value"], number);
        })
    });
    callers
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|caller| caller.join().unwrap());
    assert_eq!(
        dev.caller.list("p/kv").data()["keys"].as_array().unwrap().len(),
        64
    );
}

#[test]
fn the_page_is_served_with_a_strict_policy_and_its_questions_need_the_token() {
    let dev = Dev::memory();
    dev.caller.enable("p", "probe");
    dev.caller.write("p/kv/team/a", json!({ "value": "x" })).ok();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let get = |path: &str, token: &str| {
        let request = agent
            .get(format!("{}/ui/{path}", dev.caller.address))
            .header("X-Vault-Token", token);
        let mut response = request.call().unwrap();
        let policy = response
            .headers()
            .get("content-security-policy")
            .map(|value| value.to_str().unwrap().to_owned());
        (
            response.status().as_u16(),
            policy,
            response.body_mut().read_to_string().unwrap(),
        )
    };
    for file in [
        "",
        "style.css",
        "script.js",
        "routes.js",
        "leases.js",
        "effects.js",
    ] {
        let (status, policy, text) = get(file, "none");
        assert_eq!(status, 200);
        assert!(policy.unwrap().starts_with("default-src 'none'"));
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{file} names another server"
        );
    }
    assert_eq!(get("nothing", "none").0, 404);
    for question in [
        "requests?after=0",
        "effects?number=1",
        "keys?mount=p",
        "value?mount=p&key=kv/team/a",
    ] {
        assert_eq!(get(&format!("api/{question}"), "wrong").0, 403, "{question}");
    }
    let (_, _, requests) = get("api/requests?after=0", TOKEN);
    assert!(requests.contains(r#""path":"p/kv/team/a""#), "{requests}");
    assert_eq!(
        get("api/keys?mount=p&folder=kv/", TOKEN).2.trim(),
        r#"{"keys":["team/"],"more":false}"#
    );
    assert!(get("api/value?mount=p&key=kv/team/a", TOKEN).2.contains("x"));
    assert_eq!(get("api/keys?mount=nowhere", TOKEN).0, 404);
    assert!(requests.contains(r#""frozen":false"#), "{requests}");
}
