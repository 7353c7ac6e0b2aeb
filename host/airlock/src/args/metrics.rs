//! Defines the flag that serves numbers without Vault.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// The address at which the numbers of all mounts are served, besides each mount's `.airlock/metrics`.
#[derive(Debug, Clone, Args)]
pub struct MetricsArgs {
    /// Serve the numbers of all mounts of this process at /metrics, to everybody who can reach this loopback address or Unix
    /// socket: 127.0.0.1:9180, [::1]:9180 or unix:/run/airlock/metrics.sock [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_listen: Option<MetricsAddress>,
}

/// An address that only this machine can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsAddress {
    Loopback(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for MetricsAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return match path.is_absolute() {
                true => Ok(Self::Unix(path)),
                false => Err("is not an absolute path: give one such as unix:/run/airlock/metrics.sock"),
            };
        }
        let address: SocketAddr = text.parse().map_err(
            |_| "is not an address and a port: give one such as 127.0.0.1:9180 or unix:/run/airlock/metrics.sock",
        )?;
        match address.ip().is_loopback() {
            true => Ok(Self::Loopback(address)),
            false => Err(
                "is not a loopback address, and the numbers are served without a token: give one such as 127.0.0.1:9180",
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_taken() {
        for text in ["127.0.0.1:9180", "[::1]:0", "127.8.0.1:1"] {
            let parsed: MetricsAddress = text.parse().unwrap();
            assert!(matches!(parsed, MetricsAddress::Loopback(_)), "{text}");
        }
        let socket: MetricsAddress = "unix:/run/a.sock".parse().unwrap();
        assert_eq!(socket, MetricsAddress::Unix("/run/a.sock".into()));
        for text in [
            "0.0.0.0:9180",
            "[::]:9180",
            "10.0.0.1:1",
            "9180",
            "localhost:9180",
            "unix:a",
            "",
        ] {
            assert!(text.parse::<MetricsAddress>().is_err(), "{text}");
        }
    }
}
