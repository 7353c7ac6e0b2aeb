//! Decides which redirects are followed.
//!
//! A standby that does not forward requests itself answers 307 with the same path at the active node. The token has to
//! go there too. This is safe on these conditions: the server that was asked, which the operator chose and which has the
//! token anyway, sends the redirect; the scheme stays the same, so a server asked over TLS cannot send the token to one
//! without it, and the other server has to prove its identity to the same authorities; the path stays the same; and a
//! second redirect in a row is refused. `vault` and `bao` follow one redirect, too.

use thiserror::Error;

use super::address::Address;

/// The reason why a redirect was not followed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RedirectError {
    #[error("it named no other server")]
    NoLocation,
    #[error("{0} is not the address of a Vault server")]
    NotAnAddress(String),
    #[error("{0} has another scheme, and a token goes from TLS to TLS only")]
    OtherScheme(String),
    #[error("{0} is another path than the one that was asked for")]
    OtherPath(String),
    #[error("{0} redirects the request again")]
    Twice(String),
}

/// Returns the address of the server to which `location` redirects a request for a path below `/v1/` at `from`.
pub fn target(from: &Address, path: &str, location: Option<&str>) -> Result<Address, RedirectError> {
    let location = location.ok_or(RedirectError::NoLocation)?;
    // A location with a user name might show a password.
    if location.contains('@') {
        return Err(RedirectError::NotAnAddress("its location".to_owned()));
    }
    let shown = || printable::escape(location).into_owned();
    let base = location
        .strip_suffix(path)
        .and_then(|base| base.strip_suffix("/v1/"))
        .ok_or_else(|| RedirectError::OtherPath(shown()))?;
    let address = Address::parse(base).map_err(|_| RedirectError::NotAnAddress(shown()))?;
    if address.is_tls() != from.is_tls() {
        return Err(RedirectError::OtherScheme(shown()));
    }
    Ok(address)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn redirected(from: &str, location: &str) -> Result<String, RedirectError> {
        let from = Address::parse(from).unwrap();
        target(&from, "demo/.airlock/status", Some(location)).map(|address| address.to_string())
    }

    #[test]
    fn follows_a_standby_to_the_active_node() {
        let to = "https://b:8200/v1/demo/.airlock/status";
        assert_eq!(redirected("https://a:8200", to).unwrap(), "https://b:8200");
        let to = "http://127.0.0.1:9/v1/demo/.airlock/status";
        assert_eq!(
            redirected("http://127.0.0.1:8", to).unwrap(),
            "http://127.0.0.1:9"
        );
    }

    #[test]
    fn takes_the_token_nowhere_else() {
        let from = "https://a:8200";
        let error = redirected(from, "http://b/v1/demo/.airlock/status").unwrap_err();
        assert!(matches!(error, RedirectError::OtherScheme(_)), "{error}");
        for other in [
            "https://b/",
            "https://b/v1/demo/x",
            "https://b/v1/demo/.airlock/status?x",
        ] {
            let error = redirected(from, other).unwrap_err();
            assert!(matches!(error, RedirectError::OtherPath(_)), "{error}");
        }
        for other in [
            "/v1/demo/.airlock/status",
            "//b/v1/demo/.airlock/status",
            "ftp://b/v1/demo/.airlock/status",
            "https://a@b/v1/demo/.airlock/status",
            "https://b?/v1/demo/.airlock/status",
            "https://b#/v1/demo/.airlock/status",
        ] {
            let error = redirected(from, other).unwrap_err();
            assert!(matches!(error, RedirectError::NotAnAddress(_)), "{error}");
        }
        let from = Address::parse(from).unwrap();
        assert_eq!(target(&from, "x", None), Err(RedirectError::NoLocation));
    }
}
