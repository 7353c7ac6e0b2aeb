//! Mounts come, are tuned, get another engine, and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use airlock_storage::Storage;
use serde_json::{Map, Value};
use vault_plugin::{Operation, Request};

use super::{Core, MOUNTS};
use crate::answer::Refusal;
use crate::engine::{DevEvents, MountSetup};
use crate::go::parse_duration;
use crate::mount::{Engine, LISTS, Mount, MountConfig, MountEntry, SYSTEM_TTL};
use crate::random;
use crate::store::View;
use crate::system::DevSystem;

/// Mounts of Vault's own.
const PROTECTED: [&str; 5] = ["audit/", "auth/", "sys/", "cubbyhole/", "identity/"];

/// A mount path as the table has it: no leading slash, one trailing slash.
pub(crate) fn sanitized(path: &str) -> String {
    format!("{}/", path.trim_matches('/'))
}

/// A list of names, which may come as an array or as a text with commas.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => {
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn flag(fields: &Map<String, Value>, name: &str) -> bool {
    match fields.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        _ => false,
    }
}

fn options(fields: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
    let options = fields.get("options")?.as_object()?;
    let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(options.iter().map(|(name, value)| (name.clone(), as_text(value))).collect())
}

impl Core {
    /// `sys/mounts/<path>` with these fields.
    ///
    /// # Errors
    /// Vault's refusals; what the engine says where it cannot be set up.
    pub(crate) async fn enable(&self, path: &str, fields: &Map<String, Value>) -> Result<(), Refusal> {
        let path = sanitized(path);
        let config_fields = fields.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut config = MountConfig::default();
        let ttl = |name: &str, called: &str| {
            let given = config_fields.get(name).filter(|value| !matches!(value.as_str(), Some("" | "system")));
            let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let parsed = given.map(|value| {
                parse_duration(value)
                    .map_err(|why| Refusal::user(format!("unable to parse {called} TTL of {}: {why}", shown(value))))
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
        let _turn = self.changes.lock().await;
        let path = entry.path.clone();
        if path == "/" || PROTECTED.iter().any(|protected| path.starts_with(protected)) {
            return Err(Refusal::user(format!("cannot mount \"{path}\"")));
        }
        let taken = self.mounts().into_iter().map(|mount| mount.path());
        if let Some(taken) = taken.into_iter().find(|taken| taken.starts_with(&path) || path.starts_with(taken)) {
            return Err(Refusal::user(format!("path is already in use at {taken}")));
        }
        let known = self.factory.engines();
        if !known.iter().any(|known| known.name == entry.engine) {
            return Err(Refusal::user(format!("plugin not found in the catalog: {}", entry.engine)));
        }
        let view = View::of_mount(Arc::clone(&self.store), &entry.uuid);
        let mount = Arc::new(Mount::new(entry.clone(), view));
        let engine = self.load(&mount).await.map_err(|error| Refusal::user(error.to_string()))?;
        self.store.put_document(&format!("{MOUNTS}{path}"), &entry)?;
        let initialized = engine.backend.initialize().await;
        mount.set_engine(Ok(Arc::new(engine))).ok();
        self.mounts.write().insert(path, mount);
        // As with Vault the mount stays, and whoever enabled it is told.
        initialized.map_err(|error| Refusal::user(error.to_string()))
    }

    /// An engine for a mount, not yet initialized.
    async fn load(&self, mount: &Arc<Mount>) -> Result<Engine, vault_plugin::Error> {
        let entry = mount.entry();
        let info = self.factory.engines().into_iter().find(|info| info.name == entry.engine).unwrap_or_default();
        let mut config = entry.options.clone().unwrap_or_default();
        config.insert("plugin_name".to_owned(), entry.engine.clone());
        config.insert("plugin_type".to_owned(), "secret".to_owned());
        config.insert("plugin_version".to_owned(), String::new());
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
            events: DevEvents { mount: entry.path.as_str().into(), journal: Arc::clone(&self.journal) },
        };
        let backend = self.factory.mount(&entry.engine, setup).await?;
        let special = backend.special_paths();
        Ok(Engine { backend, special, version: info.version, sha256: info.sha256 })
    }

    /// Loads the engines of the mounts that were stored. One that cannot be loaded is told to the observer, and its
    /// mount answers why.
    pub(crate) async fn load_all(&self) {
        for mount in self.mounts() {
            if let Err(why) = self.reload(&mount).await {
                mount.set_engine(Err(why.to_string())).ok();
                self.journal.trouble(&format!("{} is not served: {why}", mount.path()));
            }
        }
    }

    /// Gives a mount a new engine of its type. Requests in flight finish on the old one; where the new one cannot be
    /// had the old one stays.
    pub(crate) async fn reload(&self, mount: &Arc<Mount>) -> Result<(), vault_plugin::Error> {
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

    /// Takes a mount down with everything that it stored; nothing where there is none.
    pub(crate) async fn disable(&self, path: &str) -> Result<(), Refusal> {
        let path = sanitized(path);
        let _turn = self.changes.lock().await;
        if PROTECTED.iter().any(|protected| path.starts_with(protected)) {
            return Err(Refusal::user(format!("cannot unmount \"{path}\"")));
        }
        let Some(mount) = self.mount_at(&path) else { return Ok(()) };
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

    /// Vault's tick for one mount.
    pub(crate) async fn roll_back(&self, mount: &Arc<Mount>) {
        let Ok(engine) = mount.engine() else { return };
        let mut request = Request::new(Operation::Rollback, "");
        request.mount_point = mount.path();
        request.mount_type = mount.entry().engine;
        let answer = engine.backend.handle_request(request).await;
        match answer {
            Ok(_) | Err(vault_plugin::Error::UnsupportedOperation) => {}
            Err(error) => self.journal.trouble(&format!("the periodic tick of {} failed: {error}", mount.path())),
        }
    }

    /// `sys/mounts/<path>/tune` with these fields; a warning where it made a reload.
    pub(crate) async fn tune(&self, path: &str, fields: &Map<String, Value>) -> Result<Option<String>, Refusal> {
        let path = sanitized(path);
        if ["cubbyhole/", "sys/", "audit/", "identity/"].iter().any(|fixed| path.starts_with(fixed)) {
            return Err(Refusal::user(format!("cannot tune \"{path}\"")));
        }
        let _turn = self.changes.lock().await;
        let Some((mount, _)) = self.mount_of(&path) else {
            return Err(Refusal::user(format!("tune of path \"{path}\" failed: no mount entry found")));
        };
        let mut entry = mount.entry();
        for (name, bound) in [("default_lease_ttl", 0), ("max_lease_ttl", 1)] {
            let ttl = match fields.get(name) {
                None => continue,
                Some(value) if value.as_str() == Some("") => continue,
                Some(value) if value.as_str() == Some("system") => Default::default(),
                Some(value) => parse_duration(value).map_err(Refusal::user)?,
            };
            let config = &mut entry.config;
            *[&mut config.default_lease_ttl, &mut config.max_lease_ttl][bound] = ttl;
        }
        check_tuned_ttls(&entry.config)?;
        if let Some(description) = fields.get("description").and_then(Value::as_str) {
            entry.description = description.to_owned();
        }
        set_visibility(&mut entry.config, fields)?;
        set_lists(&mut entry.config, fields);
        let upgraded = tune_options(&mut entry, fields)?;
        self.store.put_document(&format!("{MOUNTS}{}", entry.path), &entry)?;
        mount.set_entry(entry);
        if upgraded.is_some()
            && let Err(error) = self.reload(&mount).await
        {
            self.journal.trouble(&format!("{} was tuned but not reloaded: {error}", mount.path()));
        }
        Ok(upgraded)
    }

    /// Moves a mount to another path, with its leases revoked as in Vault.
    pub(crate) async fn remount(&self, from: &str, to: &str) -> Result<(), Refusal> {
        let (from, to) = (sanitized(from), sanitized(to));
        let _turn = self.changes.lock().await;
        let Some(mount) = self.mount_at(&from) else {
            return Err(Refusal::user(format!("no matching mount at \"{from}\"")));
        };
        if PROTECTED.iter().any(|protected| to.starts_with(protected)) {
            return Err(Refusal::user(format!("invalid destination mount: cannot remount to \"{to}\"")));
        }
        if let Some((taken, _)) = self.mount_of(&to) {
            return Err(Refusal::user(format!("path already in use at \"{}\"", taken.path())));
        }
        self.revoke_below(&from, true).await?;
        let entry = MountEntry { path: to.clone(), ..mount.entry() };
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
) -> Result<(String, Option<BTreeMap<String, String>>), Refusal> {
    let mut options = options(fields);
    let mut engine = text(fields, "type");
    if engine.is_empty() {
        return Err(Refusal::user("backend type must be specified as a string"));
    }
    if engine == "plugin" {
        let named = [text(config, "plugin_name"), text(fields, "plugin_name")];
        engine = named.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        if engine.is_empty() {
            return Err(Refusal::user("plugin_name must be provided for plugin backend"));
        }
    }
    match engine {
        "kv" => {}
        "kv-v1" | "kv-v2" => {
            let version = engine.trim_start_matches("kv-v").to_owned();
            options.get_or_insert_default().insert("version".to_owned(), version);
            engine = "kv";
        }
        other => {
            if options.as_ref().and_then(|options| options.get("version")).is_some_and(|version| !version.is_empty()) {
                return Err(Refusal::user(format!("secrets engine \"{other}\" does not allow setting a version")));
            }
        }
    }
    Ok((engine.to_owned(), options.filter(|options| !options.is_empty())))
}

fn check_ttls(config: &MountConfig) -> Result<(), Refusal> {
    if !config.max_lease_ttl.is_zero() && config.default_lease_ttl > config.max_lease_ttl {
        return Err(Refusal::user("given default lease TTL greater than given max lease TTL"));
    }
    if config.max_lease_ttl.is_zero() && config.default_lease_ttl > SYSTEM_TTL {
        let bound = SYSTEM_TTL.as_secs();
        return Err(Refusal::user(format!("given default lease TTL greater than system max lease TTL of {bound}")));
    }
    Ok(())
}

fn check_tuned_ttls(config: &MountConfig) -> Result<(), Refusal> {
    let max = if config.max_lease_ttl.is_zero() { SYSTEM_TTL } else { config.max_lease_ttl };
    if config.default_lease_ttl > max {
        let (default, max) = (config.default_lease_ttl.as_secs(), max.as_secs());
        return Err(Refusal::user(format!("backend max lease TTL of {max} is less than the default lease TTL of {default}")));
    }
    Ok(())
}

fn set_visibility(config: &mut MountConfig, fields: &Map<String, Value>) -> Result<(), Refusal> {
    if let Some(visibility) = fields.get("listing_visibility").and_then(Value::as_str) {
        if !matches!(visibility, "" | "hidden" | "unauth") {
            return Err(Refusal::user(format!("invalid listing_visibility {visibility}")));
        }
        visibility.clone_into(&mut config.listing_visibility);
    }
    Ok(())
}

fn set_lists(config: &mut MountConfig, fields: &Map<String, Value>) {
    for name in LISTS {
        if let Some(value) = fields.get(name) {
            let names = strings(value);
            if names.is_empty() { config.lists.remove(name) } else { config.lists.insert(name.to_owned(), names) };
        }
    }
}

/// Changes the options; the warning of an upgrade where the version was raised.
fn tune_options(entry: &mut MountEntry, fields: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let Some(new) = options(fields).filter(|options| !options.is_empty()) else { return Ok(None) };
    let mut options = entry.options.clone().unwrap_or_default();
    let mut warning = None;
    if let Some(wanted) = new.get("version") {
        let current: i64 = options.get("version").and_then(|version| version.parse().ok()).unwrap_or(0);
        let invalid = || Refusal::user(format!("unable to parse options: strconv.ParseInt: parsing \"{wanted}\": invalid syntax"));
        let wanted: i64 = if wanted.is_empty() { 0 } else { wanted.parse().map_err(|_| invalid())? };
        if !matches!(wanted, 1 | 2) {
            return Err(Refusal::user(format!("invalid version provided: {wanted}")));
        }
        if current > wanted {
            return Err(Refusal::user(format!("cannot downgrade mount from version {current}")));
        }
        if current < wanted {
            warning = Some(format!(
                "Upgrading mount from version {current} to version {wanted}. This mount will be unavailable for a \
                 brief period and will resume service shortly."
            ));
        }
    }
    for (name, value) in new {
        if value.is_empty() && name != "version" {
            options.remove(&name);
        } else {
            options.insert(name, value);
        }
    }
    entry.options = Some(options);
    Ok(warning)
}
