//! Tests what the host gives up before it sees a secret: core dumps, access by other processes, and secrets in freed
//! memory.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stderr)] // why a test does nothing

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use airlock_tests::{Plugin, Server, Storage, files, process, run};
use serde_json::json;

/// Returns a command without capabilities. With them, root could inspect any process except one that has more.
fn powerless(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--inh-caps=-all", "--bounding-set=-all"])
        .arg(program);
    command
}

/// Returns true if another process of the same user may inspect the memory of a process.
fn is_open(process: &Child) -> bool {
    run(powerless(Path::new("cat")).arg(format!("/proc/{}/environ", process.id()))).status == 0
}

fn dumps_core(process: &Child) -> bool {
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.unwrap().split_whitespace().collect();
    words[4..6] != ["0", "0"]
}

/// Starts a process, and returns when it has written a line.
fn start(command: &mut Command) -> Child {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(!line.is_empty(), "it ended: {:?}", process.wait());
    process
}

/// Encodes a certificate as PEM.
fn pem(certificate: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for three in certificate.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| {
            bits << 8 | usize::from(three.get(at).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            let is_padding = digit > three.len();
            let code = DIGITS[bits >> (18 - 6 * digit) & 63];
            text.push(if is_padding { '=' } else { char::from(code) });
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}

#[test]
fn no_process_of_the_same_user_may_look_at_the_host() {
    let mut shell = start(powerless(Path::new("sh")).args(["-c", "echo started; read -r _"]));
    assert!(is_open(&shell), "no process is open, so this shows nothing");
    drop(shell.stdin.take());
    shell.wait().unwrap();

    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    // The process starts as Vault starts it. Its first line is the handshake.
    let mut host = start(
        powerless(&files::airlock())
            .args(["serve", "--unpinned", "--guest"])
            .arg(files::guest("kv"))
            .env("VAULT_BACKEND_PLUGIN", "6669da05-b1c8-4f49-97d9-c8e5bed98e20")
            .env("PLUGIN_PROTOCOL_VERSIONS", "5")
            .env("PLUGIN_CLIENT_CERT", pem(certificate.der())),
    );
    let (is_open, dumps_core) = (is_open(&host), dumps_core(&host));
    process::terminate(host.id());
    host.wait().unwrap();
    assert!(
        !is_open && !dumps_core,
        "open: {is_open}, core dumps: {dumps_core}"
    );
}

/// Runs the command that the host runs to compile. It closes its inherited files last of all that it gives up, and
/// before it reads.
#[test]
fn the_process_that_compiles_is_confined_before_it_reads() {
    let mut compiler = powerless(Path::new("sh"))
        .args(["-c", "exec \"$0\" compile 9>&1 >/dev/null"])
        .arg(files::airlock())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let inherited = compiler.stdout.take().unwrap().read(&mut [0]).unwrap();
    assert_eq!(inherited, 0, "it wrote to a file of its parent");
    let status = fs::read_to_string(format!("/proc/{}/status", compiler.id())).unwrap();
    let (is_open, dumps_core) = (is_open(&compiler), dumps_core(&compiler));
    drop(compiler.stdin.take());
    assert_eq!(
        compiler.wait().unwrap().code(),
        Some(1),
        "nothing is not a component"
    );
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "no {line:?} in {status}");
    }
    assert!(
        !is_open && !dumps_core,
        "open: {is_open}, core dumps: {dumps_core}"
    );
}

/// A larger region of memory is reserved for instances and not in use.
const LARGEST_REGION: u64 = 1 << 30;

/// Counts the occurrences of a text in the memory that a process may write to.
fn occurrences(memory: &File, pid: u32, text: &[u8]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = 0;
    for region in maps.lines() {
        let mut words = region.split_whitespace();
        let (range, mode) = (words.next().unwrap(), words.next().unwrap());
        let (from, to) = range.split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (from, to) = (address(from), address(to));
        if !mode.starts_with("rw") || to - from > LARGEST_REGION {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // The region may have been unmapped since.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            found += bytes.windows(text.len()).filter(|window| *window == text).count();
        }
    }
    found
}

#[test]
fn freed_memory_holds_no_value() {
    let server = Server::start("freed-memory", Storage::Memory);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    let host = server.host();
    let Ok(memory) = File::open(format!("/proc/{host}/mem")) else {
        assert!(
            !rustix::process::geteuid().is_root(),
            "root may look at the memory of the host"
        );
        eprintln!("skipped: only root may look at the memory of the host");
        return;
    };
    let value = "canary-of-a-value-that-is-to-be-gone-4c1d";
    for key in 0..20 {
        let path = format!("folder/{key}");
        kv.write(&path, json!({"value": value})).expect_success("write");
        kv.read(&path).expect_success("read");
    }
    // Connections keep the data that they received last, so the value must still be found now.
    assert!(
        occurrences(&memory, host, value.as_bytes()) > 0,
        "a value that is held was not found, so this shows nothing"
    );
    for _ in 0..20 {
        kv.write("other", json!({"value": "x".repeat(40_000)}))
            .expect_success("write");
        kv.read("other").expect_success("read");
    }
    let argument = "--guest-sha256";
    assert!(
        occurrences(&memory, host, argument.as_bytes()) > 0,
        "the memory was not read, so this shows nothing"
    );
    assert_eq!(occurrences(&memory, host, value.as_bytes()), 0);
}
