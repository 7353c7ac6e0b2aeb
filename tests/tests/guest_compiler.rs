//! Tests that `guest/compiler.sh`, which every build of a guest uses, installs nothing on a machine unasked.
//!
//! The machine is a folder with all programs that the script can find: the few tools that it calls, a Rust toolchain without the
//! guests' target, and rustup or apt-get, which note that they ran and put a compiler there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use airlock_tests::{Output, files, run};
use tempfile::TempDir;

const RUSTUP: &str = "rustup target add wasm32-unknown-unknown";
const DEBIAN: &str = "apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src lld-19";

/// A machine without a compiler for WebAssembly.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Machine(tempfile::tempdir().unwrap());
        for folder in ["bin", "target", "debian/lib/rustlib/src/rust/library"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        for tool in ["sh", "ls", "rm", "tail", "mktemp", "touch", "timeout"] {
            let places = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
            let found = places.iter().find(|place| place.exists()).unwrap();
            symlink(found, machine.path("bin").join(tool)).unwrap();
        }
        let here = machine.0.path().display();
        machine.add(
            "rustc",
            &format!("case $2 in target-libdir) echo {here}/target ;; *) echo {here}/debian ;; esac"),
        );
        machine.add("id", "echo 0");
        // Debian's compiler has fixed paths, which may exist on this machine.
        let script = fs::read_to_string(files::root().join("guest/compiler.sh")).unwrap();
        let script = script.replace("/usr/bin", &format!("{here}/bin"));
        fs::write(machine.path("compiler.sh"), script).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Adds a program, which notes that it ran.
    fn add(&self, name: &str, script: &str) {
        let noted = self.path("ran").display().to_string();
        let note = match name {
            "rustup" | "apt-get" => format!("echo \"{name} $*\" >>{noted}\n"),
            _ => String::new(),
        };
        files::write_program(
            &self.path("bin").join(name),
            &format!("#!/bin/sh\n{note}{script}\n"),
        );
    }

    fn with_rustup(self) -> Self {
        let standard_library = self.path("target/libstd.rlib").display().to_string();
        self.add("rustup", &format!("touch {standard_library}"));
        self
    }

    fn with_debian(self) -> Self {
        let bin = self.path("bin").display().to_string();
        self.add(
            "apt-get",
            &format!(
                "case $1 in install) for new in cargo wasm-ld-19; do ln -s {bin}/sh {bin}/$new; done ;; esac"
            ),
        );
        symlink("/bin/ln", self.path("bin/ln")).unwrap();
        self
    }

    /// Looks for the compiler, and prints which was found.
    fn command(&self, allowed: Option<&str>) -> Command {
        let mut command = Command::new("/bin/sh");
        let script = "say() { echo \"build: $*\" >&2; }; die() { say \"$*\"; exit 1; }; . ./compiler.sh; echo \"found $compiler\"";
        command
            .args(["-euc", script])
            .current_dir(self.0.path())
            .env("PATH", self.path("bin"))
            .env_remove("AIRLOCK_INSTALL");
        if let Some(allowed) = allowed {
            command.env("AIRLOCK_INSTALL", allowed);
        }
        command
    }

    /// Looks for the compiler on a terminal, where this is typed.
    fn on_a_terminal(&self, typed: &str) -> String {
        let inside = self.command(None);
        let script = inside.get_args().nth(1).unwrap().to_str().unwrap();
        let mut terminal = Command::new("script")
            .args([
                "-qec",
                &format!("exec env PATH={} sh -euc '{script}'", self.path("bin").display()),
            ])
            .arg("/dev/null")
            .current_dir(self.0.path())
            .env_remove("AIRLOCK_INSTALL")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keyboard = terminal.stdin.take().unwrap();
        writeln!(keyboard, "{typed}").unwrap();
        let output = terminal.wait_with_output().unwrap();
        drop(keyboard);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns the commands that changed the machine.
    fn ran(&self) -> String {
        fs::read_to_string(self.path("ran")).unwrap_or_default()
    }
}

fn find(machine: &Machine, allowed: Option<&str>) -> Output {
    run(&mut machine.command(allowed))
}

#[test]
fn without_a_terminal_nothing_is_installed() {
    for (machine, command) in [
        (Machine::new().with_rustup().with_debian(), RUSTUP),
        (Machine::new().with_debian(), DEBIAN),
    ] {
        for allowed in [None, Some("no")] {
            let output = find(&machine, allowed);
            output.assert_refused(&["no compiler for wasm32-unknown-unknown", command]);
        }
        find(&machine, Some("perhaps")).assert_refused(&["must be yes or no, not 'perhaps'"]);
        assert_eq!(machine.ran(), "");
    }
    find(&Machine::new(), Some("yes")).assert_refused(&["install the standard library"]);
}

#[test]
fn a_variable_allows_the_installation() {
    let machine = Machine::new().with_rustup().with_debian();
    let output = find(&machine, Some("yes")).expect_success("find");
    assert_eq!(
        (output.stdout.as_str(), machine.ran()),
        ("found toolchain\n", format!("{RUSTUP}\n"))
    );
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    // What is there is not looked for again.
    let again = find(&machine, Some("no")).expect_success("find again");
    assert_eq!(again.stderr, "");
}

#[test]
fn debian_is_next_if_rustup_has_no_network() {
    let machine = Machine::new().with_debian();
    machine.add("rustup", "echo 'no route to host'; exit 1");
    let output = find(&machine, Some("yes")).expect_success("find");
    assert_eq!(output.stdout, "found debian\n");
    assert!(output.stderr.contains("no route to host"), "{output:?}");
    assert_eq!(machine.ran(), format!("{RUSTUP}\napt-get update\n{DEBIAN}\n"));
}

#[test]
fn on_a_terminal_only_a_yes_installs() {
    for (typed, installed) in [("", false), ("n", false), ("y", true)] {
        let machine = Machine::new().with_rustup();
        let shown = machine.on_a_terminal(typed);
        assert!(shown.contains(RUSTUP) && shown.contains("[y/N]"), "{shown}");
        let ending = if installed {
            "found toolchain"
        } else {
            "nothing was installed"
        };
        assert!(shown.contains(ending), "{shown}");
        assert_eq!(!machine.ran().is_empty(), installed, "{shown}");
    }
}
