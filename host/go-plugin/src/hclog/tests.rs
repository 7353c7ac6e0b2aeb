use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// The written bytes, one item for each write.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the lines that `log` produces, with this module's events allowed.
fn lines(log: impl FnOnce()) -> Vec<String> {
    let written = Written::default();
    let subscriber = tracing_subscriber::registry().with(layer_to(written.clone(), [module_path!()]));
    tracing::subscriber::with_default(subscriber, log);
    let lines = written.0.lock().clone();
    lines
        .into_iter()
        .map(|line| String::from_utf8(line).unwrap())
        .collect()
}

fn only(log: impl FnOnce()) -> Value {
    let lines = lines(log);
    let [line] = lines.as_slice() else {
        panic!("{} lines", lines.len())
    };
    assert!(line.ends_with("}\n"));
    assert!(line.len() < 64 << 10, "{} bytes", line.len());
    let value: Value = serde_json::from_str(line).unwrap();
    for name in ["@level", "@message", "@timestamp"] {
        assert!(value[name].is_string(), "{name} is {}", value[name]);
    }
    value
}

#[test]
fn an_event_is_one_object_with_its_fields_as_json_values() {
    let error = io::Error::other("out of ideas");
    let line = only(|| {
        let cause: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(count = 3, ratio = 0.5, ready = true, who = "me", what = ?Some(1), cause, "three {}", "things");
    });
    assert_eq!(line["@level"], "warn");
    assert_eq!(line["@message"], "three things");
    assert_eq!(line["module"], "go_plugin.hclog.tests");
    assert_eq!(line["count"], 3);
    assert_eq!(line["ratio"], 0.5);
    assert_eq!(line["ready"], true);
    assert_eq!(line["who"], "me");
    assert_eq!(line["what"], "Some(1)");
    assert_eq!(line["cause"], "out of ideas");
}

#[test]
fn each_level_has_hclogs_name() {
    let lines = lines(|| {
        tracing::trace!("");
        tracing::debug!("");
        tracing::info!("");
        tracing::warn!("");
        tracing::error!("");
    });
    let levels: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["@level"].take())
        .collect();
    assert_eq!(levels, ["trace", "debug", "info", "warn", "error"]);
}

#[test]
fn reserved_names_stay_texts_whatever_an_event_says() {
    let line = only(|| tracing::info!("@level" = 7, "@timestamp" = true, "@message" = 1.5, "fine"));
    assert_eq!(line["@level"], "info");
    assert_eq!(line["@message"], "fine");
    assert_eq!(
        [&line["_level"], &line["_timestamp"], &line["_message"]],
        [&json!(7), &json!(true), &json!(1.5)]
    );

    let line = only(|| tracing::info!(message = 7));
    assert_eq!(line["@message"], "7");
    let line = only(|| tracing::info!(only = "fields"));
    assert_eq!(line["@message"], "");
}

#[test]
fn a_number_that_json_does_not_have_is_null() {
    assert_eq!(
        only(|| tracing::info!(ratio = f64::NAN, "")).get("ratio"),
        Some(&Value::Null)
    );
}

#[test]
fn only_allowed_modules_are_written() {
    let lines = lines(|| {
        tracing::info!(target: "h2::codec", secret = "s3cr3t", "frame");
        tracing::info!(target: "go_plugin::hclog::testsuite", "a longer name, not a module within");
        tracing::info!(target: "go_plugin::hclog", "the module around");
        tracing::info!(target: "go_plugin::hclog::tests::inner", "within");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("within"));
}

#[test]
fn text_cannot_forge_a_line_or_drive_a_terminal() {
    let hostile = "saved\n2026-01-01T00:00:00Z [INFO]  core: root token generated\u{1b}[2J\u{202e}";
    let shown = "saved\\n2026-01-01T00:00:00Z [INFO]  core: root token generated\\u{1b}[2J\\u{202e}";
    let error = io::Error::other(hostile);
    let line = only(|| {
        let cause: &(dyn std::error::Error + 'static) = &error;
        tracing::info!(plain = hostile, shown = %hostile, cause, "{hostile}");
    });
    for name in ["@message", "plain", "shown", "cause"] {
        assert_eq!(line[name], shown, "{name}");
    }
}

#[test]
fn long_texts_are_cut_between_characters() {
    let line = only(|| tracing::info!(long = %"ä".repeat(100_000), "{}", "m".repeat(100_000)));
    let long = line["long"].as_str().unwrap();
    assert!(long.ends_with("ä…"));
    assert!(long.len() <= (8 << 10) + "…".len());
    assert!(line["@message"].as_str().unwrap().ends_with("m…"));
}

#[test]
fn a_line_never_reaches_the_hosts_limit() {
    // Each character takes two bytes in JSON.
    let wide = "\"".repeat(100_000);
    let line = only(|| tracing::info!(first = 1, a = wide, b = wide, c = wide, second = 2, "{wide}"));
    assert_eq!(line["first"], 1);
    assert_eq!(line["_incomplete"], true);
    assert_eq!(line.get("second"), None);
}

#[test]
fn a_line_is_one_write() {
    assert_eq!(lines(|| tracing::info!(a = 1, b = 2, "c")).len(), 1);
}

#[test]
fn timestamps_are_in_the_layout_that_the_host_parses() {
    let line = only(|| tracing::info!(""));
    let at = line["@timestamp"].as_str().unwrap();
    let layout: String = at
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(layout, "0000-00-00T00:00:00.000000Z");
}

#[test]
fn a_line_has_the_fields_of_the_spans_around_it() {
    let line = only(|| {
        let mount = tracing::info_span!("mount", mount = "kv/", guest = "kv");
        let foreign = tracing::info_span!(target: "elsewhere", "foreign", token = "s.1");
        let request =
            tracing::info_span!(parent: &mount, "request", request = %"r-1", guest = tracing::field::Empty);
        request.record("guest", "outer").record("guest", "inner");
        foreign.in_scope(|| request.in_scope(|| tracing::warn!(request = "own", "slow")));
    });
    assert_eq!(line["@message"], "slow");
    assert_eq!(line["mount"], "kv/");
    assert_eq!(line["guest"], "inner");
    assert_eq!(line["request"], "own");
    assert_eq!(line.get("token"), None);
}

#[test]
fn a_spans_text_is_cut_and_escaped_in_the_line() {
    let line = only(|| {
        let request = tracing::info_span!("request", long = "é".repeat(8 << 10), forged = "a\nb", calls = 3);
        request.in_scope(|| tracing::info!("done"));
    });
    let long = line["long"].as_str().unwrap();
    assert!(
        long.ends_with("é…") && long.len() <= (8 << 10) + "…".len(),
        "{} bytes",
        long.len()
    );
    assert_eq!(line["forged"], "a\\nb");
    assert_eq!(line["calls"], 3);
}
