//! Guests that are pushed into a mount and take over from each other.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use airlock_faults::{Call, Fault, FaultyStorage};
use airlock_mount::{GrantedGuest, Parts, Source, VaultMount};
use airlock_sandbox::{Compiler, Limits, Sandbox, SandboxSettings, Services};
use airlock_storage::{MemoryStorage, Prefixes, Rejection, Storage as _, StorageEntry};
use airlock_trust::{Digest, Trust};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::time::timeout;
use vault_plugin::{Backend as _, Error, Json, Operation, Request};

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

/// The key of the record of what runs.
const RECORD: &str = ".airlock/active";

/// Ends a test that would hang.
const TOO_LONG: Duration = Duration::from_secs(60);

/// A process that has no guest of its own and runs whatever is pushed.
struct Pushed(Sandbox);

#[async_trait]
impl Source for Pushed {
    async fn guest(&self, _: Option<&Arc<GrantedGuest>>) -> Result<Arc<GrantedGuest>, String> {
        Err("nothing was pushed yet".to_owned())
    }

    fn has_guest(&self) -> bool {
        false
    }

    fn takes_pushed(&self) -> Result<(), String> {
        Ok(())
    }

    async fn load(&self, component: Vec<u8>, _: Option<&str>) -> Result<Arc<GrantedGuest>, String> {
        let guest = self.0.load(&component, Limits::default()).await;
        Ok(Arc::new(GrantedGuest {
            guest: guest.map_err(|error| error.to_string())?,
            voucher: Some(Trust::unpinned().vouch(&component, None).unwrap()),
            cacheable: Prefixes::none(),
            unauthenticated: Prefixes::none(),
        }))
    }
}

fn built(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/guests/{name}.wasm"));
    std::fs::read(file).expect("run `guest/build.sh --with-tests` first")
}

/// Replaces a text that stands exactly once in a guest's data by one of the same length.
fn replaced(mut component: Vec<u8>, text: &str, by: &str) -> Vec<u8> {
    assert_eq!(text.len(), by.len());
    let places: Vec<_> = component
        .windows(text.len())
        .enumerate()
        .filter_map(|(place, found)| (found == text.as_bytes()).then_some(place))
        .collect();
    let [place] = places[..] else {
        panic!("{text:?} stands {} times in the guest", places.len());
    };
    component[place..place + by.len()].copy_from_slice(by.as_bytes());
    component
}

/// Returns the adversary as this version.
fn adversary(version: &str) -> Vec<u8> {
    let text = format!("adversary{}Misbehaves", env!("CARGO_PKG_VERSION"));
    replaced(
        built("adversary"),
        &text,
        &format!("adversary{version}Misbehaves"),
    )
}

/// Sets up a mount as Vault does.
async fn mount(storage: &FaultyStorage) -> Arc<VaultMount> {
    let sandbox = Sandbox::new(SandboxSettings {
        compiler: Compiler::InProcess,
        cache: None,
        memory_bytes: None,
    });
    let parts = Parts {
        config: Vec::new(),
        storage: Arc::new(storage.clone()),
        storage_settings: airlock_storage::Settings::default(),
        services: Services::default(),
        on_usage: |_| {},
    };
    let mount = VaultMount::over(Arc::new(Pushed(sandbox.unwrap())), parts, false)
        .await
        .unwrap();
    // The order of a reload.
    mount.initialize().await.unwrap();
    mount.special_paths();
    mount
}

fn compress(piece: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(piece).unwrap();
    encoder.finish().unwrap()
}

fn storage() -> FaultyStorage {
    FaultyStorage::new(MemoryStorage::new())
}

async fn write(mount: &VaultMount, path: &str, data: Value) -> Result<Value, Error> {
    let mut request = Request::new(Operation::Update, path);
    request.data = Json::from_text(data.to_string());
    let answer = mount.handle_request(request).await?;
    Ok(answer.unwrap().data.unwrap().decode().unwrap())
}

async fn read(mount: &VaultMount, path: &str) -> Result<Value, Error> {
    let answer = mount.handle_request(Request::new(Operation::Read, path)).await?;
    Ok(answer.unwrap().data.unwrap().decode().unwrap())
}

/// Stores a guest as `airlock push` does.
async fn store(mount: &VaultMount, component: &[u8]) -> Result<Digest, Error> {
    let digest = Digest::of(component);
    let pieces: Vec<_> = component.chunks(PIECE).map(Digest::of).collect();
    let announcement = json!({ "size": component.len(), "pieces": pieces });
    let path = format!(".airlock/guests/{digest}");
    write(mount, &path, announcement.clone()).await?;
    for part in component.chunks(PIECE) {
        let path = format!(".airlock/pieces/{}", Digest::of(part));
        write(mount, &path, json!({ "data": BASE64.encode(compress(part)) })).await?;
    }
    let answer = write(mount, &path, announcement).await?;
    assert_eq!(answer["missing"], json!([]));
    Ok(digest)
}

async fn swap(mount: &VaultMount, digest: Digest) -> Result<Value, Error> {
    write(mount, ".airlock/swap", json!({ "sha256": digest })).await
}

/// Pushes a guest. A mount without a guest was told the paths of none, so it has to be reloaded once.
async fn first(storage: &FaultyStorage, component: &[u8]) -> Arc<VaultMount> {
    let waiting = mount(storage).await;
    let digest = store(&waiting, component).await.unwrap();
    let refused = swap(&waiting, digest).await.unwrap_err().to_string();
    assert!(refused.contains("--reload"), "{refused}");
    let target = json!({ "sha256": digest, "reload": true });
    let answer = write(&waiting, ".airlock/swap", target).await.unwrap();
    assert_eq!(answer["reload_needed"], json!(true));
    mount(storage).await
}

async fn runs(mount: &VaultMount) -> String {
    let status = read(mount, ".airlock/status").await.unwrap();
    assert_eq!(status["cause"], Value::Null, "{status}");
    status["running"]["version"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_pushed_guest_runs_and_runs_again_where_nobody_pushed_it() {
    let storage = storage();
    let waiting = mount(&storage).await;
    let status = read(&waiting, ".airlock").await.unwrap();
    assert_eq!(
        (&status["host"], &status["running"]),
        (&json!("airlock"), &Value::Null)
    );
    let refused = read(&waiting, "ok").await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");

    let mount = first(&storage, &adversary("0.1.0")).await;
    assert_eq!(read(&mount, "ok").await.unwrap(), json!({}));
    let status = read(&mount, ".airlock/status").await.unwrap();
    assert_eq!(status["running"]["source"], json!("storage"));
    assert_eq!(status["active"], status["running"]["sha256"]);
}

#[tokio::test]
async fn another_guest_takes_over_and_back_and_what_is_stored_stays() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    assert_eq!(read(&mount, "increment").await.unwrap(), json!({ "count": 1 }));
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let answer = swap(&mount, second).await.unwrap();
    assert_eq!(answer["running"]["version"], json!("0.2.0"));
    assert_eq!(answer["rollback_possible"], json!(true));
    assert_eq!(read(&mount, "increment").await.unwrap(), json!({ "count": 2 }));
    // Again, which changes nothing.
    swap(&mount, second).await.unwrap();
    assert_eq!(runs(&mount).await, "0.2.0");

    write(&mount, ".airlock/rollback", json!({})).await.unwrap();
    assert_eq!(runs(&mount).await, "0.1.0");
    assert_eq!(read(&mount, "increment").await.unwrap(), json!({ "count": 3 }));
    let refused = write(&mount, ".airlock/rollback", json!({})).await.unwrap_err();
    assert!(refused.to_string().contains("none to go back to"), "{refused}");
}

#[tokio::test]
async fn a_request_of_the_old_guest_runs_again_on_the_new_one() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    read(&mount, "increment").await.unwrap();
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let gets = storage.calls(Call::Get);
    let held = storage.hold(Call::Get, gets + 1);
    let running = tokio::spawn({
        let mount = mount.clone();
        async move { read(&mount, "increment").await }
    });
    while storage.calls(Call::Get) == gets {
        tokio::task::yield_now().await;
    }
    swap(&mount, second).await.unwrap();
    held.open();
    let answer = timeout(TOO_LONG, running).await.unwrap().unwrap().unwrap();
    assert_eq!(answer, json!({ "count": 2 }));
    assert_eq!(runs(&mount).await, "0.2.0");
}

#[tokio::test]
async fn a_guest_that_fails_its_trial_does_not_take_over() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let before = storage.get(RECORD).await.unwrap();
    for command in ["trap", "panic", "write-then-fail", "loop"] {
        storage
            .put(StorageEntry::new("adversary/initialize", command))
            .await
            .unwrap();
        let refused = timeout(TOO_LONG, swap(&mount, second))
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(refused.status(), 400, "{command}: {refused}");
        assert!(refused.to_string().contains("cannot be initialized"), "{refused}");
        assert_eq!(runs(&mount).await, "0.1.0");
        assert_eq!(read(&mount, "ok").await.unwrap(), json!({}));
    }
    assert_eq!(storage.get(RECORD).await.unwrap(), before);
    assert!(storage.get("adversary/written").await.unwrap().is_none());
}

#[tokio::test]
async fn a_guest_whose_real_initialize_fails_gives_the_mount_back() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    // It stores, which its trial does not do.
    storage
        .put(StorageEntry::new("adversary/initialize", "commit"))
        .await
        .unwrap();
    let before = storage.get(RECORD).await.unwrap();
    storage.nth(Call::Put, 2, Fault::Reject(Rejection::TooLarge));
    let refused = swap(&mount, second).await.unwrap_err();
    assert!(refused.to_string().contains("runs on"), "{refused}");
    assert_eq!(runs(&mount).await, "0.1.0");
    assert_eq!(storage.get(RECORD).await.unwrap(), before);
    storage.heal();
    swap(&mount, second).await.unwrap();
    assert_eq!(runs(&mount).await, "0.2.0");
}

#[tokio::test]
async fn storage_that_takes_no_record_keeps_the_old_guest() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    storage.every(Call::Put, Fault::Fail);
    let refused = swap(&mount, second).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
    storage.heal();
    assert_eq!(runs(&mount).await, "0.1.0");
    assert_eq!(read(&mount, "increment").await.unwrap(), json!({ "count": 1 }));
}

#[tokio::test]
async fn another_engine_and_other_special_paths_are_refused() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let kv = store(&mount, &built("kv")).await.unwrap();
    let refused = swap(&mount, kv).await.unwrap_err().to_string();
    assert!(
        refused.contains("the guest is kv, and this mount runs adversary"),
        "{refused}"
    );
    let other = store(&mount, &replaced(adversary("0.2.0"), "root/*", "rood/*"))
        .await
        .unwrap();
    let refused = swap(&mount, other).await.unwrap_err().to_string();
    assert!(refused.contains("other special paths"), "{refused}");
    assert_eq!(runs(&mount).await, "0.1.0");
}

#[tokio::test]
async fn what_is_wrong_with_a_push_is_one_clear_line() {
    let storage = storage();
    let mount = mount(&storage).await;
    let unknown = Digest::of(b"unknown");
    let refused = swap(&mount, unknown).await.unwrap_err();
    assert_eq!(refused.status(), 404, "{refused}");
    let text = format!("no guest {unknown} is stored on this mount: push it first");
    assert_eq!(refused.to_string(), text);
    for (path, data, words) in [
        (".airlock/guests/x", json!({}), "SHA-256"),
        (".airlock/swap", json!({}), "sha256 is missing"),
        (".airlock/swap", json!({ "sha256": "x" }), "SHA-256"),
        (
            &format!(".airlock/guests/{unknown}"),
            json!({ "size": 1, "pieces": [] }),
            "cut into",
        ),
        (
            &format!(".airlock/guests/{unknown}"),
            json!({ "size": 1_u64 << 60, "pieces": [] }),
            "too large",
        ),
        (
            &format!(".airlock/pieces/{unknown}"),
            json!({ "data": "AAAA" }),
            "begin the push again",
        ),
        (
            &format!(".airlock/pieces/{unknown}"),
            json!({ "data": "!" }),
            "base64",
        ),
    ] {
        let refused = write(&mount, path, data).await.unwrap_err();
        assert_eq!(refused.status(), 400, "{path}: {refused}");
        assert!(refused.to_string().contains(words), "{path}: {refused}");
    }
    let not_a_guest = b"not WebAssembly";
    let refused = store(&mount, not_a_guest).await.unwrap_err();
    assert!(refused.to_string().contains("not WebAssembly"), "{refused}");
}

#[tokio::test]
async fn control_paths_answer_nobody_without_a_token_and_have_no_existence_check() {
    let mount = mount(&storage()).await;
    for path in [".airlock", ".airlock/status", ".airlock/swap"] {
        for operation in [Operation::Read, Operation::Update, Operation::List] {
            let mut request = Request::new(operation, path);
            request.unauthenticated = true;
            let refused = mount.handle_request(request).await.unwrap_err();
            assert_eq!(refused.status(), 403, "{path}");
        }
        let check = mount.check_existence(Request::new(Operation::Update, path)).await;
        assert!(matches!(check, Err(Error::UnsupportedPath)));
    }
}

#[tokio::test]
async fn an_unreadable_record_is_no_reason_to_run_another_guest() {
    let storage = storage();
    let before = first(&storage, &adversary("0.1.0")).await;
    drop(before);
    storage.put(StorageEntry::new(RECORD, "{}")).await.unwrap();
    let mount = mount(&storage).await;
    let refused = read(&mount, "ok").await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
    let status = read(&mount, ".airlock/status").await.unwrap();
    assert!(
        status["cause"].as_str().unwrap().contains("not a record"),
        "{status}"
    );
}

#[tokio::test]
async fn a_node_follows_the_record_that_another_node_wrote() {
    let storage = storage();
    let here = first(&storage, &adversary("0.1.0")).await;
    assert_eq!(runs(&here).await, "0.1.0");
    let there = mount(&storage).await;
    let second = store(&there, &adversary("0.2.0")).await.unwrap();
    swap(&there, second).await.unwrap();
    assert_eq!(runs(&here).await, "0.1.0");
    here.invalidate_key(RECORD).await;
    assert_eq!(runs(&here).await, "0.2.0");
}

#[tokio::test]
async fn a_mount_at_an_unseal_does_not_wait_for_its_guest() {
    let storage = storage();
    let before = first(&storage, &adversary("0.1.0")).await;
    read(&before, "ok").await.unwrap();
    drop(before);
    storage.set_read_only(true);
    let before = storage.calls(Call::Get);
    let mount = mount(&storage).await;
    // The two records, and no piece of the guest.
    assert_eq!(storage.calls(Call::Get) - before, 2);
    storage.set_read_only(false);
    assert_eq!(read(&mount, "ok").await.unwrap(), json!({}));
}

/// Tries a guest on the next requests.
async fn try_on(mount: &VaultMount, digest: Digest, requests: u32, tolerate: Value) -> Value {
    let target = json!({ "sha256": digest, "canary": requests, "tolerate": tolerate });
    write(mount, ".airlock/swap", target).await.unwrap()
}

/// Sends a request until the trial has ended, and returns its report.
async fn until_tried(mount: &VaultMount, path: &str) -> Value {
    loop {
        let _ = read(mount, path).await;
        let report = read(mount, ".airlock/status").await.unwrap()["canary"]["report"].clone();
        if report["state"] != json!("running") {
            return report;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_guest_that_answers_the_same_takes_over_after_its_trial() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    try_on(&mount, second, 5, json!([])).await;
    assert_eq!(runs(&mount).await, "0.1.0");
    let report = timeout(TOO_LONG, until_tried(&mount, "increment")).await.unwrap();
    assert_eq!(
        (&report["state"], &report["differences"]),
        (&json!("passed"), &json!({}))
    );
    assert_eq!(report["same"]["read"], json!(5), "{report}");
    while runs(&mount).await != "0.2.0" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_guest_that_answers_otherwise_stays_out_and_the_report_names_no_value() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let other = replaced(adversary("0.2.0"), "{\"count\":", "{\"c0unt\":");
    let second = store(&mount, &other).await.unwrap();
    try_on(&mount, second, 5, json!([])).await;
    let report = timeout(TOO_LONG, until_tried(&mount, "increment")).await.unwrap();
    let expected = json!({ "read: field c0unt": 1, "read: field count": 1 });
    assert_eq!(
        (&report["state"], &report["differences"]),
        (&json!("differs"), &expected)
    );
    assert_eq!(runs(&mount).await, "0.1.0");

    try_on(&mount, second, 5, json!(["count", "c0unt"])).await;
    let report = timeout(TOO_LONG, until_tried(&mount, "increment")).await.unwrap();
    assert_eq!(report["state"], json!("passed"), "{report}");
}

#[tokio::test]
async fn the_time_is_the_same_and_what_cannot_be_repeated_is_counted() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    try_on(&mount, second, 2, json!([])).await;
    let report = timeout(TOO_LONG, until_tried(&mount, "now")).await.unwrap();
    assert_eq!(report["state"], json!("passed"), "{report}");

    let third = store(&mount, &adversary("0.3.0")).await.unwrap();
    while runs(&mount).await != "0.2.0" {
        tokio::task::yield_now().await;
    }
    try_on(&mount, third, 2, json!([])).await;
    // It traps on the guest that runs, so there is no answer to compare with.
    let report = timeout(TOO_LONG, until_tried(&mount, "trap")).await.unwrap();
    assert_eq!(report["state"], json!("too-few-comparable"), "{report}");
    assert_eq!(report["not_comparable"]["read"], json!(2), "{report}");
    assert_eq!(runs(&mount).await, "0.2.0");
}
