//! Tests the compiler in a child process, and the cache of its work.

use std::path::{Path, PathBuf};

use airlock_sandbox::types::Operation;
use airlock_sandbox::{Compiler, Guest, Limits, LoadError, Sandbox, SandboxSettings};

use crate::support::{Bench, component};

/// Returns the example `compile`, which cargo builds together with the tests.
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

async fn load(compiler: Compiler, cache: Option<&Path>, component: &[u8]) -> Result<Guest, LoadError> {
    let sandbox = Sandbox::new(SandboxSettings {
        compiler,
        cache: cache.map(Into::into),
        memory_bytes: None,
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
        Err(error @ LoadError::Compile(_)) => {
            let told = error.to_string();
            assert!(told.starts_with("cannot be compiled: "), "{told}");
            assert_eq!(told.matches("cannot be compiled").count(), 1, "{told}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// Two components, one of which passes a text to the other, so that the code between them has two memories.
const COMPOSED: &str = r#"(component
    (component $callee
        (core module $code
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "f") (param i32 i32)))
        (core instance $code (instantiate $code))
        (func (export "f") (param "s" string)
            (canon lift (core func $code "f") (memory $code "memory") (realloc (func $code "realloc")))))
    (component $caller
        (import "f" (func $f (param "s" string)))
        (core module $memory (memory (export "memory") 1))
        (core instance $memory (instantiate $memory))
        (core func $f (canon lower (func $f) (memory $memory "memory")))
        (core module $code
            (import "" "f" (func $f (param i32 i32)))
            (func (export "g") (call $f (i32.const 0) (i32.const 0))))
        (core instance $code (instantiate $code (with "" (instance (export "f" (func $f))))))
        (func (export "g") (canon lift (core func $code "g"))))
    (instance $callee (instantiate $callee))
    (instance $caller (instantiate $caller (with "f" (func $callee "f"))))
    (export "g" (func $caller "g")))"#;

#[tokio::test]
async fn a_panic_of_the_compiler_is_told_in_a_sentence() {
    let composed = wat::parse_str(COMPOSED).unwrap();
    let Err(error) = load(child(compiler(), &[]), None, &composed).await else {
        panic!("it was loaded");
    };
    let told = error.to_string();
    assert!(
        told.starts_with("the compiler failed with an error of its own: "),
        "{told}"
    );
    assert!(
        told.contains("multiple memories") && told.contains("composed of several"),
        "{told}"
    );
    assert!(
        !told.to_lowercase().contains("backtrace") && !told.contains('\n'),
        "{told}"
    );
}

#[tokio::test]
async fn what_a_compiler_says_cannot_leave_its_line() {
    let told = failure(shell("cat >/dev/null; printf 'x\\033[2J' >&2; exit 1")).await;
    assert_eq!(told, "cannot be compiled: x\\u{1b}[2J");
}

/// The child closes the files that it inherits after it has given up everything else, and before it reads.
#[test]
fn the_child_is_confined_before_it_reads() {
    use std::io::Read as _;
    use std::process::{Command, Stdio};
    let mut child = Command::new("/bin/sh")
        .args(["-c", "exec \"$0\" 9>&1 >/dev/null"])
        .arg(compiler())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut inherited = child.stdout.take().unwrap();
    assert_eq!(
        inherited.read(&mut [0]).unwrap(),
        0,
        "it wrote to a file of its parent"
    );
    let about = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap();
    let (status, limits) = (about("status"), about("limits"));
    drop(child.stdin.take());
    assert_eq!(
        child.wait().unwrap().code(),
        Some(1),
        "nothing is not a component"
    );
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "Threads:\t1"] {
        assert!(status.contains(line), "no {line:?} in {status}");
    }
    for line in ["Max open files            0", "Max core file size        0"] {
        assert!(limits.contains(line), "no {line:?} in {limits}");
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
    assert!(failure(shell("cat")).await.contains("not a compiled component"));
    assert!(
        failure(shell("exec 0<&-; echo native code"))
            .await
            .contains("the compiler")
    );
}

#[tokio::test]
async fn the_child_has_no_variable_and_bounded_memory_and_time() {
    // The variables that `grep` removes are those that a shell sets itself.
    let seen = failure(shell(
        "cat >/dev/null; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | tr -d 1-8 >&2; exit 1",
    ))
    .await;
    assert!(seen.ends_with(": RAYON_NUM_THREADS="), "{seen}");
    let limits = failure(shell(
        "cat >/dev/null; echo memory $(ulimit -v), time $(ulimit -t) >&2; exit 1",
    ))
    .await;
    assert!(limits.ends_with("memory 4194304, time 120"), "{limits}");
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
        memory_bytes: None,
    };
    match Sandbox::new(settings).map(|_| ()) {
        Err(LoadError::Cache { what, .. }) => assert!(what.contains("mode 777"), "{what}"),
        other => panic!("{other:?}"),
    }
}
