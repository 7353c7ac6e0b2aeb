//! Runs every guest of the corpus, `tests/hostile/`, against a real Vault. Each request for harm fails with the answer
//! that the guest's file gives; the host survives; a neighbour in the same process is served meanwhile; and the memory
//! is freed.
//!
//! `make hostile` prints a row for each guest, and writes the rows to `target/hostile.txt`. The neighbour is a second
//! mount of the same guest, which behaves well there, so it shares the process but no harm. Every request of the
//! neighbour must succeed. The table shows how much longer they take beside the harm; the tests do not check this,
//! because it depends on the machine as much as on the host.
//!
//! To add a guest, write its file as `airlock_tests::hostile` explains. `AIRLOCK_HOSTILE=NAME make hostile` runs it
//! alone.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout)] // the table, for whoever runs it

mod latency;
mod row;
mod table;

use std::fs;

use airlock_tests::hostile::corpus;
use airlock_tests::{Plugin, Server, Storage, files};
use serde_json::json;

use row::Run;

/// The number of the neighbour's requests, quiet and beside the harm, unless `AIRLOCK_HOSTILE_SAMPLES` gives another.
const SAMPLES: usize = 100;

#[test]
fn hostile_guests_harm_nobody_but_themselves() {
    let only = std::env::var("AIRLOCK_HOSTILE").unwrap_or_default();
    let samples = match std::env::var("AIRLOCK_HOSTILE_SAMPLES") {
        Ok(number) => number.parse().expect("AIRLOCK_HOSTILE_SAMPLES is a number"),
        Err(_) => SAMPLES,
    };
    let server = Server::start("hostile", Storage::Memory);
    Plugin::kv().register(&server);
    let elsewhere = server.mount("elsewhere", "airlock-kv");
    elsewhere
        .write("greeting", json!({"value": "hello"}))
        .expect_success("write");
    let run = Run {
        server,
        elsewhere,
        samples,
    };

    let mut printed = table::head(samples);
    println!("{printed}");
    let corpus = corpus();
    let wanted = corpus
        .iter()
        .filter(|guest| only.is_empty() || guest.name == only);
    let rows: Vec<_> = wanted
        .map(|guest| {
            let row = run.row(guest);
            println!("{row}");
            printed += &format!("\n{row}");
            row
        })
        .collect();
    assert!(!rows.is_empty(), "the corpus has no {only:?}");
    let sum = table::sum(&rows);
    println!("{sum}");
    fs::write(
        files::root().join("target/hostile.txt"),
        format!("{printed}\n{sum}\n"),
    )
    .unwrap();
    let failures: Vec<&str> = rows
        .iter()
        .flat_map(|row| &row.failures)
        .map(String::as_str)
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn the_corpus_has_forty_guests_that_differ() {
    let corpus = corpus();
    assert!(corpus.len() >= 40, "{} guests", corpus.len());
    for (at, guest) in corpus.iter().enumerate() {
        assert!(
            !guest.about.is_empty(),
            "{} does not say what it does",
            guest.name
        );
        assert!(
            guest.status >= 400 || guest.words.is_empty(),
            "{}: words of what error?",
            guest.name
        );
        let same = corpus[..at].iter().find(|other| other.about == guest.about);
        assert!(same.is_none(), "{} says that it is {same:?}", guest.name);
    }
}
