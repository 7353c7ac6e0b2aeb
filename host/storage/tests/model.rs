//! The counter protocol under every interleaving.
//!
//! The modules below are the crate's own source files, compiled once more with loom's lock in place of parking_lot's.
//! Loom runs each model under every order in which its threads can take their steps: a step of the ledger, or a storage
//! call. Each test names the mistake that it would find.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "../src/conflict/mod.rs"]
mod conflict;
#[path = "../src/names.rs"]
mod names;
#[path = "model/sync.rs"]
mod sync;
#[path = "model/world.rs"]
mod world;

use airlock_storage::{Result, StorageEntry};
use conflict::counters::{Sample, Size, Thing};
use loom::thread;
use world::{Conflict, Transaction, World, model};

/// With this size the few keys of the models share no place. The seed is fixed, so this holds in every run.
const ROOMY: Size = Size {
    seed: 7,
    mask: u64::MAX,
    recent: 1000,
};
/// With this size all keys and folders share one place.
const CROWDED: Size = Size { mask: 0, ..ROOMY };
/// With this size each commit makes the counters forget the commit before the previous one.
const FORGETFUL: Size = Size { recent: 1, ..ROOMY };

/// A writer changes two keys. A reader that passes its check has seen both or none of the changes.
fn readers_see_whole_commits(size: Size) {
    model(size, &[("a", 0), ("b", 0)], |world| {
        let writer = thread::spawn({
            let world = world.clone();
            move || {
                let mut transaction = Transaction::new(&world);
                transaction.put("a", 1);
                transaction.put("b", 1);
                transaction.commit().expect("nobody else writes");
            }
        });
        let mut reader = Transaction::new(&world);
        let seen = reader.get("a").and_then(|a| Ok((a, reader.get("b")?)));
        if let Ok(seen) = seen
            && reader.commit().is_ok()
        {
            assert!(
                seen == (Some(0), Some(0)) || seen == (Some(1), Some(1)),
                "{seen:?}"
            );
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_counter_bumped_before_the_flush_or_only_after_it_would_show_half_a_commit() {
    readers_see_whole_commits(ROOMY);
}

#[test]
fn half_a_commit_is_not_shown_where_all_keys_share_a_place() {
    readers_see_whole_commits(CROWDED);
}

/// Does the same, and by the time when the reader checks, newer commits may have made the counters forget this one.
#[test]
fn a_forgotten_write_that_counted_as_none_would_show_half_a_commit() {
    model(FORGETFUL, &[("a", 0), ("b", 0)], |world| {
        let writer = thread::spawn({
            let world = world.clone();
            move || {
                for keys in [["a", "b"], ["c", "d"], ["e", "f"]] {
                    let mut transaction = Transaction::new(&world);
                    keys.iter().for_each(|key| transaction.put(key, 1));
                    transaction.commit().expect("nobody else writes");
                }
            }
        });
        let mut reader = Transaction::new(&world);
        let seen = reader.get("a").and_then(|a| Ok((a, reader.get("b")?)));
        if let Ok((a, b)) = seen
            && reader.commit().is_ok()
        {
            assert_eq!(a, b);
        }
        writer.join().unwrap();
    });
}

/// Two requests add one to the same key.
fn no_update_is_lost(size: Size) {
    model(size, &[("n", 0)], |world| {
        let add = |world: &World| {
            let mut transaction = Transaction::new(world);
            let n = transaction.get("n")?.unwrap();
            transaction.put("n", n + 1);
            transaction.commit()
        };
        let other = thread::spawn({
            let world = world.clone();
            move || add(&world).is_ok()
        });
        let mine = add(&world).is_ok();
        let others = other.join().unwrap();
        assert!(mine || others, "one of two always passes");
        assert_eq!(world.stored("n"), Some(u64::from(mine) + u64::from(others)));
    });
}

#[test]
fn a_counter_that_does_not_guard_its_key_would_lose_an_update() {
    no_update_is_lost(ROOMY);
}

#[test]
fn no_update_is_lost_where_all_keys_share_a_place() {
    no_update_is_lost(CROWDED);
}

/// Each of two requests reads both keys, and takes its own only if both are free.
fn no_write_skew(size: Size) {
    model(size, &[("x", 0), ("y", 0)], |world| {
        let take = |world: &World, mine: &'static str| {
            let mut transaction = Transaction::new(world);
            if transaction.get("x")? == Some(0) && transaction.get("y")? == Some(0) {
                transaction.put(mine, 1);
            }
            transaction.commit()
        };
        let other = thread::spawn({
            let world = world.clone();
            move || take(&world, "y")
        });
        let _: Result<(), Conflict> = take(&world, "x");
        let _: Result<(), Conflict> = other.join().unwrap();
        assert_ne!((world.stored("x"), world.stored("y")), (Some(1), Some(1)));
    });
}

#[test]
fn checking_apart_from_marking_would_let_writes_skew() {
    no_write_skew(ROOMY);
}

#[test]
fn writes_do_not_skew_where_all_keys_share_a_place() {
    no_write_skew(CROWDED);
}

/// Two requests write the same two keys without reading them.
#[test]
fn marks_that_two_commits_could_share_would_mix_their_keys() {
    model(ROOMY, &[], |world| {
        let write = |world: &World, value| {
            let mut transaction = Transaction::new(world);
            transaction.put("a", value);
            transaction.put("b", value);
            transaction.commit()
        };
        let other = thread::spawn({
            let world = world.clone();
            move || write(&world, 2)
        });
        let _: Result<(), Conflict> = write(&world, 1);
        let _: Result<(), Conflict> = other.join().unwrap();
        assert_eq!(world.stored("a"), world.stored("b"));
    });
}

/// Asserts that the cache does not contradict storage, whatever ran before.
fn assert_cache_is_true(world: &World, key: &str) {
    let mut later = Transaction::cached(world);
    assert_eq!(later.get(key).expect("nobody writes any more"), world.stored(key));
    let exists = later.exists(key).expect("nobody writes any more");
    assert_eq!(exists, world.stored(key).is_some());
}

fn the_cache_stays_true(size: Size) {
    model(size, &[("k", 0)], |world| {
        let writer = thread::spawn({
            let world = world.clone();
            move || {
                let mut transaction = Transaction::new(&world);
                transaction.put("k", 1);
                transaction.commit().expect("nobody else writes");
            }
        });
        let _: Result<_, Conflict> = Transaction::cached(&world).get("k");
        writer.join().unwrap();
        assert_cache_is_true(&world, "k");
    });
}

#[test]
fn existence_that_outlives_a_deletion_would_be_false() {
    for size in [ROOMY, CROWDED] {
        model(size, &[("k", 0)], |world| {
            let remover = thread::spawn({
                let world = world.clone();
                move || {
                    let mut transaction = Transaction::new(&world);
                    transaction.delete("k");
                    transaction.commit().expect("nobody else writes");
                }
            });
            let _: Result<_, Conflict> = Transaction::new(&world).exists("k");
            remover.join().unwrap();
            assert_cache_is_true(&world, "k");
        });
    }
}

#[test]
fn a_slow_read_cached_after_a_newer_put_would_leave_the_cache_false() {
    the_cache_stays_true(ROOMY);
}

#[test]
fn the_cache_stays_true_where_all_keys_share_a_place() {
    the_cache_stays_true(CROWDED);
}

#[test]
fn two_commits_that_cache_what_they_wrote_leave_the_cache_true() {
    model(ROOMY, &[], |world| {
        let write = |world: &World, value| {
            let mut transaction = Transaction::cached(world);
            transaction.put("k", value);
            transaction.commit()
        };
        let other = thread::spawn({
            let world = world.clone();
            move || write(&world, 2)
        });
        let _: Result<(), Conflict> = write(&world, 1);
        let _: Result<(), Conflict> = other.join().unwrap();
        assert_cache_is_true(&world, "k");
    });
}

/// A request deletes a key of which another asks whether it exists, to write it anew.
#[test]
fn existence_that_is_remembered_apart_from_the_flush_would_be_false() {
    for size in [ROOMY, CROWDED] {
        model(size, &[("k", 0)], |world| {
            let remover = thread::spawn({
                let world = world.clone();
                move || {
                    let mut transaction = Transaction::new(&world);
                    let existed = transaction.exists("k")?;
                    transaction.delete("k");
                    transaction.commit().map(|()| existed)
                }
            });
            let mut writer = Transaction::new(&world);
            let written = writer.exists("k").and_then(|existed| {
                writer.put("k", u64::from(existed) + 1);
                writer.commit()
            });
            let removed: Result<bool, Conflict> = remover.join().unwrap();
            assert!(written.is_ok() || removed.is_ok(), "one of two always passes");
            let mut later = Transaction::new(&world);
            let exists = later.exists("k").expect("nobody writes any more");
            assert_eq!(exists, world.stored("k").is_some());
            if world.stored("k") == Some(2) {
                assert!(removed.is_err(), "it was written as if it had not been removed");
            }
            if world.stored("k") == Some(1) {
                assert!(
                    removed.is_ok_and(|existed| existed),
                    "it was removed before it was written anew"
                );
            }
        });
    }
}

/// Another server changes storage, and Vault reports it afterwards.
#[test]
fn an_invalidation_that_does_not_bump_would_be_overtaken_by_a_fill() {
    model(ROOMY, &[("k", 0)], |world| {
        let outside = thread::spawn({
            let world = world.clone();
            move || {
                world.store("k", 1);
                world.ledger.invalidate("k");
            }
        });
        let _: Result<_, Conflict> = Transaction::cached(&world).get("k");
        outside.join().unwrap();
        assert_cache_is_true(&world, "k");
    });
}

/// Does the same while a commit is under way that caches what it wrote.
#[test]
fn an_invalidation_in_mid_flush_that_is_not_noticed_would_let_the_commit_cache_its_own_value() {
    model(ROOMY, &[("k", 0)], |world| {
        let outside = thread::spawn({
            let world = world.clone();
            move || {
                world.store("k", 2);
                world.ledger.invalidate("k");
            }
        });
        let mut writer = Transaction::cached(&world);
        writer.put("k", 1);
        let _: Result<(), Conflict> = writer.commit();
        outside.join().unwrap();
        assert_cache_is_true(&world, "k");
    });
}

/// Each of two requests makes a key three folders deep, if the root is empty.
fn no_phantoms(size: Size) {
    model(size, &[], |world| {
        let make = |world: &World, key: &'static str| {
            let mut transaction = Transaction::new(world);
            if transaction.list("")?.is_empty() {
                transaction.put(key, 1);
            }
            transaction.commit()
        };
        let other = thread::spawn({
            let world = world.clone();
            move || make(&world, "b/c/d")
        });
        let _: Result<(), Conflict> = make(&world, "a/b/c");
        let _: Result<(), Conflict> = other.join().unwrap();
        assert_ne!((world.stored("a/b/c"), world.stored("b/c/d")), (Some(1), Some(1)));
    });
}

#[test]
fn folders_that_are_not_bumped_up_to_the_root_would_hide_phantoms() {
    no_phantoms(ROOMY);
}

#[test]
fn there_are_no_phantoms_where_all_keys_share_a_place() {
    no_phantoms(CROWDED);
}

/// A key that is known to exist is deleted while another request lists its folder and writes what it saw.
#[test]
fn a_folder_that_is_not_bumped_by_a_known_key_going_would_be_listed_with_it() {
    model(ROOMY, &[("f/k", 1)], |world| {
        let remover = thread::spawn({
            let world = world.clone();
            move || {
                let mut transaction = Transaction::new(&world);
                let existed = transaction.get("f/k")?.is_some();
                transaction.delete("f/k");
                let counted = transaction.get("count")?;
                transaction.put("removed-before-count", u64::from(existed && counted.is_none()));
                transaction.commit()
            }
        });
        let mut counter = Transaction::new(&world);
        let counted = counter.list("f/").and_then(|names| {
            counter.put("count", names.len() as u64);
            counter.commit()
        });
        let removed: Result<(), Conflict> = remover.join().unwrap();
        if counted.is_ok() && removed.is_ok() && world.stored("removed-before-count") == Some(1) {
            assert_eq!(world.stored("count"), Some(0), "counted after the removal");
        }
    });
}

/// A put fails, and takes effect after it was given up.
#[test]
fn keys_of_unknown_state_that_are_not_fenced_would_be_cached_as_they_were() {
    model(ROOMY, &[("k", 0)], |world| {
        Transaction::cached(&world).get("k").unwrap();
        let mut failing = Transaction::new(&world);
        failing.put("k", 1);
        let fence = failing.commit_in_vain();
        let late = thread::spawn({
            let world = world.clone();
            move || {
                world.store("k", 1);
                assert_cache_is_true(&world, "k");
                drop(fence);
            }
        });
        let _: Result<_, Conflict> = Transaction::cached(&world).get("k");
        late.join().unwrap();
        assert_cache_is_true(&world, "k");
    });
}

/// A put fails, and takes effect after its second try has succeeded, perhaps over a newer value.
#[test]
fn keys_put_twice_that_are_not_fenced_would_be_cached_though_the_first_put_undoes_them() {
    model(ROOMY, &[("k", 0)], |world| {
        let mut retried = Transaction::cached(&world);
        retried.put("k", 1);
        let fence = retried.commit_at_the_second_try();
        let late = thread::spawn({
            let world = world.clone();
            move || {
                world.store("k", 1);
                drop(fence);
            }
        });
        let mut newer = Transaction::cached(&world);
        newer.put("k", 2);
        newer.commit().expect("nobody else writes");
        late.join().unwrap();
        assert_cache_is_true(&world, "k");
    });
}

/// Keys that share a place must not block the transaction that writes them.
#[test]
fn a_transaction_alone_always_passes() {
    for size in [CROWDED, ROOMY, FORGETFUL] {
        model(size, &[("a", 0), ("f/b", 0)], |world| {
            let mut transaction = Transaction::cached(&world);
            transaction.list("").unwrap();
            transaction.get("a").unwrap();
            transaction.put("a", 1);
            transaction.put("f/g/new", 1);
            transaction.delete("f/b");
            transaction.commit().unwrap();
            assert_cache_is_true(&world, "a");
            let sample: Option<Sample> = world.ledger.sample_folder("f/");
            assert!(
                sample.is_some() && world.ledger.is_free(Thing::Key("a")),
                "no marks are left"
            );
        });
    }
}
