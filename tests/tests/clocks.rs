//! Tests that `airlock componentize` refuses code that takes the time from Rust's standard library, and names its crate.
//!
//! The crates are small, and compiled as guests are. Those with names of crates.io stand in for the real ones: they take the
//! time in the same way, from a function that the compiler inlines into the engine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use airlock_tests::{Output, airlock, files, run};
use tempfile::TempDir;

/// A project with the crate `my-engine` and the crates that it may use.
struct Project(TempDir);

/// The function of an engine, on which `componentize` is tried.
const ENGINE: &str = "fn handle(seconds: u64) -> u64 { RETURNED }
    #[unsafe(no_mangle)] pub extern \"C\" fn run(seconds: u64) -> u64 { handle(seconds) }";

impl Project {
    fn new() -> Self {
        let project = Project(tempfile::tempdir().unwrap());
        let root = fs::read_to_string(files::root().join("Cargo.toml")).unwrap();
        let profile = root.split("\n\n").find(|part| part.contains("[profile.guest]"));
        let manifest = format!(
            "[package]\nname = 'my-engine'\nedition = '2024'\n[lib]\ncrate-type = ['cdylib']\n[workspace]\n\
             [dependencies]\nchrono = {{ path = 'chrono' }}\ntime = {{ path = 'time' }}\n{}\n",
            profile.unwrap()
        );
        project.write("Cargo.toml", &manifest);
        project.with_crate(
            "chrono",
            "pub struct Utc; impl Utc { pub fn now() -> u64 {
                 std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() } }
             pub fn from_timestamp(seconds: u64) -> u64 { seconds / 60 }",
        );
        project.with_crate(
            "time",
            "#[inline] pub fn now_utc() -> u64 { std::time::Instant::now().elapsed().as_secs() }",
        );
        project
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn with_crate(&self, name: &str, source: &str) {
        let manifest = format!("[package]\nname = '{name}'\nversion = '0.4.0'\nedition = '2024'\n");
        self.write(&format!("{name}/Cargo.toml"), &manifest);
        self.write(&format!("{name}/src/lib.rs"), source);
    }

    fn component(&self) -> PathBuf {
        self.0.path().join("my-engine.wasm")
    }

    /// Builds an engine whose only function returns this, and makes a component of it.
    fn componentize(&self, returned: &str, flags: &[&str]) -> Output {
        self.write("src/lib.rs", &ENGINE.replace("RETURNED", returned));
        let target = files::root().join("target/clocks");
        let script = "say() { echo \"$*\" >&2; }; die() { say \"$*\"; exit 1; }; . guest/compiler.sh; compile \"$0\" --offline";
        let mut build = Command::new("sh");
        build
            .args(["-euc", script])
            .arg(self.0.path().join("Cargo.toml"))
            .current_dir(files::root())
            .env("CARGO_TARGET_DIR", &target);
        run(&mut build).expect_success("the build");
        let module = target.join("wasm32-unknown-unknown/guest/my_engine.wasm");
        let output = self.component();
        let arguments = [Path::new("componentize"), &module, Path::new("-o"), &output];
        airlock(arguments.into_iter().chain(flags.iter().map(Path::new)))
    }
}

#[test]
fn the_crate_that_takes_the_time_from_std_is_named() {
    let project = Project::new();
    // A function that asks no clock is not in the module, and so not in the way.
    project
        .componentize("chrono::from_timestamp(seconds)", &[])
        .expect_success("without a clock");
    for (returned, words) in [
        (
            "std::time::SystemTime::now().elapsed().map_or(seconds, |time| time.as_secs())",
            [
                "the crate `my_engine`",
                "`SystemTime::now` by my_engine::",
                "`cx.clock.now()`",
            ],
        ),
        (
            "let begun = std::time::Instant::now(); std::hint::black_box(seconds); begun.elapsed().as_secs()",
            [
                "the crate `my_engine`",
                "`Instant::now` by my_engine::",
                "`cx.clock.now()`",
            ],
        ),
        (
            "if seconds == 0 { chrono::Utc::now() } else { seconds }",
            ["the crate `chrono`", "(within ", "features `clock` and `now`"],
        ),
        (
            "if seconds == 0 { time::now_utc() } else { seconds }",
            [
                "the crate `time`",
                "`Instant::now` by time::now_utc",
                "from_unix_timestamp",
            ],
        ),
    ] {
        project.componentize(returned, &[]).assert_refused(&words);
        let allowed = project.componentize(returned, &["--allow-std-clock"]);
        allowed.expect_success("with a clock");
    }
    let component = fs::read(project.component()).unwrap();
    let has = |text: &[u8]| component.windows(text.len()).any(|window| window == text);
    assert!(
        has(b"my_engine") && !has(b".debug_"),
        "what is for debuggers is in the guest"
    );
}
