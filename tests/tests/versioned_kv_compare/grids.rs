//! Scripts that consist of every combination of some names and values.

use airlock_tests::twins::Step;
use serde_json::{Value, json};

/// Names that are odd in a path: slashes, dots, spaces, other alphabets, characters with a meaning in a URL. All are
/// UTF-8: gRPC carries nothing else, so Vault answers 500 for a plugin.
const NAMES: [&str; 18] = [
    "a",
    "a/",
    "team/db",
    "team/db/",
    "a/b/c/d/e/f/g/h",
    ".hidden",
    "a.b",
    "with%20space",
    "%20",
    "%C3%BCn%C3%AF/c%C3%B6d%C3%A9",
    "%E2%80%AE%F0%9F%98%80",
    "per%25cent",
    "a%2Fb",
    "plus+and&equals=",
    "question%3Fmark%23hash",
    "quote%22%27%5C",
    "tab%09",
    "data/metadata/config",
];

/// Makes the steps for version 1: every method on every path.
pub fn version_1() -> Vec<Step> {
    let mut steps = Vec::new();
    for name in NAMES {
        let write = |method, value: u8| Step::new(method, name).body(json!({"x": value, "of": name}));
        steps.extend([
            Step::new("GET", name),
            write("POST", 1),
            Step::new("GET", name),
            write("PUT", 2),
            write("PATCH", 3),
            Step::new("GET", name),
            Step::new("LIST", name),
            Step::new("GET", &format!("{name}?list=true")),
            Step::new("LIST", ""),
        ]);
    }
    for name in NAMES {
        steps.extend([
            Step::new("DELETE", name),
            Step::new("GET", name),
            Step::new("LIST", ""),
        ]);
    }
    for value in values() {
        steps.push(Step::new("POST", "value").body(json!({"value": value})));
        steps.push(Step::new("GET", "value"));
    }
    steps
}

/// Makes the steps for version 2: every method on every path below every folder that the engine knows, and below an
/// unknown one.
pub fn version_2_paths() -> Vec<Step> {
    let folders = [
        "data", "metadata", "subkeys", "delete", "undelete", "destroy", "config", "other",
    ];
    let body = |folder: &str| match folder {
        "data" => json!({"data": {"x": 1, "y": {"z": 2}}}),
        "metadata" => json!({"custom_metadata": {"owner": "ann"}}),
        "config" => json!({"max_versions": 3}),
        _ => json!({"versions": [1]}),
    };
    let mut steps = Vec::new();
    for folder in folders {
        for name in NAMES {
            let path = format!("{folder}/{name}");
            steps.push(Step::new("POST", &path).body(body(folder)));
            if !(folder == "subkeys" && name.ends_with('/')) {
                steps.push(Step::new("GET", &path)); // else the built-in engine fails
            }
            steps.push(Step::new("LIST", &path));
            steps.push(Step::new("PATCH", &path).body(body(folder)));
            // This shows the effect of the requests above, in whichever folder they were.
            steps.push(Step::new("GET", &format!("metadata/{name}")));
        }
    }
    steps.push(Step::new("LIST", "metadata"));
    for folder in folders {
        for name in NAMES {
            let path = format!("{folder}/{name}");
            steps.push(Step::new("PUT", &path).body(body(folder)));
            steps.push(Step::new("DELETE", &path));
            steps.push(Step::new("GET", &format!("data/{name}")));
        }
    }
    steps.push(Step::new("LIST", "metadata"));
    steps
}

/// Makes the steps for version 2: every field of every endpoint with every odd value, and the effects.
pub fn version_2_fields() -> Vec<Step> {
    let settings = ["max_versions", "cas_required", "delete_version_after"];
    let metadata = || settings.into_iter().chain(["custom_metadata", "other"]);
    let mut steps = Vec::new();
    for value in values() {
        let of = |field: &str| Value::from_iter([(field, value.clone())]);
        for field in settings.into_iter().chain(["other"]) {
            steps.push(Step::new("POST", "config").body(of(field)));
        }
        steps.push(Step::new("GET", "config"));
        steps.push(Step::new("POST", "config").body(json!({
            "max_versions": 0, "cas_required": false, "delete_version_after": 0
        })));

        for field in metadata() {
            steps.push(Step::new("POST", "metadata/m").body(of(field)));
            let fails = [
                ("custom_metadata", json!({"a": 1})),
                ("max_versions", json!(-1)),
                ("max_versions", json!("-1")),
            ];
            if !fails.contains(&(field, value.clone())) {
                steps.push(Step::new("PATCH", "metadata/m").body(of(field))); // else the built-in engine fails
            }
            steps.push(Step::new("PATCH", "metadata/none").body(of(field)));
        }
        steps.push(Step::new("GET", "metadata/m"));
        steps.push(Step::new("POST", "metadata/c").body(json!({"custom_metadata": {"a": value}})));
        if !value.is_number() && !value.is_boolean() {
            let body = json!({"custom_metadata": {"a": value, "b": "x"}});
            steps.push(Step::new("PATCH", "metadata/c").body(body)); // else the built-in engine fails
        }
        steps.push(Step::new("GET", "metadata/c"));

        for method in ["POST", "PATCH"] {
            steps.push(Step::new(method, "data/d").body(of("data")));
            steps.push(Step::new(method, "data/d").body(json!({"data": {"x": value}, "options": value})));
            steps
                .push(Step::new(method, "data/d").body(json!({"data": {"x": 1}, "options": {"cas": value}})));
        }
        steps.push(Step::new("GET", "data/d"));
        steps.push(Step::new("GET", "subkeys/d"));
        for folder in ["delete", "undelete", "destroy"] {
            steps.push(Step::new("POST", &format!("{folder}/d")).body(of("versions")));
            steps.push(Step::new("POST", &format!("{folder}/d")).body(json!({"versions": [1, value]})));
        }
        steps.push(Step::new("GET", "metadata/d"));
        if let Value::String(text) = &value {
            let text = text.replace(' ', "%20").replace(['\n', '"', '{', '}'], "");
            for query in [
                "data/d?version=",
                "subkeys/d?depth=",
                "subkeys/d?version=",
                "metadata/?list=",
            ] {
                steps.push(Step::new("GET", &format!("{query}{text}")));
            }
            steps.push(Step::new("LIST", &format!("metadata/?exclude_deleted={text}")));
        }
    }
    let name = |length| "n".repeat(length);
    for (keys, key, value) in [(64, 1, 1), (65, 1, 1), (1, 128, 512), (1, 129, 1), (1, 1, 513)] {
        let pairs = (0..keys).map(|number| (format!("{number:0key$}"), name(value)));
        let body = json!({"custom_metadata": Value::from_iter(pairs)});
        steps.push(Step::new("POST", "metadata/limits").body(&body));
        steps.push(Step::new("PATCH", "metadata/limits").body(&body));
        steps.push(Step::new("GET", "metadata/limits"));
    }
    steps
}

/// Returns every kind of JSON value, and the texts that are taken for another kind.
fn values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!([]),
        json!({}),
        json!([1, "2"]),
        json!({"a": 1}),
        json!({"a": null}),
        json!({"a": {"b": [null, {}]}}),
    ];
    for written in [
        "true",
        "false",
        "0",
        "1",
        "-1",
        "3.7",
        "1e3",
        "2147483648",
        "99999999999999999999",
    ] {
        values.push(serde_json::from_str(written).unwrap());
        values.push(json!(written));
    }
    values.extend(["", " ", "x", "1,2", "1h30m", "-1h", "2d", "yes", "0x10", "ünï"].map(Value::from));
    values
}
