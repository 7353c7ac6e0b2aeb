//! Every request is a transaction: under load, beside other requests, and while processes die.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use airlock_tests::{End, Load, Mount, Plugin, Server, Storage, files};
use serde_json::{Value, json};

/// For the tests in which nothing dies.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("transactions", Storage::Memory);
    bank().register(&server);
    server
});

/// Settings of the bank may be cached; a purge may list for as long as it likes.
fn bank() -> Plugin {
    Plugin::serving("bank", &files::guest("bank")).args([
        "--cache=settings/",
        "--storage-ops=1000000",
        "--transfer-mib=4096",
        "--cpu-ms=30000",
    ])
}

fn count(bank: &Mount) -> u64 {
    bank.read("count").expect_success("count").data()["count"]
        .as_u64()
        .unwrap()
}

/// One request, however it ends. A caller who hears nothing has met a hang.
fn send(bank: &Mount, method: &str, path: &str, body: &Value) -> End {
    match bank.client().try_request(method, &bank.path(path), Some(body)) {
        Ok(answer) => End::of(&answer),
        Err(error) => End::Wrong(error.to_string()),
    }
}

#[test]
fn of_sixty_four_writers_on_one_counter_none_loses_an_update() {
    let bank = SERVER.mount("counter", "bank");
    bank.write("count", json!({})).expect_success("the first count");
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..5 {
                    bank.write("count", json!({})).expect_success("count");
                }
            });
        }
    });
    assert_eq!(count(&bank), 1 + 64 * 5);
}

/// Writers count up while something happens to their host, again and again. Then nothing happens, and the count is exact.
fn count_up_while(server: &Server, bank: &Mount, times: u32, happens: impl Fn()) {
    let load = Load::default();
    bank.write("count", json!({})).expect_success("the first count");
    let mut in_flight = 0;
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| load.call(|| send(bank, "PUT", "count", &json!({}))));
        }
        for _ in 0..times {
            load.wait_for(100);
            let more = load.in_flight_during(&happens);
            assert!(more > 0, "nothing was disturbed");
            in_flight += more;
        }
        load.wait_for(100);
        load.stop();
    });
    let (acknowledged, counted) = (load.acknowledged(), count(bank) - 1);
    assert!(
        (acknowledged..=acknowledged + in_flight).contains(&counted),
        "{acknowledged} were acknowledged and {in_flight} in flight; counted were {counted}"
    );

    let (undisturbed, host) = (Load::default(), server.host());
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| undisturbed.call(|| send(bank, "PUT", "count", &json!({}))));
        }
        undisturbed.wait_for(200);
        undisturbed.stop();
    });
    assert_eq!(count(bank) - 1, counted + undisturbed.acknowledged());
    assert_eq!(server.host(), host);
}

#[test]
fn while_the_host_is_killed_again_and_again_nothing_acknowledged_is_lost_and_nothing_else_counted() {
    let server = Server::start("count-killed", Storage::Memory);
    bank().register(&server);
    let bank = server.mount("bank", "bank");
    count_up_while(&server, &bank, 6, || server.kill_host());
}

#[test]
fn while_a_sibling_is_reloaded_again_and_again_nothing_acknowledged_is_lost_and_nothing_else_counted() {
    let server = Server::start("count-reloaded", Storage::Memory);
    bank().register(&server);
    let bank = server.mount("bank", "bank");
    server.mount("sibling", "bank");
    count_up_while(&server, &bank, 4, || server.reload("sibling"));
}

const ACCOUNTS: u64 = 6;
const EACH: u64 = 5;

/// What an auditor sees: all the money, or no answer.
fn audit(bank: &Mount) -> End {
    match bank.client().try_request("GET", &bank.path("total"), None) {
        Ok(answer) if answer.status == 200 && answer.data()["total"] != ACCOUNTS * EACH => {
            End::Wrong(format!("made or lost: {answer:?}"))
        }
        // An account that was listed and then was not there: half of a transfer was seen.
        Ok(answer) if answer.errors().contains("listed") => End::Wrong(format!("{answer:?}")),
        Ok(answer) => End::of(&answer),
        Err(error) => End::Wrong(error.to_string()),
    }
}

#[test]
fn while_the_host_is_killed_again_and_again_no_transfer_is_done_by_half_or_seen_by_half() {
    let server = Server::start("bank", Storage::Memory);
    bank().register(&server);
    let bank = server.mount("bank", "bank");
    bank.write("limit", json!({"amount": 2 * EACH}))
        .expect_success("limit");
    for account in 0..ACCOUNTS {
        let path = format!("accounts/a{account}");
        bank.write(&path, json!({"balance": EACH})).expect_success("open");
    }
    let transfer = |from: u64, amount: u64| {
        let (from, to) = (from % ACCOUNTS, (from + 1) % ACCOUNTS);
        let body = json!({"from": format!("a{from}"), "to": format!("a{to}"), "amount": amount});
        match bank
            .client()
            .try_request("PUT", &bank.path("transfer"), Some(&body))
        {
            Ok(answer) if answer.errors().contains("not enough") => End::Failed,
            Ok(answer) => End::of(&answer),
            Err(error) => End::Wrong(error.to_string()),
        }
    };
    let (transfers, audits) = (Load::default(), Load::default());
    thread::scope(|scope| {
        for caller in 0..8 {
            let (transfers, transfer) = (&transfers, &transfer);
            scope.spawn(move || {
                let mut turn = caller;
                transfers.call(|| {
                    turn += 1;
                    transfer(turn, 1 + turn % EACH)
                });
            });
        }
        for _ in 0..2 {
            scope.spawn(|| audits.call(|| audit(&bank)));
        }
        for _ in 0..8 {
            transfers.wait_for(40);
            server.kill_host();
        }
        transfers.wait_for(40);
        audits.wait_for(5);
        transfers.stop();
        audits.stop();
    });
    assert!(transfers.acknowledged() > 0 && audits.acknowledged() > 0);
    assert!(matches!(audit(&bank), End::Acknowledged), "{:?}", audit(&bank));
}

#[test]
fn a_request_that_lists_and_purges_without_end_holds_up_no_writer_for_longer_than_its_turn() {
    let bank = SERVER.mount("purge", "bank");
    bank.write("count", json!({})).expect_success("the first count");
    let (purges, turns) = (Load::default(), AtomicU64::new(0));
    let mut waited = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            purges.call(|| {
                let answer = bank.write("purge", json!({}));
                turns.fetch_add(1, Ordering::SeqCst);
                if answer.errors().contains("this request held the commit lock") {
                    End::Acknowledged
                } else {
                    End::Wrong(format!("{answer:?}"))
                }
            });
        });
        // A write has to wait for the turn that it meets, and for no other, although the next purge is there at once.
        for _ in 0..4 {
            let before = turns.load(Ordering::SeqCst);
            let answer = bank.write("count", json!({}));
            waited.push((turns.load(Ordering::SeqCst) - before, answer.status));
        }
        purges.stop();
    });
    assert!(purges.acknowledged() >= 2, "no write met a purge");
    assert!(
        waited.iter().all(|(turns, status)| *turns <= 2 && *status == 200),
        "{waited:?}"
    );
    assert_eq!(count(&bank), 1 + waited.len() as u64);
}

#[test]
fn a_token_that_may_only_create_never_overwrites_what_another_created_a_moment_before() {
    let bank = SERVER.mount("create", "bank");
    let client = bank.client();
    let policy = r#"path "create/accounts/*" { capabilities = ["create"] }"#;
    client
        .write("sys/policies/acl/may-create", json!({"policy": policy}))
        .expect_success("policy");
    let token = client
        .write("auth/token/create", json!({"policies": ["may-create"]}))
        .expect_success("token");
    let creator = bank.with_token(token.body["auth"]["client_token"].as_str().unwrap());

    let mut raced = 0;
    for round in 0..40 {
        let account = format!("accounts/a{round}");
        // All at once: the root token, whose money this is, and others who may only create.
        let (root, others) = thread::scope(|scope| {
            let others: Vec<_> = (0..6)
                .map(|other| {
                    let (creator, account) = (&creator, &account);
                    scope.spawn(move || creator.write(account, json!({"balance": 100 + other})).status)
                })
                .collect();
            let root = bank.write(&account, json!({"balance": 7})).status;
            (
                root,
                others
                    .into_iter()
                    .map(|other| other.join().unwrap())
                    .collect::<Vec<_>>(),
            )
        });
        let told = || format!("root was told {root}, the others {others:?}");
        let created = others.iter().filter(|status| **status == 204).count();
        // 403: there was something already, so it would have been an update. 412: there was nothing, and then there was.
        assert!(
            others.iter().all(|status| [204, 403, 412].contains(status)),
            "{}",
            told()
        );
        assert!([204, 412].contains(&root) && created <= 1, "{}", told());
        assert!(root == 204 || created == 1, "{}", told());
        let balance = bank.read(&account).data()["balance"].as_u64().unwrap();
        assert_eq!(balance == 7, root == 204, "{balance} is there; {}", told());
        raced += u32::from(others.contains(&412) || root == 412);
    }
    assert!(raced > 0, "nobody was a moment too late, so nothing is proved");
}
