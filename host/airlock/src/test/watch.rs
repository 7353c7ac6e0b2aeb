//! Waits until one of some files changes.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

/// The time between two looks at the files.
const PAUSE: Duration = Duration::from_millis(200);

/// Files, and what they were like at the last look.
pub struct Watch<'f> {
    files: Vec<&'f PathBuf>,
    seen: Vec<State>,
}

/// The time of the last change and the length of a file; `None` if it is not there.
type State = Option<(SystemTime, u64)>;

impl<'f> Watch<'f> {
    /// Looks at the files. Do this before you read them, so that no change is missed.
    pub fn new(files: Vec<&'f PathBuf>) -> Self {
        let seen = look(&files);
        Self { files, seen }
    }

    /// Waits until a file has changed, and then until no file changes any more: a compiler writes in pieces.
    pub fn wait(&mut self) {
        let mut before = self.seen.clone();
        loop {
            thread::sleep(PAUSE);
            let now = look(&self.files);
            let is_settled = now == before;
            if is_settled && now != self.seen {
                self.seen = now;
                return;
            }
            before = now;
        }
    }
}

fn look(files: &[&PathBuf]) -> Vec<State> {
    let state = |file: &&PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_since_the_first_look_is_not_missed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a");
        let mut watch = Watch::new(vec![&file]);
        fs::write(&file, "1").unwrap();
        watch.wait();
        fs::remove_file(&file).unwrap();
        watch.wait();
    }
}
