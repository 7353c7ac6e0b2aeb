//! Tests guests that come with their compiled code.

use std::path::PathBuf;

use airlock_sandbox::types::Operation;
use airlock_sandbox::{
    CodeOrigin, CompiledCode, Compiler, Guest, Limits, LoadError, Sandbox, SandboxSettings, Target, compile,
};

use crate::support::{Bench, component};

/// The digest of the component that the code names. There is no such component.
const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Loads `kv` with this code. The compiler, if it is started at all, is a program that does not exist, or one in this
/// process.
async fn load(code: Vec<u8>, has_compiler: bool) -> Result<Guest, LoadError> {
    load_with_cache(code, has_compiler, None).await
}

async fn load_with_cache(
    code: Vec<u8>,
    has_compiler: bool,
    cache: Option<PathBuf>,
) -> Result<Guest, LoadError> {
    let compiler = match has_compiler {
        true => Compiler::InProcess,
        false => Compiler::Child {
            program: "/no/such/program".into(),
            arguments: Vec::new(),
        },
    };
    let sandbox = Sandbox::new(SandboxSettings {
        compiler,
        cache,
        memory_bytes: None,
    })?;
    // SAFETY: all code in this file is made by this file, of the same component.
    #[allow(unsafe_code)]
    let code = unsafe { CompiledCode::trusted(code, DIGEST.to_owned()) };
    match sandbox.load_compiled(code, Limits::default()).await? {
        Some(guest) => Ok(guest),
        None => sandbox.load(&component("kv"), Limits::default()).await,
    }
}

async fn assert_is_compiled(code: Vec<u8>) {
    let failure = load(code.clone(), false).await.unwrap_err().to_string();
    assert!(failure.contains("cannot be started"), "{failure}");
    let guest = load(code, true).await.unwrap();
    assert_eq!(guest.code_origin(), CodeOrigin::Compiled);
    assert_serves(guest).await;
}

async fn assert_serves(guest: Guest) {
    let kv = Bench::of(guest);
    kv.store("kv/a", "1");
    assert_eq!(kv.ask(Operation::Read, "a").await.unwrap(), r#"{"value":"1"}"#);
}

#[tokio::test]
async fn code_that_comes_with_the_guest_runs_without_a_compiler() {
    for target in [Target::Baseline, Target::ThisMachine] {
        let code = compile(&component("kv"), target).unwrap();
        let guest = load(code, false).await.unwrap();
        assert_eq!(guest.code_origin(), CodeOrigin::Contained);
        assert_eq!(guest.digest(), DIGEST);
        assert_serves(guest).await;
    }
}

#[tokio::test]
async fn a_loaded_guest_gives_code_that_can_be_loaded() {
    let first = load(compile(&component("kv"), Target::Baseline).unwrap(), false)
        .await
        .unwrap();
    let again = load(first.compiled().unwrap(), false).await.unwrap();
    assert_eq!(again.code_origin(), CodeOrigin::Contained);
}

#[tokio::test]
async fn code_of_other_settings_or_another_version_is_not_run() {
    let mut other_settings = wasmtime::Config::new();
    other_settings.epoch_interruption(false);
    let mut other_version = wasmtime::Config::new();
    other_version
        .module_version(wasmtime::ModuleVersionStrategy::Custom("47".into()))
        .unwrap();
    for config in [other_settings, other_version] {
        let engine = wasmtime::Engine::new(&config).unwrap();
        assert_is_compiled(engine.precompile_component(&component("kv")).unwrap()).await;
    }
}

#[tokio::test]
async fn what_is_compiled_in_place_of_the_code_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let cache = || Some(directory.path().join("cache"));
    let first = load_with_cache(b"does not fit".to_vec(), true, cache())
        .await
        .unwrap();
    assert_eq!(first.code_origin(), CodeOrigin::Compiled);
    let second = load_with_cache(b"does not fit".to_vec(), false, cache())
        .await
        .unwrap();
    assert_eq!(second.code_origin(), CodeOrigin::Cached);
}

#[tokio::test]
async fn code_for_another_architecture_is_not_run() {
    // The compiler here knows one architecture only, so its name in the code is replaced.
    let code = compile(&component("kv"), Target::Baseline).unwrap();
    let (own, other) = match std::env::consts::ARCH {
        "x86_64" => ("x86_64-", "mips64-"),
        _ => ("aarch64-", "mips64r6"),
    };
    assert_is_compiled(replaced(code, own, other)).await;
}

fn replaced(mut code: Vec<u8>, old: &str, new: &str) -> Vec<u8> {
    let places: Vec<usize> = places(&code, old).collect();
    assert!(!places.is_empty() && old.len() == new.len(), "no {old:?}");
    for at in places {
        code[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
    code
}

fn places(code: &[u8], text: &str) -> impl Iterator<Item = usize> {
    (0..code.len().saturating_sub(text.len())).filter(move |at| code[*at..].starts_with(text.as_bytes()))
}

#[tokio::test]
async fn what_is_not_code_is_not_run() {
    assert_is_compiled(b"nothing of the kind".to_vec()).await;
    assert_is_compiled(Vec::new()).await;
    let mut cut = compile(&component("kv"), Target::Baseline).unwrap();
    cut.truncate(64);
    assert_is_compiled(cut).await;
}

/// wasmtime writes each feature of the processor into the code: its name, a byte for the kind of value, and the value.
#[test]
fn code_for_the_baseline_uses_no_feature_that_a_processor_may_lack() {
    let features = |target| {
        let code = compile(&component("kv"), target).unwrap();
        let value = |at: usize| {
            let name = code[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'_');
            code[at + name.count() + 1]
        };
        places(&code, "has_").map(value).collect::<Vec<_>>()
    };
    let (baseline, machine) = (features(Target::Baseline), features(Target::ThisMachine));
    assert!(baseline.len() >= 5, "the features are not found: {baseline:?}");
    assert!(baseline.iter().all(|value| *value == 0), "{baseline:?}");
    assert!(
        machine.contains(&1),
        "this machine has none, so this shows nothing: {machine:?}"
    );
}
