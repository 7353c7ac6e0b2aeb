//! A tick tells of everything that failed, in a way that Vault's log has it.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use airlock_sdk::rotation::{Rotation, Rotations, Schedule};
use airlock_sdk::testing::{Fault, Mount};
use airlock_sdk::{
    Context, Description, Engine, Error, Name, Result, Routes, Wal, WalKinds, fields, json, route,
};

const HOUR: Duration = Duration::from_secs(3600);
const ITEM: Rotation = Rotation::new("item", fail);
const ENTRY: Wal<String> = Wal::new("entry", |cx, name| fail(cx, &name));

fields! {
    struct At { name: Name }
}

struct Ticks;

impl Engine for Ticks {
    const DESCRIPTION: Description = Description::new("ticks", "1.0.0", "Fails in ticks.").storage(&["in/"]);
    const ROUTES: Routes = &[&route("items/{name}").update(write)];
    const ROTATIONS: Rotations = &[&ITEM];
    const WAL: WalKinds = &[&ENTRY];

    fn periodic(cx: &Context) -> Result<()> {
        match cx.storage.get_json::<String>("in/periodic")? {
            Some(name) => fail(cx, &name),
            None => Ok(()),
        }
    }
}

fn write(cx: &Context, at: At) -> Result<()> {
    ITEM.schedule(cx, &at.name, &Schedule::every(HOUR)?)
}

/// Fails with the name, after a write if it begins with `dirty`: as the caller's mistake if it begins with `user`. What begins with
/// `ok` succeeds.
fn fail(cx: &Context, name: &str) -> Result<()> {
    if name.starts_with("dirty") {
        cx.storage.put("in/dirt", "")?;
    }
    match name {
        _ if name.starts_with("ok") => Ok(()),
        _ if name.starts_with("user") => Err(Error::user(name)),
        "unsupported" => Err(Error::UnsupportedOperation),
        _ => Err(Error::internal(name)),
    }
}

/// Returns a mount whose next tick rotates these items and rolls back these entries, in this order.
fn mount(periodic: Option<&str>, items: &[&str], entries: &[&str]) -> Mount<Ticks> {
    let mount = Mount::new();
    for item in items {
        assert_eq!(mount.write(&format!("items/{item}"), json!({})).status(), 204);
        // Items are rotated in the order in which they are due.
        mount.advance(Duration::from_secs(1));
    }
    for (number, entry) in entries.iter().enumerate() {
        let stored = json!({ "type": "entry", "data": entry, "created_at": 0 });
        mount.store_json(&format!("wal/{number}"), &stored);
    }
    if let Some(periodic) = periodic {
        mount.store_json("in/periodic", &periodic);
    }
    mount.advance(HOUR);
    mount
}

#[test]
fn every_failure_of_a_tick_is_told() {
    let rotating = |name: &str| format!("error rotating \"item\": {name}");
    let undoing = |name: &str| format!("error rolling back \"entry\" entry: {name}");
    for (periodic, items, entries, told) in [
        (
            None,
            vec!["x", "dirty"],
            vec![],
            vec![rotating("x"), rotating("dirty")],
        ),
        (
            Some("p"),
            vec!["x", "dirty"],
            vec!["e"],
            vec!["p".into(), rotating("x"), rotating("dirty")],
        ),
        (
            None,
            vec!["x"],
            vec!["e", "dirty", "f"],
            vec![rotating("x"), undoing("e"), undoing("dirty")],
        ),
        (
            Some("p"),
            vec!["x", "ok"],
            vec!["e", "ok"],
            vec!["p".into(), rotating("x"), undoing("e")],
        ),
        (Some("dirty"), vec!["x"], vec!["e"], vec!["dirty".into()]),
        (Some("user"), vec![], vec![], vec!["user".into()]),
        (None, vec!["user"], vec![], vec![rotating("user")]),
        (None, vec![], vec!["user"], vec![undoing("user")]),
        (
            Some("unsupported"),
            vec![],
            vec![],
            vec![Error::UnsupportedOperation.to_string()],
        ),
    ] {
        let mount = mount(periodic, &items, &entries);
        let error = mount.tick().error().clone();
        assert_eq!(error, Error::internal(told.join("; ")));
        assert!(!mount.stored().contains_key("in/dirt"));
    }
}

#[test]
fn a_read_only_tick_logs_what_else_failed_because_vault_ignores_it() {
    for (items, entries) in [
        (vec!["ok"], vec![]),
        (vec![], vec!["ok"]),
        (vec!["ok"], vec!["x", "ok"]),
    ] {
        let mount = mount(Some("p"), &items, &entries);
        mount.fail(Fault::ReadOnly);
        assert_eq!(mount.tick().error(), &Error::ReadOnly, "{items:?} {entries:?}");
        let logs = mount.logs();
        assert!(logs.iter().any(|line| line.message.starts_with('p')), "{logs:?}");
    }
}
