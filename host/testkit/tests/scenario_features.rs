//! Tests what a scenario can expect, save and set. Build the guests first: `guest/build.sh`.

#![allow(missing_docs, clippy::unwrap_used)]

use airlock_testkit::scenario::Report;
use airlock_testkit::{Guest, Scenario};

fn run(guest: &str, text: &str) -> Report {
    let path = format!("{}/../../target/guests/{guest}.wasm", env!("CARGO_MANIFEST_DIR"));
    let guest = Guest::load(path).unwrap();
    Scenario::parse("a.toml", text).unwrap().run(&guest).unwrap()
}

#[track_caller]
fn passes(guest: &str, text: &str) {
    let report = run(guest, text);
    assert!(report.has_passed(), "{report}");
}

/// Checks that a scenario fails with all of these lines.
#[track_caller]
fn fails(guest: &str, text: &str, lines: &[&str]) {
    let report = run(guest, text);
    assert!(!report.has_passed());
    for line in lines {
        assert!(report.to_string().contains(line), "no {line:?} in:\n{report}");
    }
}

#[test]
fn a_fault_that_never_happens_fails_the_scenario() {
    let step = |fault: &str| {
        format!("[[step]]\nrequest = 'write a'\ndata = {{ value = '1' }}\nfaults = [{fault}]\n")
    };
    fails(
        "kv",
        &step("{ on = 'list', do = 'fail' }"),
        &["faults: the fault on list never happened, because the step makes no such call"],
    );
    fails(
        "kv",
        &step("{ on = 'put', nth = 2, do = 'fail' }"),
        &["faults: the fault on put with nth = 2 never happened"],
    );
}

#[test]
fn a_failing_step_shows_every_difference_and_its_log() {
    let text = "\
[[step]]
request = 'update act'
json = '{ \"what\": \"log\", \"value\": \"x\" }'
expect.data = { answer = 1, more = 2 }
";
    fails(
        "conformance",
        text,
        &[
            "data.answer: expected 1, got null\n",
            "data.more: expected 2, and it is not there\n",
            "log warn: three a=\"1\" b=\"x\"\n",
        ],
    );
}

#[test]
fn a_lease_is_compared_with_its_times_and_its_data() {
    let begin = "\
mount.default-lease-ttl = '10m'
mount.max-lease-ttl = '2h'

[[step]]
request = 'update lease'
data = { name = 'a', ttl = 1200, max = 3600 }
lease = 'a'
";
    let right = "expect.lease = { ttl = '20m', max-ttl = '1h', renewable = true, data = { name = 'a' } }\n";
    let renew = "\
[[step]]
wait = '15m'
request = 'renew a'
increment = '2h'
expect.lease = { ttl = '45m' }
";
    passes("conformance", &format!("{begin}{right}{renew}"));
    let wrong = "expect.lease = { ttl = '1m', max-ttl = '2m', renewable = false, data = { name = 'b' } }\n";
    fails(
        "conformance",
        &format!("{begin}{wrong}"),
        &[
            "lease.ttl: expected 1m, got 20m\n",
            "lease.max-ttl: expected 2m, got 1h\n",
            "lease.renewable: expected false, got true\n",
            "lease.data.name: expected \"b\", got \"a\"\n",
        ],
    );
    let none = "[[step]]\nrequest = 'list in'\nexpect.status = 404\nexpect.lease = {}\n";
    fails(
        "conformance",
        none,
        &["lease: expected one, and the answer has none"],
    );
}

#[test]
fn an_expired_or_revoked_lease_is_not_renewed() {
    let text = "\
[[step]]
request = 'update lease'
data = { name = 'a', ttl = 60 }
lease = 'a'

[[step]]
wait = '61s'
request = 'renew a'
expect.status = 400
expect.error = 'lease expired'

[[step]]
request = 'revoke a'

[[step]]
request = 'renew a'
expect.error = 'lease not found'
";
    passes("conformance", text);
}

#[test]
fn a_saved_value_is_used_in_later_steps() {
    let text = "\
[[step]]
request = 'update act'
data = { what = 'random', n = 8 }
save = { size = 'data.answer' }

[[step]]
request = 'update act'
data = { what = 'system-version' }
save.version = 'data.answer'

[[step]]
request = 'write things/${version}'
data = { value = 'v${version}' }
expect.storage = { 'in/things/${version}' = '\"v1.21.0\"' }

[[step]]
request = 'list things'
expect.keys = ['${version}']
";
    passes("conformance", text);
    let missing = "[[step]]\nrequest = 'list things'\nexpect.status = 404\nsave.a = 'data.keys'\n";
    fails("conformance", missing, &["save.a: the answer has no data.keys"]);
}

#[test]
fn lines_and_events_are_compared_by_field() {
    let text = |expect: &str| {
        format!(
            "[[step]]\nrequest = 'write things/a'\ndata = {{ value = '1' }}\n\n\
             [[step]]\nrequest = 'update act'\ndata = {{ what = 'log', value = 'x' }}\n{expect}"
        )
    };
    passes(
        "conformance",
        &text(
            "expect.logs = ['thr', { level = 'warn', message = 'three', fields = { a = '1' } }, { has = 'tw' }]",
        ),
    );
    fails(
        "conformance",
        &text("expect.logs = [{ level = 'info', message = 'three' }, { fields = { a = '2' } }]"),
        &[
            "logs: no line has level \"info\", message \"three\"\n",
            "logs: no line has a=\"2\"\n",
        ],
    );
    let event = |name: &str| {
        format!(
            "[[step]]\nrequest = 'write things/a'\nexpect.events = [\
             {{ type = 'conformance/written', metadata = {{ name = '{name}' }} }}]\n"
        )
    };
    passes("conformance", &event("a"));
    fails(
        "conformance",
        &event("b"),
        &["events: none is \"conformance/written\" with {\"name\":\"b\"}"],
    );
}

#[test]
fn an_empty_list_expects_no_line_and_no_event() {
    passes(
        "conformance",
        "[[step]]\nrequest = 'update act'\ndata = { what = 'now' }\nexpect.logs = []\nexpect.events = []\n",
    );
    fails(
        "conformance",
        "[[step]]\nrequest = 'update act'\ndata = { what = 'log', value = 'x' }\nexpect.logs = []\n",
        &["logs: expected none, got \"three\"\n"],
    );
    fails(
        "conformance",
        "[[step]]\nrequest = 'write things/a'\nexpect.events = []\n",
        &["events: expected none, got \"conformance/written\"\n"],
    );
}

#[test]
fn entities_policies_and_the_start_of_the_clock_are_set() {
    let text = "\
start = 2030-05-06T07:08:09Z
entities = [{ id = '1', name = 'ann', groups = [{ id = '4', name = 'admins' }] }]
password-policies.digits = { length = 6, charset = '01' }

[[step]]
request = 'update act'
data = { what = 'system-entity', key = '1' }
expect.data.answer = ['1', 'ann', {}, false, []]

[[step]]
request = 'update act'
data = { what = 'system-groups', key = '1' }
expect.data.answer = [['4', 'admins', {}]]

[[step]]
request = 'update act'
data = { what = 'system-groups', key = '2' }
expect.data.answer = []

[[step]]
request = 'update act'
data = { what = 'system-password', key = 'digits' }
save.password = 'data.answer'

[[step]]
request = 'update act'
data = { what = 'system-password', key = 'none' }
expect.error-has = 'no password policy found'

[[step]]
request = 'update act'
data = { what = 'now' }
expect.data = { answer = '2030-05-06T07:08:09Z' }
";
    passes("conformance", text);
}

#[test]
fn names_that_no_step_saved_are_refused() {
    for (text, words) in [
        ("request = 'read ${a}'", "no step before this one saves `a`"),
        ("request = 'read a'\ndata = { b = ['${a}'] }", "saves `a`"),
        ("request = 'read a'\nexpect.lacks = ['${a}']", "saves `a`"),
        ("request = 'read a'\nexpect.events = ['${a}']", "saves `a`"),
        ("request = 'read a'\nexpect.storage = { '${a}' = 1 }", "saves `a`"),
        (
            "request = 'read a'\nsave.a = 'error'\nexpect.error = '${a}'",
            "saves `a`",
        ),
        ("request = 'read a'\nsave.a = 'code'", "write `data.FIELD`"),
        ("request = 'read a'\nsave.'a b' = 'error'", "a name has letters"),
        (
            "request = 'read a'\nincrement = '1h'",
            "belongs to a `renew NAME`",
        ),
        ("request = 'read a'\nexpect.logs = [1]", "a line of the log is"),
    ] {
        let error = Scenario::parse("a.toml", format!("[[step]]\n{text}\n"))
            .err()
            .unwrap();
        assert!(error.to_string().contains(words), "{text}\n{error}");
    }
    let moment = Scenario::parse("a.toml", "start = 2030-01-01\n[[step]]\nrequest = 'tick'\n");
    assert!(
        moment
            .err()
            .unwrap()
            .to_string()
            .starts_with("a.toml:1: write a moment")
    );
}

#[test]
fn several_mounts_share_the_clock_and_nothing_else() {
    let text = "\
[mounts.other]
storage = { 'in/things/b' = '\"2\"' }
options = { color = 'blue' }

[[step]]
request = 'write things/a'
data = { value = '1' }

[[step]]
mount = 'other'
request = 'list things'
expect.keys = ['b']

[[step]]
mount = 'other'
request = 'update lease'
data = { name = 'x', ttl = 60 }
lease = 'x'

[[step]]
wait = '30s'
mount = 'other'
request = 'update act'
data = { what = 'now' }
expect.data.answer = '2026-01-01T00:00:30Z'

[[step]]
request = 'renew x'

[[step]]
request = 'update act'
data = { what = 'system-config' }
expect.data.answer = []
";
    passes("conformance", text);
    let unknown = Scenario::parse("a.toml", "[[step]]\nrequest = 'tick'\nmount = 'x'\n");
    assert!(unknown.err().unwrap().to_string().contains("add `[mounts.x]`"));
}
