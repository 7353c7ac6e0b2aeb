//! The trace that a request belongs to: the caller's, if its headers name one as W3C's Trace Context says.
//!
//! A header that is not valid is ignored, as the recommendation asks: then the request begins a trace of its own.

use crate::sample::Ratio;

/// The longest `tracestate` that is passed on, in bytes: what W3C asks everybody to pass on.
const LONGEST_STATE: usize = 512;

/// The identity of a trace, and the span of the caller that the request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub trace_id: [u8; 16],
    pub parent: Option<[u8; 8]>,
    /// The caller's `tracestate`, which goes to the collector unchanged.
    pub state: String,
    pub is_sampled: bool,
}

impl Context {
    /// Returns the context of a request with these headers and this id. Without a caller's trace, the trace has the id of the
    /// request, which is Vault's: so the existence check and the write that follows it are one trace, which joins the audit log.
    pub fn of(traceparent: &str, tracestate: &str, request_id: &str, ratio: Ratio) -> Option<Self> {
        if let Some((trace_id, parent, is_sampled)) = parse(traceparent) {
            return Some(Self {
                trace_id,
                parent: Some(parent),
                state: if is_valid_state(tracestate) {
                    tracestate.trim().to_owned()
                } else {
                    String::new()
                },
                is_sampled,
            });
        }
        let trace_id = match from_uuid(request_id) {
            Some(id) => id,
            None => random()?,
        };
        Some(Self {
            trace_id,
            parent: None,
            state: String::new(),
            is_sampled: ratio.samples(trace_id),
        })
    }
}

/// Returns random bytes for an id; `None` if there are none, and then nothing is exported.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Reads a `traceparent`: `00-` trace id `-` parent id `-` flags. Later versions may have more behind that.
fn parse(header: &str) -> Option<([u8; 16], [u8; 8], bool)> {
    let header = header.trim();
    let (known, rest) = header.split_at_checked(55)?;
    let mut parts = known.split('-');
    let version: [u8; 1] = hex(parts.next()?)?;
    let trace_id: [u8; 16] = hex(parts.next()?)?;
    let parent: [u8; 8] = hex(parts.next()?)?;
    let flags: [u8; 1] = hex(parts.next()?)?;
    let is_whole = parts.next().is_none()
        && match version {
            [0xff] => false,
            [0] => rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with('-'),
        };
    (is_whole && trace_id != [0; 16] && parent != [0; 8]).then_some((trace_id, parent, flags[0] & 1 == 1))
}

/// Reads lower-case hexadecimal digits; W3C allows no others.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Reads Vault's id of a request, a random UUID.
fn from_uuid(id: &str) -> Option<[u8; 16]> {
    if id.len() != 36 {
        return None;
    }
    hex(&id.replace('-', "")).filter(|id| *id != [0; 16])
}

/// Returns true for a list of `key=value` in printable ASCII that is not too long.
fn is_valid_state(state: &str) -> bool {
    let is_member = |member: &str| {
        member.trim().is_empty()
            || member
                .split_once('=')
                .is_some_and(|(key, value)| !key.trim().is_empty() && !value.is_empty())
    };
    state.len() <= LONGEST_STATE
        && state.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && state.split(',').all(is_member)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";
    const ID: &str = "1f0e2d3c-4b5a-4978-8695-a4b3c2d1e0ff";

    fn context(traceparent: &str, tracestate: &str) -> Context {
        Context::of(traceparent, tracestate, ID, Ratio::ALL).unwrap()
    }

    #[test]
    fn takes_the_callers_trace() {
        let context = context(&format!("00-{TRACE}-{PARENT}-01"), "vendor=a1,other=b");
        assert_eq!(Some(context.trace_id), hex(TRACE));
        assert_eq!(context.parent, hex(PARENT));
        assert_eq!(context.state, "vendor=a1,other=b");
        assert!(context.is_sampled);
    }

    #[test]
    fn follows_the_callers_decision_not_to_sample() {
        assert!(!context(&format!("00-{TRACE}-{PARENT}-00"), "").is_sampled);
    }

    #[test]
    fn takes_a_later_version_with_more_behind_it() {
        assert!(
            context(&format!("01-{TRACE}-{PARENT}-01-more"), "")
                .parent
                .is_some()
        );
    }

    #[test]
    fn ignores_what_is_not_a_valid_parent() {
        let zero = "0".repeat(32);
        for header in [
            "",
            "00",
            "secret",
            &format!("00-{TRACE}-{PARENT}-01-more"),
            &format!("00-{TRACE}-{PARENT}-01x"),
            &format!("01-{TRACE}-{PARENT}-01x"),
            &format!("ff-{TRACE}-{PARENT}-01"),
            &format!("00-{zero}-{PARENT}-01"),
            &format!("00-{TRACE}-0000000000000000-01"),
            &format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            &format!("00-{TRACE}-{PARENT}-é1"),
        ] {
            let context = context(header, "vendor=a1");
            assert_eq!(context.parent, None, "{header}");
            assert_eq!(context.state, "", "{header}");
            assert_eq!(Some(context.trace_id), from_uuid(ID), "{header}");
        }
    }

    #[test]
    fn drops_a_state_that_is_not_valid() {
        let parent = format!("00-{TRACE}-{PARENT}-01");
        for state in ["no pair", "a=\u{e9}", "a=", &format!("a={}", "x".repeat(512))] {
            assert_eq!(context(&parent, state).state, "", "{state}");
        }
    }

    #[test]
    fn a_request_without_a_uuid_has_a_random_trace() {
        let of = |id| Context::of("", "", id, Ratio::ALL).unwrap().trace_id;
        assert_ne!(of("secret"), of("secret"));
        assert_ne!(of(""), [0; 16]);
    }
}
