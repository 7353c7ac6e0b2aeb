//! `airlock test`: runs scenarios against a guest, or [replays](replay) a recording.

use std::path::{Path, PathBuf};

use airlock_testkit::Scenario;
use airlock_testkit::scenario::{self, Report};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use printable::Printable;

use crate::args::LimitArgs;
use crate::guest;
use watch::Watch;

mod replay;
mod watch;

/// The arguments of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The guest, a WebAssembly component
    #[arg(value_name = "GUEST", required_unless_present = "schema")]
    pub guest: Option<PathBuf>,

    /// Scenarios; each has a mount and a storage of its own
    #[arg(value_name = "SCENARIO.toml", required_unless_present_any = ["schema", "replay"])]
    pub scenarios: Vec<PathBuf>,

    /// Run only the scenarios whose file name or `about` contains this text
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,

    /// Show every step with its status, and what the guest logged
    #[arg(long, short)]
    pub verbose: bool,

    /// Write the results in JUnit's form, too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Run again whenever the guest or a scenario changes, until the command is interrupted
    #[arg(long)]
    pub watch: bool,

    /// Run the requests of this recording, which `airlock record` wrote, instead of scenarios
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenarios", "only", "verbose", "junit", "watch"])]
    pub replay: Option<PathBuf>,

    /// Write the JSON Schema of scenarios, which editors use, and run nothing
    #[arg(long, exclusive = true)]
    pub schema: bool,

    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Runs the scenarios. Returns true if everything was as expected.
pub fn run(args: &TestArgs) -> Result<bool> {
    let Some(guest) = &args.guest else {
        crate::print(scenario::schema())?;
        return Ok(true);
    };
    if let Some(recording) = &args.replay {
        return replay::run(recording, guest, &args.limits);
    }
    if !args.watch {
        return run_once(args, guest);
    }
    let mut watch = Watch::new(args.scenarios.iter().chain([guest]).collect());
    loop {
        // A guest that is being built may be missing or incomplete.
        if let Err(error) = run_once(args, guest) {
            crate::print(format!("{}\n", Printable(format_args!("{error:#}"))))?;
        }
        watch.wait();
        crate::print("\n".to_owned())?;
    }
}

/// Runs the scenarios. One that cannot be read counts as failed, and the others run.
fn run_once(args: &TestArgs, guest: &Path) -> Result<bool> {
    let guest = guest::load_without_vault(guest, &args.limits)?;
    let mut reports = Vec::new();
    for file in &args.scenarios {
        let is_meant = |scenario: &Scenario| args.only.as_ref().is_none_or(|text| scenario.is_about(text));
        let report = match Scenario::read(file) {
            Ok(scenario) if is_meant(&scenario) => scenario.run(&guest)?,
            Err(error)
                if args
                    .only
                    .as_ref()
                    .is_none_or(|text| scenario::is_named(file, text)) =>
            {
                Report::unreadable(file.clone(), &error)
            }
            _ => continue,
        };
        crate::print(match args.verbose {
            true => report.with_all_steps(),
            false => report.to_string(),
        })?;
        reports.push(report);
    }
    if let (Some(text), true) = (&args.only, reports.is_empty()) {
        bail!("no scenario has {text:?} in its file name or its `about`");
    }
    if let Some(file) = &args.junit {
        std::fs::write(file, scenario::junit(&reports))
            .with_context(|| format!("{}: the results cannot be written", file.display()))?;
    }
    let failed = reports.iter().filter(|report| !report.has_passed()).count();
    crate::print(match (failed, reports.len()) {
        (0, 1) => "the scenario passed\n".to_owned(),
        (0, all) => format!("all {all} scenarios passed\n"),
        (failed, all) => format!("{failed} of {all} scenarios failed\n"),
    })?;
    Ok(failed == 0)
}
