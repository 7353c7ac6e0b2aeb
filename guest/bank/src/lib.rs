//! An engine for the tests of transactions. It has a counter, accounts between which money moves, notes of any size,
//! and a clean-up that never ends. The tests send requests under load while they kill and reload the host, and count
//! afterwards.
//!
//! The engine removes an account that becomes empty. Without transactions, a request that lists the accounts and then
//! reads each of them would find some missing.

use std::collections::BTreeSet;

use airlock_sdk::{Context, Description, Engine, Error, Name, Response, Result, Routes, fields, json, route};
use rand_core::Rng as _;

airlock_sdk::export!(Bank);

const COUNT: &str = "count";
const ACCOUNTS: &str = "account/";
const OLD: &str = "old/";
const NOTES: &str = "note/";
/// The prefix of transfers with an id. The value counts how often the transfer was made.
const DONE: &str = "done/";
/// The key of the name of the note that was made last.
const NOTED: &str = "noted";
/// The key of the largest amount for a transfer or a new account. Settings may be cached.
const LIMIT: &str = "settings/limit";

fields! {
    /// The account, or the note, of a request.
    struct At {
        /// Its name.
        name: Name,
    }

    /// A new balance of an account.
    struct Open {
        /// Name of the account.
        name: Name,
        /// The balance.
        balance: u64,
    }

    /// Options of a sum.
    struct Sum {
        /// Panic instead of an error if a listed account does not exist.
        panic: bool as query = false,
    }

    /// A transfer.
    struct Transfer {
        /// The account that pays.
        from: Name,
        /// The account that is paid.
        to: Name,
        /// The amount.
        amount: u64 = 1,
        /// The id under which the engine counts the transfer; without an id it counts nothing.
        id: Option<Name>,
    }

    /// A note.
    struct Note {
        /// Its name.
        name: Name,
        /// Its length.
        bytes: u32,
        /// Store only the note, and not the name of the last note.
        alone: bool = false,
        /// Store the note before the name of the last note, not after it.
        first: bool = false,
    }

    /// The largest amount of a transfer.
    struct Limit {
        /// The amount.
        amount: u64,
    }
}

struct Bank;

impl Engine for Bank {
    const DESCRIPTION: Description = Description::new(
        "bank",
        env!("CARGO_PKG_VERSION"),
        "Counts, and moves money between accounts.",
    )
    .storage(&[COUNT, ACCOUNTS, OLD, NOTES, DONE, NOTED, "settings/"])
    .cacheable(&["settings/"])
    .redo_record();

    const ROUTES: Routes = &[
        &route("count")
            .synopsis("The counter; a write adds one.")
            .read(read_count)
            .write(count),
        &route("limit")
            .synopsis("The most that may be moved at one time.")
            .read(read_limit)
            .write(set_limit),
        &route("accounts/{name}")
            .synopsis("An account.")
            .read(read_account)
            .write(open),
        &route("total").synopsis("What is in all accounts.").read(total),
        &route("transfer")
            .synopsis("Moves money from one account to another.")
            .update(transfer),
        &route("notes/{name}")
            .synopsis("A note, which is made of a given length.")
            .read(read_note)
            .write(make_note)
            .delete(remove_note),
        &route("dice")
            .synopsis("Random bytes, drawn by other crates.")
            .read(dice),
        &route("purge")
            .synopsis("Removes what is old, and looks for more without end.")
            .update(purge),
    ];
}

/// Draws bytes through `rand_core` and through `getrandom`, and more than the host gives in one call.
fn dice(cx: &Context, _: ()) -> Result<Response> {
    let number = cx.random.rng().next_u64();
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("getrandom: {error}")))?;
    let many = cx.random.bytes(100_000);
    let used = many.iter().collect::<BTreeSet<_>>().len();
    Response::json(
        &json!({ "number": number.to_string(), "bytes": bytes, "length": many.len(), "used": used }),
    )
}

fn read_count(cx: &Context, _: ()) -> Result<Option<Response>> {
    let count: Option<u64> = cx.storage.get_json(COUNT)?;
    count
        .map(|count| Response::json(&json!({ "count": count })))
        .transpose()
}

fn count(cx: &Context, _: ()) -> Result<Response> {
    let count = cx.storage.get_json(COUNT)?.unwrap_or(0_u64) + 1;
    cx.storage.put_json(COUNT, &count)?;
    Response::json(&json!({ "count": count }))
}

fn read_limit(cx: &Context, _: ()) -> Result<Option<Response>> {
    let limit: Option<u64> = cx.storage.get_json(LIMIT)?;
    limit
        .map(|limit| Response::json(&json!({ "amount": limit })))
        .transpose()
}

fn set_limit(cx: &Context, limit: Limit) -> Result<()> {
    cx.storage.put_json(LIMIT, &limit.amount)
}

fn read_account(cx: &Context, at: At) -> Result<Option<Response>> {
    let balance = balance(cx, &at.name)?;
    balance
        .map(|balance| Response::json(&json!({ "balance": balance })))
        .transpose()
}

fn open(cx: &Context, given: Open) -> Result<()> {
    check_limit(cx, given.balance)?;
    store(cx, &given.name, given.balance)
}

fn total(cx: &Context, sum: Sum) -> Result<Response> {
    let names = cx.storage.list(ACCOUNTS)?;
    let mut total = 0;
    for name in &names {
        total += match balance(cx, name)? {
            Some(balance) => balance,
            None if sum.panic => panic!("an account is listed and not there"),
            None => return Err(Error::internal("an account is listed and not there")),
        };
    }
    Response::json(&json!({ "accounts": names.len(), "total": total }))
}

fn transfer(cx: &Context, transfer: Transfer) -> Result<()> {
    let Transfer { from, to, amount, id } = transfer;
    check_limit(cx, amount)?;
    let left = balance(cx, &from)?.unwrap_or(0).checked_sub(amount);
    let left = left.ok_or_else(|| Error::user("there is not enough in the account"))?;
    store(cx, &from, left)?;
    let there = balance(cx, &to)?.unwrap_or(0);
    store(cx, &to, there + amount)?;
    if let Some(id) = id {
        let key = format!("{DONE}{id}");
        let times = cx.storage.get_json(&key)?.unwrap_or(0_u64) + 1;
        cx.storage.put_json(&key, &times)?;
    }
    Ok(())
}

fn check_limit(cx: &Context, amount: u64) -> Result<()> {
    let limit: Option<u64> = cx.storage.get_json(LIMIT)?;
    match limit {
        Some(limit) if amount > limit => Err(Error::user("that is more than may be moved at one time")),
        _ => Ok(()),
    }
}

fn read_note(cx: &Context, at: At) -> Result<Option<Response>> {
    let note = cx.storage.get(&format!("{NOTES}{}", at.name))?;
    let last = cx.storage.get(NOTED)?.unwrap_or_default();
    note.map(|note| Response::json(&json!({ "bytes": note.len(), "last": String::from_utf8_lossy(&last) })))
        .transpose()
}

/// Writes two keys in one commit, of which the note may be too large for storage; or writes only the note.
fn make_note(cx: &Context, note: Note) -> Result<()> {
    let key = format!("{NOTES}{}", note.name);
    let text = vec![b'x'; note.bytes as usize];
    if note.alone {
        return cx.storage.put(&key, text);
    }
    if note.first {
        cx.storage.put(&key, text)?;
        return cx.storage.put(NOTED, note.name.as_bytes());
    }
    cx.storage.put(NOTED, note.name.as_bytes())?;
    cx.storage.put(&key, text)
}

fn remove_note(cx: &Context, at: At) -> Result<()> {
    cx.storage.delete(&format!("{NOTES}{}", at.name))
}

/// Commits first, so that the host cannot run the request again and the request holds the commit lock from then on.
fn purge(cx: &Context, _: ()) -> Result<()> {
    cx.storage.put(&format!("{OLD}begun"), "")?;
    cx.storage.commit()?;
    loop {
        if let Some(name) = cx.storage.list(OLD)?.first() {
            cx.storage.delete(&format!("{OLD}{name}"))?;
            cx.storage.commit()?;
        }
    }
}

fn balance(cx: &Context, name: &str) -> Result<Option<u64>> {
    cx.storage.get_json(&format!("{ACCOUNTS}{name}"))
}

fn store(cx: &Context, name: &str, balance: u64) -> Result<()> {
    let key = format!("{ACCOUNTS}{name}");
    if balance == 0 {
        cx.storage.delete(&key)
    } else {
        cx.storage.put_json(&key, &balance)
    }
}

#[cfg(test)]
mod tests;
