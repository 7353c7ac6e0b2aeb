//! A guest that misbehaves on command, so that tests can check that the sandbox contains it.
//!
//! The request's path is the command, whatever the operation: see [`run`]. `initialize` and `check-existence` run the
//! commands stored at `adversary/initialize` and `adversary/check-existence`, so that tests can make these fail too. A check
//! whose command counts answers that the path exists.
//! The guest asks for the special paths that the mount's options `root` and `unauthenticated` name.

use std::hint::black_box;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};

use airlock_sdk as _;

use bindings::airlock::engine::types::{CodedError, Error, Request, Response};
use bindings::airlock::engine::{clock, events, log, random, scratch, storage, system};
use bindings::exports::airlock::engine::backend::{Description, Guest, Needs, Paths};

#[allow(unsafe_code, missing_docs)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "engine" });
    use super::Adversary;
    export!(Adversary with_types_in self);
}

const MIB: usize = 1 << 20;
const FOLDER: &str = "adversary/";

/// The number of requests that this instance has served. It exceeds 1 only if the host uses an instance twice.
static SERVED: AtomicU32 = AtomicU32::new(0);

/// The number of existence checks that this instance has answered. A request finds its own check at most.
static CHECKED: AtomicU32 = AtomicU32::new(0);

struct Adversary;

impl Guest for Adversary {
    fn describe() -> Description {
        Description {
            name: "adversary".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            about: "Misbehaves on command.".into(),
            storage_version: 1,
            storage: vec![FOLDER.into()],
            cacheable: vec![],
            redo_record: false,
            scratch_bytes: 1024,
            needs: Needs {
                memory_bytes: None,
                cpu_milliseconds: None,
                wall_milliseconds: None,
                storage_operations: None,
            },
        }
    }

    fn special_paths(config: Vec<(String, String)>) -> Paths {
        // An option names paths, separated by commas.
        let option = |wanted: &str| -> Vec<String> {
            let value = config.iter().find(|(name, _)| name == wanted);
            let paths = value.into_iter().flat_map(|(_, value)| value.split(','));
            paths.map(str::to_owned).collect()
        };
        Paths {
            root: [vec!["root/*".to_owned()], option("root")].concat(),
            unauthenticated: option("without-token"),
            local_storage: vec![],
            seal_wrap_storage: vec![],
            write_forwarded_storage: vec![],
            limited: vec![],
            allow_snapshot_read: vec![],
        }
    }

    fn initialize() -> Result<(), Error> {
        stored_command("initialize").map(|_| ())
    }

    fn handle_request(request: Request) -> Result<Option<Response>, Error> {
        SERVED.fetch_add(1, Ordering::Relaxed);
        run(&request.path).map(|data| Some(answer(Some(data))))
    }

    fn check_existence(request: Request) -> Result<Option<bool>, Error> {
        CHECKED.fetch_add(1, Ordering::Relaxed);
        let answer = stored_command("check-existence")?;
        Ok(Some(
            answer.contains("\"count\"") || get(&request.path)?.is_some(),
        ))
    }

    fn invalidate(key: String) {
        let _ = run(&key);
    }
}

fn stored_command(export: &str) -> Result<String, Error> {
    match get(export)? {
        None => Ok("{}".into()),
        Some(command) => run(&String::from_utf8_lossy(&command)),
    }
}

/// Runs the command. Returns JSON if the command ends.
fn run(command: &str) -> Result<String, Error> {
    match command {
        // Time.
        "loop" => spin(),
        "write-then-loop" => {
            put("written", b"1")?;
            spin()
        }
        "commit-then-loop" => {
            put("written", b"1")?;
            commit()?;
            spin()
        }
        // Some tens of milliseconds of work, then an answer.
        "work" => work(40_000_000),

        // Traps.
        "trap" => trap(),
        "panic" => panic!("a panic on purpose"),
        "overflow" => Ok(format!(r#"{{"depth":{}}}"#, descend(0))),
        "write-then-trap" => {
            put("written", b"1")?;
            trap()
        }
        "commit-then-trap" => {
            put("written", b"1")?;
            commit()?;
            put("written", b"2")?;
            trap()
        }

        // Memory.
        "memory" => loop {
            black_box(vec![1_u8; MIB].leak());
        },
        "one-allocation" => Ok(format!(r#"{{"bytes":{}}}"#, black_box(vec![1_u8; 1 << 30]).len())),
        "served" => Ok(format!(r#"{{"served":{}}}"#, SERVED.load(Ordering::Relaxed))),
        "checked" => Ok(format!(r#"{{"checked":{}}}"#, CHECKED.load(Ordering::Relaxed))),
        // Leaves a mark all over the memory, for `scan` to find if the next instance gets that memory.
        "mark" => {
            black_box(vec![0x5a_u8; 8 * MIB].leak());
            Ok("{}".into())
        }
        "scan" => Ok(format!(r#"{{"marked":{}}}"#, marked_bytes(8 * MIB))),

        // Data that the host has to copy.
        "aliased-list" => {
            log_aliased(100_000);
            Ok("{}".into())
        }
        "huge-answer" => Ok(format!(r#"{{"value":"{}"}}"#, "x".repeat(20 * MIB))),
        "random" => Ok(format!(r#"{{"bytes":{}}}"#, random::bytes(u32::MAX).len())),

        // Work that the host has to do.
        "storage" => loop {
            get("missing")?;
        },
        "storage-ignoring-errors" => loop {
            let _ = get("missing");
        },
        "lists" => loop {
            storage::list(FOLDER).map_err(refused)?;
        },
        "deep" => deep(),
        // Deletes `f/N/x` for each N, then lists, so that the host has to look into every folder.
        "empty-folders" => {
            for folder in list("f/")? {
                delete(&format!("f/{folder}x"))?;
            }
            Ok(format!(r#"{{"left":{}}}"#, list("f/")?.len()))
        }
        "puts" => {
            let value = vec![b'x'; MIB / 2];
            for number in 0_u32.. {
                put(&format!("flood/{number}"), &value)?;
            }
            Ok("{}".into())
        }
        "system" => loop {
            let _ = system::tainted();
        },
        "log" => {
            for number in 0..100_000 {
                log::log(log::Level::Info, &format!("line {number}"), &[]);
            }
            Ok("{}".into())
        }
        "events" => loop {
            events::send("adversary/flood", r#"{"value":1}"#).map_err(Error::User)?;
        },
        "long-event" => {
            let metadata = format!(r#"{{"value":"{}"}}"#, "x".repeat(64 << 10));
            events::send("adversary/long", &metadata).map_err(Error::User)?;
            Ok("{}".into())
        }
        "scratch" => {
            scratch::put("a", &[1; 512]).map_err(Error::User)?;
            scratch::put("b", &[1; 2048]).map_err(Error::User)?;
            Ok("{}".into())
        }

        // Data that the guest may not read.
        "outside" => match storage::get("kv/secret").map_err(refused)? {
            None => Ok("{}".into()),
            Some(_) => Ok(r#"{"stolen":true}"#.into()),
        },
        "list-root" => storage::list("").map_err(refused).map(|_| "{}".into()),

        // Answers that are not valid.
        "not-json" => Ok("not json".into()),
        "not-an-object" => Ok("[1]".into()),
        "status-200" => Err(Error::Coded(CodedError {
            status: 200,
            message: "fine".into(),
        })),

        // Actions that an existence check may not take.
        "commit" => {
            put("written", b"1")?;
            commit()?;
            Ok("{}".into())
        }
        "scratch-write" => {
            scratch::put("a", b"1").map_err(Error::User)?;
            Ok("{}".into())
        }

        // Good conduct, to compare with.
        "increment" => increment(),
        "scratch-read" => Ok(format!(r#"{{"there":{}}}"#, scratch::get("a").is_some())),
        "write-then-fail" => {
            put("written", b"1")?;
            Err(Error::User("changed my mind".into()))
        }
        "write-with-event" => {
            put("written", b"1")?;
            events::send("adversary/wrote", r#"{"path":"written"}"#).map_err(Error::User)?;
            Ok("{}".into())
        }
        "event-then-fail" => {
            events::send("adversary/never", "{}").map_err(Error::User)?;
            Err(Error::User("changed my mind".into()))
        }
        "wrap" => {
            let info = system::wrap_data(r#"{"a":1}"#, 60_000_000_000)
                .map_err(|_| Error::User("no wrapping".into()))?;
            Ok(format!(r#"{{"ttl":{}}}"#, info.ttl))
        }
        "now" => Ok(format!(r#"{{"seconds":{}}}"#, clock::now().seconds)),
        "ok" => Ok("{}".into()),
        other => match other.split_once(' ') {
            // Writes, and then answers something that Vault cannot decode.
            Some(("write-then-answer", answer)) => {
                put("written", b"1")?;
                Ok(answer.into())
            }
            // Misbehaves if two keys that are always written together differ.
            Some(("if-torn", command)) if get("one")? != get("two")? => run(command),
            Some(("if-torn", _)) => Ok("{}".into()),
            _ => Err(Error::User(format!("no such misbehaviour: {other}"))),
        },
    }
}

fn answer(data: Option<String>) -> Response {
    Response {
        data,
        secret: None,
        redirect: None,
        warnings: vec![],
        headers: vec![],
        wrap_info: None,
    }
}

fn spin() -> ! {
    loop {
        black_box(());
    }
}

fn work(rounds: u64) -> Result<String, Error> {
    let mut sum = 0_u64;
    for round in 0..rounds {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(round));
    }
    Ok(format!(r#"{{"sum":{}}}"#, sum % 1000))
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("trap");
}

/// Recurses with little use of the stack in linear memory, so that the host's stack would overflow first.
#[allow(unconditional_recursion)]
fn descend(depth: u64) -> u64 {
    1 + black_box(descend(black_box(depth + 1)))
}

/// Counts the bytes with the mark of `mark` in memory that this instance never wrote.
fn marked_bytes(length: usize) -> usize {
    let mut fresh: Vec<u8> = Vec::with_capacity(length);
    // SAFETY: any byte is a valid u8, and linear memory is always initialised. The purpose is to see what it contains.
    #[allow(unsafe_code, clippy::uninit_vec)]
    unsafe {
        fresh.set_len(length);
    }
    black_box(&fresh).iter().filter(|byte| **byte == 0x5a).count()
}

/// Logs a line with `count` fields that all claim the same MiB of memory.
fn log_aliased(count: usize) {
    let mut text = ManuallyDrop::new("x".repeat(MIB));
    let fields: Vec<ManuallyDrop<(String, String)>> = (0..count)
        .map(|_| {
            // SAFETY: read only while `text` lives and never dropped.
            #[allow(unsafe_code)]
            let alias = unsafe { String::from_raw_parts(text.as_mut_ptr(), MIB, MIB) };
            ManuallyDrop::new((String::new(), alias))
        })
        .collect();
    // SAFETY: `ManuallyDrop<T>` has the layout of `T`.
    #[allow(unsafe_code)]
    let fields = unsafe { std::slice::from_raw_parts(fields.as_ptr().cast::<(String, String)>(), count) };
    log::log(log::Level::Info, "aliased", fields);
}

/// Puts a key of 2,000 levels, deletes it and lists the remaining keys.
fn deep() -> Result<String, Error> {
    let key = format!("{}key", "a/".repeat(2_000));
    put(&key, b"1")?;
    commit()?;
    delete(&key)?;
    Ok(format!(r#"{{"left":{}}}"#, list("")?.len()))
}

fn increment() -> Result<String, Error> {
    let count = match get("count")? {
        None => 0,
        Some(text) => String::from_utf8_lossy(&text).parse().unwrap_or(0_u64),
    };
    put("count", (count + 1).to_string().as_bytes())?;
    Ok(format!(r#"{{"count":{}}}"#, count + 1))
}

fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(storage::get(&format!("{FOLDER}{key}"))
        .map_err(refused)?
        .map(|entry| entry.value))
}

fn put(key: &str, value: &[u8]) -> Result<(), Error> {
    let entry = storage::Entry {
        key: format!("{FOLDER}{key}"),
        value: value.to_vec(),
        seal_wrap: false,
    };
    storage::put(&entry).map_err(refused)
}

fn delete(key: &str) -> Result<(), Error> {
    storage::delete(&format!("{FOLDER}{key}")).map_err(refused)
}

fn list(folder: &str) -> Result<Vec<String>, Error> {
    storage::list(&format!("{FOLDER}{folder}")).map_err(refused)
}

fn commit() -> Result<(), Error> {
    storage::commit().map_err(refused)
}

fn refused(error: storage::Error) -> Error {
    match error {
        storage::Error::ReadOnly => Error::ReadOnly,
        storage::Error::Denied(cause) => Error::User(format!("denied: {cause}")),
        storage::Error::Invalid(cause) => Error::User(format!("invalid: {cause}")),
        storage::Error::Limit(cause) => Error::User(format!("limit: {cause}")),
        storage::Error::Busy(cause) => busy(cause),
        storage::Error::Failed(cause) => Error::Internal(cause),
    }
}

/// Returns the error for a request that may work when it is sent again.
fn busy(cause: String) -> Error {
    Error::Coded(CodedError {
        status: 503,
        message: cause,
    })
}
