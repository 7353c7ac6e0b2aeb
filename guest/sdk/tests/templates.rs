//! Templates make what Vault makes of them: `templates/golden.json` is what Vault's `sdk/helper/template` made of each, and
//! `templates/generate.go` wrote it.

#![cfg(feature = "template")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use airlock_sdk::template::{MAX_OUTPUT, MAX_TEMPLATE, Template};
use airlock_sdk::testing::Mount;
use airlock_sdk::{
    Context, Description, Engine, Map, Response, Result, Routes, Timestamp, fields, json, route,
};
use serde::Deserialize;

fields! {
    struct Render {
        template: String,
        fields: Map,
    }
}

struct Names;

impl Engine for Names {
    const DESCRIPTION: Description = Description::new("names", "1.0.0", "Makes names.");
    const ROUTES: Routes = &[&route("render").update(render)];
}

fn render(cx: &Context, given: Render) -> Result<Response> {
    let fields: Vec<(&str, &str)> = given
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
        .collect();
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let name = Template::parse(&given.template, &names)?.render(cx, &fields)?;
    Response::json(&json!({ "name": name }))
}

#[derive(Deserialize)]
struct Golden {
    fields: BTreeMap<String, String>,
    nanoseconds: u64,
    templates: Vec<Case>,
    refused: Vec<String>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    output: Option<String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("templates/golden.json")).unwrap()
}

fn mount(golden: &Golden) -> Mount<Names> {
    let mount = Mount::new();
    mount.set_time(Timestamp {
        seconds: (golden.nanoseconds / 1_000_000_000) as i64,
        nanoseconds: (golden.nanoseconds % 1_000_000_000) as u32,
    });
    mount
}

/// Compares two texts. In that of Vault, U+0001 stands for any random character.
fn is_same(ours: &str, vaults: &str) -> bool {
    let same = |(ours, vaults): (char, char)| {
        ours == vaults || vaults == '\u{1}' && (ours.is_ascii_alphanumeric() || ours == '-')
    };
    ours.chars().count() == vaults.chars().count() && ours.chars().zip(vaults.chars()).all(same)
}

#[test]
fn a_template_makes_what_vault_makes_of_it() {
    let golden = golden();
    let mount = mount(&golden);
    let mut differences = Vec::new();
    for case in &golden.templates {
        let reply = mount.write(
            "render",
            json!({ "template": case.template, "fields": golden.fields }),
        );
        let ours = match reply.status() {
            200 => reply.data()["name"].as_str().map(String::from),
            _ => None,
        };
        let agree = match (&ours, &case.output) {
            (Some(ours), Some(vaults)) => is_same(ours, vaults),
            (None, None) => true,
            _ => false,
        };
        if !agree {
            let why = reply.result().err().map(ToString::to_string);
            differences.push(format!(
                "{:?}\n  ours:    {ours:?} {why:?}\n  Vault's: {:?}",
                case.template, case.output
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(golden.templates.len() > 100);
}

/// The documentation of `template` lists them.
#[test]
fn what_only_vault_accepts_is_refused_when_it_is_parsed() {
    let golden = golden();
    let names: Vec<&str> = golden.fields.keys().map(String::as_str).collect();
    for text in &golden.refused {
        assert!(Template::parse(text, &names).is_err(), "{text}");
    }
    assert!(golden.refused.len() > 30);
}

fn mistake(text: &str) -> String {
    Template::parse(text, &["Name", "Other"]).unwrap_err().to_string()
}

#[test]
fn a_mistake_has_its_place() {
    for (text, expected) in [
        (
            "{{ .Nme }}",
            "1, character 4: there is no field `.Nme`; the fields are `.Name`, `.Other`",
        ),
        (
            "ü\n {{ trunc 8 .Name }}",
            "2, character 5: there is no function `trunc`; the functions are random, ",
        ),
        (
            "{{ .Name | truncate }}",
            "1, character 12: `truncate` takes 2 arguments, and got 1",
        ),
        (
            "{{ truncate 0 .Name }}",
            "1, character 13: `truncate` takes a number from 1 to 65536, and got 0",
        ),
        (
            "{{ truncate_sha256 8 .Name }}",
            "1, character 20: `truncate_sha256` takes a number from 9 to",
        ),
        (
            "{{ truncate .Name 8 }}",
            "1, character 13: `truncate` takes a number here, and not a text",
        ),
        ("{{ range .Name }}", "1, character 4: `range` is not supported"),
        ("{{ $x }}", "1, character 4: variables are not supported"),
        ("{{ .Name", "1, character 1: the action has no end: `}}`"),
        ("a{{/*/}}b", "1, character 2: the comment has no end: `*/}}`"),
        ("{{ if .Name }}x", "1, character 1: the `if` has no `end`"),
        ("x{{ end }}", "1, character 2: `end` without an `if`"),
        (
            "{{ printf \"%s %s\" .Name }}",
            "1, character 11: `printf` has fewer arguments than its format has verbs",
        ),
        (
            "{{ printf \"%d\" .Name }}",
            "1, character 11: `%d` does not fit a text",
        ),
        (
            "{{ printf .Name }}",
            "1, character 4: `printf` takes a text in quotes first",
        ),
        (
            "{{ .Name.Other }}",
            "1, character 9: put a space between the parts of an action",
        ),
        (
            "{{ .Name .Other }}",
            "1, character 10: only a function takes arguments; put `|` before a function",
        ),
        ("", "1, character 1: the template is empty"),
    ] {
        let told = mistake(text);
        assert!(
            told.starts_with(&format!("template, line {expected}")),
            "{text}: {told}"
        );
    }
}

#[test]
fn a_template_is_bounded() {
    let long = "x".repeat(MAX_TEMPLATE);
    assert!(Template::parse(&long, &[]).is_ok());
    assert!(mistake(&format!("{long}x")).contains("has more than 4096 bytes"));
    for deep in [
        format!("{{{{ {}\"a\"{} }}}}", "(".repeat(40), ")".repeat(40)),
        format!("{{{{ \"a\"{} }}}}", " | len | print".repeat(40)),
        format!("{}{}", "{{if 1}}".repeat(40), "{{end}}".repeat(40)),
        format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 1}}".repeat(40)),
    ] {
        assert!(
            mistake(&deep).ends_with("the template is nested too deeply"),
            "{deep}"
        );
    }
    let mount = Mount::<Names>::new();
    let fields = json!({ "Long": "x".repeat(MAX_OUTPUT) });
    for template in [
        "{{ .Long }}x",
        "{{ .Long | base64 | truncate 9 }}",
        "{{ .Long | replace \"\" \"y\" }}",
        "{{ printf \"%s%s\" .Long \"a\" | len }}",
        "{{ truncate 1 .Long | printf \"%65536s%s\" \"\" }}",
        "{{ random (len (print .Long \"x\")) }}",
    ] {
        let reply = mount.write("render", json!({ "template": template, "fields": fields }));
        assert_eq!(reply.status(), 500, "{template}");
        let told = reply.error().to_string();
        assert!(
            told.starts_with("the template cannot be rendered: a text becomes longer"),
            "{told}"
        );
    }
    let whole = mount.write("render", json!({ "template": "{{ .Long }}", "fields": fields }));
    assert_eq!(whole.status(), 200);
}

#[test]
fn a_character_is_never_cut_in_two() {
    let mount = Mount::<Names>::new();
    let name = |template: &str| {
        let reply = mount.write(
            "render",
            json!({ "template": template, "fields": { "Name": "aüüüüüüüü" } }),
        );
        reply.data()["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name("{{ .Name | truncate 2 }}"), "a");
    assert_eq!(name("{{ .Name | truncate_sha256 10 }}").chars().count(), 1 + 8);
}
