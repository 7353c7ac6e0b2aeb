//! The input of an engine's author: scenarios and the durations in them, and recordings.

use airlock_mount::recording::replay::Recorded;
use airlock_testkit::{Error, Scenario, parse_duration};
use serde_json::Value;
use vault_core::human_duration;

use crate::Target;

/// A scenario's text.
pub const SCENARIOS: Target = Target {
    name: "scenarios",
    run: scenarios,
    longest: 4096,
    mutations: 120_000,
    words: &[
        "[[step]]\n",
        "request = \"",
        "write a",
        "read ",
        "renew x",
        "revoke x",
        "tick",
        "restart",
        "data = { value = 1 }\n",
        "json = '{}'\n",
        "lease = \"x\"\n",
        "wait = \"1h\"\n",
        "faults = [{ on = \"put\", nth = 1, do = \"fail\" }]\n",
        "slow = \"1s\"",
        "retry-storage = \"10s\"\n",
        "expect.status = 200\n",
        "expect.has = {}\n",
        "expect.storage-is = {}\n",
        "budget.cpu-ms = 1\n",
        "storage = { a = \"b\" }\n",
        "mount = { path = \"p\" }\n",
        "seed = 1\n",
        "nan",
        "inf",
        "2026-01-01T00:00:00Z",
        "\"\"\"",
        "[[[[[[[[",
        "about = \"",
        "\u{1b}",
        "'",
        "#",
    ],
    reshape: None,
};

fn scenarios(input: &[u8]) -> bool {
    // A file that is not UTF-8 is refused before it is parsed.
    let Ok(text) = str::from_utf8(input) else {
        return false;
    };
    match Scenario::parse("s.toml", text) {
        Ok(_) => {
            assert!(
                text.contains("step") && text.contains("request"),
                "a scenario without a step"
            );
            true
        }
        Err(Error::Scenario { line, what, .. }) => {
            assert!(
                (1..=1 + text.matches('\n').count()).contains(&line),
                "there is no line {line}"
            );
            assert!(!what.is_empty());
            assert!(!what.contains('\n'), "{what:?} has more than one line");
            false
        }
        Err(other) => panic!("another error: {other}"),
    }
}

/// A duration, as scenarios, `airlock dev` and its API read it.
pub const DURATIONS: Target = Target {
    name: "durations",
    run: durations,
    longest: 64,
    mutations: 480_000,
    words: &[
        "1h",
        "30m",
        "1.5s",
        "90",
        "ns",
        "us",
        "µs",
        "ms",
        "7d",
        "+",
        "-",
        ".",
        "9223372036854775807",
        "18446744073709551616",
        "e5",
    ],
    reshape: None,
};

/// Returns true if both decoders accept the duration.
fn durations(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let (authors, servers) = (
        parse_duration(&text),
        vault_core::parse_duration(&Value::from(text.as_ref())),
    );
    if let (Ok(authors), Ok(servers)) = (&authors, &servers)
        && !text.is_empty()
    {
        assert_eq!(authors, servers, "{text:?}");
    }
    let is_taken = authors.is_ok() && servers.is_ok();
    if let Ok(duration) = servers {
        assert!(duration.as_nanos() <= i64::MAX as u128, "Go has no such duration");
        let shown = human_duration(duration);
        let again = vault_core::parse_duration(&Value::from(shown.as_str()));
        let again = again.unwrap_or_else(|why| panic!("{shown:?} is shown and not taken: {why}"));
        assert!(
            again.abs_diff(duration).as_micros() < 1,
            "{text:?} is shown as {shown:?}"
        );
    }
    is_taken
}

/// The file of a recording, which `airlock test --replay` takes.
pub const RECORDINGS: Target = Target {
    name: "recordings",
    run: recordings,
    longest: 8192,
    mutations: 60_000,
    words: &[
        "\n",
        "{\"airlock_recording\":1",
        "\"asked\":{",
        "\"told\":{",
        "\"storage\":[",
        "\"times\":[[9223372036854775807,999999999]],",
        "\"random\":[\"",
        "\"answer\":\"none\"",
        "\"refused\":[65535,\"x\"]",
        "\"entry\":null",
        "\"base64\":\"",
        "[[[[[[[[",
        "1e999",
        "-0",
        "{}",
        ",",
        "\u{1b}",
    ],
    reshape: None,
};

fn recordings(input: &[u8]) -> bool {
    // A file that is not UTF-8 is refused before it is parsed.
    let Ok(text) = str::from_utf8(input) else {
        return false;
    };
    match Recorded::read(text) {
        Ok(recorded) => {
            assert!(text.contains("airlock_recording"), "a recording without its mark");
            assert!(format!("{recorded:?}").len() < 1000, "all of it is printed");
            true
        }
        Err(error) => {
            let error = error.to_string();
            assert!(
                !error.contains('\n') && error.len() < 200,
                "{error:?} quotes the file"
            );
            false
        }
    }
}
