//! The start of the process: the catalog's arguments, the server's environment, and the server's messages about its
//! services.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use go_plugin::fuzz::{handshake, offered, read_message};
use go_plugin::{Cookie, Report};

use crate::{Input, Target, block_on};

/// The arguments after `airlock`.
pub const COMMAND_LINES: Target = Target {
    name: "command_lines",
    run: command_lines,
    longest: 1024,
    mutations: 60_000,
    words: &[
        "serve",
        "check",
        "dev",
        "inspect",
        "call",
        "test",
        "new",
        "--guest=g.wasm",
        "--guest-sha256=00",
        "--unpinned",
        "--cache=",
        "--unauthenticated=",
        "--memory-mib=",
        "--cpu-ms=0",
        "--instances=1001",
        "4294967296",
        "-1",
        "--",
        "=",
        "--option=a=b",
        "--mount=a=b",
        "--listen=127.0.0.1:0",
        "--clock=held+90d",
        "\u{1b}[2J",
        "\n",
        "@",
    ],
    reshape: None,
};

/// Returns true if the arguments are a command that serves a guest.
fn command_lines(input: &[u8]) -> bool {
    let mut input = Input(input);
    let mut arguments = vec![OsString::from("airlock")];
    while !input.is_empty() && arguments.len() < 12 {
        arguments.push(OsString::from_vec(input.bytes().to_vec()));
    }
    let of_bundle = is_to_serve(&arguments, true);
    let serves = is_to_serve(&arguments, false);
    assert!(of_bundle || !serves, "a bundle wants more than a plain program");
    serves
}

fn is_to_serve(arguments: &[OsString], contains_guest: bool) -> bool {
    match airlock::fuzz::command_line(arguments, contains_guest) {
        Ok(Some(limits)) => {
            assert!(limits.memory_bytes > 0 && limits.instances > 0 && !limits.cpu.is_zero());
            true
        }
        Ok(None) => false,
        // Vault shows the error to its operator, and logs it.
        Err(why) => {
            assert!(!why.contains(printable::is_unsafe), "{why:?} needs escaping");
            false
        }
    }
}

/// A bit for each variable that is set, then their values, then the plugin's versions.
pub const HANDSHAKES: Target = Target {
    name: "handshakes",
    run: handshakes,
    longest: 4096,
    mutations: 48_000,
    words: &[
        "6669da05",
        "3,4,5",
        "5",
        "true",
        "TRUE",
        "0",
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "MIIB",
        "/tmp/plugin",
        "|",
        "\n",
        ",",
        " ",
        "4294967296",
        "+5",
        "00005",
    ],
    reshape: None,
};

const VARIABLES: [&str; 6] = [
    "FUZZED_COOKIE",
    "PLUGIN_PROTOCOL_VERSIONS",
    "PLUGIN_CLIENT_CERT",
    "PLUGIN_MULTIPLEX_GRPC",
    "PLUGIN_UNIX_SOCKET_DIR",
    "PLUGIN_UNIX_SOCKET_GROUP",
];

const COOKIE: Cookie = Cookie {
    key: VARIABLES[0],
    value: "6669da05",
};

fn handshakes(input: &[u8]) -> bool {
    let mut input = Input(input);
    let set = input.byte();
    let values: Vec<Option<OsString>> = (0..VARIABLES.len())
        .map(|at| (set >> at & 1 == 1).then(|| OsString::from_vec(input.bytes().to_vec())))
        .collect();
    let variable = |name: &str| {
        let at = VARIABLES.iter().position(|known| *known == name)?;
        values[at].clone()
    };
    let directory = variable("PLUGIN_UNIX_SOCKET_DIR").filter(|directory| !directory.is_empty());
    let socket = Path::new(directory.as_deref().unwrap_or("/tmp".as_ref())).join("plugin1");
    let versions: BTreeSet<u32> = input.list(4, |input| input.byte().into()).into_iter().collect();
    let line = match handshake(COOKIE, &versions, variable, &socket) {
        Ok(line) => line,
        Err(error) => {
            let text = Report::new(&error).to_string();
            assert!(!text.contains(['\n', '\r']), "{text:?} has more than one line");
            return false;
        }
    };
    assert_eq!(
        variable(COOKIE.key).unwrap(),
        COOKIE.value,
        "somebody else than the host was answered"
    );
    let fields: Vec<&str> = line
        .strip_suffix('\n')
        .expect("the line has no end")
        .split('|')
        .collect();
    assert!(
        !line.trim_end_matches('\n').contains('\n'),
        "the host reads the first of several lines: {line:?}"
    );
    let asks = variable(VARIABLES[3]).is_some_and(|value| !value.is_empty());
    assert_eq!(fields.len(), if asks { 7 } else { 6 }, "{line:?}");
    assert_eq!((fields[0], fields[2], fields[4]), ("1", "unix", "grpc"));
    assert_eq!(Path::new(fields[3]), socket, "the host dials another socket");
    let version: u32 = fields[1].parse().unwrap();
    assert!(
        versions.contains(&version),
        "another version than the plugin's was chosen"
    );
    let is_pinned = variable(VARIABLES[2]).is_some_and(|pem| !pem.is_empty());
    assert_eq!(
        !fields[5].is_empty(),
        is_pinned,
        "no TLS where the host has a certificate, or the other way round"
    );
    true
}

/// The service to dial, then messages, each with its length in one byte.
pub const BROKER_MESSAGES: Target = Target {
    name: "broker_messages",
    run: broker_messages,
    longest: 2048,
    mutations: 4_000,
    words: &[
        "\x04\x08\x01\x12\0",
        "\x12\x04unix",
        "\x12\x03tcp",
        "\x1a\x0b/tmp/plugin",
        "\x22\x02\x08\x01",
        "\x22\x04\x08\x01\x10\x01",
    ],
    reshape: None,
};

fn broker_messages(input: &[u8]) -> bool {
    let mut input = Input(input);
    let service = input.byte().into();
    let mut messages = Vec::new();
    while !input.is_empty() {
        let length = usize::from(input.byte()).min(input.0.len());
        let (message, rest) = input.0.split_at(length);
        messages.push(message);
        input.0 = rest;
    }
    let offers = messages.iter().filter_map(|message| read_message(message));
    let is_offered = offers
        .into_iter()
        .fold(false, |is_offered, (id, is_offer)| match id == service {
            // An answer to a knock replaces an offer that nobody has taken.
            true => is_offer || is_offered,
            false => is_offered,
        });
    let bytes: usize = messages.iter().map(|message| message.len()).sum();
    let address = block_on(offered(messages.into_iter(), service));
    match &address {
        Ok(address) => assert!(is_offered && address.len() <= bytes),
        Err(go_plugin::DialError::UnknownNetwork { service_id, .. }) => {
            assert!(is_offered && *service_id == service);
        }
        Err(go_plugin::DialError::NotOffered { service_id, .. }) => assert_eq!(*service_id, service),
        Err(error) => panic!("another error: {error}"),
    }
    address.is_ok()
}
