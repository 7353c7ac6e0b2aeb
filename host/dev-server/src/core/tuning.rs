//! The fields of `sys/mounts/<path>` and its `tune`: settings, options, limits of leases.

use serde_json::{Map, Value};
use vault_core::{SYSTEM_TTL, parse_duration};
use vault_plugin::Report;

use super::fields::{options, sanitized, set_lists, set_visibility};
use super::{Core, MOUNTS};
use crate::answer::Refusal;
use crate::mount::{MountConfig, MountEntry};

impl Core {
    /// Serves `sys/mounts/<path>/tune` with these fields. Returns a warning if the change reloads the mount.
    pub(crate) async fn tune(
        &self,
        path: &str,
        fields: &Map<String, Value>,
    ) -> Result<Option<String>, Refusal> {
        let path = sanitized(path);
        if ["cubbyhole/", "sys/", "audit/", "identity/"]
            .iter()
            .any(|fixed| path.starts_with(fixed))
        {
            return Err(Refusal::user(format!("cannot tune \"{path}\"")));
        }
        let _alone = self.changes.lock().await;
        let Some((mount, _)) = self.mount_of(&path) else {
            return Err(Refusal::user(format!(
                "tune of path \"{path}\" failed: no mount entry found"
            )));
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
        self.store
            .put_document(&format!("{MOUNTS}{}", entry.path), &entry)?;
        mount.set_entry(entry);
        if upgraded.is_some()
            && let Err(error) = self.reload(&mount).await
        {
            let error = Report::new(&error);
            self.journal
                .trouble(&format!("{} was tuned but not reloaded: {error}", mount.path()));
        }
        Ok(upgraded)
    }
}

fn check_tuned_ttls(config: &MountConfig) -> Result<(), Refusal> {
    let max = if config.max_lease_ttl.is_zero() {
        SYSTEM_TTL
    } else {
        config.max_lease_ttl
    };
    if config.default_lease_ttl > max {
        let (default, max) = (config.default_lease_ttl.as_secs(), max.as_secs());
        return Err(Refusal::user(format!(
            "backend max lease TTL of {max} would be less than backend default lease TTL of {default}"
        )));
    }
    Ok(())
}

/// Changes the options. Returns a warning about the upgrade if the version was raised.
fn tune_options(entry: &mut MountEntry, fields: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let Some(new) = options(fields).filter(|options| !options.is_empty()) else {
        return Ok(None);
    };
    let mut options = entry.options.clone();
    let mut warning = None;
    if let Some(wanted) = new.get("version") {
        let current: i64 = options
            .get("version")
            .and_then(|version| version.parse().ok())
            .unwrap_or(0);
        let invalid = || {
            Refusal::user(format!(
                "unable to parse options: strconv.ParseInt: parsing \"{wanted}\": invalid syntax"
            ))
        };
        let wanted: i64 = if wanted.is_empty() {
            0
        } else {
            wanted.parse().map_err(|_| invalid())?
        };
        if !matches!(wanted, 1 | 2) {
            return Err(Refusal::user(format!("invalid version provided: {wanted}")));
        }
        if current > wanted {
            return Err(Refusal::user(format!(
                "cannot downgrade mount from version {current}"
            )));
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
    entry.options = options;
    Ok(warning)
}
