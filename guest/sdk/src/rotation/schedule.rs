//! Says when something is due.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cron::Cron;
use crate::{Error, Timestamp};

/// The shortest period: Vault ticks about once a minute.
const SHORTEST: Duration = Duration::from_secs(60);

/// The shortest window, as in Vault.
const SHORTEST_WINDOW: Duration = Duration::from_secs(3600);

/// The times of rotations: each so many seconds after the last, or those of a cron schedule. Serde stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A period in seconds.
    Every(u64),
    Cron {
        schedule: Cron,
        /// In seconds.
        window: Option<u64>,
    },
}

/// The reason why something is not a schedule. Its text names the fields of a [`RotationFields`](super::RotationFields).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSchedule {
    /// The period is shorter than a minute.
    #[error("rotation_period must be a minute or longer")]
    ShortPeriod,
    /// The window is shorter than an hour.
    #[error("rotation_window must be an hour or longer")]
    ShortWindow,
    /// A window is given without the schedule in whose times it begins.
    #[error("rotation_window needs a rotation_schedule")]
    LonelyWindow,
    /// Both a period and a schedule are given.
    #[error("rotation_schedule and rotation_period exclude each other: give one of them")]
    Both,
    /// The text is not a schedule of cron. The field says which part is wrong, and why.
    #[error("rotation_schedule is not valid: {0}")]
    Cron(String),
}

impl From<InvalidSchedule> for Error {
    fn from(error: InvalidSchedule) -> Error {
        Error::User(error.to_string())
    }
}

impl Schedule {
    /// Makes a schedule of a period, which is a minute or longer. A fraction of a second is dropped.
    ///
    /// # Errors
    /// [`InvalidSchedule::ShortPeriod`].
    pub fn every(period: Duration) -> Result<Schedule, InvalidSchedule> {
        if period < SHORTEST {
            return Err(InvalidSchedule::ShortPeriod);
        }
        Ok(Schedule(Kind::Every(period.as_secs())))
    }

    /// Makes a schedule of a text as cron takes it: minute, hour, day of the month, month and day of the week, such as
    /// `0 3 * * SAT`. As in Vault, each may be `*`, a number, a range, a step or a list of them, and months and days may have
    /// English names. If neither of the two days is `*`, either of them is enough.
    ///
    /// Times are in UTC, and a time zone at the beginning (`TZ=` or `CRON_TZ=`), which Vault takes, is refused. So is a schedule
    /// that never comes, such as `0 0 30 2 *`, which Vault takes and never runs. Everything else is read as Vault reads it: what
    /// follows a `*-` counts for nothing.
    ///
    /// With a window, an hour or longer, a rotation begins in this time after its hour, or not before the next.
    ///
    /// # Errors
    /// [`InvalidSchedule::Cron`] or [`InvalidSchedule::ShortWindow`].
    pub fn cron(text: &str, window: Option<Duration>) -> Result<Schedule, InvalidSchedule> {
        if window.is_some_and(|window| window < SHORTEST_WINDOW) {
            return Err(InvalidSchedule::ShortWindow);
        }
        let schedule = text.parse().map_err(InvalidSchedule::Cron)?;
        let window = window.map(|window| window.as_secs());
        Ok(Schedule(Kind::Cron { schedule, window }))
    }

    /// Returns the first time after another one.
    pub fn next(&self, after: Timestamp) -> Timestamp {
        match &self.0 {
            Kind::Every(seconds) => after + Duration::from_secs(*seconds),
            Kind::Cron { schedule, .. } => schedule.next(after),
        }
    }

    /// Returns the period, if it is not a cron schedule.
    pub fn period(&self) -> Option<Duration> {
        match self.0 {
            Kind::Every(seconds) => Some(Duration::from_secs(seconds)),
            Kind::Cron { .. } => None,
        }
    }

    /// Returns the text of a cron schedule.
    pub fn text(&self) -> Option<&str> {
        match &self.0 {
            Kind::Every(_) => None,
            Kind::Cron { schedule, .. } => Some(schedule.text()),
        }
    }

    /// Returns the window of a cron schedule.
    pub fn window(&self) -> Option<Duration> {
        match self.0 {
            Kind::Every(_) => None,
            Kind::Cron { window, .. } => window.map(Duration::from_secs),
        }
    }
}
