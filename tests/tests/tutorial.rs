//! Runs the commands of docs/tutorial.md, makes the changes that it shows, and compares its excerpts with the project.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use airlock_tests::{Server, Storage, files, free_port, reader};

/// Returns a directory of the Rust toolchain, which is in the user's home if no variable names it.
fn of_toolchain(variable: &str, default: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(default);
    std::env::var_os(variable).map_or_else(home, PathBuf::from)
}

#[test]
fn every_command_of_the_tutorial_works_as_shown() {
    let page = reader::page("docs/tutorial.md");
    assert!(page.len() > 50, "{} commands were found", page.len());
    assert_eq!(page.not_run().len(), 1, "{:?}", page.not_run());
    let server = Server::start("tutorial", Storage::Disk);
    let mut shell = reader::shell(&server);
    shell
        .env("DEV", format!("127.0.0.1:{}", free_port()))
        .env("CARGO_HOME", of_toolchain("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", of_toolchain("RUSTUP_HOME", ".rustup"))
        // The libraries are built already, for the other new projects.
        .env("CARGO_TARGET_DIR", files::root().join("target/new-project"))
        .env_remove("AIRLOCK")
        .env_remove("MAKEFLAGS");
    if let Err(failure) = page.run(&mut shell) {
        panic!("{failure}");
    }
}
