//! The engine of the tutorial: users, each with an email address, groups and a time to live.
//!
//! It shows what most engines are made of: [`fields!`](airlock_sdk::fields) that say what a request may hold, a type for
//! what is stored, a table of routes, and a function for each operation. `tests.rs` beside it tries them natively;
//! `guest/build.sh users` builds the guest.

use std::time::Duration;

use airlock_sdk::field::seconds;
use airlock_sdk::{
    Context, Description, Engine, Error, Name, Operation, Patch, Response, Result, Routes, choices, fields,
    route,
};
use serde::{Deserialize, Serialize};

airlock_sdk::export!(Users);

/// The storage prefix of users.
const USERS: &str = "user/";

choices! {
    /// Whether a user may come in.
    enum Status { Active = "active", Locked = "locked" }
}

fields! {
    /// Which user.
    struct At {
        /// Name of the user.
        username: Name,
    }

    /// What a caller says of a user.
    struct WriteUser {
        /// Name of the user.
        username: Name,
        /// Where mail for the user goes.
        email: Option<String>,
        /// The groups that the user is in: a list, or text with commas.
        groups: Option<Vec<String>>,
        /// How long the user's sessions last: seconds, or 1h30m.
        ttl: Option<Duration>,
        /// Whether the user may come in.
        status: Option<Status>,
    }

    /// Which part of a list.
    struct Page {
        /// Begin after this name.
        after: String as query = String::new(),
        /// How many names at most.
        limit: u32 as query = 1000,
    }
}

/// What is stored of a user, and what a new one is unless told otherwise.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct User {
    email: String,
    groups: Vec<String>,
    #[serde(with = "seconds")]
    ttl: Duration,
    status: Status,
}

impl Default for User {
    fn default() -> Self {
        User {
            email: String::new(),
            groups: vec![],
            ttl: Duration::from_secs(3600),
            status: Status::Active,
        }
    }
}

struct Users;

impl Engine for Users {
    const DESCRIPTION: Description = Description::new(
        "users",
        env!("CARGO_PKG_VERSION"),
        "Keeps users with their email, groups and time to live.",
    )
    .storage(&[USERS]);

    const ROUTES: Routes = &[
        &route("users/").synopsis("List the users.").list(list_users),
        &route("users/{username}")
            .synopsis("Manage a user.")
            .description("Creates, reads, changes and removes a user. A new user needs an email address.")
            .read(read_user)
            .write(write_user)
            .patch(patch_user)
            .delete(delete_user),
    ];
}

fn list_users(cx: &Context, page: Page) -> Result<Response> {
    let names = cx.storage.list_page(USERS, &page.after, page.limit)?;
    Ok(Response::list(names))
}

fn read_user(cx: &Context, at: At) -> Result<Option<Response>> {
    let user = load(cx, &at.username)?;
    user.map(|user| Response::json(&user)).transpose()
}

/// Creates a user, or changes what the caller names and leaves the rest.
fn write_user(cx: &Context, given: WriteUser) -> Result<()> {
    let mut user = load(cx, &given.username)?.unwrap_or_default();
    if let Some(email) = given.email {
        user.email = email;
    }
    if let Some(groups) = given.groups {
        user.groups = groups;
    }
    if let Some(ttl) = given.ttl {
        user.ttl = ttl;
    }
    if let Some(status) = given.status {
        user.status = status;
    }
    store(cx, &given.username, &user)?;
    if cx.request.operation == Operation::Create {
        cx.log.info("a user was created");
    }
    Ok(())
}

fn patch_user(cx: &Context, patch: Patch<At, WriteUser>) -> Result<()> {
    let Some(user) = load(cx, &patch.at.username)? else {
        return Err(Error::coded(404, "no such user"));
    };
    store(cx, &patch.at.username, &patch.apply(&user)?)
}

fn delete_user(cx: &Context, at: At) -> Result<()> {
    cx.storage.delete(&key(&at.username))
}

fn load(cx: &Context, username: &Name) -> Result<Option<User>> {
    cx.storage.get_json(&key(username))
}

fn store(cx: &Context, username: &Name, user: &User) -> Result<()> {
    if !user.email.contains('@') {
        return Err(Error::user("email must be an address, such as ann@example.com"));
    }
    cx.storage.put_json(&key(username), user)
}

fn key(username: &Name) -> String {
    format!("{USERS}{username}")
}

#[cfg(test)]
mod tests;
