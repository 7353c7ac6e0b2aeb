use airlock_faults::{Call, Fault, FaultyStorage, Gate};
use airlock_storage::{MemoryStorage, Storage as _, StorageEntry};

use airlock_sandbox::Services;

use super::*;
use crate::guest_mount::Parts;
use crate::source::Source;
use crate::{GrantedGuest, told};

/// A source that cannot load its guest.
struct NoGuest;

#[async_trait]
impl Source for NoGuest {
    async fn guest(&self, _: Option<&Arc<GrantedGuest>>) -> Result<Arc<GrantedGuest>, String> {
        Err("its arguments are wrong".to_owned())
    }
}

/// Returns a mount whose guest cannot be loaded.
async fn without_guest(storage: &FaultyStorage) -> Arc<VaultMount> {
    let source = NoGuest;
    let parts = Parts {
        config: Vec::new(),
        storage: Arc::new(storage.clone()),
        storage_settings: airlock_storage::Settings::default(),
        services: Services::default(),
        is_standby: false,
        on_usage: |_| {},
        metrics: Arc::default(),
        breaker: crate::BreakerSettings::default(),
    };
    VaultMount::over(Arc::new(source), parts).await.unwrap()
}

/// Returns the storage of a mount that has served under special paths of its guest.
async fn served() -> (FaultyStorage, SpecialPaths) {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let paths = SpecialPaths {
        root: vec!["guarded".to_owned()],
        ..SpecialPaths::default()
    };
    let record = told::to_text(std::slice::from_ref(&paths));
    let entry = StorageEntry::new(".airlock/special-paths", record);
    storage.put(entry).await.unwrap();
    (storage, paths)
}

#[tokio::test]
async fn a_reload_without_guest_keeps_the_recorded_paths() {
    let (storage, paths) = served().await;
    let mount = without_guest(&storage).await;
    mount.initialize().await.unwrap();
    assert_eq!(mount.special_paths(), paths);
}

#[tokio::test]
async fn a_reload_without_guest_and_record_fails() {
    let (storage, _) = served().await;
    storage.every(Call::Get, Fault::Fail);
    let mount = without_guest(&storage).await;
    let error = mount.initialize().await.unwrap_err();
    assert!(matches!(error, Error::Coded { status: 503, .. }), "{error}");
    // Vault continues to serve with it, under the old paths.
    storage.heal();
    let request = Request::new(Operation::Read, "guarded");
    let error = mount.handle_request(request).await.err();
    assert!(
        matches!(&error, Some(Error::Coded { status: 503, .. })),
        "{error:?}"
    );
}

/// Vault sets up one mount after the other, and waits for each.
#[tokio::test]
async fn a_mount_reads_its_two_records_at_once() {
    let (storage, _) = served().await;
    let gate = Gate::new();
    storage.every(Call::Get, Fault::HoldBefore(gate.clone()));
    let setting_up = tokio::spawn(async move { without_guest(&storage).await });
    for _ in 0..2 {
        // Less than the 2 s after which a read is tried again.
        let reached = tokio::time::timeout(Duration::from_secs(1), gate.reached());
        reached.await.expect("the second read waits for the first");
    }
    gate.open();
    setting_up.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_failed_reads_at_the_setup_are_made_up_for() {
    // The first two calls are the first tries of both records, and those of what failed follow.
    for failing in [[1, 3], [2, 3], [1, 2]] {
        let (storage, paths) = served().await;
        for call in failing {
            storage.nth(Call::Get, call, Fault::Fail);
        }
        let mount = without_guest(&storage).await;
        assert!(mount.record.lock().is_ok(), "calls {failing:?}");
        assert_eq!(mount.special_paths(), paths, "calls {failing:?}");
        assert_eq!(storage.applied(), [true, true]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_setup_does_not_wait_for_a_storage_that_hangs() {
    let (storage, _) = served().await;
    storage.every(Call::Get, Fault::HoldBefore(Gate::new()));
    let setting_up = tokio::time::timeout(Duration::from_secs(10), without_guest(&storage));
    let mount = setting_up.await.expect("it waits");
    assert!(
        mount
            .record
            .lock()
            .as_ref()
            .is_err_and(|reason| reason.ends_with("the mount's storage failed"))
    );
}

#[tokio::test]
async fn a_damaged_record_is_read_once() {
    let (storage, _) = served().await;
    storage
        .put(StorageEntry::new(".airlock/active", "damaged"))
        .await
        .unwrap();
    let mount = without_guest(&storage).await;
    assert!(
        mount
            .record
            .lock()
            .as_ref()
            .is_err_and(|reason| !reason.contains("storage failed"))
    );
    assert_eq!(storage.calls(Call::Get), 2);
}
