//! Tests the commands that sign guests and verify them, as a person types them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use airlock_tests::{Output, Signer, airlock, files, run, signature_of};
use tempfile::TempDir;

/// A directory with a signer and a copy of the KV guest.
fn directory() -> (TempDir, Signer, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let signer = Signer::new(directory.path(), "signer");
    let guest = directory.path().join("kv.wasm");
    fs::copy(files::guest("kv"), &guest).unwrap();
    (directory, signer, guest)
}

/// Checks that the command failed with one line on standard error that has all of `words`.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    output.assert_refused(words);
}

#[track_caller]
fn assert_says(output: Output, words: &[&str]) {
    let output = output.expect_success("command");
    for word in words {
        assert!(output.stdout.contains(word), "no {word:?}: {output:?}");
    }
}

fn verify(trust: &str, guest: &Path) -> Output {
    airlock(["verify", trust, guest.to_str().unwrap()])
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keygen_keeps_the_secret_key_private_and_shows_the_public_one() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("signer");
    let secret = secret.to_str().unwrap();
    let output = airlock(["keygen", "--no-password", "--out", secret]).expect_success("keygen");
    let text = fs::read_to_string(secret).unwrap();
    let line = text.lines().nth(1).unwrap();
    assert_eq!((mode(secret), mode(&format!("{secret}.pub"))), (0o600, 0o644));
    let public = fs::read_to_string(format!("{secret}.pub")).unwrap();
    let public = public.lines().nth(1).unwrap();
    assert!(
        output.stdout.contains(&format!("--trust={public}\n")),
        "{output:?}"
    );
    assert!(!format!("{output:?}").contains(&line[60..100]));
}

#[test]
fn keygen_overwrites_nothing_and_leaves_no_half() {
    let directory = tempfile::tempdir().unwrap();
    for existing in ["signer", "signer.pub"] {
        let folder = directory.path().join(existing);
        fs::create_dir(&folder).unwrap();
        let file = folder.join(existing);
        fs::write(&file, "precious").unwrap();
        let out = folder.join("signer");
        let output = airlock(["keygen", "--no-password", "--out", out.to_str().unwrap()]);
        assert_refused(&output, &[file.to_str().unwrap(), "not overwritten"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
    let nowhere = directory.path().join("missing/signer");
    let output = airlock(["keygen", "--no-password", "--out", nowhere.to_str().unwrap()]);
    assert_refused(&output, &[nowhere.to_str().unwrap()]);
}

#[test]
fn a_key_with_a_password_signs_only_with_it() {
    let (directory, _, guest) = directory();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("password"), "correct horse\n").unwrap();
    fs::write(path("wrong"), "Correct horse\n").unwrap();
    let (key, guest) = (path("key"), guest.to_str().unwrap());
    let password = |name: &str| format!("--password-file={}", path(name));
    let made = airlock(["keygen", "--out", &key, &password("password")]).expect_success("keygen");
    assert!(!made.stdout.contains("horse"), "{made:?}");
    let sign = |password: &str| airlock(["sign", "--key", &key, password, guest]);
    let wrong = sign(&password("wrong"));
    assert_refused(&wrong, &[&key, "password is wrong"]);
    assert!(!wrong.stderr.contains("orse"), "{wrong:?}");
    assert_says(sign(&password("password")), &["kv.wasm.minisig", "signed by key"]);
    assert_refused(
        &sign(&password("missing")),
        &["--password-file", &path("missing")],
    );

    // In a session of its own, so that there is no terminal to ask at.
    let asks = run(Command::new("setsid")
        .arg("--wait")
        .arg(files::airlock())
        .args(["sign", "--key", &key, guest]));
    assert_refused(&asks, &["no terminal", "--password-file"]);
}

/// Runs a command on a terminal of its own, types a text at each of its prompts once what is typed is not shown, and prints
/// what the terminal shows.
const AT_A_TERMINAL: &str = r#"
import os, pty, sys, termios
typed, prompts, command = sys.argv[1].encode() + b"\n", int(sys.argv[2]), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
shown = b""
def more():
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
for prompt in range(1, prompts + 1):
    while shown.count(b": ") < prompt:
        shown += more() or sys.exit(f"it ended: {shown}")
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        pass
    os.write(terminal, typed)
while read := more():
    shown += read
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let (directory, _, guest) = directory();
    let key = directory.path().join("key");
    let at_a_terminal = |prompts: &str, command: &str, option: &str, last: &Path| {
        let output = run(Command::new(files::python())
            .args(["-c", AT_A_TERMINAL, "correct horse", prompts])
            .arg(files::airlock())
            .args([command, option, key.to_str().unwrap()])
            .args(last.to_str().filter(|last| !last.is_empty())));
        assert!(!output.stdout.contains("horse"), "{output:?}");
        output.expect_success(command).stdout
    };
    let made = at_a_terminal("2", "keygen", "--out", Path::new(""));
    assert!(made.contains("again") && made.contains("--trust=RW"), "{made}");
    let signed = at_a_terminal("1", "sign", "--key", &guest);
    assert!(signed.contains("signed by key"), "{signed}");
}

#[test]
fn sign_names_the_guest_and_verify_accepts_it() {
    let (_directory, signer, guest) = directory();
    let version = env!("CARGO_PKG_VERSION");
    let output = airlock(["sign", "--key", signer.secret(), guest.to_str().unwrap()]);
    let named = format!("kv {version}, signed by key {}", signer.id());
    assert_says(output, &["kv.wasm.minisig", &named]);
    let signature = fs::read_to_string(signature_of(&guest)).unwrap();
    let comment = format!("\ntrusted comment: name=kv version={version}\n");
    assert!(signature.contains(&comment), "{signature}");
    for key in [signer.key(), signer.public()] {
        let output = verify(&format!("--trust={key}"), &guest);
        assert_eq!(output.stdout.lines().count(), 1, "{output:?}");
        assert_says(output, &["ok: ", &named]);
    }
    let pin = format!("--guest-sha256={}", files::sha256(&guest));
    assert_says(verify(&pin, &guest), &["ok: ", "pinned by its SHA-256"]);
}

#[test]
fn sign_refuses_what_is_not_a_guest_or_not_a_secret_key() {
    let (directory, signer, guest) = directory();
    let guest = guest.to_str().unwrap();
    let text = directory.path().join("text.wasm");
    fs::write(&text, "text").unwrap();
    let text = text.to_str().unwrap();
    assert_refused(
        &airlock(["sign", "--key", signer.secret(), text]),
        &[text, "component"],
    );
    for (key, reason) in [
        (signer.public(), "public key"),
        (text.to_owned(), "not a minisign secret key"),
        ("/no/such/key".to_owned(), "cannot be read"),
    ] {
        assert_refused(&airlock(["sign", "--key", &key, guest]), &[&key, reason]);
    }
    assert!(!signature_of(Path::new(guest)).exists());
}

#[test]
fn sign_replaces_a_signature_of_the_same_version_only() {
    let (directory, signer, guest) = directory();
    signer.sign(&guest);
    let successor = Signer::new(directory.path(), "successor");
    let sign = || airlock(["sign", "--key", successor.secret(), guest.to_str().unwrap()]);
    assert_says(sign(), &[&successor.id()]);
    assert_says(
        verify(&format!("--trust={}", successor.key()), &guest),
        &[&successor.id()],
    );
    signer.sign_as(&guest, "name=kv version=9.9.9");
    let other = fs::read(signature_of(&guest)).unwrap();
    assert_refused(
        &sign(),
        &["kv.wasm.minisig", "kv 9.9.9", env!("CARGO_PKG_VERSION")],
    );
    assert_eq!(fs::read(signature_of(&guest)).unwrap(), other);
    fs::write(signature_of(&guest), "notes").unwrap();
    assert_refused(&sign(), &["kv.wasm.minisig", "not a signature"]);
}

#[test]
fn verify_says_in_one_line_why_a_guest_is_not_trusted() {
    let (directory, signer, guest) = directory();
    let trust = format!("--trust={}", signer.key());
    let name = guest.to_str().unwrap();
    assert_refused(&verify(&trust, &guest), &[name, "not signed", &signer.id()]);

    let stranger = Signer::new(directory.path(), "stranger");
    stranger.sign(&guest);
    let both = [stranger.id(), signer.id()];
    assert_refused(
        &verify(&trust, &guest),
        &[name, &both[0], &both[1], "not trusted"],
    );

    signer.sign(&guest);
    let about = "Keeps one value at each path";
    files::alter_guest("kv", &guest, &[(about, &about.replace("one", "two"))]);
    assert_refused(&verify(&trust, &guest), &[name, "does not verify"]);

    fs::copy(files::guest("kv"), &guest).unwrap();
    signer.sign_as(&guest, "name=kv version=9.9.9");
    assert_refused(
        &verify(&trust, &guest),
        &[name, "kv 9.9.9", env!("CARGO_PKG_VERSION")],
    );
    signer.sign_as(&guest, "timestamp:1790000000\tfile:kv.wasm\thashed");
    assert_refused(&verify(&trust, &guest), &[name, "minisign -S -t"]);
    fs::write(signature_of(&guest), "x".repeat(5000)).unwrap();
    assert_refused(&verify(&trust, &guest), &["kv.wasm.minisig", "4 KiB"]);

    let pin = format!("--guest-sha256={}", "0".repeat(64));
    assert_refused(&verify(&pin, &guest), &[name, &files::sha256(&guest)]);
    let missing = verify("--trust=/no/such.pub", &guest);
    assert_refused(
        &missing,
        &["--trust=/no/such.pub", "neither a public key nor a file"],
    );
    assert_eq!(airlock(["verify", name]).status, 2);
}

/// The arguments of a process can be read by other users, and end in Vault's catalog.
#[test]
fn a_secret_key_in_place_of_a_public_one_is_refused_and_not_repeated() {
    let (_directory, signer, guest) = directory();
    let text = fs::read_to_string(signer.secret()).unwrap();
    let secret = text.lines().nth(1).unwrap();
    for given in [secret, signer.secret()] {
        let output = verify(&format!("--trust={given}"), &guest);
        assert_refused(&output, &["--trust", "secret key"]);
        assert!(!output.stderr.contains(&secret[60..100]), "{output:?}");
    }
}

#[test]
fn inspect_shows_the_signer_and_says_if_it_was_verified() {
    let (_directory, signer, guest) = directory();
    let line = |arguments: &[&str]| {
        let arguments = [&["inspect", guest.to_str().unwrap()], arguments].concat();
        let output = airlock(arguments).expect_success("inspect");
        let line = output.stdout.lines().find(|line| line.starts_with("signature:"));
        line.unwrap().to_owned()
    };
    let trust = format!("--trust={}", signer.key());
    assert!(line(&[]).ends_with(" none"));
    signer.sign(&guest);
    let unverified = line(&[]);
    assert!(
        unverified.contains(&signer.id()) && unverified.contains("not verified"),
        "{unverified}"
    );
    let verified = line(&[&trust]);
    assert!(
        verified.contains("verified: signed by key") && verified.contains(&signer.id()),
        "{verified}"
    );
    signer.sign_as(&guest, "name=kv version=9.9.9");
    let other = line(&[&trust]);
    assert!(
        other.contains("NOT VALID") && other.contains("kv 9.9.9"),
        "{other}"
    );
    fs::write(signature_of(&guest), "\u{202e}garbage").unwrap();
    for arguments in [&[][..], &[trust.as_str()]] {
        let garbage = line(arguments);
        assert!(garbage.contains("NOT VALID") && garbage.is_ascii(), "{garbage}");
    }
}

#[test]
fn check_prints_how_to_register_a_signed_guest() {
    let (_directory, signer, guest) = directory();
    signer.sign(&guest);
    let (key, public) = (signer.key(), signer.public());
    let check = |trust: &str| airlock(["check", &format!("--guest={}", guest.display()), trust]);
    let copy = format!("cp {0}.minisig ", guest.display());
    let signed = format!("would be served, signed by key {}", signer.id());
    assert_says(
        check(&format!("--trust={key}")),
        &[&signed, &format!("-args=--trust={key} "), &copy],
    );
    let pins_the_key = format!("--trust=$(tail -1 {public})\n");
    assert_says(
        check(&format!("--trust={public}")),
        &[&format!("-args=--trust={public} "), &pins_the_key],
    );
    let relative = run(Command::new(files::airlock())
        .current_dir(guest.parent().unwrap())
        .args(["check", "--trust=signer.pub"])
        .arg(format!("--guest={}", guest.display())));
    assert_refused(&relative, &["--trust=signer.pub", "absolute"]);
}
