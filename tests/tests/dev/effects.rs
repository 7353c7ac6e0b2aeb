//! Tests that the page shows of each request what that request did, and of no other.

use std::process::Command;
use std::thread;

use airlock_tests::{DevServer, files, run};
use serde_json::{Value, json};

fn ask(server: &DevServer, question: &str) -> Value {
    let mut curl = Command::new("curl");
    curl.arg("-s")
        .args(["-H", &format!("X-Vault-Token: {}", server.client().token())])
        .arg(format!("{}/ui/api/{question}", server.client().address()));
    serde_json::from_str(&run(&mut curl).expect_success(question).stdout).unwrap()
}

/// The large values are written in another task and by another thread than the small ones.
#[test]
fn requests_at_the_same_time_each_have_their_own_changes() {
    const EACH: usize = 20;
    let server = DevServer::start([format!("--mount=demo={}", files::guest("kv").display())]);
    thread::scope(|scope| {
        for (writer, length) in [("a", 10), ("b", 20), ("c", 900_000)] {
            let demo = server.mount("demo");
            scope.spawn(move || {
                for number in 0..EACH {
                    let value = json!({ "value": "x".repeat(length) });
                    demo.write(&format!("{writer}{number}"), value)
                        .expect_success("write");
                }
            });
        }
    });
    let requests = ask(&server, "requests?after=0");
    let requests = requests["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 3 * EACH);
    for request in requests {
        let effects = ask(&server, &format!("effects?number={}", request["number"]));
        let changed = effects["changed"].as_array().unwrap();
        let [change] = &changed[..] else {
            panic!("{} changes of {request}", changed.len());
        };
        let key = request["path"].as_str().unwrap().replace("demo/", "demo/kv/");
        assert_eq!((&change["key"], &change["kind"]), (&json!(key), &json!("added")));
    }
}
