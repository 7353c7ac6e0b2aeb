//! Checks that the tests and documents that SECURITY.md names for each promise exist.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;

use airlock_tests::files;

/// Returns the file that SECURITY.md means by a name, such as `tests/limits`.
fn file_of_tests(name: &str) -> PathBuf {
    let path = match name.split_once('/') {
        Some(("tests", rest)) => format!("tests/tests/{rest}.rs"),
        Some(("sandbox", rest)) => format!("host/sandbox/tests/sandbox/{rest}.rs"),
        Some(("storage", rest)) => format!("host/storage/tests/{rest}.rs"),
        _ => name.to_owned(),
    };
    files::root().join(path)
}

/// Returns true if a file's text has a test of this name: a function with the attribute, or one that runs on each
/// storage.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        line.split_once("fn ").is_some_and(|(before, after)| {
            matches!(before, "" | "async ") && after.starts_with(&format!("{name}("))
        })
    };
    let on_each_storage = text.split("on_each_storage!(").skip(1).any(|list| {
        let list = list.split(')').next().unwrap_or_default();
        list.split(',').any(|listed| listed.trim() == name)
    });
    lines.iter().enumerate().any(|(at, line)| {
        let above = lines[..at].iter().rev();
        let attributes: Vec<_> = above
            .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
            .filter(|line| line.starts_with("#["))
            .collect();
        // A test that is ignored does not count.
        let is_run = !attributes.iter().any(|line| line.contains("ignore"));
        let has_attribute = attributes.iter().any(|line| line.contains("test"));
        is_it(line) && is_run && (has_attribute || on_each_storage)
    })
}

/// Returns the code spans of a cell, each with the text before it.
fn code_spans(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts: Vec<&str> = cell.split('`').collect();
    let spans: Vec<_> = parts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    spans.into_iter()
}

/// Returns the mistakes in the last cell of a row: files, each followed by the names of tests in it.
fn mistakes_in_tests(cell: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut file: Option<(&str, String)> = None;
    let mut tests = 0;
    for (before, name) in code_spans(cell) {
        if name.contains('/') {
            match fs::read_to_string(file_of_tests(name)) {
                Ok(text) if before.ends_with("doc tests of ") => {
                    tests += 1;
                    if !text.contains("```") {
                        mistakes.push(format!("{name} has no doc tests"));
                    }
                }
                Ok(text) => file = Some((name, text)),
                Err(error) => mistakes.push(format!("{name}: {error}")),
            }
            continue;
        }
        tests += 1;
        match &file {
            Some((_, text)) if has_test(text, name) => {}
            Some((file, _)) => mistakes.push(format!("{file} has no test {name}")),
            None => mistakes.push(format!("{name} follows no file")),
        }
    }
    if tests == 0 {
        mistakes.push("no test is named".to_owned());
    }
    mistakes
}

/// Returns the mistakes in the cell that names the documents that make the promise.
fn mistakes_in_documents(cell: &str) -> Vec<String> {
    let folders = ["", "docs", "wit"].map(|folder| files::root().join(folder));
    let is_there = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    let names: Vec<_> = code_spans(cell).map(|(_, name)| name).collect();
    let missing = names.iter().filter(|name| !is_there(name));
    let mut mistakes: Vec<_> = missing.map(|name| format!("there is no {name}")).collect();
    if names.is_empty() {
        mistakes.push("no document is named".to_owned());
    }
    mistakes
}

/// Returns the number of promises in the tables of a text, and the mistakes in them.
fn check(text: &str) -> (usize, Vec<String>) {
    let (mut promises, mut mistakes) = (0, Vec::new());
    let mut header: Vec<&str> = Vec::new();
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|') else {
            header.clear();
            continue;
        };
        let cells: Vec<&str> = row
            .trim_end()
            .trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        if header.is_empty() {
            header = cells;
            continue;
        }
        if header[0] != "promise" || cells.iter().all(|cell| cell.starts_with("--")) {
            continue;
        }
        promises += 1;
        let mut wrong = mistakes_in_tests(cells.last().unwrap());
        if header[1] == "written in" {
            wrong.extend(mistakes_in_documents(cells[1]));
        }
        if cells.len() != 3 {
            wrong.push("it has not three cells".to_owned());
        }
        mistakes.extend(
            wrong
                .into_iter()
                .map(|mistake| format!("{}: {mistake}", cells[0])),
        );
    }
    (promises, mistakes)
}

#[test]
fn every_promise_has_tests_that_exist() {
    let text = fs::read_to_string(files::root().join("SECURITY.md")).unwrap();
    let (promises, mistakes) = check(&text);
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    assert!(promises > 100, "{promises} promises were found");
}

#[test]
fn a_row_that_names_what_is_not_there_is_found() {
    let table = "| promise | written in | tests |\n|---|---|---|\n| P | `README.md` | ";
    let mistakes = |cell: &str| check(&format!("{table}{cell} |")).1;
    assert_eq!(
        mistakes("`tests/promises` `a_row_that_names_what_is_not_there_is_found`"),
        [""; 0]
    );
    for (cell, mistake) in [
        ("`tests/promises` `no_such_test`", "no test no_such_test"),
        ("`tests/promises` `has_test`", "no test has_test"),
        ("`tests/no_such_file` `a`", "tests/no_such_file"),
        ("`a`", "follows no file"),
        ("`tests/promises`", "no test is named"),
        ("none", "no test is named"),
    ] {
        let found = mistakes(cell).join("; ");
        assert!(found.contains(mistake), "{cell}: {found}");
    }
    let elsewhere = table.replace("README.md", "NOTHING.md");
    let (_, found) = check(&format!("{elsewhere}`tests/promises` `check` |"));
    assert!(found.join("; ").contains("there is no NOTHING.md"), "{found:?}");
}

#[test]
fn a_test_that_is_ignored_is_none() {
    let test = |attributes: &str| has_test(&format!("{attributes}fn it_holds() {{}}\n"), "it_holds");
    assert!(test("#[test]\n"));
    for ignored in ["#[test]\n#[ignore]\n", "#[ignore = \"slow\"]\n#[test]\n"] {
        assert!(!test(ignored), "{ignored}");
    }
}
