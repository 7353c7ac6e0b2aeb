//! Replays a recording on another build of its guest, and says what that answers or stores otherwise.
//!
//! 1. [`Recorded::read`] reads the file, which may come from anywhere: its size, its lines and their depth are bounded.
//! 2. [`Recorded::replay`] runs each request on the guest. It is told what the recorded guest was told, by the same keys, and reaches
//!    nothing else.
//! 3. Answers and writes are compared as those of a [canary](crate::canary). What the guest asks for and the recording does not have
//!    makes a request not comparable.
//!
//! A [`Differences`] names operations, routes, statuses, fields and numbers of keys, and never a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use airlock_sandbox::{Guest, Heard, MountContext, SecondRun, types};
use airlock_storage::{Told, Written};
use printable::Printable;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::format::{End, Header, Line, VERSION, written_of};
use super::second;
use crate::canary::{CHECK, First, compare};

/// Most bytes of a file: what a recording can have, and room for its first and last line.
pub const MOST_BYTES: usize = super::MOST_BYTES + super::PIECE;

/// Most kinds of difference that are told apart.
const KINDS: usize = 256;

/// A file that is not a recording, in a sentence for the operator. It quotes nothing of the file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadRecording {
    /// The file is too large.
    #[error("it has more than {} MiB, and no recording has", MOST_BYTES >> 20)]
    TooLarge,
    /// The first line is not that of a recording.
    #[error("it is not a recording: `airlock record` writes one")]
    NotARecording,
    /// Another version of Airlock wrote it.
    #[error("it has version {found} of the format, and this airlock reads version {VERSION}")]
    OtherVersion {
        /// The version of the file.
        found: u64,
    },
    /// A line is damaged.
    #[error("line {line} is not one of a recording: {reason}")]
    BadLine {
        /// The number of the line, from 1.
        line: usize,
        /// The reason why it counts as damaged.
        reason: String,
    },
    /// The end is missing.
    #[error("its end or some of its lines are missing: record again, or fetch it again")]
    Incomplete,
}

/// A recording that was read.
pub struct Recorded {
    header: Header,
    end: End,
    requests: Vec<Recall>,
}

/// One request of a recording.
struct Recall {
    name: String,
    request: Arc<types::Request>,
    heard: Heard,
    answer: First,
    written: Written,
}

/// Shows the guest and the numbers only.
impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("guest", &self.header.name)
            .field("requests", &self.requests.len())
            .finish_non_exhaustive()
    }
}

impl Recorded {
    /// Reads the text of a recording.
    ///
    /// # Errors
    /// [`BadRecording`].
    pub fn read(text: &str) -> Result<Self, BadRecording> {
        if text.len() > MOST_BYTES {
            return Err(BadRecording::TooLarge);
        }
        let mut lines: Vec<&str> = text.lines().collect();
        let first = lines.first().copied().unwrap_or_default();
        let header = header(first)?;
        let last = lines.pop().filter(|_| !lines.is_empty());
        let end = last.and_then(|last| serde_json::from_str::<End>(last).ok());
        let end = end.ok_or(BadRecording::Incomplete)?;
        if end.recorded as usize != lines.len() - 1 {
            return Err(BadRecording::Incomplete);
        }
        let requests = lines.iter().enumerate().skip(1).map(|(at, text)| {
            let bad = |reason: String| BadRecording::BadLine { line: at + 1, reason };
            let line: Line = decode(text).map_err(bad)?;
            Recall::of(line).map_err(|reason| bad(reason.to_owned()))
        });
        Ok(Self {
            requests: requests.collect::<Result<_, _>>()?,
            header,
            end,
        })
    }

    /// Runs the requests on a guest, one after the other.
    pub async fn replay(&self, guest: &Guest) -> Differences {
        let mount = second::nowhere(guest, self.header.options.clone());
        let mut found = Differences {
            about: format!(
                "{} {} (sha256 {})",
                self.header.name,
                self.header.version,
                self.header.sha256.get(..12).unwrap_or_default()
            ),
            requests: self.requests.len(),
            end: self.end.clone(),
            ..Differences::default()
        };
        for recall in &self.requests {
            match recall.differences(guest, &mount).await {
                Some(kinds) => found.note(&recall.name, kinds),
                None => *found.not_comparable.entry(recall.name.clone()).or_default() += 1,
            }
        }
        found
    }
}

impl Recall {
    fn of(line: Line) -> Result<Self, &'static str> {
        let request = line.asked.request();
        let operation = request.operation.known().ok_or("an unknown operation")?;
        let what = match line.check {
            true => CHECK,
            false => operation,
        };
        let name = match &line.route {
            Some(route) => format!("{what} {route}"),
            None => what.to_owned(),
        };
        Ok(Self {
            name,
            request: Arc::new(request),
            heard: line.told.heard()?,
            answer: line.answer.first(line.check)?,
            written: written_of(line.written)?,
        })
    }

    /// Returns the kinds of difference between what is recorded and what a guest does, or `None` if they cannot be compared.
    async fn differences(&self, guest: &Guest, mount: &Arc<MountContext>) -> Option<Vec<String>> {
        let (request, heard) = (self.request.clone(), self.heard.clone());
        match &self.answer {
            First::Request(first) => {
                let rerun = guest.rerun(mount, request, heard, Told::ByKey).await?;
                let second = SecondRun {
                    outcome: rerun.outcome,
                    before: self.written.clone(),
                    written: rerun.written,
                };
                Some(compare::differences(first, &second, &BTreeSet::new()))
            }
            First::Check(first) => {
                let rerun = guest.rerun_check(mount, request, heard, Told::ByKey).await?;
                Some(compare::check_differences(first, &rerun.outcome.result))
            }
        }
    }
}

fn header(line: &str) -> Result<Header, BadRecording> {
    let found: serde_json::Value = serde_json::from_str(line).map_err(|_| BadRecording::NotARecording)?;
    match found["airlock_recording"].as_u64() {
        None => Err(BadRecording::NotARecording),
        Some(version) if version == u64::from(VERSION) => decode(line).map_err(|reason| {
            let line = 1;
            BadRecording::BadLine { line, reason }
        }),
        Some(found) => Err(BadRecording::OtherVersion { found }),
    }
}

/// Reads a line. The reason says where it is wrong, and quotes nothing.
fn decode<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a field is missing, unknown or of another type",
            _ => "it is not valid JSON",
        };
        format!("{what}, at column {}", error.column())
    })
}

/// The findings of a replay.
#[derive(Debug, Default)]
pub struct Differences {
    about: String,
    requests: usize,
    end: End,
    /// Requests by operation and route.
    same: BTreeMap<String, u32>,
    different: BTreeMap<String, u32>,
    not_comparable: BTreeMap<String, u32>,
    /// Numbers of differences, by operation, route and kind.
    kinds: BTreeMap<String, u32>,
}

impl Differences {
    fn note(&mut self, name: &str, kinds: Vec<String>) {
        let counts = match kinds.is_empty() {
            true => &mut self.same,
            false => &mut self.different,
        };
        *counts.entry(name.to_owned()).or_default() += 1;
        for kind in kinds {
            let mut kind = format!("{name}: {kind}");
            if self.kinds.len() >= KINDS && !self.kinds.contains_key(&kind) {
                kind = format!("{name}: other kinds");
            }
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    /// Returns true if no request was answered or stored otherwise, and at least half of them, and not none, could be compared.
    pub fn has_passed(&self) -> bool {
        let same = sum(&self.same);
        self.different.is_empty() && same > 0 && same >= sum(&self.not_comparable)
    }
}

fn sum(counts: &BTreeMap<String, u32>) -> u32 {
    counts.values().sum()
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "a recording of {}, {} requests; {} of them took another course with tokens than live",
            Printable(&self.about),
            self.requests,
            self.end.other_course
        )?;
        let (skipped, not_comparable) = (self.end.skipped, sum(&self.end.not_comparable));
        writeln!(f, "not in it: {skipped} skipped, {not_comparable} not comparable")?;
        for (what, counts) in [
            ("the same", &self.same),
            ("different", &self.different),
            ("not comparable", &self.not_comparable),
        ] {
            let by: Vec<_> = counts
                .iter()
                .map(|(name, count)| format!("{} {count}", Printable(name)))
                .collect();
            match by.is_empty() {
                true => writeln!(f, "{what}: 0")?,
                false => writeln!(f, "{what}: {} ({})", sum(counts), by.join(", "))?,
            }
        }
        for (kind, count) in &self.kinds {
            writeln!(f, "  {}: {count}", Printable(kind))?;
        }
        match (self.has_passed(), self.different.is_empty()) {
            (true, _) => writeln!(f, "the guest answers and stores the same"),
            (false, true) => writeln!(f, "too few requests could be compared"),
            (false, false) => writeln!(f, "the guest answers or stores otherwise"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        r#"{"airlock_recording":1,"name":"kv","version":"0.1.0","sha256":"ab","options":[]}"#;
    const END: &str =
        r#"{"ended":"time","recorded":1,"other_course":0,"skipped":0,"not_comparable":{"read":2}}"#;
    const LINE: &str = r#"{"asked":{"operation":"read","path":"a"},"told":{"storage":[{"get":{"key":"kv/a","entry":null}}]},"answer":{"refused":[400,"no"]},"written":{},"same_course":true}"#;

    fn refused(text: &str) -> String {
        Recorded::read(text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_whole_or_refused_in_one_line_without_its_words() {
        let whole = format!("{HEADER}\n{LINE}\n{END}\n");
        assert_eq!(Recorded::read(&whole).unwrap().requests.len(), 1);
        let end = END.replace("\"recorded\":1", "\"recorded\":0");
        let empty = Recorded::read(&format!("{HEADER}\n{end}\n")).unwrap();
        assert_eq!(empty.requests.len(), 0);
        for text in [
            "",
            "\n",
            "hello",
            "{}",
            "[]",
            "{\"airlock_recording\":\"s3cret\"}",
        ] {
            assert_eq!(
                refused(text),
                "it is not a recording: `airlock record` writes one",
                "{text}"
            );
        }
        let newer = HEADER.replace(":1,", ":2,");
        assert!(refused(&newer).contains("version 2"), "{newer}");
        for text in [
            format!("{HEADER}\n"),
            format!("{HEADER}\n{LINE}\n"),
            format!("{HEADER}\n{END}\n"),
        ] {
            assert_eq!(
                refused(&text),
                "its end or some of its lines are missing: record again, or fetch it again"
            );
        }
        for line in [
            "",
            "s3cret",
            "{\"s3cret\":1}",
            &LINE.replace("read", "s3cret"),
            &LINE[..50],
            &LINE.replace("{}", "{\"k\":{\"value\":{\"base64\":\"s3cret!\"}}}"),
            &LINE.replace("\"storage\"", "\"times\":[[0,1000000000]],\"storage\""),
            &LINE.replace("null", &"[".repeat(200)),
            &LINE.replace("{\"refused\":[400,\"no\"]}", "{\"exists\":true}"),
            &LINE
                .replace("{\"asked\"", "{\"check\":true,\"asked\"")
                .replace("{\"refused\":[400,\"no\"]}", "\"none\""),
        ] {
            let refused = refused(&format!("{HEADER}\n{line}\n{END}\n"));
            assert!(
                refused.starts_with("line 2 is not one of a recording: ") && !refused.contains("s3cret"),
                "{refused}"
            );
        }
        assert_eq!(
            Recorded::read(&" ".repeat(MOST_BYTES + 1)).unwrap_err(),
            BadRecording::TooLarge
        );
    }

    #[test]
    fn a_report_names_what_differs_and_counts_it() {
        let mut found = Differences {
            about: "kv 0.1.0 (sha256 ab)".to_owned(),
            requests: 4,
            ..Differences::default()
        };
        found.note("read", Vec::new());
        assert!(found.has_passed());
        found.not_comparable.insert("list".to_owned(), 2);
        assert!(!found.has_passed() && found.to_string().contains("too few requests"));
        found.note(
            "update keys/{name}",
            vec!["field a\nb".to_owned(), "1 keys written".to_owned()],
        );
        assert!(!found.has_passed());
        assert_eq!(
            found.to_string(),
            "a recording of kv 0.1.0 (sha256 ab), 4 requests; 0 of them took another course with tokens than live\n\
             not in it: 0 skipped, 0 not comparable\n\
             the same: 1 (read 1)\ndifferent: 1 (update keys/{name} 1)\nnot comparable: 2 (list 2)\n  \
             update keys/{name}: 1 keys written: 1\n  update keys/{name}: field a\\nb: 1\n\
             the guest answers or stores otherwise\n"
        );
    }
}
