//! What `make dev` runs: a Vault development server on which the lines that it prints work.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use airlock_tests::{files, run};
use rustix::process::{Pid, Signal, kill_process_group};

/// The script in a process group of its own, as a terminal would start it.
struct Dev(Child);

impl Dev {
    /// Starts it and reads what it prints up to the last line.
    fn start(port: u16) -> (Self, Vec<String>) {
        // A test run in the background ignores interrupts, and what it starts would, too.
        let mut script = Command::new("env")
            .arg("--default-signal=INT")
            .arg(files::root().join("tests/vault/dev.sh"))
            .arg(files::vault())
            .env("AIRLOCK_DEV_PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(script.stdout.take().unwrap());
        let dev = Dev(script);
        let mut lines = Vec::new();
        for line in stdout.lines().map_while(Result::ok) {
            let last = line.contains("airlock inspect");
            lines.push(line);
            if last {
                break;
            }
        }
        (dev, lines)
    }

    /// What Ctrl-C does. Answers with the exit status.
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

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[test]
fn the_printed_lines_work_and_ctrl_c_ends_everything() {
    let port = free_port();
    let (mut dev, lines) = Dev::start(port);
    let commands: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(commands.len() >= 6, "{lines:?}");

    // An alias is for people; a script needs a function.
    let commands = commands.join("\n").replace("alias vault=", "vault() { ") + "\n";
    let commands = commands
        .lines()
        .map(|line| match line.strip_prefix("vault() { ") {
            Some(path) => format!("vault() {{ {path} \"$@\"; }}\n"),
            None => format!("{line}\n"),
        });
    let output = run(Command::new("bash")
        .arg("-ec")
        .arg(commands.collect::<String>())
        .current_dir(files::root()));
    let output = output.expect_success("the printed lines");
    for answer in ["key created", "s3cret", "db", "key deleted", "key not found"] {
        assert!(output.stdout.contains(answer), "no {answer:?}: {output:?}");
    }

    assert_eq!(dev.interrupt(), Some(130));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the server has left its port");
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = run(Command::new(files::root().join("tests/vault/dev.sh"))
        .arg(files::vault())
        .env("AIRLOCK_DEV_PORT", port.to_string()));
    assert_eq!(
        (output.status, output.stderr.trim_end().lines().count()),
        (1, 1),
        "{output:?}"
    );
    assert!(output.stderr.contains("address already in use"), "{output:?}");
}
