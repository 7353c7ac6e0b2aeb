//! A server's log, read line by line, so that a test can wait for a line instead of sleeping.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest wait of [`Log::wait_for`]. Every line takes far less; at the end of this time the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    /// The whole line.
    pub text: String,
    json: Value,
}

impl Line {
    fn new(text: String) -> Self {
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Line { text, json }
    }

    /// Returns `trace`, `debug`, `info`, `warn` or `error`, or an empty text for a line that is not a log entry.
    pub fn level(&self) -> &str {
        self.field("@level")
    }

    /// Returns true if the host wrote the line: Vault names the logger of a plugin's lines after the plugin's command.
    pub fn is_hosts(&self) -> bool {
        self.module().split('.').any(|name| name == "airlock")
    }

    /// Returns the message without its fields.
    pub fn message(&self) -> &str {
        self.field("@message")
    }

    /// Returns the logger's name, such as `core` or `secrets.airlock-kv`.
    pub fn module(&self) -> &str {
        self.field("@module")
    }

    /// Returns the texts of all fields.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let fields = self.json.as_object().into_iter().flatten();
        fields.filter_map(|(_, value)| value.as_str())
    }

    /// Returns a field's text, or an empty text if there is no such field.
    pub fn field(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    /// Returns a field as a number, if it is one.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.json[name].as_f64()
    }
}

/// All lines that a server has logged so far. Clones share the same log.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    /// The number of lines that were removed before these.
    taken: usize,
    ended: bool,
}

impl Log {
    /// Starts a thread that reads until the writing side of `source` is closed.
    pub fn read(source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let log = Log {
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let line = Line::new(String::from_utf8_lossy(&line).into_owned());
                shared.state.lock().unwrap().lines.push(line);
                shared.changed.notify_all();
            }
            shared.state.lock().unwrap().ended = true;
            shared.changed.notify_all();
        });
        log
    }

    /// Returns the number of lines so far. Pass it to [`Log::wait_after`] to see only newer ones.
    pub fn mark(&self) -> usize {
        let state = self.shared.state.lock().unwrap();
        state.taken + state.lines.len()
    }

    /// Removes and returns all lines so far, for a run so long that they would fill the memory. Nobody may wait for one
    /// of these lines meanwhile.
    pub fn take(&self) -> Vec<Line> {
        let mut state = self.shared.state.lock().unwrap();
        state.taken += state.lines.len();
        std::mem::take(&mut state.lines)
    }

    /// Returns all lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.shared.state.lock().unwrap().lines.clone()
    }

    /// Waits for the first line, past or future, that `wanted` accepts. `what` describes it in the failure.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        self.wait_after(0, what, wanted)
    }

    /// Does the same as [`Log::wait_for`], but only among the lines after `mark`.
    pub fn wait_after(&self, mark: usize, what: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        let mut seen = mark;
        loop {
            let from = seen.saturating_sub(state.taken).min(state.lines.len());
            if let Some(line) = state.lines[from..].iter().find(|line| wanted(line)) {
                return line.clone();
            }
            seen = seen.max(state.taken + state.lines.len());
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                let tail = tail(&state.lines);
                drop(state); // do not poison the log for other tests
                panic!("the server's log never said: {what}; its last lines:\n{tail}");
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

fn tail(lines: &[Line]) -> String {
    let texts: Vec<&str> = lines[lines.len().saturating_sub(30)..]
        .iter()
        .map(|line| line.text.as_str())
        .collect();
    texts.join("\n")
}
