//! Queues lines for a reader who may be slow.
//!
//! Whoever logs must not wait for the host to read, because one thread serves all mounts. So a line is put into a queue
//! of bounded size, and a thread of its own writes it. Lines that do not fit are dropped, and the reader is told how
//! many.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};

use super::line::{lost, unwritten};
use crate::Report;

/// A queue and the thread that empties it.
pub(super) struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when a line comes.
    filled: Condvar,
    /// Notified when a line was written.
    written: Condvar,
    /// The number of bytes that may wait.
    room: usize,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// True while a line was taken out and is not yet written.
    writing: bool,
    /// The number of lines that did not fit and about which the reader has not been told.
    lost: u64,
}

impl State {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && !self.writing && self.lost == 0
    }

    /// Takes the next line: first the waiting lines, then a line that says how many were lost after them.
    fn take(&mut self) -> Option<Vec<u8>> {
        let line = match self.lines.pop_front() {
            Some(line) => {
                self.bytes -= line.len();
                line
            }
            None if self.lost > 0 => lost(std::mem::take(&mut self.lost), SystemTime::now()).into_bytes(),
            None => return None,
        };
        self.writing = true;
        Some(line)
    }
}

impl Queue {
    /// Creates a queue in front of `out`, in which `room` bytes may wait. Each line is one call of `write_all`.
    /// If the system refuses the thread, the queue fills up and nothing is written but one line that says so.
    pub(super) fn new(out: impl Write + Send + 'static, room: usize) -> Queue {
        Queue::on_thread(out, room, |work| {
            let thread = thread::Builder::new().name("log".to_owned());
            thread.spawn(work).map(drop)
        })
    }

    fn on_thread<W: Write + Send + 'static>(
        out: W,
        room: usize,
        spawn: impl FnOnce(Box<dyn FnOnce() + Send>) -> io::Result<()>,
    ) -> Queue {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
            room,
        });
        // Shared, because a thread that is refused drops what it was given.
        let out = Arc::new(Mutex::new(out));
        let (writer, given) = (shared.clone(), out.clone());
        if let Err(error) = spawn(Box::new(move || writer.write(&mut *given.lock()))) {
            let line = unwritten(&Report::new(&error), SystemTime::now());
            // Without a host nobody reads, and nothing else is available to report it.
            let _ = out.lock().write_all(line.as_bytes());
        }
        Queue { shared }
    }

    /// Adds a line, or drops and counts it if it does not fit.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.shared.state.lock();
        // After a gap, nothing is added before the reader is told of the gap, so that it learns of it at the right
        // place.
        if state.lost > 0 || state.bytes + line.len() > self.shared.room {
            state.lost += 1;
        } else {
            state.bytes += line.len();
            state.lines.push_back(line.to_vec());
        }
        drop(state);
        self.shared.filled.notify_one();
    }

    /// Waits until everything is written, but not for longer than `patience`. Returns false if something is left.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.state.lock();
        while !state.is_empty() {
            if self.shared.written.wait_until(&mut state, deadline).timed_out() {
                return state.is_empty();
            }
        }
        true
    }
}

impl Shared {
    fn write(&self, mut out: impl Write) {
        let mut state = self.state.lock();
        loop {
            let Some(line) = state.take() else {
                self.filled.wait(&mut state);
                continue;
            };
            drop(state);
            // Without a host nobody reads, and nothing else is available to report it.
            let _ = out.write_all(&line);
            drop(line);
            state = self.state.lock();
            state.writing = false;
            self.written.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, PipeReader};

    /// This is far longer than anything here takes.
    const SOON: Duration = Duration::from_secs(10);
    const LINE: &[u8] = b"0123456789abcde\n";

    fn read(reader: &mut BufReader<PipeReader>) -> String {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn flush_returns_once_every_line_is_written() {
        let (reader, writer) = io::pipe().unwrap();
        let queue = Queue::new(writer, 1 << 20);
        for number in 0..1000 {
            queue.push(format!("{number}\n").as_bytes());
        }
        assert!(queue.flush(SOON));
        let mut reader = BufReader::new(reader);
        for number in 0..1000 {
            assert_eq!(read(&mut reader), format!("{number}\n"));
        }
    }

    #[test]
    fn a_reader_who_does_not_read_stops_nobody_and_learns_of_the_gap() {
        let (reader, writer) = io::pipe().unwrap();
        // This is more than the pipe takes: from then on the thread that writes is blocked.
        let queue = Queue::new(writer, 1 << 20);
        for _ in 0..200_000 {
            queue.push(LINE);
        }
        assert!(!queue.flush(Duration::from_millis(20)));

        let mut reader = BufReader::new(reader);
        let mut written = 0;
        let told = loop {
            let line = read(&mut reader);
            if line.as_bytes() != LINE {
                break line;
            }
            written += 1;
        };
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["@level"], "warn");
        assert_eq!(told["lines"], 200_000 - written);
        // From here on there is space again.
        queue.push(LINE);
        assert!(queue.flush(SOON));
        assert_eq!(read(&mut reader).as_bytes(), LINE);
    }

    #[test]
    fn a_thread_that_is_refused_is_told() {
        let (reader, writer) = io::pipe().unwrap();
        let queue = Queue::on_thread(writer, 1 << 20, |_| Err(io::ErrorKind::WouldBlock.into()));
        queue.push(LINE);
        assert!(!queue.flush(Duration::ZERO));
        let told = read(&mut BufReader::new(reader));
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["@level"], "error");
        assert!(told["@message"].as_str().unwrap().contains("no thread"), "{told}");
    }

    #[test]
    fn a_reader_who_is_gone_stops_nobody() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let queue = Queue::new(writer, 1 << 20);
        queue.push(LINE);
        assert!(queue.flush(SOON));
    }
}
