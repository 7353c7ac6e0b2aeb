//! Leases, rotations and write-ahead entries.

use std::time::Duration;

use airlock_sdk::rotation::{Rotation, RotationFields};
use airlock_sdk::{
    Context, Error, Lease, LeaseTime, Leased, Name, Response, Result, Secret, Wal, fields, json,
};
use serde::{Deserialize, Serialize};

/// A lease that can be renewed.
pub(crate) const RENEWABLE: Secret<Kept> = Secret::new("renewable", revoke).renew(renew);
/// A lease that cannot.
pub(crate) const FINAL: Secret<Kept> = Secret::new("final", revoke);
/// An entry, which is rolled back after a minute.
pub(crate) const ENTRY: Wal<Kept> = Wal::new("entry", roll_back).min_age(Duration::from_secs(60));

/// The data of a lease, and of an entry.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    name: String,
    max: u64,
}

fields! {
    /// A lease to give.
    pub(crate) struct Give {
        /// Its name.
        name: Name,
        /// Its time.
        ttl: Duration = Duration::ZERO,
        /// Its maximum time.
        max: Duration = Duration::ZERO,
        /// False for a lease that cannot be renewed.
        renewable: bool = true,
    }

    /// An entry to write.
    pub(crate) struct Begin {
        /// Its name.
        name: Name,
        /// The text with which the request fails before it is done.
        error: Option<String>,
    }
}

pub(crate) fn give(cx: &Context, given: Give) -> Result<Response> {
    let kept = Kept {
        name: given.name.to_string(),
        max: given.max.as_secs(),
    };
    cx.storage.put(&format!("in/leases/{}", kept.name), "")?;
    let secret = if given.renewable { &RENEWABLE } else { &FINAL };
    let lease = secret.lease(&kept)?.lasting(given.ttl, given.max);
    Ok(Response::json(&json!({ "name": kept.name }))?.lease(lease))
}

fn renew(cx: &Context, leased: Leased<Kept>) -> Result<Lease> {
    told(cx, "renew", &leased);
    if cx.storage.get("in/stubborn")?.is_some() {
        return Err(Error::user("told not to"));
    }
    let max = Duration::from_secs(leased.data.max);
    let time = LeaseTime {
        increment: leased.lease.increment,
        ttl: leased.lease.ttl,
        max_ttl: max,
        issue_time: leased.lease.issue_time,
    };
    let (ttl, warning) = time.calculate(cx)?;
    cx.log
        .field("warning", warning.unwrap_or_default())
        .info("renewed");
    Ok(RENEWABLE.lease(&leased.data)?.lasting(ttl, max))
}

fn revoke(cx: &Context, leased: Leased<Kept>) -> Result<()> {
    told(cx, "revoke", &leased);
    if cx.storage.get("in/stubborn")?.is_some() {
        return Err(Error::internal("told not to"));
    }
    cx.storage.delete(&format!("in/leases/{}", leased.data.name))
}

/// Logs all that the engine gets about a lease.
fn told(cx: &Context, what: &str, leased: &Leased<Kept>) {
    let (lease, request) = (&leased.lease, &cx.request);
    let issued = lease.issue_time.map(|at| at.to_string()).unwrap_or_default();
    cx.log
        .field("name", &leased.data.name)
        .field("ttl", lease.ttl.as_secs())
        .field("max", lease.max_ttl.as_secs())
        .field("renewable", lease.renewable)
        .field("increment", lease.increment.as_secs())
        .field("issued", issued)
        .field("id", &lease.lease_id)
        .field("path", &request.path)
        .field("data", request.data.as_deref().unwrap_or("none"))
        .field("entity", &request.entity_id)
        .field(
            "mount",
            format!("{}, {}", request.mount_point, request.mount_type),
        )
        .info(what);
}

pub(crate) fn begin(cx: &Context, given: Begin) -> Result<()> {
    let kept = Kept {
        name: given.name.to_string(),
        max: 0,
    };
    let entry = ENTRY.begin(cx, &kept)?;
    cx.storage.put("in/begun", kept.name)?;
    crate::fail(given.error)?;
    entry.done(cx)
}

/// The items that are rotated each minute, or at the times of a schedule.
pub(crate) const ITEM: Rotation = Rotation::new("item", rotate).jitter(Duration::from_secs(30));

fields! {
    /// An item to rotate.
    pub(crate) struct Item {
        /// Its name. One that begins with `fails` or `dirty` cannot be rotated.
        name: Name,
        /// True to rotate it now.
        now: bool = false,
        ..rotation: RotationFields,
    }
}

pub(crate) fn item(cx: &Context, given: Item) -> Result<Option<Response>> {
    if given.now {
        ITEM.rotate(cx, &given.name)?;
    }
    match given.rotation.schedule()? {
        Some(schedule) => ITEM.schedule(cx, &given.name, &schedule)?,
        None if !given.now => ITEM.cancel(cx, &given.name)?,
        None => {}
    }
    let job = ITEM.job(cx, &given.name)?;
    job.map(|job| {
        Response::json(&json!({ "last": job.last, "ttl": job.ttl(cx).as_secs(), "failures": job.failures }))
    })
    .transpose()
}

fn rotate(cx: &Context, name: &str) -> Result<()> {
    if name.starts_with("fails") {
        return Err(Error::internal("told to"));
    }
    cx.storage
        .put(&format!("in/rotated/{name}"), cx.clock.now().to_string())?;
    match name.starts_with("dirty") {
        true => Err(Error::internal("told to, after a write")),
        false => Ok(()),
    }
}

fn roll_back(cx: &Context, kept: Kept) -> Result<()> {
    cx.log.field("name", kept.name).info("rolled back");
    Ok(())
}
