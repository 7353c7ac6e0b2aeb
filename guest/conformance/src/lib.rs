//! An engine that uses every feature of the SDK on command. One table of steps runs it natively, in
//! `airlock_sdk::testing`, and as a guest in the sandbox, and the answers are compared: `host/testkit/tests/conformance`.
//!
//! `act` does one thing and says what the host answered; `things/{name}` has all operations of a path; `lease` gives a
//! lease; `wal/{name}` writes a write-ahead entry. The data `error` makes a request fail after it has done its work.

mod act;
mod leases;

use std::rc::Rc;

use airlock_sdk::rotation::Rotations;
use airlock_sdk::route::Display;
use airlock_sdk::{
    Context, Dependency, Description, Engine, Error, Name, Operation, Options, Response, Result, Routes,
    Secrets, SpecialPaths, WalKinds, fields, json, route,
};

airlock_sdk::export!(Conformance);

fields! {
    /// The thing of a request.
    struct At {
        /// Its name.
        name: Name,
    }

    /// The place at which a list begins.
    struct After {
        /// The thing before the first one.
        after: String = String::new(),
    }

    /// A thing to write.
    struct Thing {
        /// Its name.
        name: Name,
        /// Its value.
        value: String = String::new(),
        /// The number of further entries to write after it.
        more: u32 = 0,
        /// The text with which the request fails in the end.
        error: Option<String>,
    }
}

/// The dependency that a test can replace.
pub trait Dice {
    /// Returns a number.
    fn roll(&self) -> u8;
}

/// Dice that always show the same number.
#[derive(Debug)]
pub struct Fixed(pub u8);

impl Dice for Fixed {
    fn roll(&self) -> u8 {
        self.0
    }
}

/// The dice of `act`: random ones, or those that the option `dice` fixes.
pub const DICE: Dependency<dyn Dice> = Dependency::new("dice", |cx| {
    let fixed = cx
        .system
        .config()
        .get("dice")
        .and_then(|number| number.parse().ok());
    Rc::new(Fixed(fixed.unwrap_or_else(|| cx.random.array::<1>()[0])))
});

/// The most bytes of a key of scratch.
const LONGEST_KEY: usize = 32_768;

/// The engine.
#[derive(Debug)]
pub struct Conformance;

impl Engine for Conformance {
    const DESCRIPTION: Description = Description::new("conformance", "1.0.0", "Uses every feature.")
        .storage(&["in/"])
        .scratch_bytes(1_000)
        .seal_wrap(&["in/sealed/"])
        .local_storage(&["in/local/"])
        .write_forwarded_storage(&["in/forwarded/"]);

    const ROUTES: Routes = &[
        &route("act").synopsis("Do one thing.").update(act::act),
        &route("things/").synopsis("List the things.").list(list),
        &route("own/")
            .synopsis("Answer a list with a body of its own.")
            .list(list_own),
        &route("things/{name}")
            .synopsis("Keep a thing.")
            .display(
                Display::new()
                    .operation_prefix("conformance")
                    .operation_suffix("thing")
                    .item_type("Thing"),
            )
            .read(read)
            .display_operation(Display::new().operation_verb("look-up"))
            .write(write)
            .patch(patch)
            .delete(delete),
        &route("checked/{name}")
            .synopsis("Check with effects that a check may not have.")
            .update(write)
            .exists(check),
        &route("admin/{name}")
            .synopsis("Read a thing with sudo.")
            .sudo()
            .read(read),
        &route("open/{name}")
            .synopsis("Read and list things without a token.")
            .unauthenticated()
            .read(read)
            .list(list_below),
        &route("lease").synopsis("Give a lease.").update(leases::give),
        &route("rotation/{name}")
            .synopsis("Rotate an item.")
            .update(leases::item),
        &route("wal/{name}")
            .synopsis("Write a write-ahead entry.")
            .update(leases::begin),
    ];

    const SECRETS: Secrets = &[&leases::RENEWABLE, &leases::FINAL];
    const ROTATIONS: Rotations = &[&leases::ITEM];
    const WAL: WalKinds = &[&leases::ENTRY];

    fn special_paths(options: &Options) -> SpecialPaths {
        let mut paths = SpecialPaths::declared::<Self>();
        let color = options.get("color").map(String::from);
        paths.limited.extend(color.clone());
        paths.allow_snapshot_read.extend(color);
        paths
    }

    /// Logs what the mount has at its start. The option `policy` names a password policy.
    fn initialize(cx: &Context) -> Result<()> {
        let entity = cx
            .system
            .entity_info("1")?
            .map_or_else(String::new, |entity| entity.name);
        let groups = cx.system.groups_for_entity("1")?.len();
        let password = match cx.system.config().get("policy") {
            Some(policy) => cx.system.generate_password(policy)?,
            None => String::new(),
        };
        cx.log
            .field("mount", &cx.request.mount_point)
            .field("now", cx.clock.now())
            .field("ttl", cx.system.default_lease_ttl()?.as_secs())
            .field("max_ttl", cx.system.max_lease_ttl()?.as_secs())
            .field("entity", entity)
            .field("groups", groups)
            .field("password", password)
            .info("ready");
        let count: u32 = cx.storage.get_json("in/starts")?.unwrap_or(0);
        cx.storage.put_json("in/starts", &(count + 1))
    }

    fn periodic(cx: &Context) -> Result<()> {
        cx.log.info("tick");
        cx.storage.put("in/ticked", cx.clock.now().to_string())
    }

    fn rotate(cx: &Context) -> Result<()> {
        cx.storage.put("in/rotated", "")
    }

    fn invalidate(cx: &Context, key: &str) {
        cx.log.field("key", key).info("invalidated");
        cx.scratch.delete("k");
        if key == "in/too-long" {
            cx.scratch.get(&"k".repeat(LONGEST_KEY + 1));
        }
    }
}

fn fail(error: Option<String>) -> Result<()> {
    error.map_or(Ok(()), |error| Err(Error::user(error)))
}

/// Lists the things after one.
fn list(cx: &Context, given: After) -> Result<Response> {
    Ok(Response::list(cx.storage.list_page(
        "in/things/",
        &given.after,
        100,
    )?))
}

fn list_below(cx: &Context, at: At) -> Result<Response> {
    let folder = format!("in/things/{}/", at.name);
    Ok(Response::list(cx.storage.list(&folder)?))
}

fn list_own(_: &Context, _: ()) -> Result<Response> {
    Ok(Response::http(404, "text/plain", "nothing"))
}

fn read(cx: &Context, at: At) -> Result<Option<Response>> {
    let value: Option<String> = cx.storage.get_json(&key(&at.name))?;
    value
        .map(|value| Response::json(&json!({ "value": value })))
        .transpose()
}

fn write(cx: &Context, thing: Thing) -> Result<Response> {
    cx.storage.put_json(&key(&thing.name), &thing.value)?;
    if &*thing.name == "loud" {
        act::log_lines(cx, 600);
    }
    for number in 0..thing.more {
        cx.storage.put_json(&format!("in/more/{number}"), &number)?;
    }
    cx.events
        .send("conformance/written", &json!({ "name": thing.name.to_string() }))?;
    fail(thing.error)?;
    let created = cx.request.operation == Operation::Create;
    Response::json(&json!({ "created": created }))
}

fn patch(cx: &Context, thing: Thing) -> Result<()> {
    match cx.storage.get(&key(&thing.name))? {
        Some(_) => cx.storage.put_json(&key(&thing.name), &thing.value),
        None => Err(Error::UnsupportedPath),
    }
}

fn delete(cx: &Context, at: At) -> Result<()> {
    cx.storage.delete(&key(&at.name))
}

/// Writes, sends, and says what a commit answered: nothing of it may have an effect. Of some names it logs much, or makes a call
/// that ends it.
fn check(cx: &Context, at: At) -> Result<bool> {
    match &*at.name {
        "loud" => act::log_lines(cx, 600),
        "too-long" => drop(cx.scratch.get(&"k".repeat(LONGEST_KEY + 1))),
        _ => {}
    }
    cx.storage.put("in/checked", "")?;
    cx.scratch.put("k", b"checked")?;
    cx.events.send("conformance/checked", &json!({}))?;
    let committed = cx.storage.commit();
    cx.log
        .field(
            "commit",
            committed.map_or_else(|error| error.to_string(), |()| String::new()),
        )
        .info("checked");
    Ok(cx.storage.get(&key(&at.name))?.is_some())
}

fn key(name: &str) -> String {
    format!("in/things/{name}")
}
