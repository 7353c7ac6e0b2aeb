//! Compares the types of fields in docs/from-go.md with the SDK's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use airlock_sdk::field::{Headers, Int, Kind, SignedSeconds, StringSlice};
use airlock_sdk::{FieldType, LowercaseString, Map, Name, Timestamp, Value};

/// The rows of the page's table of types, and the kinds as which Vault decodes them.
const TYPES: &[(&str, &str, Kind)] = &[
    ("TypeString", "String", <String as FieldType>::KIND),
    ("TypeLowerCaseString", "LowercaseString", LowercaseString::KIND),
    ("TypeNameString", "Name", Name::KIND),
    ("TypeInt", "Int", Int::KIND),
    ("TypeInt64", "i64", <i64 as FieldType>::KIND),
    ("TypeFloat", "f64", <f64 as FieldType>::KIND),
    ("TypeBool", "bool", <bool as FieldType>::KIND),
    ("TypeDurationSecond", "Duration", <Duration as FieldType>::KIND),
    ("TypeSignedDurationSecond", "SignedSeconds", SignedSeconds::KIND),
    ("TypeTime", "Timestamp", Timestamp::KIND),
    ("TypeSlice", "Vec<Value>", <Vec<Value> as FieldType>::KIND),
    ("TypeStringSlice", "StringSlice", StringSlice::KIND),
    (
        "TypeCommaStringSlice",
        "Vec<String>",
        <Vec<String> as FieldType>::KIND,
    ),
    ("TypeCommaIntSlice", "Vec<i64>", <Vec<i64> as FieldType>::KIND),
    ("TypeMap", "Map", <Map as FieldType>::KIND),
    (
        "TypeKVPairs",
        "BTreeMap<String, String>",
        <BTreeMap<String, String> as FieldType>::KIND,
    ),
    ("TypeHeader", "Headers", Headers::KIND),
];

/// Returns the name in Go of the type that decodes as this kind does.
fn in_go(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::String => "TypeString",
        Kind::Lowercase => "TypeLowerCaseString",
        Kind::Name => "TypeNameString",
        Kind::Int => "TypeInt",
        Kind::Int64 => "TypeInt64",
        Kind::Float => "TypeFloat",
        Kind::Bool => "TypeBool",
        Kind::Duration => "TypeDurationSecond",
        Kind::Time => "TypeTime",
        Kind::Slice => "TypeSlice",
        Kind::StringSlice => "TypeStringSlice",
        Kind::CommaStringSlice => "TypeCommaStringSlice",
        Kind::CommaIntSlice => "TypeCommaIntSlice",
        Kind::Map => "TypeMap",
        Kind::KvPairs => "TypeKVPairs",
        Kind::Header => "TypeHeader",
        _ => return None,
    })
}

#[test]
fn each_type_of_the_page_decodes_as_its_go_type() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/from-go.md");
    let page = std::fs::read_to_string(page).unwrap();
    let written: BTreeSet<(&str, &str)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `Type")?.split_once("` | `"))
        .map(|(go, here)| (go, here.split_once('`').unwrap().0))
        .collect();
    let known = TYPES.iter().map(|(go, here, _)| (&go["Type".len()..], *here));
    assert_eq!(written, known.collect());
    for (go, _, kind) in TYPES {
        // Vault decodes signed durations by a type of their own, and the SDK by the sign of the Rust type.
        let decoded = match *go {
            "TypeSignedDurationSecond" => "TypeDurationSecond",
            go => go,
        };
        assert_eq!(in_go(*kind), Some(decoded), "{go} is decoded as {kind:?}");
    }
}
