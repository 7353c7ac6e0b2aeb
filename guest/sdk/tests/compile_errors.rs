//! The errors of the compiler for wrong declarations: one each, with the name, at the author's line.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const HEAD: &str = r#"
use airlock_sdk::{Context, Description, Engine, Name, Response, Result, Routes, fields, route};
fields! {
    struct At { name: String }
    struct AtName { name: Name }
}
fn one(_: &Context, _: At) -> Result<Option<Response>> { Ok(None) }
fn named(_: &Context, _: AtName) -> Result<()> { Ok(()) }
fn plain(_: &Context, _: ()) -> Result<()> { Ok(()) }
struct Keys;
airlock_sdk::export!(Keys);
"#;

/// Returns the SDK that was compiled for this test: the last one, as cargo compiles it before its tests.
fn sdk() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let compiled = fs::read_dir(test.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libairlock_sdk-") && name.ends_with(".rlib")
    };
    let newest = compiled
        .filter(named)
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap());
    newest.expect("cargo compiles the SDK before its tests")
}

/// Compiles a crate and returns what the compiler says.
fn compile(code: &str) -> String {
    let sdk = sdk();
    let mut compiler = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--crate-name=wrong",
            "--emit=metadata",
            "--out-dir",
        ])
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg("-L")
        .arg(sdk.parent().unwrap())
        .arg("--extern")
        .arg(format!("airlock_sdk={}", sdk.display()))
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    compiler.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    let output = compiler.wait_with_output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

/// Compiles an engine with these routes and returns what the compiler says.
fn compile_routes(routes: &str) -> String {
    compile(&format!(
        r#"{HEAD}
impl Engine for Keys {{
    const DESCRIPTION: Description = Description::new("keys", "1.0.0", "Keeps keys.");
    const ROUTES: Routes = &[{routes}];
}}"#
    ))
}

#[track_caller]
fn check(said: &str, error: &str) {
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
    let only = format!("error[E0080]: evaluation panicked: {error}");
    assert_eq!(errors[..errors.len() - 1], [only], "{said}");
    assert!(
        errors[errors.len() - 1].starts_with("error: aborting due to 1 previous error"),
        "{said}"
    );
    assert!(
        !said.contains("guest/sdk/src"),
        "shows the insides of the SDK:\n{said}"
    );
}

#[test]
fn right_routes_compile() {
    let said = compile_routes(r#"&route("keys/{name}").read(one), &route("keys/").list(plain)"#);
    assert!(!said.contains("error"), "{said}");
}

#[test]
fn a_wrong_route_is_one_error_that_names_it() {
    for (routes, error) in [
        (
            r#"&route("keys/{nmae}").read(one)"#,
            "the route `keys/{nmae}` captures `nmae`, which is not a field of this handler",
        ),
        (
            r#"&route("keys/{name}").read(one).delete(named)"#,
            "the route `keys/{name}` captures `name`, whose type allows other paths in another operation: \
             give it the same type in both",
        ),
        (
            r#"&route("keys/{name}").read(one).read(one)"#,
            "the route `keys/{name}` declares an operation twice",
        ),
        (
            r#"&route("keys").write(plain)"#,
            "the route `keys` can create, so it needs an existence check: declare `exists` or `read` before it",
        ),
        (
            r#"&route("/keys").read(plain)"#,
            "the route `/keys` has an empty segment: write it without a leading slash and without `//`",
        ),
        (
            r#"&route("{name}/keys").read(one).sudo()"#,
            "the route `{name}/keys` has `sudo`, so it may capture its last segment only",
        ),
        (
            r#"&route("keys/{name}").read(one), &route("keys/config").read(plain)"#,
            "the route `keys/config` is never reached: `keys/{name}` before it matches the same paths; \
             put the special one first",
        ),
        (
            r#"&route("keys").read(plain), &route("keys").delete(plain)"#,
            "the route `keys` is declared twice: put its operations into one `route`",
        ),
    ] {
        check(&compile_routes(routes), error);
    }
}

#[test]
fn two_rotations_of_a_kind_are_one_error_that_names_it() {
    let said = compile(&format!(
        r#"{HEAD}
use airlock_sdk::rotation::{{Rotation, Rotations}};
fn rotate(_: &Context, _: &str) -> Result<()> {{ Ok(()) }}
const ROOT: Rotation = Rotation::new("password", rotate);
const OTHER: Rotation = Rotation::new("key", rotate);
const USER: Rotation = Rotation::new("password", rotate);
impl Engine for Keys {{
    const DESCRIPTION: Description = Description::new("keys", "1.0.0", "Keeps keys.");
    const ROUTES: Routes = &[];
    const ROTATIONS: Rotations = &[&ROOT, &OTHER, &USER];
}}"#
    ));
    check(&said, "two rotations have the kind `password`: give each its own");
}

#[test]
fn a_wrong_field_is_one_error_that_names_it() {
    for (field, error) in [
        (
            "all: String as rest",
            "the field `all` takes the rest, so its type must be `serde_json::Map<String, Value>`",
        ),
        (
            "all: airlock_sdk::Map as rest, more: String",
            "the field `all` takes the rest, so it must be the last",
        ),
        (
            "name: String, ..group: Group",
            "the field `name` is declared twice, here or in a group",
        ),
    ] {
        let code = format!(
            "airlock_sdk::fields! {{ pub struct Group {{ name: String }} pub struct Wrong {{ {field} }} }}"
        );
        check(&compile(&code), error);
    }
}
