//! The fields of requests that set a rotation, named as in Vault's engines.

use std::time::Duration;

use super::{InvalidSchedule, Schedule};
use crate::Result;

crate::fields! {
    /// Fields of a request that sets a rotation: a group for [`fields!`](crate::fields), `..rotation: RotationFields`.
    pub struct RotationFields {
        /// Time between two rotations: a number of seconds, or a text such as 7d or 12h. Not together with
        /// rotation_schedule.
        rotation_period: Option<Duration>,
        /// The times of rotations, as cron writes them, in UTC: `0 3 * * SAT`. Not together with rotation_period.
        rotation_schedule: Option<String>,
        /// Time for which a rotation may begin after each time of rotation_schedule, an hour at least. Without it, a rotation
        /// that was missed is made up for.
        rotation_window: Option<Duration>,
    }
}

impl RotationFields {
    /// Returns true if any of the fields is given. A period of 0 and an empty schedule are, and end a rotation.
    pub fn is_given(&self) -> bool {
        self.rotation_period.is_some() || self.rotation_schedule.is_some() || self.rotation_window.is_some()
    }

    /// Returns the schedule, or `None` if neither a period nor a schedule is given, or they are 0 and empty. A window is given with
    /// its schedule.
    ///
    /// # Errors
    /// [`Error::User`](crate::Error::User) that says which field is wrong.
    pub fn schedule(&self) -> Result<Option<Schedule>> {
        let window = self.rotation_window.filter(|window| !window.is_zero());
        let period = self.rotation_period.unwrap_or_default();
        let schedule = match (
            period,
            self.rotation_schedule.as_deref().unwrap_or_default().trim(),
        ) {
            (Duration::ZERO, "") if window.is_some() => return Err(InvalidSchedule::LonelyWindow.into()),
            (Duration::ZERO, "") => return Ok(None),
            (Duration::ZERO, text) => Schedule::cron(text, window)?,
            (_, text) if !text.is_empty() => return Err(InvalidSchedule::Both.into()),
            _ if window.is_some() => return Err(InvalidSchedule::LonelyWindow.into()),
            (period, _) => Schedule::every(period)?,
        };
        Ok(Some(schedule))
    }
}
