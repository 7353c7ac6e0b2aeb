//! The headers with the caller's trace.

use airlock_otlp::fuzz::caller;

use crate::Target;

/// `traceparent`, and `tracestate` on the next line.
pub const HEADERS: Target = Target {
    name: "trace_headers",
    run: headers,
    longest: 1024,
    mutations: 240_000,
    words: &[
        "00-",
        "01-",
        "ff-",
        "-01",
        "-00",
        "-",
        "0000000000000000",
        "0af7651916cd43dd",
        "AF",
        "=",
        ",",
        "vendor=a1",
        "\u{e9}",
        "\t",
    ],
    reshape: None,
};

/// Returns true if the headers name a trace.
fn headers(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let (parent, state) = text.split_once('\n').unwrap_or((&text, ""));
    let Some((trace_id, span_id, kept)) = caller(parent, state) else {
        return false;
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ids = format!("-{}-{}-", hex(&trace_id), hex(&span_id));
    assert_eq!(
        parent.trim().get(2..53),
        Some(&*ids),
        "other ids than the header has"
    );
    assert!(trace_id != [0; 16] && span_id != [0; 8]);
    assert!(kept.len() <= 512 && kept.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')));
    assert!(state.contains(&kept));
    true
}
