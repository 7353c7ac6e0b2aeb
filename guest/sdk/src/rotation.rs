//! Rotates what an engine keeps: after a period, or at the times of a schedule.
//!
//! A [`Rotation`] is a constant with the function that rotates one item. Name it in [`Engine::ROTATIONS`](crate::Engine), give
//! each item a [`Schedule`], and Vault's tick, about once a minute, rotates what is due:
//!
//! ```
//! use airlock_sdk::rotation::{Rotation, RotationFields, Rotations};
//! use airlock_sdk::{Context, Description, Engine, Name, Result, Routes, fields, route};
//!
//! const PASSWORD: Rotation = Rotation::new("password", rotate);
//!
//! fields! {
//!     struct At { name: Name }
//!     struct Write {
//!         /// Name of the password.
//!         name: Name,
//!         ..rotation: RotationFields,
//!     }
//! }
//!
//! struct Passwords;
//!
//! impl Engine for Passwords {
//!     const DESCRIPTION: Description = Description::new("passwords", "1.0.0", "Rotates passwords.").storage(&["password/"]);
//!     const ROUTES: Routes = &[
//!         &route("passwords/{name}").update(write).delete(delete),
//!         &route("passwords/{name}/rotate").update(rotate_now),
//!     ];
//!     const ROTATIONS: Rotations = &[&PASSWORD];
//! }
//!
//! fn write(cx: &Context, given: Write) -> Result<()> {
//!     rotate(cx, &given.name)?;
//!     match given.rotation.schedule()? {
//!         Some(schedule) => PASSWORD.schedule(cx, &given.name, &schedule),
//!         None if given.rotation.is_given() => PASSWORD.cancel(cx, &given.name),
//!         None => Ok(()),
//!     }
//! }
//!
//! fn rotate(cx: &Context, name: &str) -> Result<()> {
//!     cx.storage.put(&format!("password/{name}"), cx.random.uuid())
//! }
//!
//! fn rotate_now(cx: &Context, at: At) -> Result<()> {
//!     PASSWORD.rotate(cx, &at.name)
//! }
//!
//! fn delete(cx: &Context, at: At) -> Result<()> {
//!     PASSWORD.cancel(cx, &at.name)?;
//!     cx.storage.delete(&format!("password/{}", at.name))
//! }
//!
//! // In a test:
//! use airlock_sdk::{json, testing::Mount};
//! use std::time::Duration;
//!
//! let mount = Mount::<Passwords>::new();
//! assert_eq!(mount.write("passwords/db", json!({ "rotation_period": "1h" })).status(), 204);
//! let first = mount.stored()["password/db"].clone();
//! mount.advance(Duration::from_secs(3600));
//! assert_eq!(mount.tick().status(), 204);
//! assert_ne!(mount.stored()["password/db"], first);
//! ```
//!
//! # What happens
//! - A tick lists what is due, which costs one call of storage for each [`Rotation`] if nothing is.
//! - Before each rotation, the SDK stores that it is tried. So one that traps or runs out of time is tried again later, and does not
//!   keep the others waiting for ever. Then the function runs, and its writes are committed with the time of the next rotation.
//! - After a failure the next try comes after a minute, then after two, four and so on, up to an hour; see [`Rotation::retry`]. An
//!   error whose function has written ends the tick, because only so are its writes dropped; the others come a minute later.
//! - Ticks run on the active node only, as Vault's do. If nobody ticks for a while, what is due is rotated once, and not once
//!   for each time that was missed.
//! - Schedules and times are stored below `rotation/`, in the mount's own storage. An engine with [`Rotation`]s leaves these keys
//!   alone, and need not declare the prefix.
//! - A function that a crash interrupts may run twice. Its writes and the time of the next rotation are stored together if the
//!   engine declares [`redo_record`](crate::Description::redo_record).
//!
//! # Vault's rotation manager
//! This is not the rotation manager of Vault Enterprise. Vault Community and OpenBao refuse its calls ("rotation manager
//! capabilities not supported in Vault community edition"), and Airlock's contract has none of them. To use it, an engine would
//! call `RegisterRotationJob` of Vault's system view when a configuration is written, with name, mount, path and schedule,
//! `DeregisterRotationJob` when it is removed, and `GetRotationInformation` for its answers. Vault Enterprise then sends the
//! operation `rotate` for the path, which [`Engine::rotate`](crate::Engine::rotate) handles already.

mod cron;
mod fields;
mod job;
mod run;
mod schedule;

use std::time::Duration;

use crate::refuse::refuse;
use crate::route::pattern::same;
use crate::{Context, Error, Result, Timestamp};

pub use fields::RotationFields;
pub use job::Job;
pub(crate) use job::PREFIX;
pub(crate) use run::run;
pub use schedule::{InvalidSchedule, Schedule};

/// The rotations of an engine, for [`Engine::ROTATIONS`](crate::Engine::ROTATIONS).
pub type Rotations = &'static [&'static Rotation];

/// Returns an engine's rotations, and stops the compiler if two of them have the same kind: they would share their items.
/// [`export!`](crate::export) calls it.
#[doc(hidden)]
#[track_caller]
pub const fn checked(rotations: Rotations) -> Rotations {
    let mut later = 0;
    while later < rotations.len() {
        let kind = rotations[later].kind;
        let mut earlier = 0;
        while earlier < later {
            let other = rotations[earlier].kind;
            if same(other.as_bytes(), 0, other.len(), kind.as_bytes(), 0, kind.len()) {
                refuse(&["two rotations have the kind `", kind, "`: give each its own"]);
            }
            earlier += 1;
        }
        later += 1;
    }
    rotations
}

/// A kind of item that is rotated. See the [module](crate::rotation).
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    kind: &'static str,
    rotate: fn(&Context, &str) -> Result<()>,
    jitter: Duration,
    first_retry: Duration,
    longest_retry: Duration,
    at_once: u32,
}

impl Rotation {
    /// Makes a rotation from its kind, a word that is part of its storage keys, and the function that rotates the item of a
    /// name. No other rotation of the engine has the same kind.
    ///
    /// An error of the function is the result of the tick, which Vault logs: put neither secrets nor names into it. The function
    /// may [`cancel`](Self::cancel) the rotation of its item, or give it another schedule.
    ///
    /// # Panics
    /// At compile time, if the kind is empty or has a `/`.
    pub const fn new(kind: &'static str, rotate: fn(&Context, &str) -> Result<()>) -> Self {
        assert!(!kind.is_empty(), "the kind of a rotation is not empty");
        let mut at = 0;
        while at < kind.len() {
            assert!(kind.as_bytes()[at] != b'/', "the kind of a rotation has no `/`");
            at += 1;
        }
        Self {
            kind,
            rotate,
            jitter: Duration::ZERO,
            first_retry: Duration::from_secs(60),
            longest_retry: Duration::from_secs(3600),
            at_once: 25,
        }
    }

    /// Adds a random time up to this one to each period, so that items that were made together are not all due together. It
    /// does not change the times of a cron schedule. The default is zero.
    pub const fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// Sets the time to the second try after a failure, which doubles with each further failure, and the longest. The default
    /// is a minute and an hour.
    pub const fn retry(mut self, first: Duration, longest: Duration) -> Self {
        self.first_retry = first;
        self.longest_retry = longest;
        self
    }

    /// Sets the most rotations of a tick. The default is 25; what is left over is due a minute later. All of them have the CPU
    /// time of one request (`--cpu-ms`, a second by default), so give less for those that compute much, such as RSA keys.
    ///
    /// # Panics
    /// At compile time, if it is 0.
    pub const fn at_once(mut self, most: u32) -> Self {
        assert!(most > 0, "a tick rotates at least one item");
        self.at_once = most;
        self
    }

    /// Gives an item a schedule, or another one. The first rotation is due after the period, or at the next time of the
    /// schedule; another period counts from the last rotation, or from the first schedule.
    ///
    /// # Errors
    /// Those of storage, and [`Error::Internal`] if the name has a `/` or is empty.
    pub fn schedule(&self, cx: &Context, name: &str, schedule: &Schedule) -> Result<()> {
        let old = self.job(cx, name)?;
        let now = cx.clock.now();
        // A clock that was set back must not delay the next rotation.
        let last = old.as_ref().map_or(now, |old| old.last.min(now));
        let due = match schedule.period() {
            Some(_) => self.due(cx, schedule, last),
            None => self.due(cx, schedule, now),
        };
        let job = Job {
            schedule: schedule.clone(),
            last,
            due,
            failures: 0,
            window_ends: schedule.window().map(|window| due + window),
        };
        self.store(cx, name, old.as_ref(), &job)
    }

    /// Rotates an item now, in this request. Its writes and the time of the next rotation are stored together, or nothing is, if
    /// the engine declares [`redo_record`](crate::Description::redo_record). The next one is due after a whole period, or at the
    /// next time of the schedule.
    ///
    /// # Errors
    /// Those of the function and of storage, and a 404 if the item has no schedule.
    pub fn rotate(&self, cx: &Context, name: &str) -> Result<()> {
        let old = self.job(cx, name)?;
        let old = old.ok_or_else(|| Error::coded(404, "there is no rotation of this name"))?;
        (self.rotate)(cx, name)?;
        self.settle(cx, name, &old)
    }

    /// Stores the time of the next rotation after the function has run, unless the function changed the schedule or ended it.
    fn settle(&self, cx: &Context, name: &str, before: &Job) -> Result<()> {
        match self.job(cx, name)? {
            Some(job) if job == *before => self.store(cx, name, Some(before), &self.rotated(cx, before)),
            _ => Ok(()),
        }
    }

    /// Returns an item's schedule and times, or `None` if it has none.
    ///
    /// # Errors
    /// Those of storage, and [`Error::Internal`] if the name has a `/` or is empty.
    pub fn job(&self, cx: &Context, name: &str) -> Result<Option<Job>> {
        cx.storage.get_json(&self.job_key(name)?)
    }

    /// Ends the rotation of an item. Succeeds if it has none.
    ///
    /// # Errors
    /// Those of storage, and [`Error::Internal`] if the name has a `/` or is empty.
    pub fn cancel(&self, cx: &Context, name: &str) -> Result<()> {
        let Some(job) = self.job(cx, name)? else {
            return Ok(());
        };
        cx.storage.delete(&self.job_key(name)?)?;
        cx.storage.delete(&self.due_key(name, job.due))
    }

    /// Returns the job after a rotation that succeeded now.
    fn rotated(&self, cx: &Context, job: &Job) -> Job {
        let last = cx.clock.now();
        let due = self.due(cx, &job.schedule, last);
        Job {
            schedule: job.schedule.clone(),
            last,
            due,
            failures: 0,
            window_ends: job.schedule.window().map(|window| due + window),
        }
    }

    fn due(&self, cx: &Context, schedule: &Schedule, after: Timestamp) -> Timestamp {
        let due = schedule.next(after);
        let most = self.jitter.as_secs();
        if most == 0 || schedule.period().is_none() {
            return due;
        }
        let random = u64::from_le_bytes(cx.random.array());
        due + Duration::from_secs(random % (most + 1))
    }

    /// Returns the time from a failure to the next try.
    fn retry_after(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_retry.saturating_mul(doubled).min(self.longest_retry)
    }
}
