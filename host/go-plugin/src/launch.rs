//! What the host tells the plugin in its environment, and the line that answers it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::Error;
use crate::socket::Place;

const VERSIONS: &str = "PLUGIN_PROTOCOL_VERSIONS";
const CLIENT_CERT: &str = "PLUGIN_CLIENT_CERT";
const MULTIPLEX: &str = "PLUGIN_MULTIPLEX_GRPC";
pub(crate) const SOCKET_DIR: &str = "PLUGIN_UNIX_SOCKET_DIR";
pub(crate) const SOCKET_GROUP: &str = "PLUGIN_UNIX_SOCKET_GROUP";

/// go-plugin's own version, the handshake line's first field.
const CORE_VERSION: u32 = 1;

/// The magic cookie: how a plugin knows that its host started it, and not a person.
///
/// It is no secret and protects nothing. Host and plugin agree on both strings.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    /// The environment variable's name.
    pub key: &'static str,
    /// The value it must have.
    pub value: &'static str,
}

impl Cookie {
    fn check(self, found: Option<OsString>) -> Result<(), Error> {
        match found {
            Some(value) if value == self.value => Ok(()),
            Some(_) => Err(Error::NotStartedByHost { key: self.key, state: "set to something else" }),
            None => Err(Error::NotStartedByHost { key: self.key, state: "not set" }),
        }
    }
}

/// The host's wishes.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The versions of the application's protocol that the host speaks.
    versions: BTreeSet<u32>,
    /// The certificate that the host shows and that its brokered services show; `None` means no TLS at all.
    pub host_cert: Option<CertificateDer<'static>>,
    /// Whether all connections share one, by yamux.
    pub multiplex: bool,
    /// Whether the host expects to be told about multiplexing: older ones cannot read the seventh field.
    answers_multiplex: bool,
    /// Where the socket goes.
    pub place: Place,
}

impl Launch {
    /// Reads the environment through `var`.
    pub fn read(cookie: Cookie, var: impl Fn(&str) -> Option<OsString>) -> Result<Launch, Error> {
        cookie.check(var(cookie.key))?;
        // An empty variable is as good as none to go-plugin.
        let text = |name| var(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned());
        let multiplex = text(MULTIPLEX);
        Ok(Launch {
            versions: versions(&text(VERSIONS).unwrap_or_default())?,
            host_cert: text(CLIENT_CERT).map(|pem| certificate(&pem)).transpose()?,
            multiplex: multiplex.as_deref().is_some_and(is_true),
            answers_multiplex: multiplex.is_some(),
            place: Place {
                directory: var(SOCKET_DIR).filter(|value| !value.is_empty()).map(PathBuf::from),
                group: text(SOCKET_GROUP),
            },
        })
    }

    /// The highest version that both sides speak. With none in common it is the plugin's lowest, as in Go: the host
    /// compares, gives up, and can say which version it got.
    pub fn negotiate(&self, offered: &BTreeSet<u32>) -> Result<u32, Error> {
        let common = offered.intersection(&self.versions).max();
        common.or(offered.first()).copied().ok_or(Error::NoVersion)
    }

    /// Writes the handshake line.
    pub fn answer(
        &self,
        mut out: impl Write,
        version: u32,
        socket: &Path,
        cert: Option<&CertificateDer<'_>>,
    ) -> std::io::Result<()> {
        let cert = cert.map(|cert| STANDARD_NO_PAD.encode(cert)).unwrap_or_default();
        let mut line = format!("{CORE_VERSION}|{version}|unix|{}|grpc|{cert}", socket.display());
        if self.answers_multiplex {
            line.push_str(if self.multiplex { "|true" } else { "|false" });
        }
        line.push('\n');
        // In one write, so that the host never reads half a line.
        out.write_all(line.as_bytes())?;
        out.flush()
    }
}

fn versions(list: &str) -> Result<BTreeSet<u32>, Error> {
    let parse = |item: &str| {
        item.parse().map_err(|_| Error::Environment {
            name: VERSIONS,
            reason: format!("{item:?} is not a version number"),
        })
    };
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect()
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>, Error> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| Error::Environment { name: CLIENT_CERT, reason: format!("no PEM certificate ({error})") })
}

/// Go's `strconv.ParseBool`, which the host's side uses.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}
