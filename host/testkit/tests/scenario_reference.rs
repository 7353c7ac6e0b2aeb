//! The reference page and the JSON Schema of scenarios are those of the code, and fit every scenario of the repository.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use airlock_testkit::scenario;
use airlock_testkit::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_page_is_that_of_the_code() {
    let file = root().join("docs/scenarios.md");
    if std::env::var_os("AIRLOCK_WRITE_DOCS").is_some() {
        fs::write(&file, scenario::page()).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap() == scenario::page(),
        "docs/scenarios.md is not that of the code; run this test with AIRLOCK_WRITE_DOCS=1"
    );
}

#[test]
fn the_schema_accepts_every_scenario_and_refuses_wrong_ones() {
    let schema: Value = serde_json::from_str(&scenario::schema()).unwrap();
    let mut count = 0;
    for folder in fs::read_dir(root().join("guest")).unwrap() {
        let scenarios = fs::read_dir(folder.unwrap().path().join("scenarios"));
        for file in scenarios.into_iter().flatten() {
            let file = file.unwrap().path();
            assert_eq!(
                flaw(&schema, &schema, &read(&file), ""),
                None,
                "{}",
                file.display()
            );
            count += 1;
        }
    }
    assert!(count >= 10);
    let step = |fields: Value| json!({ "step": [fields] });
    for wrong in [
        json!({}),
        json!({ "step": [], "x": 1 }),
        step(json!({})),
        step(json!({ "request": "read a", "expct": {} })),
        step(json!({ "request": "read a", "expect": { "stauts": 1 } })),
        step(json!({ "request": "read a", "faults": [{ "on": "pot" }] })),
        step(json!({ "request": "read a", "expect": { "logs": [{ "lvl": "info" }] } })),
    ] {
        assert!(flaw(&schema, &schema, &wrong, "").is_some(), "{wrong}");
    }
}

fn read(file: &Path) -> Value {
    to_json(toml::from_str(&fs::read_to_string(file).unwrap()).unwrap())
}

fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Table(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, to_json(value)))
            .collect(),
        toml::Value::Array(values) => values.into_iter().map(to_json).collect(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
    }
}

/// Checks a value against the part of JSON Schema that the schema uses. Returns the first flaw.
fn flaw(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/definitions/").unwrap();
        return flaw(root, root["definitions"].get(name).unwrap(), value, at);
    }
    let fits = |schema: &Value| flaw(root, schema, value, at);
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().find_map(fits);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().all(|schema| fits(schema).is_some()).then(|| at.into());
    }
    if let Some(words) = schema["enum"].as_array() {
        return (!words.contains(value)).then(|| at.into());
    }
    let is_right = match schema["type"].as_str() {
        None => true,
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => panic!("the schema has the type {other}"),
    };
    if !is_right {
        return Some(format!("{at}: {value}"));
    }
    let items = value.as_array().into_iter().flatten();
    let in_items = |item| flaw(root, &schema["items"], item, at);
    if let Some(flaw) = items.filter(|_| schema["items"].is_object()).find_map(in_items) {
        return Some(flaw);
    }
    let fields = value.as_object().into_iter().flatten();
    let in_fields = |(name, value): (&String, &Value)| {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => flaw(root, schema, value, &at),
            (None, Value::Bool(false)) => Some(at),
            (None, more) if more.is_object() => flaw(root, more, value, &at),
            (None, _) => None,
        }
    };
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required
        .filter_map(Value::as_str)
        .find(|name| value.get(name).is_none());
    fields
        .filter(|_| schema["type"] == "object")
        .find_map(in_fields)
        .or_else(|| missing.map(|name| format!("{at}: no {name}")))
}
