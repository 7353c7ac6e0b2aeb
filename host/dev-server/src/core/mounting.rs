//! Enables, loads, reloads, moves and disables mounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use airlock_storage::Storage;
use serde_json::{Map, Value};
use vault_core::{SYSTEM_TTL, parse_duration};
use vault_plugin::{Operation, Report, Request};

use super::fields::{flag, options, sanitized, set_lists, set_visibility, text};
use super::{Core, MOUNTS};
use crate::answer::Refusal;
use crate::engine::{DevEvents, MountSetup};
use crate::mount::{Engine, Mount, MountConfig, MountEntry};
use crate::random;
use crate::store::View;
use crate::system::DevSystem;

/// The mounts that belong to Vault itself.
const PROTECTED: [&str; 5] = ["audit/", "auth/", "sys/", "cubbyhole/", "identity/"];

impl Core {
    /// Serves `sys/mounts/<path>` with these fields.
    ///
    /// # Errors
    /// Returns Vault's refusals, and the engine's error if it cannot be set up.
    pub(crate) async fn enable(&self, path: &str, fields: &Map<String, Value>) -> Result<(), Refusal> {
        let path = sanitized(path);
        let config_fields = fields
            .get("config")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let mut config = MountConfig::default();
        let ttl = |name: &str, called: &str| {
            let given = config_fields
                .get(name)
                .filter(|value| !matches!(value.as_str(), Some("" | "system")));
            let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let parsed = given.map(|value| {
                parse_duration(value).map_err(|why| {
                    Refusal::user(format!("unable to parse {called} TTL of {}: {why}", shown(value)))
                })
            });
            parsed.transpose().map(Option::unwrap_or_default)
        };
        config.default_lease_ttl = ttl("default_lease_ttl", "default")?;
        config.max_lease_ttl = ttl("max_lease_ttl", "max")?;
        check_ttls(&config)?;
        let (engine, options) = engine_and_options(fields, &config_fields)?;
        config.force_no_cache = flag(&config_fields, "force_no_cache");
        set_visibility(&mut config, &config_fields)?;
        set_lists(&mut config, &config_fields);
        let entry = MountEntry {
            uuid: random::uuid(),
            accessor: format!("{engine}_{}", random::hex8()),
            description: text(fields, "description").to_owned(),
            local: flag(fields, "local"),
            seal_wrap: flag(fields, "seal_wrap"),
            external_entropy_access: flag(fields, "external_entropy_access"),
            path,
            engine,
            options,
            config,
        };
        self.add(entry).await
    }

    async fn add(&self, entry: MountEntry) -> Result<(), Refusal> {
        let _alone = self.changes.lock().await;
        let path = entry.path.clone();
        if path == "/" || PROTECTED.iter().any(|protected| path.starts_with(protected)) {
            return Err(Refusal::user(format!("cannot mount \"{path}\"")));
        }
        let taken = self.mounts().into_iter().map(|mount| mount.path());
        if let Some(taken) = taken
            .into_iter()
            .find(|taken| taken.starts_with(&path) || path.starts_with(taken))
        {
            return Err(Refusal::user(format!("path is already in use at {taken}")));
        }
        let known = self.factory.engines();
        if !known.iter().any(|known| known.name == entry.engine) {
            return Err(Refusal::user(format!(
                "plugin not found in the catalog: {}",
                entry.engine
            )));
        }
        let view = View::of_mount(Arc::clone(&self.store), &entry.uuid);
        let mount = Arc::new(Mount::new(entry.clone(), view));
        let engine = self
            .load(&mount)
            .await
            .map_err(|error| Refusal::user(Report::new(&error).to_string()))?;
        self.store.put_document(&format!("{MOUNTS}{path}"), &entry)?;
        let initialized = engine.backend.initialize().await;
        mount.set_engine(Ok(Arc::new(engine))).ok();
        self.mounts.write().insert(path, mount);
        // The mount stays, as in Vault, and the caller who enabled it gets the error.
        initialized.map_err(|error| Refusal::user(Report::new(&error).to_string()))
    }

    /// Makes an engine for a mount, without initializing it.
    async fn load(&self, mount: &Arc<Mount>) -> Result<Engine, vault_plugin::Error> {
        let entry = mount.entry();
        let info = self
            .factory
            .engines()
            .into_iter()
            .find(|info| info.name == entry.engine)
            .unwrap_or_default();
        let mut config = entry.options.clone();
        config.insert("plugin_name".to_owned(), entry.engine.clone());
        config.insert("plugin_tier".to_owned(), "unknown".to_owned());
        config.insert("plugin_type".to_owned(), "secret".to_owned());
        config.insert("plugin_version".to_owned(), info.version.clone());
        let setup = MountSetup {
            config,
            uuid: entry.uuid,
            storage: Arc::new(mount.storage.clone()) as Arc<dyn Storage>,
            system: DevSystem {
                mount: Arc::clone(mount),
                wraps: Arc::clone(&self.wraps),
                clock: self.clock.clone(),
                cluster_id: self.cluster.id.as_str().into(),
            },
            events: DevEvents {
                mount: entry.path.as_str().into(),
                journal: Arc::clone(&self.journal),
                store: Arc::clone(&self.store),
            },
        };
        let backend = self.factory.mount(&entry.engine, setup).await?;
        let special = backend.special_paths();
        Ok(Engine {
            backend,
            special,
            version: info.version,
            sha256: info.sha256,
        })
    }

    /// Loads the engines of the stored mounts. If one cannot be loaded, the observer is told and the mount answers each
    /// request with the reason.
    pub(crate) async fn load_all(&self) {
        for mount in self.mounts() {
            if let Err(error) = self.reload(&mount).await {
                let why = Report::new(&error);
                mount.set_engine(Err(why.to_string())).ok();
                self.journal
                    .trouble(&format!("{} is not served: {why}", mount.path()));
            }
        }
    }

    /// Gives a mount a new engine of its type. Waits until the requests in flight have finished on the old engine;
    /// requests that arrive meanwhile wait for the new one. If the new engine cannot be loaded, the old one stays.
    pub(crate) async fn reload(&self, mount: &Arc<Mount>) -> Result<(), vault_plugin::Error> {
        let _alone = mount.in_use.write().await;
        let engine = self.load(mount).await?;
        if let Err(error) = engine.backend.initialize().await {
            engine.backend.cleanup().await;
            return Err(error);
        }
        if let Ok(old) = mount.set_engine(Ok(Arc::new(engine))) {
            old.backend.cleanup().await;
        }
        Ok(())
    }

    /// Removes a mount and everything that it stored. Does nothing if there is no such mount.
    pub(crate) async fn disable(&self, path: &str) -> Result<(), Refusal> {
        let path = sanitized(path);
        let _alone = self.changes.lock().await;
        if PROTECTED.iter().any(|protected| path.starts_with(protected)) {
            return Err(Refusal::user(format!("cannot unmount \"{path}\"")));
        }
        let Some(mount) = self.mount_at(&path) else {
            return Ok(());
        };
        mount.taint();
        self.roll_back(&mount).await;
        self.revoke_below(&path, true).await?;
        if let Ok(engine) = mount.engine() {
            engine.backend.cleanup().await;
        }
        mount.storage.wipe().await?;
        self.store.delete(format!("{MOUNTS}{path}"))?;
        self.mounts.write().remove(&path);
        Ok(())
    }

    /// Runs Vault's periodic tick for one mount.
    pub(crate) async fn roll_back(&self, mount: &Arc<Mount>) {
        let _in_use = mount.in_use.read().await;
        let Ok(engine) = mount.engine() else { return };
        let mut request = Request::new(Operation::Rollback, "");
        request.mount_point = mount.path();
        request.mount_type = mount.entry().engine;
        let answer = engine.backend.handle_request(request).await;
        match answer {
            Ok(_) | Err(vault_plugin::Error::UnsupportedOperation) => {}
            Err(error) => {
                let error = Report::new(&error);
                self.journal
                    .trouble(&format!("the periodic tick of {} failed: {error}", mount.path()));
            }
        }
    }

    /// Moves a mount to another path and revokes its leases, as Vault does.
    pub(crate) async fn remount(&self, from: &str, to: &str) -> Result<(), Refusal> {
        let (from, to) = (sanitized(from), sanitized(to));
        let _alone = self.changes.lock().await;
        let Some(mount) = self.mount_at(&from) else {
            return Err(Refusal::user(format!("no matching mount at \"{from}\"")));
        };
        if PROTECTED.iter().any(|protected| to.starts_with(protected)) {
            return Err(Refusal::user(format!(
                "invalid destination mount: cannot remount to \"{to}\""
            )));
        }
        if let Some((taken, _)) = self.mount_of(&to) {
            return Err(Refusal::user(format!(
                "path already in use at \"{}\"",
                taken.path()
            )));
        }
        self.revoke_below(&from, true).await?;
        let entry = MountEntry {
            path: to.clone(),
            ..mount.entry()
        };
        self.store.put_document(&format!("{MOUNTS}{to}"), &entry)?;
        self.store.delete(format!("{MOUNTS}{from}"))?;
        mount.set_entry(entry);
        let mut mounts = self.mounts.write();
        mounts.remove(&from);
        mounts.insert(to, mount);
        Ok(())
    }
}

fn engine_and_options(
    fields: &Map<String, Value>,
    config: &Map<String, Value>,
) -> Result<(String, BTreeMap<String, String>), Refusal> {
    let mut options = options(fields).unwrap_or_default();
    let mut engine = text(fields, "type");
    if engine.is_empty() {
        return Err(Refusal::user("backend type must be specified as a string"));
    }
    if engine == "plugin" {
        let named = [text(config, "plugin_name"), text(fields, "plugin_name")];
        engine = named
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        if engine.is_empty() {
            return Err(Refusal::user("plugin_name must be provided for plugin backend"));
        }
    }
    match engine {
        "kv" => {}
        "kv-v1" | "kv-v2" => {
            let version = engine.trim_start_matches("kv-v").to_owned();
            options.insert("version".to_owned(), version);
            engine = "kv";
        }
        other => {
            if options.get("version").is_some_and(|version| !version.is_empty()) {
                return Err(Refusal::user(format!(
                    "secrets engine \"{other}\" does not allow setting a version"
                )));
            }
        }
    }
    Ok((engine.to_owned(), options))
}

fn check_ttls(config: &MountConfig) -> Result<(), Refusal> {
    if !config.max_lease_ttl.is_zero() && config.default_lease_ttl > config.max_lease_ttl {
        return Err(Refusal::user(
            "given default lease TTL greater than given max lease TTL",
        ));
    }
    if config.max_lease_ttl.is_zero() && config.default_lease_ttl > SYSTEM_TTL {
        let bound = SYSTEM_TTL.as_secs();
        return Err(Refusal::user(format!(
            "given default lease TTL greater than system max lease TTL of {bound}"
        )));
    }
    Ok(())
}
