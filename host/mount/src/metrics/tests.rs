use std::collections::BTreeSet;

use super::*;

const RULES: &str = include_str!("../../../../docs/monitoring/rules.yml");
const DASHBOARD: &str = include_str!("../../../../docs/monitoring/dashboard.json");
const PAGE: &str = include_str!("../../../../docs/logging-and-metrics.md");

fn info() -> Info {
    Info {
        name: "kv".to_owned(),
        version: "0.2.0".to_owned(),
        sha256: "ab".to_owned(),
        signer: String::new(),
        source: "storage",
    }
}

#[test]
fn a_text_has_what_was_counted_and_ends_as_the_format_wants() {
    let metrics = Metrics::default();
    let mut usage = Usage {
        attempts: 3,
        conflicts: 1,
        ..Usage::default()
    };
    usage.storage.gets = 3;
    usage.storage.cache_hits = 2;
    metrics.count("read", &Ok(()), &usage);
    let unknown = CallError::Storage(StorageError::UnknownOutcome(Box::new(StorageError::Backend(
        "secret words".into(),
    ))));
    metrics.count::<()>("update", &Err(unknown), &usage);
    metrics.count::<()>("update", &Err(CallError::Replaced), &usage);
    metrics.count_swap(true);
    metrics.count_opening();
    metrics.count_set_aside("read");
    let now = Now {
        serves: true,
        info: Some(info()),
        running: 2,
        waiting: 1,
        breaker: 2,
    };
    let calls = [("ok", 1), ("set_aside", 1), ("unknown_outcome", 1)];
    assert_eq!(metrics.outcomes(), calls.into());
    assert_eq!(metrics.swaps(), [("done", 1), ("refused", 0)].into());
    let text = metrics.text(now).unwrap();
    for line in [
        r#"airlock_calls_total{operation="read",outcome="ok"} 1"#,
        r#"airlock_calls_total{operation="update",outcome="unknown_outcome"} 1"#,
        r#"airlock_call_duration_seconds_count{operation="read"} 1"#,
        "airlock_repeats_total 4",
        "airlock_conflicts_total 2",
        r#"airlock_storage_calls_total{call="get"} 6"#,
        "airlock_commits_of_unknown_outcome_total 1",
        r#"airlock_swaps_total{result="done"} 1"#,
        r#"airlock_swaps_total{result="refused"} 0"#,
        r#"airlock_canary_requests_total{result="different"} 0"#,
        "airlock_requests_running 2",
        "airlock_requests_waiting 1",
        "airlock_serving 1",
        r#"airlock_cache_reads_total{result="hit"} 4"#,
        "airlock_breaker_state 2",
        "airlock_breaker_openings_total 1",
        r#"airlock_calls_total{operation="read",outcome="set_aside"} 1"#,
        r#"airlock_guest_info{name="kv",version="0.2.0",sha256="ab",signer="",source="storage"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}: {text}");
    }
    assert!(
        text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1,
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}

/// Returns all words of a text that are names of numbers.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("airlock_")).collect()
}

#[test]
fn every_number_that_the_documents_name_exists() {
    let metrics = Metrics::default();
    let mut usage = Usage::default();
    usage.storage.gets = 1;
    usage.storage.cache_hits = 1;
    metrics.count("read", &Ok(()), &usage);
    metrics.count_swap(true);
    metrics.count_tried("same");
    let now = Now {
        serves: true,
        info: Some(info()),
        running: 0,
        waiting: 0,
        breaker: 0,
    };
    let text = metrics.text(now).unwrap();
    let numbers = text.lines().filter(|line| !line.starts_with('#'));
    let known: BTreeSet<&str> = numbers.filter_map(|line| line.split(['{', ' ']).next()).collect();
    for (document, least) in [(RULES, 8), (DASHBOARD, 15)] {
        let asked = names(document);
        assert!(asked.len() >= least, "{asked:?}");
        for name in asked {
            assert!(known.contains(name), "no number is called {name}");
        }
    }
    for name in known {
        let name = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        assert!(
            PAGE.contains(&format!("`{name}`")),
            "docs/logging-and-metrics.md has no {name}"
        );
    }
    serde_json::from_str::<serde_json::Value>(DASHBOARD).expect("the dashboard is JSON");
}

/// Servers may have mounts of the same path, and a mount may follow another one at its path.
#[test]
fn sums_keep_mounts_of_the_same_path_apart() {
    for (document, least) in [(RULES, 4), (DASHBOARD, 8)] {
        let sums: Vec<&str> = document.split("sum by (").skip(1).collect();
        assert!(sums.len() >= least, "{} sums", sums.len());
        for sum in sums {
            let labels = sum.split(')').next().unwrap_or_default();
            assert!(
                labels.starts_with("instance, mount, backend_uuid"),
                "sum by ({labels})"
            );
        }
    }
}
