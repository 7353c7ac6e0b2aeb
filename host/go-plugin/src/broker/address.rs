//! The address at which the host serves something, when connections are not multiplexed.

use std::io;
use std::path::PathBuf;

use tokio::net::{TcpStream, UnixStream};

use crate::DialError;
use crate::connection::Io;
use crate::proto::ConnInfo;

/// A socket of the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(String),
}

impl Address {
    /// Reads the address in the host's offer.
    pub fn of(offer: ConnInfo) -> Result<Address, DialError> {
        match offer.network.as_str() {
            "unix" => Ok(Address::Unix(offer.address.into())),
            "tcp" => Ok(Address::Tcp(offer.address)),
            _ => Err(DialError::UnknownNetwork {
                service_id: offer.service_id,
                network: offer.network,
            }),
        }
    }

    /// Opens a connection.
    pub async fn connect(&self) -> io::Result<Box<dyn Io>> {
        match self {
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(network: &str, address: &str) -> ConnInfo {
        ConnInfo {
            service_id: 7,
            network: network.into(),
            address: address.into(),
            knock: None,
        }
    }

    #[test]
    fn both_networks_of_go_plugin_are_known() {
        let unix = Address::of(offer("unix", "/tmp/plugin1")).unwrap();
        assert_eq!(unix, Address::Unix("/tmp/plugin1".into()));
        let tcp = Address::of(offer("tcp", "127.0.0.1:1234")).unwrap();
        assert_eq!(tcp, Address::Tcp("127.0.0.1:1234".into()));
    }

    #[test]
    fn an_unknown_network_is_named_in_the_error() {
        let error = Address::of(offer("vsock", "3:5000")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the host offers its service 7 on the unknown network \"vsock\""
        );
    }
}
