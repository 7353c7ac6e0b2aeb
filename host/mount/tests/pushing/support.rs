//! A mount over storage in memory, and requests as `airlock push` sends them.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use airlock_faults::FaultyStorage;
use airlock_mount::{BreakerSettings, GrantedGuest, PIECE, Parts, Source, VaultMount};
use airlock_sandbox::{Compiler, Limits, Sandbox, SandboxSettings, Services};
use airlock_storage::{MemoryStorage, Prefixes};
use airlock_trust::{Digest, Trust};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use vault_plugin::{Backend as _, Error, Json, Operation, Request};

/// The key of the record of what runs.
pub const RECORD: &str = ".airlock/active";

/// Ends a test that would hang.
pub const TOO_LONG: Duration = Duration::from_secs(60);

/// A process that runs whatever is pushed. Either it has no guest of its own, or one that cannot be loaded.
struct Pushed {
    sandbox: Sandbox,
    has_guest: bool,
}

#[async_trait]
impl Source for Pushed {
    async fn guest(&self, _: Option<&Arc<GrantedGuest>>) -> Result<Arc<GrantedGuest>, String> {
        Err("nothing was pushed yet".to_owned())
    }

    fn has_guest(&self) -> bool {
        self.has_guest
    }

    fn allows_record(&self) -> bool {
        true
    }

    fn takes_pushed(&self) -> Result<(), String> {
        Ok(())
    }

    async fn load(&self, component: Vec<u8>, _: Option<&str>) -> Result<Arc<GrantedGuest>, String> {
        let guest = self.sandbox.load(&component, Limits::default()).await;
        Ok(Arc::new(GrantedGuest {
            guest: guest.map_err(|error| error.to_string())?,
            voucher: Some(Trust::unpinned().vouch(&component, None).unwrap()),
            cacheable: Prefixes::none(),
            unauthenticated: Prefixes::none(),
        }))
    }
}

pub fn built(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/guests/{name}.wasm"));
    std::fs::read(file).expect("run `guest/build.sh --with-tests` first")
}

/// Replaces a text that stands exactly once in a guest's data by one of the same length.
pub fn replaced(mut component: Vec<u8>, text: &str, by: &str) -> Vec<u8> {
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
pub fn adversary(version: &str) -> Vec<u8> {
    let text = format!("adversary{}Misbehaves", env!("CARGO_PKG_VERSION"));
    replaced(
        built("adversary"),
        &text,
        &format!("adversary{version}Misbehaves"),
    )
}

/// Sets up a mount as Vault does.
pub async fn mount(storage: &FaultyStorage) -> Arc<VaultMount> {
    mount_with(storage, false, Services::default()).await
}

/// Does the same for a process that has a guest of its own, which cannot be loaded, or with other services.
pub async fn mount_with(storage: &FaultyStorage, has_guest: bool, services: Services) -> Arc<VaultMount> {
    mount_breaking(storage, has_guest, services, BreakerSettings::default()).await
}

/// Does the same for a mount that sets its guest aside at other times.
pub async fn mount_breaking(
    storage: &FaultyStorage,
    has_guest: bool,
    services: Services,
    breaker: BreakerSettings,
) -> Arc<VaultMount> {
    let sandbox = Sandbox::new(SandboxSettings {
        compiler: Compiler::InProcess,
        cache: None,
        memory_bytes: None,
    });
    let parts = Parts {
        config: Vec::new(),
        storage: Arc::new(storage.clone()),
        storage_settings: airlock_storage::Settings::default(),
        services,
        is_standby: false,
        on_usage: |_| {},
        metrics: Arc::default(),
        breaker,
    };
    let source = Pushed {
        sandbox: sandbox.unwrap(),
        has_guest,
    };
    let mount = VaultMount::over(Arc::new(source), parts).await.unwrap();
    // The order of a reload.
    mount.initialize().await.unwrap();
    mount.special_paths();
    mount
}

pub fn compress(piece: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(piece).unwrap();
    encoder.finish().unwrap()
}

pub fn storage() -> FaultyStorage {
    FaultyStorage::new(MemoryStorage::new())
}

pub async fn write(mount: &VaultMount, path: &str, data: Value) -> Result<Value, Error> {
    let mut request = Request::new(Operation::Update, path);
    request.data = Json::from_text(data.to_string());
    let answer = mount.handle_request(request).await?;
    Ok(answer.unwrap().data.unwrap().decode().unwrap())
}

pub async fn read(mount: &VaultMount, path: &str) -> Result<Value, Error> {
    let answer = mount.handle_request(Request::new(Operation::Read, path)).await?;
    Ok(answer.unwrap().data.unwrap().decode().unwrap())
}

/// Stores a guest as `airlock push` does.
pub async fn store(mount: &VaultMount, component: &[u8]) -> Result<Digest, Error> {
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

pub async fn swap(mount: &VaultMount, digest: Digest) -> Result<Value, Error> {
    write(mount, ".airlock/swap", json!({ "sha256": digest })).await
}

/// Pushes a guest. A mount without a guest was told the paths of none, so it has to be reloaded once.
pub async fn first(storage: &FaultyStorage, component: &[u8]) -> Arc<VaultMount> {
    let waiting = mount(storage).await;
    let digest = store(&waiting, component).await.unwrap();
    let refused = swap(&waiting, digest).await.unwrap_err().to_string();
    assert!(refused.contains("--reload"), "{refused}");
    let target = json!({ "sha256": digest, "reload": true });
    let answer = write(&waiting, ".airlock/swap", target).await.unwrap();
    assert_eq!(answer["reload_needed"], json!(true));
    mount(storage).await
}

pub async fn runs(mount: &VaultMount) -> String {
    let status = read(mount, ".airlock/status").await.unwrap();
    assert_eq!(status["cause"], Value::Null, "{status}");
    status["running"]["version"].as_str().unwrap().to_owned()
}
