//! Which server the tests run against, and what is skipped because that server does not offer it.

use std::fs::OpenOptions;
use std::io::{Write as _, stderr};
use std::process::Command;
use std::sync::LazyLock;

use crate::{files, run};

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Brand {
    /// HashiCorp Vault.
    Vault,
    /// OpenBao.
    OpenBao,
}

impl Brand {
    /// The brand of the server under test, as its binary says of itself.
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

    /// Whether the server under test is OpenBao.
    pub fn is_openbao() -> bool {
        Brand::of_server() == Brand::OpenBao
    }
}

/// Says so, with the test's name and the reason, if the server under test is the one that lacks what the test is about.
/// The test then returns.
#[must_use]
pub fn skipped_on(brand: Brand, reason: &str) -> bool {
    let is_lacking = Brand::of_server() == brand;
    if is_lacking {
        report(reason);
    }
    is_lacking
}

/// Says that the running test, or a part of it, was skipped.
///
/// The line goes past the capture of the test runner, because a test that was skipped passes; and to the end of the file
/// that `AIRLOCK_SKIPPED` names, if it does, for a list at the end of the run.
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
