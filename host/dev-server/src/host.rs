//! Checks that a request was meant for this server.
//!
//! A page in a browser cannot read the answers of another origin. But the owner of the page's domain name can make the
//! name resolve to this machine (DNS rebinding). Such a request still carries that name, so the server answers only
//! requests that name loopback.

use std::net::IpAddr;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::answer::Refusal;

/// Refuses a request that does not name loopback.
///
/// # Errors
/// Returns 421 for another name, and for a request that gives none.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut named = headers.get_all(HOST).iter();
    let is_local = match (named.next(), named.next(), uri.authority()) {
        (Some(host), None, authority) => {
            let host = host.to_str().ok().and_then(|host| host.parse().ok());
            host.is_some_and(|host| is_loopback(&host)) && authority.is_none_or(is_loopback)
        }
        _ => false,
    };
    if is_local {
        return Ok(());
    }
    Err(Refusal::new(
        421,
        "this development server answers to names of loopback only: use localhost or the address that it listens on",
    ))
}

/// Returns true for `localhost`, a name below it, or an address of loopback, with any port.
fn is_loopback(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host().to_ascii_lowercase();
    let name = host.trim_end_matches('.');
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    match address {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers_to(uri: &str, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        check(&uri.parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn answers_to_names_and_addresses_of_loopback() {
        for host in [
            "localhost",
            "LocalHost:8200",
            "localhost.",
            "dev.localhost:1",
            "127.0.0.1:8200",
            "127.1.2.3",
            "[::1]:8200",
            "[::ffff:127.0.0.1]:8200",
        ] {
            assert!(answers_to("/v1/sys/health", &[host]), "{host}");
        }
        assert!(answers_to("http://127.0.0.1:8200/ui/", &["127.0.0.1:8200"]));
    }

    #[test]
    fn refuses_every_other_name_and_none() {
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "10.0.0.1:8200",
            "[fe80::1]",
            "0.0.0.0:8200",
        ] {
            assert!(!answers_to("/v1/sys/health", &[host]), "{host}");
        }
        assert!(!answers_to("/", &[]));
        assert!(!answers_to("/", &["localhost", "evil.example"]));
        assert!(!answers_to("http://evil.example/", &["localhost"]));
    }
}
