//! Tests `airlock bundle`: host, guest and compiled code in one file, which the server's own SHA-256 pins.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use airlock_tests::{Output, Plugin, Server, Storage, airlock, files, process, run, vault};
use serde_json::json;
use sha2::{Digest as _, Sha256};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("bundle", Storage::Memory));

/// Bytes of the trailer; `host/airlock/src/bundle/trailer.rs` has its layout.
const TRAILER: usize = 160;

fn bundle_with(program: &Path, guest: &str, output: &Path, more: &[&str]) -> Output {
    run(Command::new(program)
        .arg("bundle")
        .arg(format!("--guest={}", files::guest(guest).display()))
        .arg("-o")
        .arg(output)
        .args(more))
}

/// Writes a bundle of `airlock` and a guest.
#[track_caller]
fn bundle(folder: &Path, name: &str, guest: &str) -> PathBuf {
    let output = folder.join(name);
    bundle_with(&files::airlock(), guest, &output, &[]).expect_success("bundle");
    output
}

/// Writes these bytes as a program.
fn program(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let (written, copied) = (folder.join(format!("{name}.bytes")), folder.join(name));
    fs::write(&written, bytes).unwrap();
    files::copy_program(&written, &copied);
    fs::set_permissions(&copied, fs::Permissions::from_mode(0o755)).unwrap();
    copied
}

/// Returns the length of a part, as the trailer says it: 0 is the program, 1 the guest and 2 the code.
fn length(bundle: &[u8], part: usize) -> usize {
    let at = bundle.len() - TRAILER + 8 + 8 * part;
    usize::try_from(u64::from_le_bytes(bundle[at..at + 8].try_into().unwrap())).unwrap()
}

/// Registers a bundle without arguments, under its guest's version, and mounts it.
#[track_caller]
fn mount(name: &str, file: &Path) -> airlock_tests::Mount {
    Plugin::bundle(name, file, &SERVER)
        .version(&format!("v{}", env!("CARGO_PKG_VERSION")))
        .register(&SERVER);
    SERVER.mount(name, name)
}

/// Fails to enable a plugin, with one line that has these words.
#[track_caller]
fn assert_refused(name: &str, plugin: &Plugin, words: &[&str]) {
    let mark = SERVER.log().mark();
    plugin.clone().named(name).register(&SERVER);
    let output = vault(
        SERVER.client(),
        ["secrets", "enable", &format!("-path={name}"), name],
    );
    assert_ne!(output.status, 0, "{name} was enabled");
    let has_all = |text: &str| words.iter().all(|word| text.contains(word));
    assert!(
        output.stderr.lines().any(has_all),
        "{name}: no line with {words:?}: {}",
        output.stderr
    );
    SERVER
        .log()
        .wait_after(mark, &format!("{words:?} at level error"), |line| {
            line.level() == "error"
                && line.module().contains(&format!("secrets.{name}."))
                && has_all(&line.text)
        });
}

/// Waits for the line that says how the guest of a plugin was loaded, and returns the origin of its code.
#[track_caller]
fn code_of(name: &str, mark: usize) -> String {
    let line = SERVER.log().wait_after(mark, "guest is loaded", |line| {
        line.message() == "guest is loaded" && line.module().contains(name)
    });
    line.field("code").to_owned()
}

#[test]
fn without_arguments_it_serves_and_compiles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = bundle(folder.path(), "airlock-kv-alone", "kv");
    let mark = SERVER.log().mark();
    let kv = mount("alone", &file);
    kv.write("a", json!({"value": "one"})).expect_success("write");
    assert_eq!(kv.read("a").data()["value"], "one");
    assert_eq!(code_of("alone", mark), "contained");

    let hosts = process::plugins(SERVER.pid(), "airlock-kv-alone");
    assert_eq!(hosts.len(), 1, "{hosts:?}");
    assert_eq!(
        process::arguments(hosts[0]).len(),
        2,
        "the program, and the end of its name"
    );
}

#[test]
fn the_catalogs_arguments_are_those_of_serve() {
    let folder = tempfile::tempdir().unwrap();
    let file = bundle(folder.path(), "airlock-kv-arguments", "kv");
    let plugin = Plugin::bundle("arguments", &file, &SERVER);
    // A flag may come first: a bundle needs no `serve`.
    for (name, arguments) in [
        ("flag", vec!["--log-lines=7"]),
        ("command", vec!["serve", "--log-lines=7"]),
    ] {
        plugin.clone().named(name).args(arguments).register(&SERVER);
        let kv = SERVER.mount(name, name);
        kv.write("a", json!({"value": name})).expect_success("write");
        assert_eq!(kv.read("a").data()["value"], name);
    }
    assert_refused("no-limit", &plugin.clone().arg("--cpu-ms=0"), &["--cpu-ms", "0"]);
    assert_refused(
        "no-serve",
        &plugin.clone().arg("check"),
        &["Vault must run `airlock serve`"],
    );
}

#[test]
fn another_guest_beside_its_own_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = bundle(folder.path(), "airlock-kv-two", "kv");
    let plugin = Plugin::bundle("two", &file, &SERVER);
    let guest = format!("--guest={}", files::guest("kv").display());
    let words = ["contains its guest", "remove --guest"];
    assert_refused("two-guests", &plugin.clone().arg("serve").arg(guest), &words);
    assert_refused("two-trusts", &plugin.clone().arg("--unpinned"), &words);
}

#[test]
fn a_changed_byte_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read(bundle(folder.path(), "airlock-kv-sound", "kv")).unwrap();
    let (guest, code) = (length(&sound, 0), length(&sound, 0) + length(&sound, 1));
    let trailer = sound.len() - TRAILER;
    for (name, at, what) in [
        (
            "changed-guest",
            guest + 1000,
            "its guest is not the one that was bundled",
        ),
        (
            "changed-code",
            code + 1000,
            "its compiled code is not the one that was bundled",
        ),
        (
            "changed-last-code",
            trailer - 1,
            "its compiled code is not the one that was bundled",
        ),
        ("changed-length", trailer + 16, "its end has been changed"),
        ("changed-start", trailer, "its end has been changed"),
        ("changed-end", sound.len() - 1, "its end has been changed"),
    ] {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        let file = program(folder.path(), name, &changed);
        let plugin = Plugin::bundle(name, &file, &SERVER);
        assert_refused(name, &plugin, &["the bundle is damaged", what]);
    }
    let cut = program(folder.path(), "cut", &sound[..sound.len() - 1]);
    let plugin = Plugin::bundle("cut", &cut, &SERVER);
    assert_refused(
        "cut",
        &plugin,
        &["if this file should be one, its end is missing"],
    );
}

/// No compiler of another version exists here. So the test changes the version that wasmtime wrote into the code, the only thing
/// by which wasmtime tells versions apart, and makes the digests anew.
#[test]
fn code_of_another_version_is_refused_and_the_guest_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = fs::read(bundle(folder.path(), "airlock-kv-now", "kv")).unwrap();
    let start = length(&file, 0) + length(&file, 1);
    let end = file.len() - TRAILER;
    let target = format!("{}-unknown-linux", std::env::consts::ARCH);
    let at = start
        + file[start..end]
            .windows(target.len())
            .position(|text| text == target.as_bytes())
            .unwrap();
    // A version of two digits, and the length of the target's name.
    assert!(
        file[at - 3..at - 1].iter().all(u8::is_ascii_digit),
        "{:?}",
        &file[at - 5..at]
    );
    file[at - 3..at - 1].copy_from_slice(b"47");
    let code = Sha256::digest(&file[start..end]);
    file[end + 64..end + 96].copy_from_slice(&code);
    let sum = Sha256::digest(&file[end..end + 112]);
    file[end + 112..end + 144].copy_from_slice(&sum);

    let file = program(folder.path(), "airlock-kv-older", &file);
    let mark = SERVER.log().mark();
    let kv = mount("older", &file);
    kv.write("a", json!({"value": "one"})).expect_success("write");
    assert_eq!(kv.read("a").data()["value"], "one");
    assert_eq!(code_of("older", mark), "compiled");
    SERVER.log().wait_after(mark, "why the code is not used", |line| {
        line.level() == "warn"
            && line.module().contains("secrets.older.")
            && line.message().contains("does not fit this host or this machine")
            && line.field("reason").contains("version '47'")
    });
    let output = run(Command::new(&file).arg("check")).expect_success("check");
    assert!(
        output
            .stdout
            .contains("cannot run that code and compiles the guest"),
        "{output:?}"
    );
}

#[test]
fn bundling_from_a_bundle_replaces_its_guest() {
    let folder = tempfile::tempdir().unwrap();
    let first = bundle(folder.path(), "first", "versioned-kv");
    let second = folder.path().join("airlock-kv-second");
    bundle_with(&first, "kv", &second, &[]).expect_success("bundle");
    let bytes = fs::read(&second).unwrap();
    assert_eq!(bytes[..length(&bytes, 0)], fs::read(files::airlock()).unwrap());
    let direct = fs::read(bundle(folder.path(), "direct", "kv")).unwrap();
    assert!(bytes == direct, "the way to a bundle makes a difference");

    let kv = mount("second", &second);
    kv.write("a", json!({"value": "one"})).expect_success("write");
}

#[test]
fn the_file_is_an_executable_and_replaces_none_by_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = bundle(folder.path(), "airlock-kv", "kv");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o755);
    let before = files::sha256(&file);

    let refused = bundle_with(&files::airlock(), "users", &file, &[]);
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(
        refused.stderr.contains("exists already; give --force"),
        "{refused:?}"
    );
    assert_eq!(files::sha256(&file), before);

    let not_a_guest = files::root().join("Cargo.toml");
    let refused = airlock(
        ["bundle", "--force", "--guest"]
            .map(Into::into)
            .into_iter()
            .chain([
                not_a_guest.into_os_string(),
                "-o".into(),
                file.clone().into_os_string(),
            ]),
    );
    assert_eq!(
        (refused.status, refused.stderr.lines().count()),
        (1, 1),
        "{refused:?}"
    );
    assert_eq!(files::sha256(&file), before);

    bundle_with(&files::airlock(), "users", &file, &["--force"]).expect_success("bundle");
    assert_ne!(files::sha256(&file), before);
    // Nothing else is left behind.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn check_and_inspect_say_what_it_contains_and_how_to_register_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = bundle(folder.path(), "airlock-kv-0.1.0", "kv");
    let (version, digest) = (env!("CARGO_PKG_VERSION"), files::sha256(&files::guest("kv")));
    let baseline = match std::env::consts::ARCH {
        "x86_64" => "compiled for x86-64",
        _ => "compiled for ARMv8-A",
    };
    // The program is found by the kernel's link, whatever its caller says that its name is.
    let output = run(Command::new(&file).arg0("/no/such/program").arg("check")).expect_success("check");
    for told in [
        &format!("ok: kv {version} would be served, pinned with the program that contains it\n"),
        "this machine runs that code",
        baseline,
        digest.as_str(),
        &format!(
            "vault plugin register -sha256={} -command=airlock-kv-0.1.0 -version=v{version} \\\n      secret airlock-kv\n",
            files::sha256(&file)
        ),
    ] {
        assert!(output.stdout.contains(told), "no {told:?}: {}", output.stdout);
    }
    let output = run(Command::new(&file).args(["check", "--cpu-ms=5"])).expect_success("check");
    let arguments = "-args=serve \\\n      -args=--cpu-ms=5 \\\n";
    assert!(output.stdout.contains(arguments), "{}", output.stdout);

    let own = run(Command::new(&file).arg("inspect")).expect_success("inspect");
    let other = airlock([Path::new("inspect"), &file]).expect_success("inspect");
    assert_eq!(own.stdout, other.stdout);
    for told in [&digest, baseline, "Keeps one value at each path"] {
        assert!(own.stdout.contains(told), "no {told:?}: {}", own.stdout);
    }
}

/// This bundle has neither a program nor code: all of both is zeros.
#[test]
fn inspecting_a_bundle_runs_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = bundle(folder.path(), "airlock-kv", "kv");
    let mut bytes = fs::read(&file).unwrap();
    let (start, end) = (length(&bytes, 0) + length(&bytes, 1), bytes.len() - TRAILER);
    let program = length(&bytes, 0);
    bytes[..program].fill(0);
    bytes[start..end].fill(0);
    let hollow = folder.path().join("hollow");
    fs::write(&hollow, bytes).unwrap();
    let output = airlock([Path::new("inspect"), &hollow]).expect_success("inspect");
    assert!(
        output.stdout.contains("Keeps one value at each path"),
        "{output:?}"
    );
}
