//! Runs the commands of docs/operating.md and of the README, in their order, with the server's own command line. What the pages
//! show of the output has to be printed.
//!
//! The pages assume clients that read their mounts meanwhile, for the trial on live requests, and a record of `bank/` that was set
//! aside. So the test has both.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use airlock_tests::reader::{self, beside, page};
use airlock_tests::{Client, Page, Plugin, Server, Storage, eventually, files, process};
use serde_json::json;

/// Starts a server that writes its log and its audit log to files in its directory.
fn start(name: &str) -> Server {
    let log = |directory: &Path| format!("log_file = \"{}\"\n", directory.join("vault.log").display());
    let server = Server::start_configured(name, Storage::Disk, log);
    server.audit_to(&beside(&server, "audit.log"));
    server
}

/// Makes the files that an operator has, and returns a shell in their directory, with the variables that the pages assume.
fn shell(server: &Server) -> Command {
    let mut shell = reader::shell(server);
    let work = beside(server, "work");
    let guests = beside(server, "guests");
    fs::create_dir(&guests).unwrap();
    for version in ["0.1.0", "0.2.0", "0.3.0"] {
        let file = work.join(format!("kv-{version}.wasm"));
        files::alter_guest("kv", &file, &[(env!("CARGO_PKG_VERSION"), version)]);
    }
    files::copy_program(&files::airlock(), &work.join("airlock-0.1.0"));
    files::another_host(&work.join("airlock-0.2.0"));
    shell
        .env("GUESTS", &guests)
        .env("LOG", beside(server, "vault.log"))
        .env("AUDIT", beside(server, "audit.log"));
    shell
}

/// Runs a page while clients read a path again and again. The mount may not be there yet, or just be restored.
#[track_caller]
fn run_with_clients(page: &Page, shell: &mut Command, client: &Client, path: &str) {
    let ended = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let _ = client.try_request("GET", path, None);
                // Clients pause; without it, this one would take a core from the commands.
                thread::sleep(Duration::from_millis(10));
            }
        });
        let result = page.run(shell);
        ended.store(true, Ordering::Relaxed);
        result
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Leaves a record in a mount `bank/` that cannot be finished.
fn leave_a_damaged_record(server: &Server) {
    Plugin::serving("airlock-bank", &files::guest("bank")).register(server);
    let bank = server.mount("bank", "airlock-bank");
    bank.write("count", json!({})).expect_success("count");
    let record = format!("{}/.airlock/redo/1-1", server.storage_of("bank"));
    let client = server.client();
    client
        .write(&record, json!({"value": "damaged"}))
        .expect_success("leave a record");
    let mark = server.log().mark();
    server.reload("bank");
    bank.read("count").expect_success("read");
    server
        .log()
        .wait_after(mark, "that a record was set aside", |line| {
            line.message().contains("was set aside")
        });
}

#[test]
fn every_command_for_operators_works_as_shown() {
    let page = page("docs/operating.md");
    assert!(page.len() > 50, "{} commands were found", page.len());
    assert_eq!(page.not_run().len(), 1, "{:?}", page.not_run());
    let server = start("operating");
    leave_a_damaged_record(&server);
    run_with_clients(&page, &mut shell(&server), server.client(), "demo/team/db");

    // As the page says, nothing of it is left but the mount that was there before.
    for host in ["airlock-0.1.0", "airlock-0.2.0", "airlock-kv-0.1.0"] {
        eventually("the processes have ended", || {
            process::plugins(server.pid(), host).is_empty().then_some(())
        });
    }
    let catalog = server
        .client()
        .read("sys/plugins/catalog")
        .expect_success("catalog");
    let plugins = catalog.data()["detailed"].as_array().unwrap().iter();
    let left: Vec<_> = plugins
        .filter_map(|plugin| plugin["name"].as_str())
        .filter(|name| name.starts_with("airlock"))
        .collect();
    assert_eq!(left, ["airlock-bank"]);
}

#[test]
fn every_command_of_the_readme_works_as_shown() {
    let page = page("README.md");
    assert!(page.len() > 10, "{} commands were found", page.len());
    assert_eq!(page.not_run().len(), 2, "{:?}", page.not_run());
    let server = start("readme");
    // `make vault-dev` has mounted it.
    Plugin::kv().named("airlock-demo").register(&server);
    server.mount("demo", "airlock-demo");
    run_with_clients(&page, &mut shell(&server), server.client(), "app/team/db");
}

fn mistake(text: &str) -> String {
    Page::parse(text).unwrap_err()
}

#[test]
fn a_block_that_cannot_be_run_has_to_be_marked() {
    let block = "```hcl\npath \"a\" {}\n```\n";
    assert!(mistake(block).starts_with("line 1: a block of hcl"));
    assert!(mistake("text\n\n```console\noutput\n```\n").starts_with("line 4: no command"));
    let marked = Page::parse(&format!("<!-- not run: a policy -->\n{block}")).unwrap();
    assert_eq!(marked.not_run(), ["line 2: a policy"]);
    assert!(marked.is_empty());
    // The comment holds for the block below it only.
    let other = format!("<!-- not run: a picture -->\n```\n+-+\n```\n\n{block}");
    assert!(mistake(&other).starts_with("line 6: "));
}

#[test]
fn a_command_that_fails_or_prints_something_else_is_named() {
    let run = |text: &str| Page::parse(text).unwrap().run(&mut Command::new("bash"));
    let page = "```sh\n$ name=world; greet() { echo \"hello,  $1\"; }\n$ greet \\\n      $name\nhello, …\n$ printf 'a\\nb 12 c\\nd'\na\n…\nb … c\nd\n```\n";
    run(page).unwrap();
    for (text, named) in [
        (
            "$ true\n$ cat /missing\n$ true",
            "line 3: exit status 1\n$ cat /missing\ncat: ",
        ),
        ("$ false | cat", "line 2: exit status 1"),
        ("$ echo one\ntwo", "line 2: it does not print \"two\""),
        ("$ printf 'a\\nb\\n'\nb\na", "line 2: it does not print \"a\""),
        ("$ echo one two\none…three", "does not print \"one…three\""),
        ("$ echo one\none … two", "does not print"),
        ("$ echo $missing", "missing: unbound variable"),
    ] {
        let failure = run(&format!("```console\n{text}\n```\n")).unwrap_err();
        assert!(failure.contains(named), "{text}: {failure}");
    }
}

#[test]
fn a_change_is_made_and_an_excerpt_is_compared() {
    let directory = tempfile::tempdir().unwrap();
    let run = |text: &str| {
        fs::write(directory.path().join("a.txt"), "one\ntwo\n").unwrap();
        let page = Page::parse(text).unwrap();
        page.run(Command::new("bash").current_dir(directory.path()))
    };
    let change = "```diff\n--- a.txt\n+++ a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+$three\n```\n";
    run(&format!("{change}```console\n$ tail -n 1 a.txt\n$three\n```\n")).unwrap();
    run(&format!("{change}```text a.txt\none\n$three\n```\n")).unwrap();
    for (text, named) in [
        (change.replace("one", "zero"), "line 1: exit status 1"),
        ("\n```text a.txt\ntwo\none\n```\n".into(), "line 2: exit status 1"),
        ("```text b.txt\none\n```\n".into(), "line 1: exit status 1"),
    ] {
        let failure = run(&text).unwrap_err();
        assert!(failure.contains(named), "{text}: {failure}");
    }
}

#[test]
fn a_program_left_running_ends_with_its_page() {
    // `run` would wait for its output otherwise.
    for (last, fails) in [("true", false), ("false", true)] {
        let page = Page::parse(&format!("```console\n$ sleep 100000 &\n$ {last}\n```\n")).unwrap();
        assert_eq!(page.run(&mut Command::new("bash")).is_err(), fails);
    }
}
