//! Tests that every request is a transaction: under load, beside other requests, and while processes die.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;

use airlock_tests::{End, Load, Mount, Plugin, Server, Storage, files};
use serde_json::{Value, json};

airlock_tests::on_each_storage!(
    of_sixty_four_writers_on_one_counter_none_loses_an_update,
    while_the_host_is_killed_no_count_is_lost_or_doubled,
    while_a_sibling_is_reloaded_no_count_is_lost_or_doubled,
    while_the_host_is_killed_no_transfer_is_done_by_half,
    a_purge_without_end_holds_up_no_writer_beyond_its_turn,
    a_token_that_may_only_create_never_overwrites,
);

fn start(name: &str, storage: Storage) -> Server {
    let server = Server::start(name, storage);
    bank().register(&server);
    server
}

/// Returns the server of the tests in which nothing dies.
fn shared(storage: Storage) -> &'static Server {
    static IN_MEMORY: LazyLock<Server> = LazyLock::new(|| start("transactions", Storage::Memory));
    static IN_RAFT: LazyLock<Server> = LazyLock::new(|| start("transactions", Storage::Disk));
    match storage {
        Storage::Memory => &IN_MEMORY,
        Storage::Disk => &IN_RAFT,
    }
}

/// Returns the bank plugin. A purge may list as often as it likes.
fn bank() -> Plugin {
    Plugin::serving("bank", &files::guest("bank")).args([
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

/// Sends one request and returns its result. A missing answer means that the request hangs.
fn send(bank: &Mount, method: &str, path: &str, body: &Value) -> End {
    match bank.client().try_request(method, &bank.path(path), Some(body)) {
        Ok(answer) => End::of(&answer),
        Err(error) => End::Wrong(error.to_string()),
    }
}

fn of_sixty_four_writers_on_one_counter_none_loses_an_update(storage: Storage) {
    let bank = shared(storage).mount("counter", "bank");
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

/// Counts up while something happens to the host again and again. Afterwards the count must be exact.
fn count_up_while(server: &Server, bank: &Mount, times: u32, happens: impl Fn()) -> Load {
    let load = Load::default();
    bank.write("count", json!({})).expect_success("the first count");
    let mut in_flight = 0;
    thread::scope(|scope| {
        let _stop = load.stop_when_dropped();
        for _ in 0..16 {
            scope.spawn(|| load.call(|| send(bank, "PUT", "count", &json!({}))));
        }
        load.undisturbed(100);
        for _ in 0..times {
            let more = load.in_flight_during(&happens);
            assert!(more > 0, "nothing was disturbed");
            in_flight += more;
            load.wait_for(1);
            load.undisturbed(100);
        }
    });
    let (acknowledged, counted) = (load.acknowledged(), count(bank) - 1);
    assert!(
        (acknowledged..=acknowledged + in_flight).contains(&counted),
        "{acknowledged} were acknowledged and {in_flight} in flight; counted were {counted}"
    );

    let (undisturbed, host) = (Load::default(), server.host());
    thread::scope(|scope| {
        let _stop = undisturbed.stop_when_dropped();
        for _ in 0..16 {
            scope.spawn(|| undisturbed.call(|| send(bank, "PUT", "count", &json!({}))));
        }
        undisturbed.wait_for(200);
    });
    undisturbed.assert_none_failed();
    assert_eq!(count(bank) - 1, counted + undisturbed.acknowledged());
    assert_eq!(server.host(), host);
    load
}

fn while_the_host_is_killed_no_count_is_lost_or_doubled(storage: Storage) {
    let server = start("count-killed", storage);
    let bank = server.mount("bank", "bank");
    count_up_while(&server, &bank, 6, || server.kill_host());
}

fn while_a_sibling_is_reloaded_no_count_is_lost_or_doubled(storage: Storage) {
    let server = start("count-reloaded", storage);
    let bank = server.mount("bank", "bank");
    server.mount("sibling", "bank");
    // A reload must not fail any request.
    count_up_while(&server, &bank, 4, || server.reload("sibling")).assert_none_failed();
}

const ACCOUNTS: u64 = 6;
const EACH: u64 = 5;

/// Sends an auditor's request, which must see all the money or get no answer.
fn audit(bank: &Mount) -> End {
    match bank.client().try_request("GET", &bank.path("total"), None) {
        Ok(answer) if answer.status == 200 && answer.data()["total"] != ACCOUNTS * EACH => {
            End::Wrong(format!("made or lost: {answer:?}"))
        }
        // An account was listed and then missing, so the auditor saw half of a transfer.
        Ok(answer) if answer.errors().contains("listed") => End::Wrong(format!("{answer:?}")),
        Ok(answer) => End::of(&answer),
        Err(error) => End::Wrong(error.to_string()),
    }
}

/// A transfer that was sent, and whether the host was killed meanwhile.
struct Transfer {
    from: u64,
    to: u64,
    amount: u64,
    id: String,
    end: End,
    disturbed: bool,
}

impl Transfer {
    fn body(&self) -> Value {
        json!({
            "from": format!("a{}", self.from), "to": format!("a{}", self.to), "amount": self.amount, "id": self.id
        })
    }

    fn send(&self, bank: &Mount) -> End {
        match bank
            .client()
            .try_request("PUT", &bank.path("transfer"), Some(&self.body()))
        {
            Ok(answer) if answer.errors().contains("not enough") => End::Refused,
            Ok(answer) => End::of(&answer),
            Err(error) => End::Wrong(error.to_string()),
        }
    }

    /// Returns true if the transfer may have taken effect this many times, given its caller's answer.
    fn may_be_done(&self, times: u64) -> bool {
        match (&self.end, self.disturbed) {
            // Vault may have sent it again after it had taken effect.
            (End::Acknowledged, true) => times >= 1,
            (End::Acknowledged, false) => times == 1,
            (End::Refused, false) => times == 0,
            (End::Refused | End::Failed(_), true) => true,
            (End::Failed(_), false) | (End::Wrong(_), _) => false,
        }
    }
}

/// Compares everything in storage with the result of the transfers that took effect.
fn compare_with_storage(server: &Server, transfers: &[Transfer]) {
    let mut stored: BTreeMap<String, u64> = BTreeMap::new();
    for key in server.stored_keys("bank") {
        assert!(!key.starts_with(".airlock/redo/"), "a record was left: {key}");
        if !key.starts_with(".airlock/") {
            let value = server.stored("bank", &key).unwrap();
            stored.insert(key, value.parse().unwrap());
        }
    }
    let mut balances = [EACH; ACCOUNTS as usize];
    let mut serial = BTreeMap::from([("settings/limit".to_owned(), 2 * EACH)]);
    for transfer in transfers {
        let key = format!("done/{}", transfer.id);
        let times = stored.get(&key).copied().unwrap_or(0);
        let heard = format!("{:?}, disturbed: {}", transfer.end, transfer.disturbed);
        assert!(transfer.may_be_done(times), "{heard}; it was done {times} times");
        if times > 0 {
            serial.insert(key, times);
        }
        // The sum does not depend on the order, so it may wrap below zero on the way; the final balances are right.
        balances[transfer.from as usize] =
            balances[transfer.from as usize].wrapping_sub(times * transfer.amount);
        balances[transfer.to as usize] = balances[transfer.to as usize].wrapping_add(times * transfer.amount);
    }
    for (account, balance) in balances.iter().enumerate().filter(|(_, balance)| **balance > 0) {
        serial.insert(format!("account/a{account}"), *balance);
    }
    assert_eq!(stored, serial);
}

fn while_the_host_is_killed_no_transfer_is_done_by_half(storage: Storage) {
    let server = start("bank", storage);
    let bank = server.mount("bank", "bank");
    bank.write("limit", json!({"amount": 2 * EACH}))
        .expect_success("limit");
    for account in 0..ACCOUNTS {
        let path = format!("accounts/a{account}");
        bank.write(&path, json!({"balance": EACH})).expect_success("open");
    }
    let sent: Mutex<Vec<Transfer>> = Mutex::default();
    // Odd from a kill to the first answer after it.
    let epoch = AtomicU64::new(0);
    let transfer = |caller: u64, turn: u64| {
        let mut transfer = Transfer {
            from: turn % ACCOUNTS,
            to: (turn + 1) % ACCOUNTS,
            amount: 1 + turn % EACH,
            id: format!("t{caller}-{turn}"),
            end: End::Refused,
            disturbed: false,
        };
        let before = epoch.load(Ordering::SeqCst);
        let end = transfer.send(&bank);
        transfer.disturbed = before % 2 == 1 || epoch.load(Ordering::SeqCst) != before;
        transfer.end = end.clone();
        sent.lock().unwrap().push(transfer);
        end
    };
    let (transfers, audits) = (Load::default(), Load::default());
    thread::scope(|scope| {
        let _stop = (transfers.stop_when_dropped(), audits.stop_when_dropped());
        for caller in 0..8 {
            let (transfers, transfer) = (&transfers, &transfer);
            scope.spawn(move || {
                let mut turn = caller;
                transfers.call(|| {
                    turn += 1;
                    transfer(caller, turn)
                });
            });
        }
        for _ in 0..2 {
            scope.spawn(|| audits.call(|| audit(&bank)));
        }
        transfers.undisturbed(40);
        audits.assert_none_failed();
        for _ in 0..8 {
            epoch.fetch_add(1, Ordering::SeqCst);
            server.kill_host();
            transfers.wait_for(1);
            epoch.fetch_add(1, Ordering::SeqCst);
            transfers.undisturbed(40);
        }
        audits.undisturbed(5);
    });
    assert!(transfers.acknowledged() > 0 && audits.acknowledged() > 0);
    assert!(matches!(audit(&bank), End::Acknowledged), "{:?}", audit(&bank));
    compare_with_storage(&server, &sent.into_inner().unwrap());
}

fn a_purge_without_end_holds_up_no_writer_beyond_its_turn(storage: Storage) {
    let bank = shared(storage).mount("purge", "bank");
    bank.write("count", json!({})).expect_success("the first count");
    let (purges, turns) = (Load::default(), AtomicU64::new(0));
    let mut waited = Vec::new();
    thread::scope(|scope| {
        let _stop = purges.stop_when_dropped();
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
        // A write has to wait for the commit lock of at most one purge, although the next purge follows at once.
        while purges.acknowledged() < 3 {
            let before = turns.load(Ordering::SeqCst);
            let answer = bank.write("count", json!({}));
            waited.push((turns.load(Ordering::SeqCst) - before, answer.status));
        }
    });
    assert!(
        waited.iter().all(|(turns, status)| *turns <= 2 && *status == 200),
        "{waited:?}"
    );
    assert_eq!(count(&bank), 1 + waited.len() as u64);
}

/// A token that may only create never overwrites a key, even one that another caller created a moment before.
fn a_token_that_may_only_create_never_overwrites(storage: Storage) {
    let bank = shared(storage).mount("create", "bank");
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
        // All at once: the root token, to whom this money belongs, and others who may only create.
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
        // 403 means that the key existed, so the request would have been an update. 412 means that the key did not
        // exist when Vault asked, but existed later.
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
