//! Tests the traces that the host sends to a collector, behind a real Vault.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::thread;

use airlock_otlp::proto::trace::v1::Span;
use airlock_otlp::proto::trace::v1::span::SpanKind;
use airlock_otlp::proto::trace::v1::status::StatusCode;
use airlock_tests::{Collector, End, Load, Mount, Plugin, Server, Storage, attribute, files, free_port};
use serde_json::{Value, json};

/// A server that audits from its start on: OpenBao answers 500 to what comes while it sets up an audit device.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("traces", Storage::Memory);
    server.audit_to(&audit_log(&server));
    server
});

fn audit_log(server: &Server) -> PathBuf {
    server.temporary_directory().join("audit.log")
}

/// Mounts a guest whose requests are traced.
fn mount(name: &str, guest: &str, flags: &[&str]) -> Mount {
    let plugin = Plugin::serving(name, &files::guest(guest));
    let plugin = flags.iter().fold(plugin, |plugin, flag| plugin.arg(*flag));
    plugin.register(&SERVER);
    SERVER.mount(name, name)
}

fn is(span: &Span, name: &str) -> bool {
    span.name == name
}

#[track_caller]
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| is(span, name));
    let span = found.next().unwrap_or_else(|| panic!("no {name}: {spans:#?}"));
    assert!(found.next().is_none(), "more than one {name}: {spans:#?}");
    span
}

/// Returns the spans of the request whose own span this is.
fn within(spans: &[Span], request: &Span) -> Vec<Span> {
    let mut found = vec![request.clone()];
    let mut next = 0;
    while next < found.len() {
        let id = found[next].span_id.clone();
        found.extend(spans.iter().filter(|span| span.parent_span_id == id).cloned());
        next += 1;
    }
    found
}

/// Returns the names of a span and of all above it.
fn path(spans: &[Span], name: &str) -> Vec<String> {
    let mut span = one(spans, name);
    let mut path = vec![span.name.clone()];
    while let Some(parent) = spans.iter().find(|other| other.span_id == span.parent_span_id) {
        path.push(parent.name.clone());
        span = parent;
    }
    path
}

fn value_of(span: &Span, name: &str) -> String {
    attribute(&span.attributes, &format!("airlock.{name}"))
}

#[test]
fn a_write_is_one_trace_that_joins_the_audit_log() {
    let collector = Collector::start();
    let kv = mount("tree", "kv", &[&collector.flag()]);
    kv.write("a/b", json!({"value": "v"})).expect_success("write");
    let spans = collector.wait_for("trace of a write", |spans| {
        spans.iter().any(|span| is(span, "create"))
    });
    let audited = fs::read_to_string(audit_log(&SERVER)).unwrap();
    let audited = audited
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let id = audited
        .map(|line| line["request"].clone())
        .find(|request| request["path"] == "tree/a/b")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let request = one(&spans, "create");
    assert_eq!(value_of(request, "request_id"), id);
    assert_eq!(hex::encode(&request.trace_id), id.replace('-', ""));
    assert_eq!(request.parent_span_id, b"");
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(request.status, None, "{request:#?}");
    let sha256 = files::sha256(&files::guest("kv"));
    for (name, value) in [
        ("mount", "tree/"),
        ("guest", "kv"),
        ("guest_version", env!("CARGO_PKG_VERSION")),
        ("guest_sha256", &sha256[..12]),
        ("operation", "create"),
        ("outcome", "ok"),
        ("attempts", "1"),
    ] {
        assert_eq!(value_of(request, name), value, "{name}: {request:#?}");
    }
    for name in [
        "backend_uuid",
        "cpu_us",
        "memory_bytes",
        "storage_calls",
        "storage_cached",
    ] {
        assert_ne!(value_of(request, name), "", "{name}: {request:#?}");
    }
    assert_eq!(one(&spans, "existence check").trace_id, request.trace_id);
    let check = one(&spans, "existence check");
    let checked = within(&spans, check);
    assert_eq!(
        path(&checked, "instance"),
        ["instance", "attempt", "existence check"]
    );
    assert_eq!(path(&checked, "storage.get")[..2], ["storage.get", "guest"]);

    let spans = within(&spans, request);
    assert_eq!(path(&spans, "queue"), ["queue", "create"]);
    assert_eq!(path(&spans, "guest"), ["guest", "attempt", "create"]);
    assert_eq!(
        path(&spans, "storage.put"),
        ["storage.put", "commit", "attempt", "create"]
    );
    let put = one(&spans, "storage.put");
    assert_eq!(put.kind(), SpanKind::Client);
    assert_eq!(
        (value_of(put, "outcome"), value_of(put, "size")),
        ("ok".into(), "up to 1 KiB".into())
    );
    for span in &spans {
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:#?}");
        assert!(
            span.start_time_unix_nano >= request.start_time_unix_nano,
            "{span:#?}"
        );
        assert!(span.end_time_unix_nano <= request.end_time_unix_nano, "{span:#?}");
    }

    let resource = collector.resource();
    assert_eq!(attribute(&resource, "service.name"), "airlock");
    assert_eq!(attribute(&resource, "service.version"), env!("CARGO_PKG_VERSION"));
    assert_ne!(attribute(&resource, "host.name"), "");
    assert_ne!(attribute(&resource, "process.pid"), "");
}

#[test]
fn takes_the_callers_trace_if_the_mount_passes_it() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let collector = Collector::start();
    let kv = mount("caller", "kv", &[&collector.flag(), "--otlp-sample=0"]);
    kv.write("a", json!({"value": "v"})).expect_success("write");
    let read = |flags: &str| {
        let headers = [
            (
                "TraceParent".to_owned(),
                format!("00-{TRACE}-b7ad6b716920333{flags}"),
            ),
            ("tracestate".to_owned(), "vendor=a1".to_owned()),
        ];
        let answer = kv.client().try_send("GET", &kv.path("a"), &headers, "").unwrap();
        assert_eq!(answer.status, 200);
    };
    // The mount does not pass the headers on yet, and of its own it samples nothing.
    read("0-01");
    let tuned = json!({"passthrough_request_headers": ["traceparent", "tracestate"]});
    SERVER
        .client()
        .write("sys/mounts/caller/tune", tuned)
        .expect_success("tune");
    // Not valid, and not sampled by the caller.
    read("x-01");
    read("1-00");
    read("2-01");
    let spans = collector.wait_for("trace of the caller", |spans| {
        spans.iter().any(|span| is(span, "read"))
    });
    let request = one(&spans, "read");
    assert_eq!(hex::encode(&request.trace_id), TRACE);
    assert_eq!(hex::encode(&request.parent_span_id), "b7ad6b7169203332");
    assert_eq!(request.trace_state, "vendor=a1");
    // Sampled, and its parent is in another process.
    assert_eq!(request.flags, 0x301);
    assert!(
        spans.iter().all(|span| span.trace_id == request.trace_id),
        "{spans:#?}"
    );
}

#[test]
fn a_failure_is_a_status_with_its_kind() {
    let collector = Collector::start();
    let adversary = mount(
        "failing",
        "adversary",
        &[&collector.flag(), "--cpu-ms=100", "--storage-ops=3"],
    );
    for (command, kind) in [("trap", "trap"), ("loop", "limit")] {
        assert!(adversary.read(command).status >= 500, "{command}");
        let spans = collector.wait_for(kind, |spans| {
            spans.iter().any(|span| value_of(span, "outcome") == kind)
        });
        let request = spans
            .iter()
            .find(|span| value_of(span, "outcome") == kind)
            .unwrap();
        let status = request.status.clone().unwrap();
        assert_eq!((status.code(), &*status.message), (StatusCode::Error, kind));
    }
    // A guest's own line still says for which request it is, though the guest's run is a span of its own.
    let answer = adversary.read("log");
    let line = SERVER.log().wait_for("a line of the guest", |line| {
        line.message() == "line 1" && line.field("mount") == "failing/"
    });
    assert_ne!(line.field("request_id"), "", "{answer:?} {line:?}");
    // Vault asks for the control path's answer like for any other. No guest is asked.
    adversary.read(".airlock/status").expect_success("status");
    let spans = collector.wait_for("trace of a control request", |spans| {
        let attempts = spans.iter().filter(|span| span.name == "attempt");
        let parents: Vec<_> = attempts.map(|attempt| &attempt.parent_span_id).collect();
        spans
            .iter()
            .any(|span| is(span, "read") && !parents.contains(&&span.span_id))
    });
    assert!(
        !spans.iter().any(|span| span.name.contains("status")),
        "{spans:#?}"
    );
}

#[test]
fn a_request_that_runs_again_shows_each_attempt() {
    let collector = Collector::start();
    let bank = mount("again", "bank", &[&collector.flag()]);
    bank.write("count", json!({})).expect_success("count");
    // One of them changes what another has read, sooner or later.
    let load = Load::default();
    let spans = thread::scope(|scope| {
        let _stop = load.stop_when_dropped();
        for _ in 0..8 {
            scope.spawn(|| load.call(|| End::of(&bank.write("count", json!({})))));
        }
        // The second attempt ends after the first, and may come with a later message.
        collector.wait_for("attempt after a conflict", |spans| {
            conflict(spans).is_some_and(|first| after(spans, first).is_some())
        })
    });
    load.assert_none_failed();
    let first = conflict(&spans).unwrap();
    let second = after(&spans, first).unwrap();
    assert!(second.start_time_unix_nano >= first.end_time_unix_nano);
    assert_eq!(first.status, None);
}

/// Returns an attempt that another request was in the way of.
fn conflict(spans: &[Span]) -> Option<&Span> {
    spans
        .iter()
        .find(|span| value_of(span, "outcome") == "conflict" && value_of(span, "number") == "1")
}

/// Returns the second attempt of the request whose first one this is.
fn after<'a>(spans: &'a [Span], first: &Span) -> Option<&'a Span> {
    spans
        .iter()
        .find(|span| span.parent_span_id == first.parent_span_id && value_of(span, "number") == "2")
}

#[test]
fn a_guest_cannot_fill_a_trace() {
    let collector = Collector::start();
    let adversary = mount("many", "adversary", &[&collector.flag(), "--storage-ops=1000"]);
    assert!(adversary.read("lists").status >= 400);
    let spans = collector.wait_for("trace of many calls", |spans| {
        spans.iter().any(|span| is(span, "read"))
    });
    let request = one(&spans, "read");
    let spans = within(&spans, request);
    assert!(spans.len() <= 256, "{}", spans.len());
    let dropped: usize = value_of(request, "spans_dropped").parse().unwrap();
    assert!(
        spans.iter().filter(|span| is(span, "storage.list")).count() + dropped >= 1000,
        "{request:#?}"
    );
}

const FAILS: &str = "the collector does not take traces; requests go on, and it is asked again";

#[test]
fn requests_go_on_without_a_collector_which_is_told_once() {
    let port = free_port();
    let flag = format!("--otlp=http://127.0.0.1:{port}");
    let kv = mount("alone", "kv", &[&flag]);
    kv.write("a", json!({"value": "v"})).expect_success("write");
    let is_told = |line: &airlock_tests::Line| {
        line.message() == FAILS && line.field("collector").ends_with(&format!(":{port}"))
    };
    let told = SERVER.log().wait_for("a warning", is_told);
    assert_eq!(told.level(), "warn");
    // More than may wait.
    for _ in 0..1500 {
        kv.read("a").expect_success("read");
    }
    let collector = Collector::start_on(port);
    let back = SERVER.log().wait_for("the collector's return", |line| {
        line.message() == "the collector takes traces again"
            && line.field("collector").ends_with(&format!(":{port}"))
    });
    assert!(back.number("dropped").unwrap() > 0.0, "{back:?}");
    let told = SERVER.log().lines().into_iter().filter(is_told).count();
    assert_eq!(told, 1);
    collector.wait_for("traces that waited", |spans| {
        spans.iter().any(|span| is(span, "create"))
    });
}

#[test]
fn a_process_ends_though_its_collector_hangs() {
    let collector = Collector::hanging();
    // A server with this host only, because its process ends.
    let server = Server::start("traces-ending", Storage::Memory);
    Plugin::kv().arg(collector.flag()).register(&server);
    let kv = server.mount("hanging", "airlock-kv");
    kv.write("a", json!({"value": "v"})).expect_success("write");
    collector.wait_for_message();
    kv.read("a").expect_success("read");
    server.reload("hanging");
    kv.read("a").expect_success("read");
    let late = "the plugin ends although not all of its work is finished";
    let lines = server.log().lines();
    assert!(!lines.iter().any(|line| line.message() == late), "{lines:#?}");
}

#[test]
fn spans_that_a_collector_refuses_are_dropped() {
    let collector = Collector::answering("400 Bad Request");
    let kv = mount("refused", "kv", &[&collector.flag()]);
    kv.write("a", json!({"value": "v"})).expect_success("write");
    let line = SERVER.log().wait_for("a refusal", |line| {
        line.message() == FAILS && line.field("error").contains("400")
    });
    assert_eq!(line.field("error"), "it refuses them with status 400 Bad Request");
}

#[test]
fn a_wrong_collector_is_one_line_for_who_enables_the_mount() {
    Plugin::kv()
        .named("wrong-collector")
        .arg("--otlp=https://collector:4318")
        .register(&SERVER);
    let refused = SERVER.try_mount("wrong-collector", "wrong-collector");
    assert!(
        refused
            .errors()
            .contains("its scheme is not http: name a collector on this node"),
        "{refused:?}"
    );
}
