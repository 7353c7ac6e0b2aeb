//! Reads the address of a collector.

use std::str::FromStr;

use http::Uri;

/// The path to which OTLP over HTTP sends traces, unless the URL has one.
const PATH: &str = "/v1/traces";

/// The port of OTLP over HTTP.
const PORT: u16 = 4318;

/// A collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// A URL is not that of a collector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEndpoint {
    /// It is not a URL with a host.
    #[error("it is not a URL such as http://127.0.0.1:{PORT}")]
    NotAUrl,
    /// Its scheme is not `http`.
    #[error(
        "its scheme is not http: name a collector on this node, such as http://127.0.0.1:{PORT}, and let that one encrypt what it passes on"
    )]
    Scheme,
    /// It has a user or a password.
    #[error("it has a user or password, which Vault would show with the plugin's arguments")]
    Credentials,
}

impl Endpoint {
    /// Returns the host and port, for a connection and for the log.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let uri: Uri = text.parse().map_err(|_| NotAnEndpoint::NotAUrl)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(_) => return Err(NotAnEndpoint::Scheme),
            None => return Err(NotAnEndpoint::NotAUrl),
        }
        let authority = uri.authority().ok_or(NotAnEndpoint::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(NotAnEndpoint::Credentials);
        }
        if authority.host().is_empty() {
            return Err(NotAnEndpoint::NotAUrl);
        }
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(PORT),
            path: match uri.path() {
                "" | "/" => PATH.to_owned(),
                path => path.to_owned(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_leave_out_port_and_path() {
        let endpoint: Endpoint = "http://localhost".parse().unwrap();
        assert_eq!(endpoint.authority(), "localhost:4318");
        assert_eq!(endpoint.path, "/v1/traces");
        let endpoint: Endpoint = "http://[::1]:4320/otlp/v1/traces".parse().unwrap();
        assert_eq!(endpoint.authority(), "[::1]:4320");
        assert_eq!(endpoint.path, "/otlp/v1/traces");
    }

    #[test]
    fn refuses_other_urls_with_the_reason() {
        let refused = |url: &str| url.parse::<Endpoint>().unwrap_err();
        assert_eq!(refused("https://collector"), NotAnEndpoint::Scheme);
        assert_eq!(refused("http://user:word@collector"), NotAnEndpoint::Credentials);
        for url in ["", "collector", "/v1/traces", "http://", "http://:4318"] {
            assert_eq!(refused(url), NotAnEndpoint::NotAUrl, "{url}");
        }
    }
}
