use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::CommandFactory as _;

use super::*;
use crate::args::LimitArgs;
use crate::guest;

const README: &str = include_str!("../../../../README.md");

/// The page about measurements, whose flags are those of other programs.
const MEASUREMENTS: &str = "performance.md";

/// The pages for authors of guests.
const FOR_AUTHORS: [&str; 3] = ["writing-guests.md", "scenarios.md", "development-server.md"];

/// Returns the README, the pages in docs/, except some, and the deployment examples.
fn documents(except: &[&str]) -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let folders = [docs.clone(), docs.join("deploy")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file());
    let pages = files.filter(|file| !except.iter().any(|name| file.ends_with(name)));
    let pages: Vec<_> = pages.map(|page| fs::read_to_string(page).unwrap()).collect();
    assert!(pages.len() > 12, "{} pages in docs/", pages.len());
    [vec![README.to_owned()], pages].concat()
}

#[test]
fn definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn serve_wants_a_pin_a_key_or_the_word_unpinned() {
    let parse = |args: &[&str]| Cli::try_parse_from([&["airlock", "serve"], args].concat());
    let missing = parse(&["--guest=g.wasm"]).unwrap_err().to_string();
    for flag in ["--guest-sha256", "--trust", "--unpinned"] {
        assert!(missing.contains(flag), "no {flag}: {missing}");
    }
    assert!(parse(&["--guest=g.wasm", "--trust=RW"]).is_ok());
    assert!(parse(&["--guest=g.wasm", "--trust=RW", "--trust=RX", "--guest-sha256=00"]).is_ok());
    assert!(parse(&["--guest=g.wasm", "--trust=RW", "--unpinned"]).is_err());
    assert!(parse(&["--guest=g.wasm", "--unpinned"]).is_ok());
    assert!(parse(&["--guest=g.wasm", "--guest-sha256=00", "--guest-sha256=01"]).is_ok());
    assert!(parse(&["--guest=g.wasm", "--guest-sha256=00", "--unpinned"]).is_err());
}

#[test]
fn verify_wants_a_pin_or_a_key_and_inspect_neither() {
    let parse = |args: &[&str]| Cli::try_parse_from([&["airlock"], args].concat());
    assert!(parse(&["verify", "g.wasm"]).is_err());
    assert!(parse(&["verify", "g.wasm", "--guest-sha256=00"]).is_ok());
    assert!(parse(&["verify", "--trust", "RW", "g.wasm"]).is_ok());
    assert!(parse(&["inspect", "g.wasm"]).is_ok());
    assert!(parse(&["inspect", "--trust=RW", "g.wasm"]).is_ok());
}

#[test]
fn a_program_that_contains_its_guest_wants_none_named() {
    let parse = |args: &[&str]| {
        let args: Vec<_> = [&["airlock"], args].concat().iter().map(Into::into).collect();
        Cli::read(&args, true)
    };
    for command in [
        ["serve"].as_slice(),
        &["check"],
        &["inspect"],
        &["serve", "--cpu-ms=1"],
    ] {
        parse(command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    }
    // Whoever gives one is told why it is refused, which clap cannot know.
    assert!(parse(&["serve", "--guest=g.wasm"]).is_ok());
    assert!(parse(&["serve", "--cpu-ms=0"]).is_err());
    assert!(parse(&["call"]).is_err());
    let help = parse(&["serve", "--help"]).unwrap_err().to_string();
    assert!(
        !help.contains("--guest") && !help.contains("--unpinned"),
        "{help}"
    );
    assert!(
        help.contains("--cpu-ms") && help.contains("Serve the guest in this program"),
        "{help}"
    );
}

#[test]
fn an_empty_prefix_does_not_grant_every_path_without_token() {
    let parse = |grant: &str| Cli::try_parse_from(["airlock", "serve", "--guest=g", "--unpinned", grant]);
    assert!(parse("--unauthenticated=login/").is_ok());
    assert!(parse("--unauthenticated=").is_err());
}

fn limits() -> LimitArgs {
    match Cli::parse_from(["airlock", "serve", "--guest=g", "--unpinned"]).command {
        Command::Serve(args) => args.limits,
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_by_default_are_those_of_the_sandbox() {
    let limits = limits();
    assert_eq!(guest::limits(&limits), airlock_sandbox::Limits::default());
    assert_eq!(guest::process_memory(&limits), None);
}

/// Returns 10000 as `10,000`.
fn grouped(number: u32) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

#[test]
fn readme_has_the_limits_by_default() {
    let limits = limits();
    let seconds = |ms: u32| {
        assert_eq!(ms % 1000, 0);
        format!("{} s", ms / 1000)
    };
    for (flags, default) in [
        ("`--cpu-ms`", seconds(limits.cpu_ms)),
        ("`--wall-ms`", seconds(limits.wall_ms)),
        ("`--memory-mib`", format!("{} MiB", limits.memory_mib)),
        ("`--storage-ops`", grouped(limits.storage_ops)),
        ("`--transfer-mib`", format!("{} MiB", limits.transfer_mib)),
        ("`--log-lines`", grouped(limits.log_lines)),
        (
            "`--instances`, `--queue`",
            format!("{}, {} (then 429)", limits.instances, limits.queue),
        ),
    ] {
        let row = format!("| {flags} | {default} |");
        assert!(README.contains(&row), "no {row:?}");
    }
}

/// Returns the flags of every command.
fn flags() -> BTreeSet<String> {
    let cli = Cli::command();
    let commands = cli.get_subcommands().flat_map(clap::Command::get_arguments);
    commands
        .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
        .collect()
}

/// Returns the flags that a document names.
fn named_flags(document: &str) -> impl Iterator<Item = String> {
    document.match_indices("--").filter_map(|(at, _)| {
        let name: String = document[at + 2..]
            .chars()
            .take_while(|character| character.is_ascii_lowercase() || matches!(character, '0'..='9' | '-'))
            .collect();
        let is_flag = name.starts_with(|first: char| first.is_ascii_lowercase())
            && !document[..at].ends_with(|before: char| before == '-' || before.is_alphanumeric());
        is_flag.then(|| format!("--{name}"))
    })
}

#[test]
fn operators_are_told_of_every_flag_of_serve_and_push() {
    let cli = Cli::command();
    let documents = documents(&[&FOR_AUTHORS[..], &[MEASUREMENTS]].concat());
    let told: BTreeSet<_> = documents.iter().flat_map(|text| named_flags(text)).collect();
    for name in ["serve", "push", "status", "rollback", "downgrade", "guests", "gc"] {
        let command = cli.find_subcommand(name).unwrap();
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(
                told.contains(&format!("--{flag}")),
                "neither README.md nor a page for operators has --{flag} of {name}"
            );
        }
    }
}

#[test]
fn documents_name_no_flag_that_does_not_exist() {
    // Flags of other programs (cargo, rustc, migrate.py, Docker, podman and tar), and those that every command has.
    let others = [
        "--open",
        "--no-deps",
        "--cfg",
        "--deleted",
        "--journal",
        "--chmod",
        "--strip-components",
        "--change",
        "--time",
        "--format",
        "--help",
        "--version",
    ];
    let flags = flags();
    for document in documents(&[MEASUREMENTS]) {
        for flag in named_flags(&document) {
            assert!(
                flags.contains(&flag) || others.contains(&flag.as_str()),
                "no command has {flag}"
            );
        }
    }
}
