//! The server that the tests run against, and the tests that are skipped because that server lacks a feature.

use std::fs::OpenOptions;
use std::io::{Write as _, stderr};
use std::process::Command;
use std::sync::LazyLock;

use crate::{files, run};

/// The maker of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Brand {
    /// HashiCorp Vault.
    Vault,
    /// OpenBao.
    OpenBao,
}

impl Brand {
    /// Returns the brand of the server under test, which its binary names.
    pub fn of_server() -> Self {
        static BRAND: LazyLock<Brand> = LazyLock::new(|| {
            let version = run(Command::new(files::vault()).arg("version")).expect_success("version");
            match version.stdout.split(' ').next() {
                Some("Vault") => Brand::Vault,
                Some("OpenBao") => Brand::OpenBao,
                _ => panic!("neither Vault nor OpenBao: {version:?}"),
            }
        });
        *BRAND
    }

    /// Returns true if the server under test is OpenBao.
    pub fn is_openbao() -> bool {
        Brand::of_server() == Brand::OpenBao
    }
}

/// Returns true, and reports the test's name and the reason, if the server under test is this one, which lacks the
/// tested feature. The test then returns.
#[must_use]
pub fn skipped_on(brand: Brand, reason: &str) -> bool {
    let is_lacking = Brand::of_server() == brand;
    if is_lacking {
        report(reason);
    }
    is_lacking
}

/// Returns true, and reports the test's name and the reason, if this machine cannot do what the test needs. The test then
/// returns.
#[must_use]
pub fn skipped_unless(possible: bool, reason: &str) -> bool {
    if !possible {
        report(reason);
    }
    !possible
}

/// Reports that the running test, or a part of it, was skipped.
///
/// The test runner does not capture the line, because it would not show the output of a skipped test, which passes. The
/// line is also appended to the file that `AIRLOCK_SKIPPED` names, if it is set, for a list at the end of the run.
pub(crate) fn report(what: &str) {
    let thread = std::thread::current();
    let (brand, test) = (Brand::of_server(), thread.name().unwrap_or("a test"));
    let line = format!("skipped on {brand:?}: {test}: {what}\n");
    stderr().write_all(line.as_bytes()).unwrap();
    if let Some(path) = std::env::var_os("AIRLOCK_SKIPPED") {
        let mut list = OpenOptions::new().create(true).append(true).open(path).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}
