//! Checks that each guest has a test.

use std::fs;
use std::path::Path;

use crate::support::repository;

/// A guest has tests of its own, or a module here or a folder of the testkit's tests that has its name.
#[test]
fn every_guest_has_a_test() {
    let here = include_str!("main.rs");
    let is_tested = |folder: &Path| {
        let name = folder.file_name().unwrap().to_str().unwrap().replace('-', "_");
        let own = folder.join("src/tests.rs").exists()
            || fs::read_dir(folder.join("tests")).is_ok_and(|mut files| files.next().is_some());
        let of_testkit = repository().join("host/testkit/tests").join(&name);
        own || here.contains(&format!("\nmod {name};")) || of_testkit.exists()
    };
    let mut guests = 0;
    for folder in fs::read_dir(repository().join("guest")).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else {
            continue;
        };
        if manifest.contains("\"cdylib\"") {
            guests += 1;
            assert!(
                is_tested(&folder),
                "{} has no test: give it src/tests.rs or a folder `tests`, a module in host/sandbox/tests/sandbox, or a folder in \
                 host/testkit/tests",
                folder.display()
            );
        }
    }
    assert!(guests >= 2, "guests were looked for in the wrong place");
}
