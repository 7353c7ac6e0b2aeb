//! `airlock status` without a mount: a line for each mount of Airlock that the token can see.

use std::fmt::Write as _;

use anyhow::Result;
use printable::Printable;
use serde_json::{Map, Value, json};

use super::pretty;
use crate::control::Control;
use crate::control::answers::Status;
use crate::control::error::ControlError;
use crate::swap::running;

/// Returns the text to print. A mount that could not be asked has the reason in its place.
pub fn run(as_json: bool) -> Result<String> {
    let mut lines = String::new();
    let mut object = Map::new();
    for control in Control::of_all()? {
        let mount = control.mount().to_string();
        match control.status_and_data() {
            // Another external plugin.
            Err(ControlError::NoAirlock(_) | ControlError::NoMount(_)) => {}
            Ok((_, data)) if as_json => {
                object.insert(mount, data);
            }
            Ok((status, _)) => {
                let _ = writeln!(lines, "{}", Printable(line(&mount, &status)));
            }
            Err(error) => {
                let reason = format!("{:#}", anyhow::Error::from(error));
                match as_json {
                    true => drop(object.insert(mount, json!({ "error": reason }))),
                    // It begins with the mount.
                    false => drop(writeln!(lines, "{}", Printable(reason))),
                }
            }
        }
    }
    if as_json {
        return pretty(&Value::Object(object));
    }
    if lines.is_empty() {
        return Ok("no mount of Airlock that this token can see\n".to_owned());
    }
    Ok(lines)
}

fn line(mount: &str, status: &Status) -> String {
    let mut line = match &status.running {
        Some(guest) => format!("{mount}: {}", running(guest)),
        None => format!("{mount}: nothing runs"),
    };
    if let Some(cause) = &status.cause {
        let _ = write!(line, ": {cause}");
    }
    if let Some(breaker) = &status.breaker
        && !matches!(breaker.state.as_str(), "closed" | "off")
    {
        let cause = breaker.cause.as_deref().unwrap_or("it fails");
        let _ = write!(line, "; set aside ({}), because {cause}", breaker.state);
    }
    line
}
