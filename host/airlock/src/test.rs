//! `airlock test`: runs scenarios against a guest.

use std::path::PathBuf;

use airlock_testkit::{Scenario, scenario};
use anyhow::{Context as _, Result};
use clap::Args;

use crate::args::LimitArgs;
use crate::guest;

/// The arguments of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The guest, a WebAssembly component
    #[arg(value_name = "GUEST")]
    pub guest: PathBuf,

    /// Scenarios; each has a mount and a storage of its own
    #[arg(value_name = "SCENARIO.toml", required = true)]
    pub scenarios: Vec<PathBuf>,

    /// Write the results in JUnit's form, too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Runs the scenarios. Returns true if everything was as expected. Reads all scenarios before it runs any.
pub fn run(args: &TestArgs) -> Result<bool> {
    let scenarios = args
        .scenarios
        .iter()
        .map(Scenario::read)
        .collect::<Result<Vec<_>, _>>()?;
    let guest = guest::load_without_vault(&args.guest, &args.limits)?;
    let mut reports = Vec::new();
    for scenario in &scenarios {
        let report = scenario.run(&guest)?;
        crate::print(report.to_string())?;
        reports.push(report);
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
