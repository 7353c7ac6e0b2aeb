//! Tests the clock that `--clock` freezes and moves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_tests::{DevServer, files, run, vault};
use serde_json::json;

const HOUR: u64 = 3600;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn start(clock: &str) -> DevServer {
    let mount = format!("--mount=adversary={}", files::guest("adversary").display());
    DevServer::start([mount, format!("--clock={clock}")])
}

/// Returns the time that the guest sees.
fn guests_now(server: &DevServer) -> u64 {
    let answer = server.mount("adversary").read("now").expect_success("now");
    answer.data()["seconds"].as_u64().unwrap()
}

#[test]
fn a_frozen_clock_stands_for_guests_and_server_until_it_is_moved() {
    let before = now();
    let server = start("frozen+90d");
    let after = now();
    let frozen = guests_now(&server);
    let ahead = 90 * 24 * HOUR;
    assert!((before + ahead..=after + ahead).contains(&frozen), "{frozen}");
    server
        .terminal()
        .wait_for("that it is frozen", |line| line.text.contains("clock     frozen"));

    // Real time passes outside of the server.
    while now() <= after + 1 {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(guests_now(&server), frozen);
    let health = server.client().read("sys/health");
    assert_eq!(health.body["server_time_utc"], frozen);

    let moved = vault(
        server.client(),
        ["write", "-format=json", "sys/clock", "advance=1h"],
    );
    assert!(
        moved
            .expect_success("advance")
            .stdout
            .contains("\"frozen\": true")
    );
    assert_eq!(guests_now(&server), frozen + HOUR);
    let running = vault(
        server.client(),
        ["write", "-format=json", "sys/clock", "frozen=false"],
    );
    assert!(running.expect_success("run").stdout.contains("\"frozen\": false"));
    while guests_now(&server) == frozen + HOUR {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_running_clock_can_be_ahead_and_wrapped_answers_end_by_it() {
    let server = start("+8h");
    assert!(guests_now(&server) >= now() + 8 * HOUR - 1);
    let wrap = || {
        let wrapped = run(std::process::Command::new(files::vault())
            .args(["read", "-wrap-ttl=10m", "-field=wrapping_token", "adversary/ok"])
            .env("VAULT_ADDR", server.client().address())
            .env("VAULT_TOKEN", server.client().token()));
        wrapped.expect_success("wrap").stdout.trim().to_owned()
    };
    let unwrap = |token: &str| {
        server
            .client()
            .write("sys/wrapping/unwrap", json!({ "token": token }))
    };
    let (early, late) = (wrap(), wrap());
    unwrap(&early).expect_success("unwrap in time");
    server
        .client()
        .write("sys/clock", json!({ "advance": "10m" }))
        .expect_success("advance");
    assert_eq!(unwrap(&late).status, 400);
}
