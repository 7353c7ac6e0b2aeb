//! Builds hostile guests as components of the real contract, from their own text and the text that they all share.

use std::fs;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::files;

const COMMON: &str = include_str!("common.wat");
const DEFAULTS: &str = include_str!("defaults.wat");

/// Builds the component of a guest from its own definitions.
pub(super) fn component(own: &str) -> Vec<u8> {
    let own = &expanded(own);
    if own.lines().any(|line| line == "(component") {
        return wat::parse_str(own).unwrap_or_else(|error| panic!("{error}"));
    }
    let (own, beside) = own.split_once(BESIDE).unwrap_or((own, ""));
    let mut text = format!("(module\n{COMMON}\n{own}\n");
    for definition in DEFAULTS
        .split("\n\n")
        .filter(|default| !is_replaced(default, own))
    {
        text.push_str(definition);
        text.push('\n');
    }
    text.push_str(")\n");
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));

    let contract = fs::read_to_string(files::root().join("wit/engine.wit")).unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("engine.wit", &contract).unwrap();
    let world = resolve.select_world(&[package], Some("engine")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().module(&module).unwrap();
    let mut component = encoder.validate(false).encode().unwrap();
    if !beside.is_empty() {
        add(&mut component, beside);
    }
    component
}

/// Adds definitions to a component, in which the first core module is number 0.
fn add(component: &mut Vec<u8>, definitions: &str) {
    let modules = sections(component)
        .into_iter()
        .filter(|(id, _)| *id == CORE_MODULE)
        .count();
    let text = format!(
        "(component\n{}\n{definitions})",
        "(core module)\n".repeat(modules)
    );
    let added = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    // The modules before them are left out; they only stand for the modules that the component already has.
    let (_, end) = sections(&added)[modules - 1];
    component.extend_from_slice(&added[end..]);
}

/// The line that ends the fields of a module.
const BESIDE: &str = "\n;; beside the module:\n";

/// The id of a section that is a core module.
const CORE_MODULE: u8 = 1;

/// Returns the sections of a component: their ids, and where they end.
fn sections(component: &[u8]) -> Vec<(u8, usize)> {
    let mut sections = Vec::new();
    let mut at = 8;
    while at < component.len() {
        let id = component[at];
        let (mut bytes, mut shift) = (0_usize, 0);
        loop {
            at += 1;
            bytes |= usize::from(component[at] & 0x7f) << shift;
            shift += 7;
            if component[at] < 0x80 {
                break;
            }
        }
        at += 1 + bytes;
        sections.push((id, at));
    }
    sections
}

/// Replaces each `@{COUNT TEXT}` by COUNT copies of its text. In each copy `@` is replaced by the copy's number.
fn expanded(own: &str) -> String {
    let mut parts = own.split("@{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (repeated, rest) = part.split_once('}').expect("`@{` ends with `}`");
        let (count, repeated) = repeated.split_once(' ').expect("a count, a space and a text");
        for number in 0..count.parse::<u32>().unwrap() {
            text.push_str(&repeated.replace('@', &number.to_string()));
        }
        text.push_str(rest);
    }
    text
}

/// Returns true if a guest has its own definition in place of a default: a function or a memory of the same name.
fn is_replaced(default: &str, own: &str) -> bool {
    let definition = default.lines().find(|line| line.starts_with('('));
    let Some(definition) = definition else { return true };
    let head: Vec<&str> = definition.split([' ', ')']).take(2).collect();
    let head = format!("{} ", head.join(" "));
    own.contains(&head)
}
