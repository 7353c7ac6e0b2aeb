use clap::{CommandFactory as _, Parser as _};

use super::*;
use crate::cli::{Cli, Command as Commands, first_paragraph};

/// Writes a configuration file, and returns its path with the folder that holds it.
fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kv.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn read(text: &str, more: &[&str]) -> Result<crate::args::ServeArgs, String> {
    let (_folder, file) = written(text);
    let config = format!("--config={}", file.display());
    let args: Vec<OsString> = ["airlock", "serve", &config]
        .iter()
        .chain(more)
        .map(OsString::from)
        .collect();
    match Cli::read(&args, false) {
        Ok(Cli {
            command: Commands::Serve(args),
        }) => Ok(args),
        Ok(other) => panic!("{:?}", other.command),
        Err(error) => Err(first_paragraph(&error)),
    }
}

#[test]
fn a_key_of_the_file_is_a_flag() {
    let text = "guest = \"/g.wasm\"\nguest-sha256 = [\"00\", \"01\"]\ncpu-ms = 1_00\nno-control = true\ncache = [\"none\"]\n";
    let args = read(text, &[]).unwrap();
    assert_eq!(args.guest.as_deref(), Some(Path::new("/g.wasm")));
    assert_eq!(args.trusted.guest_sha256, ["00", "01"]);
    assert_eq!((args.limits.cpu_ms, args.limits.wall_ms), (100, 30_000));
    assert!(args.no_control && !args.unpinned);
    assert!(!read(&text.replace("true", "false"), &[]).unwrap().no_control);
}

#[test]
fn a_flag_takes_the_place_of_the_files() {
    let text = "guest = \"/g.wasm\"\nguest-sha256 = [\"00\", \"01\"]\ncpu-ms = 100\n";
    let args = read(text, &["--cpu-ms=7", "--guest-sha256", "02"]).unwrap();
    assert_eq!(args.limits.cpu_ms, 7);
    assert_eq!(args.trusted.guest_sha256, ["02"]);
}

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_line() {
    let with = |line: &str| format!("guest = \"/g.wasm\"\nunpinned = true\n{line}\n");
    for (line, told) in [
        (
            "cpu_ms = 5",
            "kv.toml:3: unknown key \"cpu_ms\"; did you mean \"cpu-ms\"?",
        ),
        (
            "CPU_MS = 5",
            "kv.toml:3: unknown key \"CPU_MS\"; did you mean \"cpu-ms\"?",
        ),
        (
            "storage-opps = 5",
            "kv.toml:3: unknown key \"storage-opps\"; did you mean \"storage-ops\"?",
        ),
        (
            "zzz = 5",
            "kv.toml:3: unknown key \"zzz\"; `airlock config example` lists all keys",
        ),
        ("config = \"/other\"", "kv.toml:3: unknown key \"config\""),
        ("[limits]", "kv.toml:3: unknown key \"limits\""),
        ("cpu-ms = 0", "kv.toml:3: invalid value '0' for '--cpu-ms <MS>'"),
        (
            "cpu-ms = \"x\"",
            "kv.toml:3: invalid value 'x' for '--cpu-ms <MS>'",
        ),
        (
            "cpu-ms = 1.5",
            "kv.toml:3: cpu-ms takes a string or a decimal number; this is of type float",
        ),
        (
            "cpu-ms = [1]",
            "kv.toml:3: cpu-ms takes a string or a decimal number; this is of type array",
        ),
        ("cpu-ms = 1\ncpu-ms = 2", "kv.toml:4: "),
        (
            "cache = \"names\"",
            "kv.toml:3: cache is a list: write cache = [\"…\"]",
        ),
        (
            "no-control = \"yes\"",
            "kv.toml:3: no-control is either true or false",
        ),
        ("cpu-ms", "kv.toml:3: "),
    ] {
        let error = read(&with(line), &[]).unwrap_err();
        assert!(error.contains(told), "{line}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn what_a_key_leaves_out_is_missing_as_without_a_file() {
    let error = read("cpu-ms = 5\n", &[]).unwrap_err();
    assert!(error.contains("--guest"), "{error}");
    assert!(read("cpu-ms = 5\n", &["--guest=/g", "--unpinned"]).is_ok());
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, file) = written("unpinned = true\nguest = \"/g\"\n");
    for (mode, is_refused) in [(0o644, false), (0o600, false), (0o664, true), (0o646, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let read = FileArgs::read(&file, serve(&Cli::command()));
        assert_eq!(
            matches!(read, Err(BadConfig::Writable(_))),
            is_refused,
            "{mode:o}"
        );
    }
}

#[test]
fn the_example_has_every_key_and_is_valid() {
    let example = example();
    let command = Cli::command();
    for (name, _) in keys(serve(&command)) {
        assert!(
            example.contains(&format!("\n#{name} = ")),
            "no {name} in\n{example}"
        );
    }
    let without_comments = |line: &str| {
        line.strip_prefix('#')
            .filter(|line| !line.starts_with(' '))
            .map(str::to_owned)
    };
    let defaults: Vec<_> = example.lines().filter_map(without_comments).collect();
    assert!(example.lines().all(|line| line.len() <= 110), "{example}");
    // Each of them is TOML of the right type. The placeholders are not values that `serve` takes.
    FileArgs::parse(Path::new("/example.toml"), &defaults.join("\n"), serve(&command)).unwrap();
}

#[test]
fn only_serve_and_check_read_a_file() {
    let named = |args: &[&str]| named_file(&args.iter().map(OsString::from).collect::<Vec<_>>());
    assert_eq!(named(&["airlock", "serve", "--config=/c"]), Some("/c".into()));
    assert_eq!(
        named(&["airlock", "check", "--unpinned", "--config", "/c"]),
        Some("/c".into())
    );
    assert_eq!(named(&["airlock", "push", "--config=/c"]), None);
    assert_eq!(named(&["airlock", "serve", "--configure=/c"]), None);
    assert!(Cli::try_parse_from(["airlock", "config", "check", "/c"]).is_ok());
}

#[test]
fn a_file_that_is_missing_is_told_with_the_cause() {
    let args = ["airlock", "serve", "--config=/missing.toml"].map(OsString::from);
    let error = first_paragraph(&Cli::read(&args, false).unwrap_err());
    assert!(
        error.contains("/missing.toml") && error.contains("No such file"),
        "{error}"
    );
}
