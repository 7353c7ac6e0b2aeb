//! Tests the scripts of `make dev` and `make vault-dev`: they start a development server, and the lines that they print
//! work.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use airlock_tests::{Output, files, free_port, run};
use rustix::process::{Pid, Signal, kill_process_group};

/// One of the two scripts.
struct Script {
    path: &'static str,
    arguments: Vec<PathBuf>,
    /// Text of the last line that the script prints before it waits.
    last: &'static str,
}

/// Returns the script of `make dev`, on a machine that has neither Vault nor Go.
fn make_dev() -> Script {
    Script {
        path: "guest/dev.sh",
        arguments: vec![],
        last: "Ctrl-C ends it",
    }
}

fn make_vault_dev() -> Script {
    Script {
        path: "tests/vault/dev.sh",
        arguments: vec![files::vault()],
        last: "airlock inspect",
    }
}

impl Script {
    fn command(&self, port: u16) -> Command {
        // A test run in the background ignores interrupts, and so would the processes that it starts.
        let mut script = Command::new("env");
        script
            .arg("--default-signal=INT")
            .arg(files::root().join(self.path))
            .args(&self.arguments)
            .env("AIRLOCK_DEV_PORT", port.to_string())
            .stdin(Stdio::null())
            .process_group(0);
        script
    }
}

/// The script in its own process group, as a terminal would start it.
struct Dev(Child);

impl Dev {
    /// Starts the script and reads its output up to the last line.
    fn start(script: &Script, port: u16) -> (Self, Vec<String>) {
        let mut process = script.command(port).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let dev = Dev(process);
        let mut lines = Vec::new();
        for line in stdout.lines().map_while(Result::ok) {
            let last = line.contains(script.last);
            lines.push(line);
            if last {
                break;
            }
        }
        (dev, lines)
    }

    /// Interrupts the script as Ctrl-C does. Returns the exit status.
    fn interrupt(&mut self) -> Option<i32> {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::INT);
        self.0.wait().unwrap().code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.interrupt();
        }
    }
}

/// Types the printed commands into a shell.
fn type_in(lines: &[String]) -> Output {
    const COMMANDS: [&str; 5] = ["export ", "alias ", "vault ", "curl ", "target/"];
    let commands = lines.iter().filter_map(|line| line.strip_prefix("  "));
    let commands: Vec<&str> = commands
        .filter(|line| COMMANDS.iter().any(|command| line.starts_with(command)))
        .collect();
    assert!(commands.len() >= 6, "{lines:?}");
    // An alias works only in an interactive shell; a script needs a function.
    let typed = commands
        .iter()
        .map(|line| match line.strip_prefix("alias vault=") {
            Some(path) => format!("vault() {{ {path} \"$@\"; }}\n"),
            None => format!("{line}\n"),
        });
    run(Command::new("bash")
        .arg("-ec")
        .arg(typed.collect::<String>())
        .current_dir(files::root()))
}

#[track_caller]
fn the_printed_lines_work(script: &Script, exit_status: i32) -> String {
    let port = free_port();
    let (mut dev, lines) = Dev::start(script, port);
    let output = type_in(&lines).expect_success("the printed lines");
    for answer in ["key created", "s3cret", "db", "key deleted"] {
        assert!(output.stdout.contains(answer), "no {answer:?}: {output:?}");
    }
    assert_eq!(dev.interrupt(), Some(exit_status));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the server has left its port");
    lines.join("\n")
}

#[test]
fn make_dev_serves_every_guest_without_vault_and_its_printed_lines_work() {
    let said = the_printed_lines_work(&make_dev(), 0);
    for shown in ["demo/", "users/", "/ui", "development server, not a Vault"] {
        assert!(said.contains(shown), "no {shown:?} in:\n{said}");
    }
    assert!(
        !said.contains("adversary"),
        "a guest for tests is served:\n{said}"
    );
}

#[test]
fn make_vault_dev_starts_a_real_vault_and_its_printed_lines_work() {
    the_printed_lines_work(&make_vault_dev(), 130);
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    for (script, word) in [
        (make_dev(), "cannot listen on"),
        (make_vault_dev(), "address already in use"),
    ] {
        let output = run(&mut script.command(port));
        assert_eq!(
            (output.status, output.stderr.trim_end().lines().count()),
            (1, 1),
            "{output:?}"
        );
        assert!(output.stderr.contains(word), "{output:?}");
    }
}
