//! `act`: does one thing and says what the host answered.

use std::time::Duration;

use airlock_sdk::system::{Entity, Group};
use airlock_sdk::template::Template;
use airlock_sdk::{
    Context, Entry, Error, Map, Response, Result, Value, constant_time_eq, dbg, eprintln, fields, json,
    print, println,
};

fields! {
    /// An act, and what it acts on.
    pub(crate) struct Act {
        /// What to do.
        what: String,
        /// The key, prefix, policy, entity or type.
        key: String = String::new(),
        /// The value.
        value: String = String::new(),
        /// A number.
        n: u32 = 0,
        /// The text with which the request fails in the end.
        error: Option<String>,
    }
}

pub(crate) fn act(cx: &Context, act: Act) -> Result<Option<Response>> {
    let answer = match act.what.split_once('-') {
        Some(("storage", what)) => storage(cx, what, &act)?,
        Some(("scratch", what)) => scratch(cx, what, &act)?,
        Some(("system", what)) => system(cx, what, &act)?,
        Some(("fail", what)) => return Err(failure(what, &act)),
        Some(("answer", what)) => return answer(cx, what, &act),
        _ => other(cx, &act)?,
    };
    crate::fail(act.error)?;
    Response::json(&json!({ "answer": answer })).map(Some)
}

/// Logs so many lines.
pub(crate) fn log_lines(cx: &Context, lines: u32) {
    for line in 0..lines {
        cx.log.field("line", line).info("more");
    }
}

fn text(value: Option<Vec<u8>>) -> Value {
    value.map_or(Value::Null, |value| String::from_utf8_lossy(&value).into())
}

fn storage(cx: &Context, what: &str, act: &Act) -> Result<Value> {
    let (storage, key, value) = (&cx.storage, &*act.key, &*act.value);
    Ok(match what {
        "get" => text(storage.get(key)?),
        "exists" => storage.exists(key)?.into(),
        "put" => storage.put(key, value).map(|()| Value::Null)?,
        "put-anyway" => storage.put(key, value).is_ok().into(),
        "put-long" => storage
            .put("k".repeat(act.n as usize).as_str(), value)
            .map(|()| Value::Null)?,
        "wrapped" => {
            let entry = Entry {
                key: key.into(),
                value: value.into(),
                seal_wrap: true,
            };
            storage.put_entry(entry)?;
            storage.get_entry(key)?.map(|entry| entry.seal_wrap).into()
        }
        "delete" => storage.delete(key).map(|()| Value::Null)?,
        "list" => storage.list(key)?.into(),
        "page" => storage.list_page(key, value, act.n)?.into(),
        // Keeps what was written before the commit, whatever follows.
        "commit" => {
            storage.put("in/kept", "1")?;
            cx.events.send("conformance/kept", &json!({}))?;
            cx.scratch.put("k", b"kept")?;
            storage.commit()?;
            storage.put("in/lost", "1")?;
            cx.events.send("conformance/lost", &json!({}))?;
            cx.scratch.put("k", b"lost")?;
            Value::Null
        }
        "commit-anyway" => {
            storage.put(key, value)?;
            storage.commit().is_ok().into()
        }
        // Sees what it wrote itself.
        "own" => {
            storage.put("in/own/a/b", "1")?;
            storage.put("in/own/c", "2")?;
            let before = (text(storage.get("in/own/c")?), storage.list("in/own/")?);
            storage.delete("in/own/a/b")?;
            json!([
                before.0,
                before.1,
                storage.list("in/own/")?,
                text(storage.get("in/own/a/b")?)
            ])
        }
        // Writes in an order that is not that of the keys.
        "order" => {
            for key in ["in/order/c", "in/order/a", "in/order/b", "in/order/c"] {
                storage.put(key, value)?;
            }
            Value::Null
        }
        "count" => {
            let count: u32 = storage.get_json("in/count")?.unwrap_or(0);
            storage.put_json("in/count", &(count + 1))?;
            cx.events
                .send("conformance/counted", &json!({ "count": count + 1 }))?;
            cx.log.info("counted");
            log_lines(cx, act.n);
            (count + 1).into()
        }
        other => return Err(Error::user(format!("no such act: storage-{other}"))),
    })
}

fn scratch(cx: &Context, what: &str, act: &Act) -> Result<Value> {
    Ok(match what {
        "get" => text(cx.scratch.get(&act.key)),
        "put" => cx
            .scratch
            .put(&act.key, act.value.as_bytes())
            .map(|()| Value::Null)?,
        "put-long" => cx
            .scratch
            .put(&"k".repeat(act.n as usize), b"")
            .map(|()| Value::Null)?,
        "put-for" => {
            let ttl = Duration::from_secs(u64::from(act.n));
            let put = cx.scratch.put_for(&act.key, act.value.as_bytes(), ttl);
            put.map(|()| Value::Null)?
        }
        "list" => cx.scratch.list(&act.key).into(),
        "delete" => {
            cx.scratch.delete(&act.key);
            Value::Null
        }
        // With a key of so many bytes, after a commit and a write of which only the commit may stay.
        "long-get" | "long-list" | "long-delete" => {
            cx.storage.put("in/kept", "1")?;
            cx.storage.commit()?;
            cx.storage.put("in/lost", "1")?;
            let key = "k".repeat(act.n as usize);
            match what {
                "long-get" => text(cx.scratch.get(&key)),
                "long-list" => cx.scratch.list(&key).into(),
                _ => {
                    cx.scratch.delete(&key);
                    Value::Null
                }
            }
        }
        other => return Err(Error::user(format!("no such act: scratch-{other}"))),
    })
}

fn system(cx: &Context, what: &str, act: &Act) -> Result<Value> {
    let system = &cx.system;
    Ok(match what {
        "config" => system
            .config()
            .iter()
            .map(|(name, value)| json!([name, value]))
            .collect(),
        "times" => json!([
            system.default_lease_ttl()?.as_secs(),
            system.max_lease_ttl()?.as_secs()
        ]),
        "state" => {
            let replication = format!("{:?}", system.replication_state()?);
            json!([
                system.tainted()?,
                system.caching_disabled()?,
                system.local_mount()?,
                replication
            ])
        }
        "version" => system.vault_version()?.into(),
        "cluster" => system.cluster_id()?.into(),
        "entity" => system.entity_info(&act.key)?.map_or(Value::Null, entity),
        "groups" => system
            .groups_for_entity(&act.key)?
            .into_iter()
            .map(group)
            .collect(),
        "password" => system.generate_password(&act.key)?.into(),
        "identity" => system
            .identity_token(&act.key, Duration::from_secs(60))?
            .token
            .into(),
        "wrap" => {
            let info = system.wrap_data(&json!({ "a": 1 }), Duration::from_secs(u64::from(act.n)))?;
            json!([
                info.token,
                info.accessor,
                info.ttl.as_secs(),
                info.creation_time,
                info.creation_path
            ])
        }
        other => return Err(Error::user(format!("no such act: system-{other}"))),
    })
}

fn entity(entity: Entity) -> Value {
    let aliases: Vec<Value> = entity
        .aliases
        .into_iter()
        .map(|alias| {
            json!([
                alias.id,
                alias.mount_type,
                alias.mount_accessor,
                alias.name,
                alias.metadata
            ])
        })
        .collect();
    json!([entity.id, entity.name, entity.metadata, entity.disabled, aliases])
}

fn group(group: Group) -> Value {
    json!([group.id, group.name, group.metadata])
}

fn failure(what: &str, act: &Act) -> Error {
    match what {
        "operation" => Error::UnsupportedOperation,
        "path" => Error::UnsupportedPath,
        "denied" => Error::PermissionDenied,
        "read-only" => Error::ReadOnly,
        "coded" => Error::coded(u16::try_from(act.n).unwrap_or(0), act.value.clone()),
        "internal" => Error::internal(act.value.clone()),
        _ => Error::user(act.value.clone()),
    }
}

fn answer(cx: &Context, what: &str, act: &Act) -> Result<Option<Response>> {
    let data = Response::json(&json!({ "value": act.value }))?;
    Ok(match what {
        "nothing" => None,
        "empty" => Some(Response::default()),
        "warning" => Some(data.warning(&act.value)),
        "redirect" => {
            let mut data = data;
            data.redirect = Some(act.value.clone());
            Some(data)
        }
        "header" => Some(data.header("X-Value", &act.value)),
        "http" => Some(Response::http(
            u16::try_from(act.n).unwrap_or(0),
            "text/plain",
            &act.value,
        )),
        "status" => Some(data.with_status(&cx.request, u16::try_from(act.n).unwrap_or(0))),
        "error" => Some(Response::json(&json!({ "error": act.value }))?),
        "wrapped" => {
            let mut wrapped = Response::default();
            wrapped.wrap_info = Some(cx.system.wrap_data(&json!({ "a": 1 }), Duration::from_secs(60))?);
            Some(wrapped)
        }
        other => return Err(Error::user(format!("no such act: answer-{other}"))),
    })
}

fn other(cx: &Context, act: &Act) -> Result<Value> {
    Ok(match &*act.what {
        "event" => {
            let value = "x".repeat(act.n as usize);
            cx.events
                .send(&act.key, &json!({ "value": value }))
                .map(|()| Value::Null)?
        }
        "events" => {
            for number in 0..act.n {
                cx.events.send("conformance/many", &json!({ "number": number }))?;
            }
            Value::Null
        }
        "log" => {
            cx.log.trace("one");
            cx.log.debug("two");
            cx.log.field("a", 1).field("b", &act.value).warn("three");
            cx.log.error(&act.value);
            Value::Null
        }
        // A line with so many times the value, and with fields after it.
        "log-long" => {
            let message = act.value.repeat(act.n as usize);
            cx.log.field("a", "b").field("c", &act.key).info(&message);
            Value::Null
        }
        "log-lines" => {
            log_lines(cx, act.n);
            Value::Null
        }
        "now" => cx.clock.now().to_string().into(),
        "random" => {
            let bytes = cx.random.bytes(act.n);
            let sum = bytes
                .iter()
                .fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
            let array: [u8; 5] = cx.random.array();
            json!([bytes.len(), sum.to_string(), array, cx.random.uuid()])
        }
        "print" => {
            print!("{}", act.value);
            println!("{} {}", act.value, act.n);
            eprintln!("two\nlines");
            dbg!(act.n + 1).into()
        }
        "dependency" => crate::DICE.of(cx).roll().into(),
        "template" => {
            let fields = [("DisplayName", &*act.key)];
            Template::parse(&act.value, &["DisplayName"])?
                .render(cx, &fields)?
                .into()
        }
        "same" => constant_time_eq(&act.key, &act.value).into(),
        "request" => request(cx),
        other => return Err(Error::user(format!("no such act: {other}"))),
    })
}

fn request(cx: &Context) -> Value {
    let request = &cx.request;
    let mut shown = Map::new();
    for (name, value) in [
        ("id", &request.id),
        ("path", &request.path),
        ("mount_point", &request.mount_point),
        ("mount_type", &request.mount_type),
        ("mount_accessor", &request.mount_accessor),
        ("entity_id", &request.entity_id),
        ("display_name", &request.display_name),
        ("client_token", &request.client_token),
        ("client_token_accessor", &request.client_token_accessor),
        ("replication_cluster", &request.replication_cluster),
    ] {
        shown.insert(name.into(), value.as_str().into());
    }
    shown.insert("operation".into(), format!("{:?}", request.operation).into());
    shown.insert("headers".into(), request.headers.len().into());
    shown.insert("connection".into(), request.connection.is_some().into());
    shown.insert("secret".into(), request.secret.is_some().into());
    shown.insert("wrap".into(), request.wrap.is_some().into());
    shown.insert("unauthenticated".into(), request.unauthenticated.into());
    Value::Object(shown)
}
