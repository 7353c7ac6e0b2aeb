//! The address of a Vault server.

use std::fmt;

use ureq::http::Uri;

use super::environment::Environment;
use super::error::SetupError;

/// The address of `vault` and `bao` if none is set.
const DEFAULT: &str = "https://127.0.0.1:8200";

/// A server's address: scheme, host and port, and possibly the path below which a proxy serves Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    is_tls: bool,
    /// Host and port, as they stand in a URL.
    authority: String,
    /// Begins with a slash and does not end with one, or is empty.
    prefix: String,
}

impl Address {
    /// Returns the address that the environment names.
    pub fn of(environment: &Environment) -> Result<Self, SetupError> {
        match environment.get("ADDR") {
            None => Self::parse(DEFAULT).map_err(|reason| SetupError::Address {
                name: "VAULT_ADDR".to_owned(),
                reason,
            }),
            Some(variable) => Self::parse(&variable.value).map_err(|reason| SetupError::Address {
                name: variable.name,
                reason,
            }),
        }
    }

    /// Reads an address. The reason why it is refused does not quote it, because it may contain a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const NO_URL: &str = "is not an address: give a URL such as https://vault.example.com:8200";
        let text = text.trim();
        if text.starts_with("unix:") {
            return Err(
                "names a Unix socket, which this command cannot use: give the server's https:// address",
            );
        }
        let uri: Uri = text.parse().map_err(|_| NO_URL)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(NO_URL),
        };
        let authority = uri.authority().ok_or(NO_URL)?;
        if authority.as_str().contains('@') {
            return Err("contains a user name: Vault is asked with a token, so leave it out");
        }
        // The library takes a port that is too large for none.
        let port = authority
            .as_str()
            .strip_prefix(authority.host())
            .unwrap_or_default();
        if authority.host().is_empty() || (!port.is_empty() && authority.port_u16().is_none()) {
            return Err(NO_URL);
        }
        if uri.query().is_some() || text.contains('#') {
            return Err("contains `?` or `#`: give the address alone");
        }
        Ok(Self {
            is_tls,
            authority: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Returns true if the server is asked over TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Returns true if the server is on this machine's loopback interface.
    pub fn is_loopback(&self) -> bool {
        let host = match self
            .authority
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            Some((host, _)) => host,
            None => self.authority.split(':').next().unwrap_or_default(),
        };
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// Returns the URL of a path below `/v1/`. The path is percent-encoded already.
    pub fn url(&self, path: &str) -> String {
        format!("{self}/v1/{path}")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_addresses_that_vaults_command_takes() {
        for (text, url) in [
            (
                "https://vault.example.com:8200",
                "https://vault.example.com:8200/v1/x",
            ),
            ("http://127.0.0.1:8200/", "http://127.0.0.1:8200/v1/x"),
            ("https://[::1]:8200", "https://[::1]:8200/v1/x"),
            (" https://gate/vault/ ", "https://gate/vault/v1/x"),
        ] {
            assert_eq!(Address::parse(text).unwrap().url("x"), url);
        }
        let none = Environment::new(|_| None);
        assert_eq!(Address::of(&none).unwrap().to_string(), DEFAULT);
    }

    #[test]
    fn refuses_what_is_no_address_without_quoting_it() {
        for (text, word) in [
            ("127.0.0.1:8200", "https://"),
            ("vault", "https://"),
            ("ftp://vault", "https://"),
            ("https://", "https://"),
            ("https://vault:99999", "https://"),
            ("unix:///run/vault.sock", "Unix socket"),
            ("https://ann:s3cret@vault", "user name"),
            ("https://vault?x=y", "alone"),
            ("https://vault#x", "alone"),
        ] {
            let variables = move |name: &str| (name == "VAULT_ADDR").then(|| text.to_owned());
            let error = Address::of(&Environment::new(variables)).unwrap_err().to_string();
            assert!(
                error.starts_with("VAULT_ADDR ") && error.contains(word),
                "{error}"
            );
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn knows_the_loopback_interface() {
        let is_loopback = |text: &str| Address::parse(text).unwrap().is_loopback();
        for text in [
            "http://127.0.0.1:1",
            "https://[::1]:8200",
            "http://localhost",
            "http://127.9.9.9",
        ] {
            assert!(is_loopback(text), "{text}");
        }
        for text in [
            "http://10.0.0.1",
            "https://localhost.example.com",
            "https://[2001:db8::1]",
        ] {
            assert!(!is_loopback(text), "{text}");
        }
    }
}
