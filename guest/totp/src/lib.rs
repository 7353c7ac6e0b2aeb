//! A drop-in for Vault's TOTP secrets engine: it makes one-time codes as an authenticator app does, and validates those of
//! users.
//!
//! Paths, bodies, statuses and texts are those of Vault's own engine. `docs/totp.md` has the few differences, and
//! `guest/build.sh totp` builds the guest.
//!
//! # What is stored
//! | key | holds |
//! |---|---|
//! | `key/NAME` | the key and its parameters, see [`key`] |
//! | `used/NAME` | the codes that were accepted and could be accepted again, see [`used`] |
//!
//! # What to watch
//! - A code is accepted once, even if two requests bring it at the same time: what was accepted is read and written in
//!   the transaction of the request.
//! - No error and no log line may contain a key, a code or a URL.

use airlock_sdk::{Context, Description, Engine, NameWithAt, Response, Result, Routes, fields, route};

mod base32;
mod code;
mod create;
mod key;
mod otpauth;
mod picture;
mod used;
mod validate;

airlock_sdk::export!(Totp);

struct Totp;

impl Engine for Totp {
    const DESCRIPTION: Description = Description::new(
        "totp",
        env!("CARGO_PKG_VERSION"),
        "Makes and validates time-based one-time codes, as Vault's TOTP engine does.",
    )
    .help("The TOTP backend dynamically generates time-based one-time use passwords.")
    .storage(&[key::KEYS, used::USED])
    // For codes that were refused.
    .scratch_bytes(256 << 10)
    .seal_wrap(&[key::KEYS]);

    const ROUTES: Routes = &[
        &route("keys/").synopsis("List the keys.").list(list_keys),
        &route("keys/{name}")
            .synopsis("Manage the keys that can be created with this backend.")
            .description("Creates a key, or stores one of another service; reads its parameters; removes it.")
            .read(read_key)
            // Without an existence check, as in Vault's engine: every write is an update.
            .update(create::key)
            .delete(delete_key),
        &route("code/{name}")
            .synopsis("Request a time-based one-time password, or validate a password, for a certain key.")
            .description(
                "A read makes the code of this moment. A write validates a code, which is valid once.",
            )
            .read(make_code)
            .update(validate::code),
    ];
}

fields! {
    /// The key of a request.
    pub(crate) struct At {
        /// Name of the key.
        pub name: NameWithAt,
    }

    /// The page of a list.
    struct Page {
        /// The page begins after this name.
        after: String as query = String::new(),
        /// The most names on the page; 0 or less means all.
        limit: airlock_sdk::field::Int as query = airlock_sdk::field::Int(0),
    }
}

fn list_keys(cx: &Context, page: Page) -> Result<Response> {
    let limit = u32::try_from(page.limit.0).unwrap_or(0);
    let names = match (limit, page.after.as_str()) {
        (0, "") => cx.storage.list(key::KEYS)?,
        (0, after) => cx.storage.list_page(key::KEYS, after, u32::MAX)?,
        (limit, after) => cx.storage.list_page(key::KEYS, after, limit)?,
    };
    Ok(Response::list(names))
}

fn read_key(cx: &Context, at: At) -> Result<Option<Response>> {
    let key = key::Key::load(cx, &at.name)?;
    key.map(|key| Response::json(&key.public())).transpose()
}

fn delete_key(cx: &Context, at: At) -> Result<()> {
    cx.storage.delete(&key::path(&at.name))?;
    used::forget_expired(cx, &at.name)
}

fn make_code(cx: &Context, at: At) -> Result<Response> {
    let key = key::Key::known(cx, &at.name)?;
    let counter = key.counter(cx.clock.now());
    Response::json(&airlock_sdk::json!({ "code": code::of(&key, counter)? }))
}

#[cfg(test)]
mod tests;
