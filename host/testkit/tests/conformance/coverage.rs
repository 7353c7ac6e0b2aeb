//! Checks that `airlock_sdk::testing` has nothing without a step: `native.rs` has to use all that is public there.

use std::fs;
use std::path::PathBuf;

/// The functions that need no step, each with the reason.
const EXEMPT: &[(&str, &str)] = &[("commits", "the sandbox does not count the engine's commits")];

fn sdk() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../guest/sdk/src")
}

/// Returns the sources of the module.
fn sources() -> Vec<String> {
    let folder = fs::read_dir(sdk().join("testing")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    files
        .chain([sdk().join("testing.rs")])
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

/// Returns the names of the public functions of a source, as rustfmt writes them.
fn functions(source: &str) -> impl Iterator<Item = &str> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let public = code
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("pub "));
    public.filter_map(|line| {
        let (_, name) = declaration(line).split_once("fn ")?;
        Some(&name[..name.find(['(', '<'])?])
    })
}

/// Returns a line up to its parameters, of which one may be a function.
fn declaration(line: &str) -> &str {
    let end = line.find('(').map_or(line.len(), |at| at + 1);
    &line[..end]
}

/// Returns the variants of a public enum.
fn variants(source: &str, name: &str) -> Vec<String> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let code = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = code.filter(|line| line.starts_with(char::is_uppercase));
    names
        .map(|line| line.trim_end_matches(',').split('(').next().unwrap().to_owned())
        .collect()
}

#[test]
fn each_public_function_of_testing_has_a_step() {
    let steps = include_str!("native.rs");
    let sources = sources();
    let all: Vec<&str> = sources.iter().flat_map(|source| functions(source)).collect();
    assert!(all.len() > 40 && all.contains(&"special_paths"), "{all:?}");
    let is_used = |name: &str| {
        // Not as another type's or a helper's.
        let ways = [".", "Mount::", "send("];
        ways.iter().any(|way| steps.contains(&format!("{way}{name}(")))
    };
    let is_exempt = |name: &str| EXEMPT.iter().any(|(exempt, _)| *exempt == name);
    let missing: Vec<_> = all
        .iter()
        .filter(|name| !is_used(name) && !is_exempt(name))
        .collect();
    assert!(missing.is_empty(), "no step uses {missing:?}: add one");
    let stale = EXEMPT
        .iter()
        .filter(|(name, _)| !all.contains(name) || is_used(name));
    assert_eq!(
        stale.count(),
        0,
        "an exempt function is gone, or has a step by now"
    );
}

#[test]
fn each_fault_of_testing_has_a_step() {
    let faults = fs::read_to_string(sdk().join("host/world.rs")).unwrap();
    let faults = variants(&faults, "Fault");
    assert!(faults.len() >= 8, "{faults:?}");
    let steps = include_str!("native.rs");
    let missing: Vec<_> = faults
        .iter()
        .filter(|fault| !steps.contains(&format!("Failure::{fault}")))
        .collect();
    assert!(missing.is_empty(), "no step uses {missing:?}: add one");
}
