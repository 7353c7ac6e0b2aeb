//! Defines the errors between this command and Vault. Each is one line: what failed, where, and what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use printable::Printable;
use thiserror::Error;

use super::redirect::RedirectError;

/// The reason why the environment does not say how to reach Vault.
#[derive(Debug, Error)]
pub enum SetupError {
    #[error("{name} {reason}")]
    Address { name: String, reason: &'static str },
    #[error("no token: log in with `vault login`, or set VAULT_TOKEN")]
    NoToken,
    #[error("{0} has no token in it: a token is one word of letters, digits and punctuation; log in again")]
    MalformedToken(String),
    #[error("{} cannot be read", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{name}: {reason}")]
    Variable { name: String, reason: String },
}

/// The reason why a request did not succeed.
#[derive(Debug, Error)]
pub enum Failure {
    /// No answer arrived. `in_tls` is set if the server could not prove its identity, or does not speak TLS.
    #[error("cannot reach Vault at {address}: {}", Printable(reason))]
    Unreachable {
        address: String,
        reason: String,
        in_tls: bool,
    },
    /// Vault answered with an error.
    #[error("{}", explain(*status, texts, path))]
    Answered {
        status: u16,
        /// Vault's own words, not escaped.
        texts: Vec<String>,
        /// The time that Vault asks to wait.
        retry_after: Option<Duration>,
        /// The path below `/v1/`.
        path: String,
    },
    #[error("Vault at {address} redirected the request, which was not followed")]
    Redirect { address: String, source: RedirectError },
    #[error(
        "what answers at {address} is not a Vault server ({}): check VAULT_ADDR",
        Printable(what)
    )]
    NotVault { address: String, what: String },
}

impl Failure {
    /// Returns the status of Vault's answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns true if one of Vault's own texts contains `what`.
    pub fn says(&self, what: &str) -> bool {
        matches!(self, Self::Answered { texts, .. } if texts.iter().any(|text| text.contains(what)))
    }

    /// Returns true if Vault does not know the token.
    pub fn is_of_the_token(&self) -> bool {
        self.status() == Some(403) && (self.says("invalid token") || self.says("bad token"))
    }
}

fn explain(status: u16, texts: &[String], path: &str) -> String {
    let says = |what: &str| texts.iter().any(|text| text.contains(what));
    let path = Printable(path);
    match status {
        503 if says("is sealed") => "Vault is sealed: unseal it and run the command again".to_owned(),
        403 if says("invalid token") || says("bad token") => {
            "Vault does not know this token: it expired, was revoked or is another server's; log in again"
                .to_owned()
        }
        400 if says("HTTP request to an HTTPS server") => {
            "the server speaks TLS: begin VAULT_ADDR with https://".to_owned()
        }
        _ if texts.is_empty() => format!("Vault answered {status} at {path}, without a reason"),
        _ => format!("Vault answered {status} at {path}: {}", joined(texts)),
    }
}

/// Returns Vault's texts on one line, escaped.
pub fn joined(texts: &[String]) -> String {
    let words = texts.iter().flat_map(|text| text.split_whitespace());
    let words: Vec<_> = words.map(printable::escape).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, texts: &[&str]) -> Failure {
        Failure::Answered {
            status,
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            retry_after: None,
            path: "demo/.airlock/swap".to_owned(),
        }
    }

    #[test]
    fn shows_vaults_texts_on_one_line_and_escaped() {
        let texts = ["2 errors occurred:\n\t* one\n", "\u{1b}[2Jtwo\u{202e}"];
        assert_eq!(
            answered(400, &texts).to_string(),
            "Vault answered 400 at demo/.airlock/swap: 2 errors occurred: * one \\u{1b}[2Jtwo\\u{202e}"
        );
        assert_eq!(
            answered(502, &[]).to_string(),
            "Vault answered 502 at demo/.airlock/swap, without a reason"
        );
    }

    #[test]
    fn says_what_to_do() {
        let sealed = answered(503, &["Vault is sealed"]);
        assert!(sealed.to_string().contains("unseal"), "{sealed}");
        let token = answered(
            403,
            &["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"],
        );
        assert!(token.is_of_the_token());
        assert!(token.to_string().contains("log in again"), "{token}");
        assert!(!answered(403, &["permission denied"]).is_of_the_token());
        let plain = answered(400, &["Client sent an HTTP request to an HTTPS server."]);
        assert!(plain.to_string().contains("https://"), "{plain}");
    }
}
