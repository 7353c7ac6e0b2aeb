use airlock_faults::{Call, Fault, FaultyStorage};
use airlock_storage::MemoryStorage;

use super::*;

fn guarding(path: &str) -> SpecialPaths {
    SpecialPaths {
        root: vec![path.to_owned()],
        ..control_only()
    }
}

/// Creates the state as `Setup` does.
async fn set_up(storage: &FaultyStorage, answer: &str) -> Told {
    let record = read(storage).await;
    Told::new(Arc::new(storage.clone()), record, Some(guarding(answer))).await
}

/// Mounts, at enable or unseal: storage can be written only from `Initialize` on.
async fn mount(storage: &FaultyStorage, answer: &str) -> Told {
    storage.set_read_only(true);
    let told = set_up(storage, answer).await;
    told.answer();
    storage.set_read_only(false);
    told.initializing();
    told.record().await.unwrap();
    told
}

#[tokio::test]
async fn a_mount_enforces_and_records_what_it_was_told() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    assert_eq!(read(&storage).await, Ok(None));
    let told = mount(&storage, "one").await;
    assert_eq!(told.enforced(), Some(guarding("one")));
    assert_eq!(read(&storage).await, Ok(Some(vec![guarding("one")])));

    let told = mount(&storage, "other").await;
    assert_eq!(told.enforced(), Some(guarding("other")));
    assert_eq!(read(&storage).await, Ok(Some(vec![guarding("other")])));
}

#[tokio::test]
async fn a_process_that_was_not_asked_uses_the_record() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    mount(&storage, "one").await;
    for answer in ["one", "other"] {
        let told = set_up(&storage, answer).await;
        told.initializing();
        told.record().await.unwrap();
        assert_eq!(told.enforced(), Some(guarding("one")), "{answer}");
    }
}

#[tokio::test]
async fn without_a_record_only_the_hosts_paths_were_told() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let told = set_up(&storage, "one").await;
    told.initializing();
    assert_eq!(told.enforced(), Some(control_only()));
}

#[tokio::test]
async fn a_reload_counts_once_vault_asks_after_initialize() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    mount(&storage, "one").await;
    let told = set_up(&storage, "other").await;
    // Vault asks here, and would keep the old paths if `Initialize` failed. OpenBao does not.
    told.answer();
    assert_eq!(told.enforced(), Some(guarding("one")));
    told.initializing();
    assert_eq!(told.enforced(), Some(guarding("one")));
    told.answer();
    assert_eq!(told.enforced(), Some(guarding("other")));
    told.record().await.unwrap();
    assert_eq!(read(&storage).await, Ok(Some(vec![guarding("other")])));
}

#[tokio::test]
async fn after_a_crash_in_a_reload_nothing_is_known() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    mount(&storage, "one").await;
    let told = set_up(&storage, "other").await;
    told.initializing();
    told.answer();
    drop(told);
    for answer in ["one", "other"] {
        let told = set_up(&storage, answer).await;
        told.initializing();
        assert_eq!(told.enforced(), None, "{answer}");
        told.answer();
        assert_eq!(told.enforced(), Some(guarding(answer)));
    }
}

#[tokio::test]
async fn an_unreadable_record_is_no_licence() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    storage.put(StorageEntry::new(KEY, "{}")).await.unwrap();
    let told = mount(&storage, "one").await;
    assert_eq!(told.enforced(), None);
    // Vault asks again at a reload.
    told.answer();
    assert_eq!(told.enforced(), Some(guarding("one")));
    told.record().await.unwrap();
    assert_eq!(read(&storage).await, Ok(Some(vec![guarding("one")])));
}

/// Mounts with the paths `told`, and sets up again with `answer` while the record cannot be read. Vault has asked and
/// initialized.
async fn set_up_blind(storage: &FaultyStorage, told: &str, answer: &str) -> Told {
    mount(storage, told).await;
    storage.every(Call::Get, Fault::Fail);
    let told = set_up(storage, answer).await;
    told.answer();
    told.initializing();
    assert!(told.record().await.is_err());
    assert_eq!(told.enforced(), None);
    storage.heal();
    told
}

#[test]
fn a_record_of_another_form_is_unreadable() {
    for text in [
        r#"{"version":1,"told":[7]}"#,
        r#"{"version":1,"told":[[]]}"#,
        r#"{"version":1,"told":[{"root":[]}]}"#,
        r#"{"version":1}"#,
        "[1]",
        "1",
        "",
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[tokio::test]
async fn an_answer_is_made_up_only_without_guest_and_record() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    mount(&storage, "one").await;
    let without_guest = async || Told::new(Arc::new(storage.clone()), read(&storage).await, None).await;
    let told = without_guest().await;
    assert!(!told.is_made_up() && told.answer() == guarding("one"));

    storage.every(Call::Get, Fault::Fail);
    assert!(without_guest().await.is_made_up());
    assert!(!set_up(&storage, "other").await.is_made_up());
}

#[tokio::test]
async fn a_record_that_could_not_be_read_is_read_later() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let told = set_up_blind(&storage, "one", "one").await;
    told.record().await.unwrap();
    assert_eq!(told.enforced(), Some(guarding("one")));
    assert_eq!(read(&storage).await, Ok(Some(vec![guarding("one")])));
}

#[tokio::test]
async fn a_record_read_late_names_both_if_they_differ() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let told = set_up_blind(&storage, "one", "other").await;
    told.record().await.unwrap();
    assert_eq!(told.enforced(), None);
    let both = vec![guarding("one"), guarding("other")];
    assert_eq!(read(&storage).await, Ok(Some(both)));
    // Vault asks again at a reload.
    told.answer();
    told.record().await.unwrap();
    assert_eq!(told.enforced(), Some(guarding("other")));
    assert_eq!(read(&storage).await, Ok(Some(vec![guarding("other")])));
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_written_later() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    storage.set_read_only(true);
    let told = set_up(&storage, "one").await;
    told.answer();
    assert_eq!(told.record().await, Ok(()), "a standby serves what it was told");
    storage.set_read_only(false);
    storage.every(Call::Put, Fault::Fail);
    assert!(told.record().await.is_err());
    storage.heal();
    told.record().await.unwrap();
    assert_eq!(read(&storage).await, Ok(Some(vec![guarding("one")])));
}

#[tokio::test]
async fn a_standby_that_was_not_asked_forwards() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    mount(&storage, "one").await;
    storage.set_read_only(true);
    let told = set_up(&storage, "one").await;
    told.initializing();
    assert_eq!(told.record().await, Err(Error::ReadOnly));
    told.answer();
    assert_eq!(told.record().await, Ok(()));
}

#[tokio::test]
async fn what_is_recorded_is_not_written_again() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    mount(&storage, "one").await;
    let puts = storage.calls(Call::Put);
    let told = mount(&storage, "one").await;
    told.record().await.unwrap();
    assert_eq!(storage.calls(Call::Put), puts);
}
