//! `airlock guests` and `airlock gc`: list the guests in a mount's storage, and remove those that nothing needs.

use std::fmt::Write as _;

use anyhow::Result;
use printable::Printable;

use crate::control::answers::{GuestInfo, Guests, Removed};
use crate::control::{Control, MountArgs};

/// Returns the list of guests.
pub fn list(args: &MountArgs) -> Result<String> {
    let control = Control::of(args)?;
    control.status()?;
    Ok(text(&control.guests()?))
}

/// Removes guests and pieces, and returns the text about them.
pub fn gc(args: &MountArgs) -> Result<String> {
    let control = Control::of(args)?;
    control.writable_status()?;
    Ok(removed(&control.gc()?))
}

fn text(guests: &Guests) -> String {
    if guests.keys.is_empty() {
        return "no guests in storage\n".to_owned();
    }
    let mut out = String::new();
    for sha256 in &guests.keys {
        let _ = match guests.key_info.get(sha256) {
            Some(guest) => {
                let active = if guest.active { "*" } else { " " };
                writeln!(out, "{active} {}  {}", Printable(sha256), Printable(about(guest)))
            }
            None => writeln!(out, "  {}", Printable(sha256)),
        };
    }
    out.push_str("* is active\n");
    out
}

fn about(guest: &GuestInfo) -> String {
    let GuestInfo { size, signer, .. } = guest;
    let mut about = match (&guest.name, &guest.version) {
        (Some(name), Some(version)) => format!("{name} {version}, {size} bytes"),
        _ => format!("not whole yet, {size} bytes"),
    };
    if let Some(stored) = &guest.stored {
        let _ = write!(about, ", stored {stored}");
    }
    if let Some(signer) = signer {
        let _ = write!(about, ", signed by {signer}");
    }
    about
}

fn removed(removed: &Removed) -> String {
    let Removed {
        guests,
        pieces,
        bytes,
    } = removed;
    format!("removed {guests} guests and {pieces} pieces, {bytes} bytes\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_guests_and_marks_the_active_one() {
        let guests: Guests = serde_json::from_value(json!({
            "keys": ["ab", "cd", "e\u{1b}", "ef"],
            "key_info": {
                "ab": {"name": "kv", "version": "0.2.0", "size": 9, "signer": "ann", "stored": "2026-11-26T20:00:00Z",
                    "active": true},
                "cd": {"name": "kv", "version": "0.1.0\n", "size": 8, "signer": null, "stored": "2026-11-25T20:00:00Z",
                    "active": false},
                "ef": {"name": null, "version": null, "size": 7, "signer": null, "stored": null, "active": false},
            },
        }))
        .unwrap();
        assert_eq!(
            text(&guests),
            "* ab  kv 0.2.0, 9 bytes, stored 2026-11-26T20:00:00Z, signed by ann\n\
             \x20 cd  kv 0.1.0\\n, 8 bytes, stored 2026-11-25T20:00:00Z\n  e\\u{1b}\n  ef  not whole yet, 7 bytes\n* is active\n"
        );
        assert_eq!(text(&Guests::default()), "no guests in storage\n");
    }

    #[test]
    fn says_what_was_removed() {
        let text = removed(&Removed {
            guests: 2,
            pieces: 30,
            bytes: 7,
        });
        assert_eq!(text, "removed 2 guests and 30 pieces, 7 bytes\n");
    }
}
