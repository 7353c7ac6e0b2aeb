//! The engine of the tutorial: users, each with an email address and groups, and their leased sessions.
//!
//! It shows the parts of most engines: [`fields!`](airlock_sdk::fields), which declares the fields of a request; a type
//! for the stored data; a table of routes; a function for each operation; and a [`Secret`], which Vault revokes when
//! its lease ends. `tests.rs` tests them natively; `guest/build.sh users` builds the guest.

use std::time::Duration;

use airlock_sdk::field::seconds;
use airlock_sdk::{
    Context, Description, Engine, Error, Lease, Leased, Name, Operation, Patch, Response, Result, Routes,
    Secret, Secrets, choices, fields, json, route,
};
use serde::{Deserialize, Serialize};

airlock_sdk::export!(Users);

/// The storage prefix of users.
const USERS: &str = "user/";

/// The storage prefix of sessions.
const SESSIONS: &str = "session/";

/// The maximum time of a session, renewals included.
const MOST: Duration = Duration::from_secs(24 * 3600);

/// The secret of a session. Vault revokes it when its lease ends.
const SESSION: Secret<Session> = Secret::new("session", end_session).renew(renew_session);

choices! {
    /// Status of a user. A locked user gets no sessions.
    enum Status { Active = "active", Locked = "locked" }
}

fields! {
    /// The user of a request.
    struct At {
        /// Name of the user.
        username: Name,
    }

    /// The fields of a request that writes a user.
    struct WriteUser {
        /// Name of the user.
        username: Name,
        /// Email address of the user.
        email: Option<String>,
        /// Groups of the user: a list, or names with commas between them.
        groups: Option<Vec<String>>,
        /// Duration of the user's sessions: a number of seconds, or a text such as 1h30m.
        ttl: Option<Duration>,
        /// Status of the user. A locked user gets no sessions.
        status: Option<Status>,
    }

    /// The page of a list.
    struct Page {
        /// The page begins after this name.
        after: String as query = String::new(),
        /// The most names on the page.
        limit: u32 as query = 1000,
    }
}

/// The stored data of a user. Its default has the values of a new user.
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

/// The data that Vault keeps with a session's lease. The token of the session is stored as a value, because the keys of
/// storage are not secret.
#[derive(Serialize, Deserialize)]
struct Session {
    id: String,
    username: String,
}

struct Users;

impl Engine for Users {
    const DESCRIPTION: Description = Description::new(
        "users",
        env!("CARGO_PKG_VERSION"),
        "Keeps users, and hands out sessions of theirs.",
    )
    .storage(&[USERS, SESSIONS]);

    const ROUTES: Routes = &[
        &route("users/").synopsis("List the users.").list(list_users),
        &route("users/{username}")
            .synopsis("Manage a user.")
            .description("Creates, reads, changes and removes a user. A new user needs an email address.")
            .read(read_user)
            .write(write_user)
            .patch(patch_user)
            .delete(delete_user),
        &route("users/{username}/session")
            .synopsis("Begin a session of a user.")
            .description("Answers with the session's token, which lasts as long as the lease.")
            .read(begin_session),
    ];

    const SECRETS: Secrets = &[&SESSION];
}

fn list_users(cx: &Context, page: Page) -> Result<Response> {
    let names = cx.storage.list_page(USERS, &page.after, page.limit)?;
    Ok(Response::list(names))
}

fn read_user(cx: &Context, at: At) -> Result<Option<Response>> {
    let user = load(cx, &at.username)?;
    user.map(|user| Response::json(&user)).transpose()
}

/// Creates a user, or changes the fields that the caller gives.
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

fn begin_session(cx: &Context, at: At) -> Result<Option<Response>> {
    let Some(user) = load(cx, &at.username)? else {
        return Ok(None);
    };
    let session = Session {
        id: cx.random.uuid(),
        username: at.username.to_string(),
    };
    let lease = lease(&session, &user)?;
    let token = json!({ "id": session.id, "username": session.username, "token": cx.random.uuid() });
    cx.storage
        .put_json(&format!("{SESSIONS}{}", session.id), &token)?;
    Ok(Some(Response::json(&token)?.lease(lease)))
}

fn renew_session(cx: &Context, leased: Leased<Session>) -> Result<Lease> {
    let user = load(cx, &leased.data.username)?.ok_or_else(|| Error::user("the user is gone"))?;
    lease(&leased.data, &user)
}

fn end_session(cx: &Context, leased: Leased<Session>) -> Result<()> {
    cx.storage.delete(&format!("{SESSIONS}{}", leased.data.id))
}

fn lease(session: &Session, user: &User) -> Result<Lease> {
    if user.status == Status::Locked {
        return Err(Error::user("the user is locked"));
    }
    Ok(SESSION.lease(session)?.lasting(user.ttl, MOST))
}

fn load(cx: &Context, username: &str) -> Result<Option<User>> {
    cx.storage.get_json(&key(username))
}

fn store(cx: &Context, username: &Name, user: &User) -> Result<()> {
    if !user.email.contains('@') {
        return Err(Error::user("email must be an address, such as ann@example.com"));
    }
    cx.storage.put_json(&key(username), user)
}

fn key(username: &str) -> String {
    format!("{USERS}{username}")
}

#[cfg(test)]
mod tests;
