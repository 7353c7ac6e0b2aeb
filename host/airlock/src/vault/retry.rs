//! Decides which failed requests are sent again, and when.

use std::time::Duration;

use super::error::Failure;

/// The next step for a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It may be sent again: carrying it out twice is the same as once.
    Always,
    /// It may be sent again only if Vault has certainly not carried it out.
    IfNotDone,
}

/// Most times that a request is sent.
const ATTEMPTS: u32 = 7;

/// The first wait; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait, unless Vault names a longer one.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// The longest wait that Vault may name in `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_secs(30);

/// The text of a 500 of Vault while its cluster elects a leader. Other 500s are not temporary.
const ELECTION: [&str; 4] = [
    "local node not active but active cluster node not found",
    "node is not the leader",
    "leadership lost while committing log",
    "error during forwarding RPC request",
];

/// Returns how long to wait before a request is sent again, or `None` if it is not. `attempts` is how often it was
/// sent. `reached` says whether this server has answered before: one that never did has a wrong address.
pub fn wait(failure: &Failure, repeat: Repeat, attempts: u32, reached: bool) -> Option<Duration> {
    let may = match failure {
        Failure::Unreachable { in_tls: true, .. } => false,
        Failure::Unreachable { .. } => repeat == Repeat::Always && reached,
        Failure::Answered { status, texts, .. } => match status {
            412 | 429 => true,
            _ => repeat == Repeat::Always && is_temporary(*status, texts),
        },
        Failure::Redirect { .. } | Failure::NotVault { .. } => false,
    };
    if !may || attempts >= ATTEMPTS {
        return None;
    }
    let wait = FIRST_WAIT
        .saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1)))
        .min(LONGEST_WAIT);
    let asked = match failure {
        Failure::Answered { retry_after, .. } => *retry_after,
        _ => None,
    };
    Some(asked.map_or(wait, |asked| asked.clamp(wait, LONGEST_ASKED)))
}

fn is_temporary(status: u16, texts: &[String]) -> bool {
    let says = |what: &str| texts.iter().any(|text| text.contains(what));
    match status {
        502 | 504 => true,
        503 => !says("is sealed"),
        500 => ELECTION.iter().any(|election| says(election)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, text: &str, retry_after: Option<u64>) -> Failure {
        Failure::Answered {
            status,
            texts: vec![text.to_owned()],
            retry_after: retry_after.map(Duration::from_secs),
            path: "demo/.airlock/swap".to_owned(),
        }
    }

    fn is_sent_again(status: u16, text: &str, repeat: Repeat) -> bool {
        wait(&answered(status, text, None), repeat, 1, true).is_some()
    }

    #[test]
    fn sends_again_what_vault_says_is_temporary() {
        for (status, text) in [
            (412, "required index state not present"),
            (429, "request path rate limit quota exceeded"),
            (502, ""),
            (503, "the mount's storage is busy"),
            (500, "local node not active but active cluster node not found"),
        ] {
            assert!(is_sent_again(status, text, Repeat::Always), "{status} {text}");
        }
        for (status, text) in [
            (400, "its special paths need a reload"),
            (403, "permission denied"),
            (404, ""),
            (500, "internal error"),
            (501, ""),
            (503, "Vault is sealed"),
        ] {
            assert!(!is_sent_again(status, text, Repeat::Always), "{status} {text}");
        }
    }

    #[test]
    fn sends_a_rollback_again_only_if_it_was_not_done() {
        assert!(is_sent_again(429, "", Repeat::IfNotDone));
        assert!(!is_sent_again(502, "", Repeat::IfNotDone));
        assert!(!is_sent_again(503, "", Repeat::IfNotDone));
    }

    #[test]
    fn a_server_that_never_answered_is_not_asked_again() {
        let lost = |in_tls| Failure::Unreachable {
            address: "http://127.0.0.1:1".to_owned(),
            reason: "connection refused".to_owned(),
            in_tls,
        };
        assert!(wait(&lost(false), Repeat::Always, 1, false).is_none());
        assert!(wait(&lost(false), Repeat::Always, 1, true).is_some());
        assert!(wait(&lost(false), Repeat::IfNotDone, 1, true).is_none());
        assert!(wait(&lost(true), Repeat::Always, 1, true).is_none());
    }

    #[test]
    fn waits_longer_each_time_and_gives_up() {
        let busy = answered(503, "busy", None);
        let waits: Vec<_> = (1..20)
            .map_while(|attempts| wait(&busy, Repeat::Always, attempts, true))
            .map(|wait| wait.as_millis())
            .collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 4000]);
        let asked = |seconds| wait(&answered(429, "", Some(seconds)), Repeat::Always, 1, true);
        assert_eq!(asked(0), Some(FIRST_WAIT));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(u64::MAX), Some(LONGEST_ASKED));
    }
}
