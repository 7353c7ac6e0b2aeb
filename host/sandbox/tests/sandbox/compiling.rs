//! The compiler in a child process, and what is kept of its work.

use std::path::{Path, PathBuf};

use airlock_sandbox::types::Operation;
use airlock_sandbox::{Compiler, Error, Guest, Limits, Sandbox, SandboxSettings};

use crate::support::{Bench, component};

/// The example `compile`, which cargo builds along with the tests.
fn compiler() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples/compile")
}

fn child(program: impl Into<PathBuf>, arguments: &[&str]) -> Compiler {
    Compiler::Child {
        program: program.into(),
        arguments: arguments.iter().map(Into::into).collect(),
    }
}

fn shell(script: &str) -> Compiler {
    child("/bin/sh", &["-c", script])
}

async fn load(compiler: Compiler, cache: Option<&Path>, component: &[u8]) -> Result<Guest, Error> {
    let sandbox = Sandbox::new(SandboxSettings {
        compiler,
        cache: cache.map(Into::into),
    })?;
    sandbox.load(component, Limits::default()).await
}

async fn failure(compiler: Compiler) -> String {
    match load(compiler, None, &component("kv")).await {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_child_compiles_what_this_process_runs() {
    let guest = load(child(compiler(), &[]), None, &component("kv"))
        .await
        .unwrap();
    let kv = Bench::of(guest);
    kv.store("kv/a", "1");
    assert_eq!(kv.ask(Operation::Read, "a").await.unwrap(), r#"{"value":"1"}"#);
}

#[tokio::test]
async fn what_the_compiler_refuses_it_says_why() {
    let mut damaged = component("kv");
    damaged.truncate(damaged.len() / 2);
    match load(child(compiler(), &[]), None, &damaged).await {
        Err(Error::Compile(reason)) => assert!(reason.contains("cannot be compiled"), "{reason}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[tokio::test]
async fn a_compiler_that_fails_is_an_error_and_not_a_crash() {
    assert!(
        failure(child("/no/such/program", &[]))
            .await
            .contains("the compiler cannot be started")
    );
    assert!(failure(shell("kill -9 $$")).await.contains("signal: 9"));
    assert!(
        failure(shell("cat >/dev/null; echo no disk left >&2; exit 3"))
            .await
            .contains("no disk left")
    );
    assert!(failure(shell("cat")).await.contains("no compiled component"));
    assert!(
        failure(shell("exec 0<&-; echo native code"))
            .await
            .contains("the compiler")
    );
}

#[tokio::test]
async fn the_child_has_no_environment_and_bounded_memory() {
    // The variables are those that a shell makes for itself.
    let seen = failure(shell(
        "cat >/dev/null; env | grep -vc -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= >&2; exit 1",
    ))
    .await;
    assert!(seen.ends_with(": 0"), "{seen}");
    let limit = failure(shell("cat >/dev/null; echo memory $(ulimit -v) >&2; exit 1")).await;
    assert!(limit.ends_with("memory 4194304"), "{limit}");
}

#[tokio::test]
async fn a_second_start_does_not_compile() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    load(child(compiler(), &[]), Some(&cache), &component("kv"))
        .await
        .unwrap();
    load(child("/bin/false", &[]), Some(&cache), &component("kv"))
        .await
        .unwrap();
    assert!(
        load(child("/bin/false", &[]), Some(&cache), &component("adversary"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_directory_that_others_may_enter_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let settings = SandboxSettings {
        compiler: Compiler::InProcess,
        cache: Some(directory.path().into()),
    };
    match Sandbox::new(settings).map(|_| ()) {
        Err(Error::Cache(reason)) => assert!(reason.contains("mode 777"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
