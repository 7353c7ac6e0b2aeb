//! `vault.jsonl` holds the results of the `framework` in Vault's SDK (v0.20.0), one JSON object a line: the kind of the
//! field, the input, and the outcome: a value, an error, or that the field counts as absent.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::*;
use crate::{Timestamp, choices, fields};

fn convert<T: FieldType>(raw: Value) -> Result<Option<Value>, String> {
    T::from_json(raw).map(|value| value.map(|value| value.to_json()))
}

fn convert_as(kind: &str, raw: Value) -> Result<Option<Value>, String> {
    match kind {
        "string" => convert::<String>(raw),
        "lower" => convert::<LowercaseString>(raw),
        "name" => convert::<Name>(raw),
        "int" | "int64" => convert::<i64>(raw),
        "float" => convert::<f64>(raw),
        "bool" => convert::<bool>(raw),
        "map" => convert::<Map<String, Value>>(raw),
        "kv" => convert::<BTreeMap<String, String>>(raw),
        "duration" => convert::<Duration>(raw),
        "signed" => convert::<SignedSeconds>(raw),
        "slice" => convert::<Vec<Value>>(raw),
        "strings" => convert::<StringSlice>(raw),
        "comma" => convert::<Vec<String>>(raw),
        "ints" => convert::<Vec<i64>>(raw),
        "header" => convert::<Headers>(raw),
        "time" => convert::<Timestamp>(raw),
        other => panic!("unknown kind {other}"),
    }
}

/// Compares two values. Values that Vault itself does not distinguish are equal.
fn same(kind: &str, ours: &Value, theirs: &Value) -> bool {
    match kind {
        "float" => ours.as_f64() == theirs.as_f64(),
        // Vault treats a nil map like an empty one.
        "map" | "kv" if theirs.is_null() => ours == &json!({}),
        _ => ours == theirs,
    }
}

#[test]
fn every_input_becomes_what_vault_makes_of_it() {
    let mut wrong = Vec::new();
    for line in include_str!("vault.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let kind = case["kind"].as_str().unwrap();
        // The JSON parser writes 1e3 as 1e+3.
        if case["raw"].is_number() && case["raw"].to_string().contains('e') {
            continue;
        }
        let ours = convert_as(kind, case["raw"].clone());
        let right = match (&ours, case.get("error"), case.get("value")) {
            // The texts of JSON errors differ from Go's.
            (Err(_), Some(_), None) if kind == "header" => true,
            // The SDK has only one integer type of 64 bits.
            (Err(ours), Some(theirs), None) if kind == "int" => {
                ours.replace("int64", "int") == theirs.as_str().unwrap()
            }
            (Err(ours), Some(theirs), None) => ours == theirs.as_str().unwrap(),
            (Ok(Some(ours)), None, Some(theirs)) => same(kind, ours, theirs),
            (Ok(None), None, None) => case["absent"] == true,
            _ => false,
        };
        if !right {
            wrong.push(format!("{line}\n    ours: {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_does_not_belong_is_refused_without_repeating_it() {
    let error = convert::<String>(json!({ "password": "hunter2" })).unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_duration_is_quoted_as_go_quotes_it() {
    let refusal = |text: &str| convert::<Duration>(json!(text)).unwrap_err();
    assert_eq!(refusal("ü\"\n"), r#"time: invalid duration "\xc3\xbc\"\x0a""#);
    assert_eq!(
        refusal("99999999999999999999"),
        r#"time: invalid duration "99999999999999999999""#
    );
    assert_eq!(refusal("1.5"), r#"time: missing unit in duration "1.5""#);
    assert_eq!(
        refusal("1ä"),
        r#"time: unknown unit "\xc3\xa4" in duration "1\xc3\xa4""#
    );
}

#[test]
fn narrow_numbers_are_checked_for_their_range() {
    assert_eq!(u8::from_json(json!(255)), Ok(Some(255)));
    assert!(
        u8::from_json(json!(256))
            .unwrap_err()
            .ends_with("value out of range")
    );
    assert!(
        u32::from_json(json!("-1"))
            .unwrap_err()
            .ends_with("value out of range")
    );
    assert_eq!(u64::from_json(json!(u64::MAX)), Ok(Some(u64::MAX)));
}

choices! {
    enum Color { Red = "red", Green = "green" }
}

fields! {
    struct Everything {
        /// Its name.
        ///
        /// In two lines.
        name: Name,
        color: Color = Color::Green,
        ttl: Duration as query = Duration::from_secs(60),
        note: Option<String> as sensitive as deprecated,
        others: crate::Map as rest,
    }
}

fields! {
    struct Page {
        after: String as query = String::new(),
        limit: u32 as query = 100,
    }

    /// Groups alone, in one declaration with a struct of fields.
    struct Pages {
        ..page: Page,
        ..pub(crate) more: Sorted
    }

    struct Sorted {
        descending: bool = false,
    }
}

#[test]
fn a_struct_may_consist_of_groups_alone() {
    let (mut raw, _) = Raw::new(Some(r#"{"limit":7,"descending":true}"#), vec![]).unwrap();
    let Pages { page, more } = Pages::parse(&mut raw).unwrap();
    assert_eq!((page.after.as_str(), page.limit, more.descending), ("", 7, true));
    let names: Vec<_> = Pages::FIELDS.iter().map(|field| field.name()).collect();
    assert_eq!(names, ["after", "limit", "descending"]);
}

fn parse(data: Value) -> Result<Everything, String> {
    let data = data.to_string();
    let (mut raw, _) = Raw::new(Some(&data), vec![]).unwrap();
    Everything::parse(&mut raw).map_err(|error| error.to_string())
}

#[test]
fn defaults_stand_in_for_what_is_not_given() {
    let given = parse(json!({ "name": "a" })).unwrap();
    assert_eq!(
        (given.color, given.ttl, given.note),
        (Color::Green, Duration::from_secs(60), None)
    );
    let given = parse(json!({ "name": "a", "color": "red", "ttl": null, "note": "x" })).unwrap();
    assert_eq!(
        (given.color, given.ttl, given.note),
        (Color::Red, Duration::from_secs(60), Some("x".into()))
    );
}

#[test]
fn a_required_field_and_an_allowed_value_are_insisted_on() {
    assert_eq!(parse(json!({})).err().unwrap(), "missing required field \"name\"");
    assert_eq!(
        parse(json!({ "name": "a", "color": "blue" })).err().unwrap(),
        "error converting input for field \"color\": \"blue\" is not one of red, green"
    );
}

#[test]
fn the_rest_is_what_no_field_takes_with_its_numbers_exact() {
    let data: Value = serde_json::from_str(r#"{"name":"a","x":12345678901234567890.5,"y":null}"#).unwrap();
    let given = parse(data).unwrap();
    assert_eq!(given.name.as_str(), "a");
    assert_eq!(
        Value::Object(given.others).to_string(),
        r#"{"x":12345678901234567890.5,"y":null}"#
    );
}

#[test]
fn what_the_path_captures_beats_the_body() {
    let (mut raw, replaced) = Raw::new(Some(r#"{"name":"body"}"#), vec![("name", "path")]).unwrap();
    assert_eq!(replaced, ["name"]);
    assert_eq!(Everything::parse(&mut raw).ok().unwrap().name.as_str(), "path");
}

#[test]
fn declarations_know_what_help_and_openapi_need() {
    let [name, color, ttl, note, others] = Everything::FIELDS else {
        panic!("five fields")
    };
    assert_eq!(name.description(), "Its name. In two lines.");
    assert!(name.required && !color.required && !ttl.required && !note.required && !others.required);
    assert_eq!(color.allowed, ["red", "green"]);
    assert_eq!(ttl.default.unwrap()(), json!(60));
    assert!(ttl.in_query && note.is_sensitive && note.is_deprecated && others.is_rest());
}
