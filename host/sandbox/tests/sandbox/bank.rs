//! Tests guest/bank, the file that ships: how far a request may rely on what it read, and what that costs in storage
//! calls.

use std::sync::Arc;

use airlock_faults::{Call, Fault, FaultyStorage};
use airlock_sandbox::types::{Error as Answer, Operation, Request};
use airlock_sandbox::{CallError, Limits, MountContext, Services};
use airlock_storage::{Attempt, MemoryStorage, Mount, Prefixes, Settings, Storage as _, StorageEntry};

use crate::support::{Bench, load};

/// Returns the bank, and its storage, in which the tests can cause faults.
async fn bank(accounts: &[(&str, &str)]) -> (Arc<Bench>, FaultyStorage) {
    let memory = Arc::new(MemoryStorage::new());
    let storage = FaultyStorage::over(memory.clone());
    let bench = Bench::over(
        load("bank", Limits::default()).await,
        Arc::new(storage.clone()),
        memory,
    );
    for (name, balance) in accounts {
        bench.store(&format!("account/{name}"), balance);
    }
    // Without this, the tests would also count the calls of the search for redo records.
    bench.mount.storage().recover().await.unwrap();
    (Arc::new(bench), storage)
}

fn request(id: &str, operation: Operation, path: &str, data: &str) -> Request {
    let mut request = Request::new(operation, path);
    request.id = id.into();
    request.data = Some(data.into());
    request
}

fn opening(id: &str, operation: Operation) -> Request {
    request(id, operation, "accounts/a", r#"{"balance":1}"#)
}

/// Stores a value as another request would in the meantime.
async fn store(mount: &MountContext, key: &str, value: &'static str) {
    let mut transaction = mount.storage().begin(Attempt::FIRST).await.unwrap();
    transaction.put(StorageEntry::new(key, value)).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn an_error_or_a_trap_over_what_never_was_is_not_told() {
    for data in ["{}", r#"{"panic":true}"#] {
        let (bank, storage) = bank(&[("a", "1"), ("b", "1")]).await;
        let listed = storage.hold_answer(Call::List, 1);
        let total = tokio::spawn({
            let bank = bank.clone();
            async move { bank.run(request("", Operation::Read, "total", data)).await }
        });
        listed.reached().await;
        // The transfer empties the account, which then no longer exists.
        let transfer = request("", Operation::Update, "transfer", r#"{"from":"a","to":"b"}"#);
        bank.run(transfer).await.result.unwrap();
        assert_eq!(bank.stored("account/a"), None);
        listed.open();
        let outcome = total.await.unwrap();
        assert_eq!(outcome.usage.attempts, 2, "{:?}", outcome.result);
        let answer = outcome.result.unwrap().unwrap();
        assert_eq!(answer.data.unwrap().as_str(), r#"{"accounts":1,"total":2}"#);
        // The lines of the first attempt are out already.
        let lines = bank.log.lines.lock().unwrap();
        let panicked = lines.iter().any(|line| line.contains("panicked"));
        assert_eq!(panicked, data.contains("panic"), "{lines:?}");
    }
}

#[tokio::test]
async fn other_crates_draw_their_randomness_from_the_host() {
    let (bank, _) = bank(&[]).await;
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let answer = bank.run(request("", Operation::Read, "dice", "{}")).await.result;
        let data = answer.unwrap().unwrap().data.unwrap();
        let data: serde_json::Value = serde_json::from_str(data.as_str()).unwrap();
        assert_eq!((&data["length"], &data["used"]), (&100_000.into(), &256.into()));
        assert_ne!(data["bytes"], serde_json::Value::from(vec![0; 16]));
        drawn.push((data["number"].clone(), data["bytes"].clone()));
    }
    assert_ne!(drawn[0].0, drawn[1].0);
    assert_ne!(drawn[0].1, drawn[1].1);
}

#[tokio::test]
async fn a_panic_is_logged_with_its_place_and_not_with_its_words() {
    let (bank, storage) = bank(&[("a", "1"), ("b", "1")]).await;
    let listed = storage.hold_answer(Call::List, 1);
    let total = tokio::spawn({
        let bank = bank.clone();
        let request = request("", Operation::Read, "total", r#"{"panic":true}"#);
        async move { bank.run(request).await }
    });
    listed.reached().await;
    // Bypasses the host, so that the account is gone for good and the panic comes once.
    bank.storage.delete("account/a").await.unwrap();
    listed.open();
    assert!(matches!(total.await.unwrap().result, Err(CallError::Trap { .. })));
    let lines = bank.log.lines.lock().unwrap();
    let panics: Vec<_> = lines.iter().filter(|line| line.contains("panicked")).collect();
    assert_eq!(panics.len(), 1, "{lines:?}");
    assert!(panics[0].contains("src/lib.rs:"), "{panics:?}");
    assert!(!panics[0].contains("is listed"), "{panics:?}");
}

#[tokio::test]
async fn an_error_over_what_is_true_is_told_at_once() {
    let (bank, _) = bank(&[("a", "1")]).await;
    let transfer = request("", Operation::Update, "transfer", r#"{"from":"b","to":"a"}"#);
    let outcome = bank.run(transfer).await;
    assert_eq!(outcome.usage.attempts, 1);
    assert!(matches!(outcome.result, Err(CallError::Guest(Answer::User(_)))));
}

#[tokio::test]
async fn a_create_that_is_run_again_and_finds_the_key_there_overwrites_nothing() {
    let (bank, storage) = bank(&[]).await;
    let checked = bank
        .guest
        .check_existence(&bank.mount, opening("id", Operation::Update))
        .await;
    assert_eq!(checked.result.unwrap(), Some(false));
    // The request continues the check, so the next key that it reads is the limit.
    let limit = storage.hold(Call::Get, 1);
    let create = tokio::spawn({
        let bank = bank.clone();
        async move { bank.run(opening("id", Operation::Create)).await }
    });
    limit.reached().await;
    store(&bank.mount, "account/a", "9").await;
    limit.open();
    let outcome = create.await.unwrap();
    assert!(
        matches!(outcome.result, Err(CallError::ExistenceChanged { exists: true })),
        "{:?}",
        outcome.result
    );
    assert_eq!(
        (outcome.usage.attempts, bank.stored("account/a").unwrap()),
        (2, "9".into())
    );
}

#[tokio::test]
async fn a_create_whose_check_was_overtaken_before_it_came_overwrites_nothing() {
    let (bank, _) = bank(&[]).await;
    let checked = bank
        .guest
        .check_existence(&bank.mount, opening("id", Operation::Update))
        .await;
    assert_eq!(checked.result.unwrap(), Some(false));
    store(&bank.mount, "account/a", "9").await;
    let outcome = bank.run(opening("id", Operation::Create)).await;
    assert!(matches!(
        outcome.result,
        Err(CallError::ExistenceChanged { exists: true })
    ));
    assert_eq!(bank.stored("account/a").unwrap(), "9");
}

#[tokio::test]
async fn a_create_whose_check_cannot_be_repeated_is_not_done() {
    let (bank, storage) = bank(&[("a", "9")]).await;
    storage.nth(Call::Get, 1, Fault::Fail);
    let outcome = bank.run(opening("id", Operation::Create)).await;
    // The error says why. The request may be sent again.
    let text = outcome.result.unwrap_err().to_string();
    assert!(text.contains("broken on purpose"), "{text}");
    assert_eq!(bank.stored("account/a").unwrap(), "9");
}

#[tokio::test]
async fn a_repeated_read_of_a_declared_and_granted_prefix_costs_no_storage_call() {
    let guest = load("bank", Limits::default()).await;
    let memory = Arc::new(MemoryStorage::new());
    memory.insert(StorageEntry::new("settings/limit", "5"));
    for (granted, calls) in [(Prefixes::all(), 0), (Prefixes::none(), 1)] {
        let declared = Prefixes::from_iter(guest.description().cacheable.clone());
        let settings = Settings {
            cacheable: declared.and(&granted),
            ..guest
                .description()
                .storage_settings(airlock_storage::Settings::default())
        };
        let mount = Mount::new(memory.clone(), settings);
        let mount = MountContext::new(mount, Services::default(), vec![], guest.limits());
        for calls in [1, calls, calls] {
            let read = guest
                .handle_request(&mount, Request::new(Operation::Read, "limit"))
                .await;
            assert_eq!(
                read.result.unwrap().unwrap().data.unwrap().as_str(),
                r#"{"amount":5}"#
            );
            assert_eq!(
                (read.usage.storage.calls(), read.usage.storage.cached),
                (calls, 1 - calls)
            );
        }
    }
}

#[tokio::test]
async fn an_update_after_its_existence_check_reads_nothing_twice_and_shows_what_it_cost() {
    let (bank, storage) = bank(&[]).await;
    bank.store("count", "7");
    let write = || request("id", Operation::Update, "count", "{}");
    let checked = bank.guest.check_existence(&bank.mount, write()).await;
    assert_eq!(
        (checked.result.unwrap(), checked.usage.storage.calls()),
        (Some(true), 1)
    );
    let written = bank.run(write()).await;
    assert_eq!(
        written.result.unwrap().unwrap().data.unwrap().as_str(),
        r#"{"count":8}"#
    );
    let cost = written.usage.storage;
    assert_eq!((cost.gets, cost.cached, cost.puts, cost.calls()), (0, 1, 1, 1));
    assert_eq!((storage.calls(Call::Get), storage.calls(Call::Put)), (1, 1));
}

#[tokio::test]
async fn a_commit_of_two_keys_costs_two_writes_more_where_the_guest_asks_for_a_redo_record() {
    let (bank, storage) = bank(&[("a", "2"), ("b", "1")]).await;
    let transfer = request("", Operation::Update, "transfer", r#"{"from":"a","to":"b"}"#);
    let cost = bank.run(transfer).await.usage.storage;
    assert_eq!(
        (cost.gets, cost.puts, cost.deletes),
        (3, 3, 1),
        "the record's put and delete with it"
    );
    assert_eq!((storage.calls(Call::Put), storage.calls(Call::Delete)), (3, 1));
}
