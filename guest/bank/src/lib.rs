//! An engine whose requests show what a transaction is worth: a counter, accounts between which money moves, notes of any
//! size, and a clean-up that never comes to an end. The tests ask it under load, while its host is killed and reloaded, and count afterwards.
//!
//! An account that is empty is removed, so that who lists the accounts and then reads them one by one would meet one that
//! is gone, if it were not for the transaction.

use airlock_sdk::{Context, Description, Engine, Error, Name, Response, Result, Routes, fields, json, route};

airlock_sdk::export!(Bank);

const COUNT: &str = "count";
const ACCOUNTS: &str = "account/";
const OLD: &str = "old/";
const NOTES: &str = "note/";
/// Transfers with an id, each with the times that it was done.
const DONE: &str = "done/";
/// The name of the note that was made last.
const NOTED: &str = "noted";
/// The most that may be moved, or brought, at one time; one of the settings, which may be cached.
const LIMIT: &str = "settings/limit";

fields! {
    /// Which account.
    struct At {
        /// Its name.
        name: Name,
    }

    /// What is in an account.
    struct Open {
        /// Its name.
        name: Name,
        /// What is in it.
        balance: u64,
    }

    /// Which sum.
    struct Sum {
        /// Panic, where an error would do, over an account that is listed and not there.
        panic: bool as query = false,
    }

    /// What moves.
    struct Transfer {
        /// The account that it comes from.
        from: Name,
        /// The account that it goes to.
        to: Name,
        /// How much.
        amount: u64 = 1,
        /// The name under which it is noted that it was done; without one nothing is noted.
        id: Option<Name>,
    }

    /// A note.
    struct Note {
        /// Its name.
        name: Name,
        /// How long it is.
        bytes: u32,
        /// Store the note alone; which one was made last is not noted.
        alone: bool = false,
        /// Store the note before, not after, the name of the last one.
        first: bool = false,
    }

    /// The most that may be moved at one time.
    struct Limit {
        /// How much.
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
        &route("purge")
            .synopsis("Removes what is old, and looks for more without end.")
            .update(purge),
    ];
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

/// Two keys in one commit, of which one may be too large for storage; or that one alone.
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

/// Commits first, so that the request cannot be run again and has the commit lock for itself from then on.
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
