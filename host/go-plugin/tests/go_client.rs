//! Runs the example plugin under go-plugin's own Go client, `tests/go-plugin-client`, which is built with `go build`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// This is far more time than a plugin needs to end; only a test that fails takes as long.
const SOON: Duration = Duration::from_secs(10);

const EVERY_WAY: [&[&str]; 4] = [&[], &["-tls=false"], &["-mux"], &["-mux", "-tls=false"]];
const WITH_TLS: [&[&str]; 2] = [&[], &["-mux"]];

/// Returns the path of the example, which Cargo builds beside the tests.
fn plugin() -> PathBuf {
    let path = env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .with_file_name("examples")
        .join("greeter");
    assert!(
        path.exists(),
        "{} is missing: build the examples too",
        path.display()
    );
    path
}

/// Returns the path of the Go client, which is built once.
fn client() -> &'static Path {
    static CLIENT: OnceLock<PathBuf> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/go-plugin-client");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-plugin-client");
        let go = Command::new("go")
            .arg("build")
            .arg("-o")
            .arg(&target)
            .current_dir(source)
            .status();
        assert!(go.expect("these tests need Go").success(), "go build failed");
        target
    })
}

fn command(flags: &[&str], scenario: &str) -> Command {
    let mut command = Command::new(client());
    command.args(flags).arg(plugin()).arg(scenario);
    command
}

#[track_caller]
fn passes(scenario: &str, ways: &[&[&str]]) {
    for flags in ways {
        let output = command(flags, scenario).stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success(),
            "{flags:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn greets_over_many_brokered_services_with_messages_of_6_mib_and_ends_in_order() {
    passes("greeting", &EVERY_WAY);
}

#[test]
fn says_which_service_the_host_did_not_offer() {
    passes("not-offered", &WITH_TLS);
}

#[test]
fn a_protocol_mismatch_is_the_hosts_own_error() {
    passes("mismatch", &EVERY_WAY);
}

#[test]
fn a_host_with_another_cookie_learns_why_nothing_started() {
    passes("wrong-cookie", &WITH_TLS);
}

#[test]
fn bursts_of_256_callers_who_hang_up_leave_the_connection_usable() {
    passes("burst", &EVERY_WAY);
}

#[test]
fn ends_in_time_with_calls_in_flight() {
    passes("kill-busy", &EVERY_WAY);
}

#[test]
fn calls_fail_only_once_the_host_knows_that_the_process_ended() {
    passes("unanswered", &[&[], &["-tls=false"]]);
}

#[test]
fn ends_when_the_connection_closes() {
    passes("disconnect", &EVERY_WAY);
}

#[test]
fn ends_when_the_brokers_stream_is_lost_though_a_connection_is_left() {
    passes("reconnect", &[&[]]);
}

#[test]
fn ignores_sigint_and_ends_in_order_on_sigterm() {
    passes("terminate", &WITH_TLS);
}

#[test]
fn listens_where_and_for_whom_the_host_says() {
    passes("place", &WITH_TLS);
}

#[test]
fn its_events_are_in_the_hosts_log() {
    passes("logging", &WITH_TLS);
}

#[test]
fn serves_no_stranger_and_is_not_held_up_by_one() {
    passes("strangers", &WITH_TLS);
}

/// Runs the client until the plugin is up, kills it, and waits for the plugin to follow.
#[track_caller]
fn follows_its_host(scenario: &str, flags: &[&str]) {
    // Both processes inherit the writing end of the pipe; it ends when both are gone.
    let (mut alive, held) = std::io::pipe().unwrap();
    let mut host = command(flags, scenario)
        .stdin(Stdio::from(held))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut socket = String::new();
    BufReader::new(host.stdout.take().unwrap())
        .read_line(&mut socket)
        .unwrap();
    let socket = Path::new(socket.trim_end());
    assert!(socket.exists(), "{flags:?}: no plugin came up");

    host.kill().unwrap();
    host.wait().unwrap();
    let (gone, wait) = mpsc::channel();
    std::thread::spawn(move || gone.send(alive.read_to_end(&mut Vec::new()).unwrap()));
    wait.recv_timeout(SOON).expect("the plugin outlived its host");
    assert!(
        !socket.parent().unwrap().exists(),
        "{flags:?}: the socket is still there"
    );
}

#[test]
fn follows_a_killed_host_and_removes_the_socket() {
    for flags in EVERY_WAY {
        follows_its_host("orphan-connected", flags);
    }
}

#[test]
fn follows_a_host_that_was_killed_before_it_connected() {
    follows_its_host("orphan-started", &[]);
}

#[test]
fn started_by_hand_it_explains_itself_on_standard_error_alone() {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(plugin()).output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(stdout, b"");
    let text = String::from_utf8(stderr).unwrap();
    assert!(text.starts_with("this program is a plugin"), "{text}");
}

#[test]
fn standard_output_is_handed_away_after_the_handshake() {
    let mut plugin = Command::new(plugin())
        .env("GREETER_PLUGIN", "7e6f1c")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // This reads to the end, although the plugin continues to run: it no longer has the pipe.
    let mut stdout = String::new();
    plugin.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let fields: Vec<_> = stdout.strip_suffix('\n').unwrap().split('|').collect();
    let ["1", "2", "unix", socket, "grpc", ""] = fields.as_slice() else {
        panic!("{stdout:?}")
    };
    assert!(Path::new(socket).exists());
    assert_eq!(plugin.try_wait().unwrap(), None);

    rustix::process::kill_process(
        rustix::process::Pid::from_child(&plugin),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(plugin.wait().unwrap().success());
    assert!(!Path::new(socket).exists());
}
