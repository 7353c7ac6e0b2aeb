//! Tests what is rotated and when, and what a failure leaves.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use airlock_sdk::rotation::{Rotation, RotationFields, Rotations, Schedule};
use airlock_sdk::testing::{Fault, Mount};
use airlock_sdk::{
    Context, Description, Engine, Error, Name, Response, Result, Routes, Timestamp, Value, fields, json,
    route,
};

const ITEM: Rotation = Rotation::new("item", rotate).at_once(3);
const SPREAD: Rotation = Rotation::new("spread", rotate).jitter(Duration::from_secs(600));

const HOUR: Duration = Duration::from_secs(3600);

fields! {
    struct At { name: Name }

    struct Write {
        name: Name,
        ..rotation: RotationFields,
    }
}

struct Items;

impl Engine for Items {
    const DESCRIPTION: Description = Description::new("items", "1.0.0", "Rotates items.").storage(&["item/"]);
    const ROUTES: Routes = &[
        &route("items/{name}").read(read).update(write).delete(delete),
        &route("items/{name}/rotate").update(rotate_now),
        &route("spread/{name}").update(spread),
    ];
    const ROTATIONS: Rotations = &[&ITEM, &SPREAD];
}

fn read(cx: &Context, at: At) -> Result<Option<Response>> {
    let Some(job) = ITEM.job(cx, &at.name)? else {
        return Ok(None);
    };
    let answer = json!({
        "count": cx.storage.get_json::<u64>(&format!("item/{}", at.name))?.unwrap_or(0),
        "last": job.last,
        "due": job.due,
        "ttl": job.ttl(cx).as_secs(),
        "failures": job.failures,
        "period": job.schedule.period().map(|period| period.as_secs()),
        "schedule": job.schedule.text(),
        "window": job.schedule.window().map(|window| window.as_secs()),
    });
    Response::json(&answer).map(Some)
}

fn write(cx: &Context, given: Write) -> Result<()> {
    match given.rotation.schedule()? {
        Some(schedule) => ITEM.schedule(cx, &given.name, &schedule),
        None if given.rotation.is_given() => ITEM.cancel(cx, &given.name),
        None => Ok(()),
    }
}

fn spread(cx: &Context, given: Write) -> Result<()> {
    SPREAD.schedule(cx, &given.name, &Schedule::every(HOUR)?)
}

fn delete(cx: &Context, at: At) -> Result<()> {
    ITEM.cancel(cx, &at.name)
}

fn rotate_now(cx: &Context, at: At) -> Result<()> {
    ITEM.rotate(cx, &at.name)
}

/// Counts, and fails if the item's name says so.
fn rotate(cx: &Context, name: &str) -> Result<()> {
    let key = format!("item/{name}");
    if name.starts_with("fails") {
        return Err(Error::internal("told to"));
    }
    let count: u64 = cx.storage.get_json(&key)?.unwrap_or(0);
    cx.storage.put_json(&key, &(count + 1))?;
    if name.starts_with("last") {
        return ITEM.cancel(cx, name);
    }
    if name.starts_with("slower") {
        return ITEM.schedule(cx, name, &Schedule::every(2 * HOUR)?);
    }
    if name.starts_with("dirty") {
        return Err(Error::internal("told to, after a write"));
    }
    Ok(())
}

fn mount(items: &[&str]) -> Mount<Items> {
    let mount = Mount::new();
    for item in items {
        let written = mount.write(&format!("items/{item}"), json!({ "rotation_period": "1h" }));
        assert_eq!(written.status(), 204);
    }
    mount
}

fn shown(mount: &Mount<Items>, item: &str) -> Value {
    mount.read(&format!("items/{item}")).data().clone()
}

fn index(mount: &Mount<Items>) -> usize {
    let keys = mount.stored().into_keys();
    keys.filter(|key| key.starts_with("rotation/due/")).count()
}

#[test]
fn a_rotation_may_end_itself_or_change_its_schedule() {
    for now in [false, true] {
        let mount = mount(&["last", "slower"]);
        mount.advance(HOUR);
        if now {
            assert_eq!(mount.write("items/last/rotate", json!({})).status(), 204);
            assert_eq!(mount.write("items/slower/rotate", json!({})).status(), 204);
        } else {
            assert_eq!(mount.tick().status(), 204);
        }
        assert_eq!(mount.read("items/last").status(), 404, "{now}");
        assert_eq!(shown(&mount, "slower")["period"], 7200, "{now}");
        assert_eq!(index(&mount), 1, "{now}");
    }
}

#[test]
fn a_write_without_a_field_of_the_rotation_keeps_it() {
    let mount = mount(&["a"]);
    assert_eq!(mount.write("items/a", json!({})).status(), 204);
    assert_eq!(shown(&mount, "a")["period"], 3600);
    assert_eq!(
        mount.write("items/a", json!({ "rotation_period": 0 })).status(),
        204
    );
    assert_eq!(mount.read("items/a").status(), 404);
}

#[test]
fn a_clock_that_was_set_back_does_not_delay_the_next() {
    let mount = mount(&["a"]);
    mount.advance(100 * HOUR);
    assert_eq!(mount.tick().status(), 204);
    mount.set_time(Timestamp::from_seconds(1_000));
    assert_eq!(
        mount
            .write("items/a", json!({ "rotation_period": "2h" }))
            .status(),
        204
    );
    assert_eq!(shown(&mount, "a")["ttl"], 7200);
}

#[test]
fn a_tick_rotates_what_is_due_once() {
    let mount = mount(&["a", "b"]);
    mount.advance(HOUR - Duration::from_secs(1));
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(shown(&mount, "a")["count"], 0);
    // Five periods are missed.
    mount.advance(5 * HOUR);
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(mount.tick().status(), 204);
    let a = shown(&mount, "a");
    assert_eq!(
        (&a["count"], &a["ttl"], &a["failures"]),
        (&json!(1), &json!(3600), &json!(0))
    );
    assert_eq!((&a["last"], &a["period"]), (&json!(mount.now()), &json!(3600)));
    assert_eq!(shown(&mount, "b")["count"], 1);
    assert_eq!(index(&mount), 2);
}

#[test]
fn a_rotation_now_moves_the_next_one() {
    let mount = mount(&["a"]);
    mount.advance(HOUR / 2);
    assert_eq!(mount.write("items/a/rotate", json!({})).status(), 204);
    assert_eq!(
        (&shown(&mount, "a")["count"], &shown(&mount, "a")["ttl"]),
        (&json!(1), &json!(3600))
    );
    assert_eq!(mount.write("items/none/rotate", json!({})).status(), 404);
    assert_eq!(index(&mount), 1);
}

#[test]
fn a_failure_is_tried_again_later_and_later() {
    let mount = mount(&["fails", "ok"]);
    mount.advance(HOUR);
    let mut waits = Vec::new();
    for failures in 1..=8 {
        assert_eq!(mount.tick().status(), 500);
        let failed = shown(&mount, "fails");
        assert_eq!(failed["failures"], failures);
        let wait = failed["ttl"].as_u64().unwrap();
        waits.push(wait);
        assert_eq!(mount.tick().status(), 204, "it waits");
        mount.advance(Duration::from_secs(wait));
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert!(shown(&mount, "ok")["count"].as_u64().unwrap() >= 1);
    let logs = mount.logs();
    assert!(
        logs.iter()
            .any(|line| line.message == "a rotation failed, and is tried again")
    );
}

#[test]
fn what_a_failed_rotation_wrote_is_dropped() {
    let mount = mount(&["a", "dirty", "z"]);
    mount.advance(HOUR);
    let failed = mount.tick();
    assert_eq!(
        failed.error(),
        &Error::internal("error rotating \"item\": told to, after a write")
    );
    assert_eq!(shown(&mount, "a")["count"], 1);
    assert_eq!(
        (&shown(&mount, "dirty")["count"], &shown(&mount, "z")["count"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(mount.tick().status(), 204);
    assert_eq!(
        (&shown(&mount, "dirty")["count"], &shown(&mount, "z")["count"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn a_tick_rotates_so_many_and_the_rest_later() {
    let mount = mount(&["a", "b", "c", "d"]);
    mount.advance(HOUR);
    let done = |mount: &Mount<Items>| {
        let counts = ["a", "b", "c", "d"].map(|item| shown(mount, item)["count"].as_u64().unwrap());
        counts.iter().sum::<u64>()
    };
    assert_eq!((mount.tick().status(), done(&mount)), (204, 3));
    assert_eq!((mount.tick().status(), done(&mount)), (204, 4));
}

#[test]
fn a_cron_schedule_is_kept_to_in_its_window() {
    let mount = Mount::<Items>::new();
    let schedule = json!({ "rotation_schedule": "0 3  * * *", "rotation_window": "2h" });
    assert_eq!(mount.write("items/a", schedule).status(), 204);
    let a = shown(&mount, "a");
    assert_eq!(
        (&a["schedule"], &a["window"], &a["ttl"]),
        (&json!("0 3 * * *"), &json!(7200), &json!(3 * 3600))
    );
    mount.advance(4 * HOUR);
    assert_eq!(mount.tick().status(), 204);
    let a = shown(&mount, "a");
    assert_eq!(
        (&a["count"], &a["due"]),
        (&json!(1), &json!("2026-01-02T03:00:00Z"))
    );
    // The window of the second day is missed.
    mount.advance(25 * HOUR);
    assert_eq!(mount.tick().status(), 204);
    let a = shown(&mount, "a");
    assert_eq!(
        (&a["count"], &a["due"]),
        (&json!(1), &json!("2026-01-03T03:00:00Z"))
    );
    assert_eq!(a["last"], "2026-01-01T04:00:00Z");
}

#[test]
fn another_schedule_counts_from_the_last_rotation() {
    let mount = mount(&["a"]);
    mount.advance(HOUR / 2);
    assert_eq!(
        mount
            .write("items/a", json!({ "rotation_period": "2h" }))
            .status(),
        204
    );
    assert_eq!((&shown(&mount, "a")["ttl"], index(&mount)), (&json!(5400), 1));
    let ended = mount.write("items/a", json!({ "rotation_schedule": "" }));
    assert_eq!(ended.status(), 204);
    assert_eq!((mount.read("items/a").status(), mount.stored().len()), (404, 0));
    assert_eq!(mount.delete("items/a").status(), 204);
}

#[test]
fn jitter_spreads_items_that_were_made_together() {
    let mount = Mount::<Items>::new();
    for item in ["a", "b", "c", "d"] {
        assert_eq!(mount.write(&format!("spread/{item}"), json!({})).status(), 204);
    }
    let due: Vec<String> = mount
        .stored()
        .into_keys()
        .filter(|key| key.contains("due/spread/"))
        .collect();
    let seconds = due
        .iter()
        .map(|key| key["rotation/due/spread/".len()..][..12].parse::<i64>().unwrap());
    let after: Vec<i64> = seconds
        .map(|second| second - mount.now().seconds - 3600)
        .collect();
    assert!(after.iter().all(|after| (0..=600).contains(after)), "{after:?}");
    assert!(after.iter().any(|other| *other != after[0]), "{after:?}");
}

#[test]
fn a_commit_that_fails_at_any_write_leaves_an_item_that_is_rotated() {
    // A tick stores that the item is tried, then its value and its next time: five entries, and two are removed.
    let puts = (0..5).map(Fault::Puts);
    for fault in puts.chain((0..2).map(Fault::Deletes)) {
        let mount = mount(&["a"]);
        mount.advance(HOUR);
        mount.fail(fault);
        assert_eq!(mount.tick().status(), 500, "{fault:?} was not met");
        mount.fail(Fault::None);
        // It was tried, and is due again a minute later.
        mount.advance(Duration::from_secs(60));
        for _ in 0..2 {
            assert_eq!(mount.tick().status(), 204, "{fault:?}");
        }
        let a = shown(&mount, "a");
        assert!(
            a["count"].as_u64().unwrap() >= 1 && a["failures"] == 0,
            "{fault:?}: {a}"
        );
        mount.advance(HOUR);
        assert_eq!(mount.tick().status(), 204);
        assert_eq!(index(&mount), 1, "{fault:?}");
    }
    for beyond in [Fault::Puts(5), Fault::Deletes(2)] {
        let mount = mount(&["a"]);
        mount.advance(HOUR);
        mount.fail(beyond);
        assert_eq!(mount.tick().status(), 204, "{beyond:?}: the tick has more writes");
    }
}

#[test]
fn a_standby_forwards_and_changes_nothing() {
    let mount = mount(&["a"]);
    let before = mount.stored();
    mount.advance(HOUR);
    mount.fail(Fault::ReadOnly);
    assert_eq!(mount.tick().error(), &Error::ReadOnly);
    assert_eq!(mount.stored(), before);
}

#[test]
fn what_is_not_a_schedule_is_refused() {
    let mount = Mount::<Items>::new();
    for (wrong, why) in [
        (
            json!({ "rotation_period": 59 }),
            "rotation_period must be a minute or longer",
        ),
        (
            json!({ "rotation_period": 60, "rotation_schedule": "0 3 * * *" }),
            "rotation_schedule and rotation_period exclude",
        ),
        (
            json!({ "rotation_window": "1h" }),
            "rotation_window needs a rotation_schedule",
        ),
        (
            json!({ "rotation_period": 60, "rotation_window": "1h" }),
            "rotation_window needs a rotation_schedule",
        ),
        (
            json!({ "rotation_schedule": "0 3 * * *", "rotation_window": 3599 }),
            "rotation_window must be an hour or longer",
        ),
        (
            json!({ "rotation_schedule": "0 3 * *" }),
            "rotation_schedule is not valid: it has five parts",
        ),
        (
            json!({ "rotation_schedule": "0 24 * * *" }),
            "rotation_schedule is not valid: \"24\" is not a valid hour, from 0 to 23",
        ),
    ] {
        let reply = mount.write("items/a", wrong.clone());
        assert_eq!(reply.status(), 400, "{wrong}");
        assert!(
            reply.error().to_string().starts_with(why),
            "{wrong}: {}",
            reply.error()
        );
    }
}
