//! `airlock record`: records the requests of a mount, with tokens in place of its secrets.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use airlock_mount::recording::replay::Recorded;
use anyhow::{Context as _, Result};
use clap::Args;
use printable::Printable;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::control::answers::Recording;
use crate::control::{Control, MountArgs};

/// The arguments of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    #[command(flatten)]
    pub mount: MountArgs,

    /// Record for this many seconds
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,

    /// End after this many requests
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub requests: u64,

    /// End before the recording has more than this many MiB
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=16))]
    pub mib: u64,

    /// The file to write, which may not exist yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// The wait between two looks at the recording.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The time between two lines about how far it is.
const INTERVAL: Duration = Duration::from_secs(10);

/// Records, writes the file, and returns the text to print.
pub fn run(args: &RecordArgs) -> Result<String> {
    let control = Control::of(&args.mount)?;
    control.status()?;
    let file = create(&args.out)?;
    let recorded = record(args, &control, file);
    if recorded.is_err() {
        // The error is what matters.
        let _ = fs::remove_file(&args.out);
    }
    recorded
}

/// Creates the file, for this user alone.
fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{}: the file cannot be created", path.display()))
}

fn record(args: &RecordArgs, control: &Control, mut file: File) -> Result<String> {
    let runtime = crate::runtime()?;
    let mut interrupt = {
        let _in_it = runtime.enter();
        signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?
    };
    control.begin_recording(args.seconds, args.requests, args.mib << 20)?;
    eprintln!(
        "recording {} for {} s, or until Ctrl-C",
        control.mount(),
        args.seconds
    );
    let recording = wait(control, &runtime, &mut interrupt)?;
    let mut text = String::new();
    for piece in 0..recording.pieces {
        text += &control.recorded(piece)?;
    }
    Recorded::read(&text).context("what the host has recorded cannot be read")?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("{}: the file cannot be written", args.out.display()))?;
    // Otherwise the host forgets it after a while.
    if let Err(error) = control.forget_recording() {
        eprintln!("airlock: warning: {}", Printable(printable::Report::new(&error)));
    }
    Ok(summary(&recording, &args.out))
}

/// Waits for the end of the recording.
fn wait(control: &Control, runtime: &Runtime, interrupt: &mut Signal) -> Result<Recording> {
    let mut shown = Instant::now();
    loop {
        let recording = control.recording()?;
        if recording.state != "running" {
            return Ok(recording);
        }
        if shown.elapsed() >= INTERVAL {
            shown = Instant::now();
            eprintln!(
                "{} s: {} requests recorded",
                recording.seconds, recording.recorded
            );
        }
        let is_interrupted = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => true,
                () = tokio::time::sleep(LOOK_AGAIN) => false,
            }
        });
        if is_interrupted {
            return Ok(control.stop_recording()?);
        }
    }
}

fn summary(recording: &Recording, out: &Path) -> String {
    let not_comparable: u64 = recording.not_comparable.values().sum();
    let by: Vec<_> = recording
        .not_comparable
        .iter()
        .map(|(operation, count)| format!("{} {count}", Printable(operation)))
        .collect();
    let by = match by.is_empty() {
        true => String::new(),
        false => format!(" ({})", by.join(", ")),
    };
    format!(
        "recorded {} requests in {}, until the end by: {}\n\
         {} of them took another course with tokens than live; not in it: {} skipped, {not_comparable} not comparable{by}\n",
        recording.recorded,
        out.display(),
        Printable(&recording.state),
        recording.other_course,
        recording.skipped,
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_is_in_the_file_and_what_is_not() {
        let recording = Recording {
            state: "time".to_owned(),
            seconds: 60,
            pieces: 1,
            recorded: 12,
            other_course: 2,
            skipped: 3,
            not_comparable: [("list".to_owned(), 1)].into(),
        };
        assert_eq!(
            summary(&recording, Path::new("demo.rec")),
            "recorded 12 requests in demo.rec, until the end by: time\n\
             2 of them took another course with tokens than live; not in it: 3 skipped, 1 not comparable (list 1)\n"
        );
    }

    #[test]
    fn a_file_that_exists_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("demo.rec");
        create(&path).unwrap().write_all(b"kept").unwrap();
        create(&path).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }
}
