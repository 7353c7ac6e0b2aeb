//! The process of `airlock testkit`, and its lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A running `airlock testkit`. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// `None` only while it is dropped.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    #[track_caller]
    pub(crate) fn start(airlock: &str, guest: &str) -> Self {
        let started = Command::new(airlock)
            .args(["testkit", guest])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => panic!("{airlock} cannot be run ({error}); put it on the PATH or set AIRLOCK"),
        };
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for");
        };
        Process {
            child,
            orders: Some(orders),
            answers: BufReader::new(answers),
        }
    }

    /// Sends a line and returns what comes back.
    #[track_caller]
    pub(crate) fn order(&mut self, order: &Value) -> Value {
        let mut answer = String::new();
        let done = match &mut self.orders {
            Some(orders) => writeln!(orders, "{order}").and_then(|()| self.answers.read_line(&mut answer)),
            None => unreachable!("it is not dropped"),
        };
        let parsed = serde_json::from_str::<Value>(&answer).ok();
        match (done, parsed) {
            (Ok(_), Some(mut answer)) => match answer.get("error").and_then(Value::as_str) {
                Some(error) => panic!("airlock testkit: {error}"),
                None => answer["ok"].take(),
            },
            // What it said on standard error is above.
            _ => {
                panic!("airlock testkit ended; was the guest built, and is airlock of the project's version?")
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends with its input.
        self.orders = None;
        let _ = self.child.wait();
    }
}
