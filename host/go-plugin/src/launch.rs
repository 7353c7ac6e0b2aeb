//! The environment that the host sets for the plugin, and the line that answers it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::ServeError;
use crate::socket::{Place, SOCKET_DIR, SOCKET_GROUP, check_directory};

const VERSIONS: &str = "PLUGIN_PROTOCOL_VERSIONS";
const CLIENT_CERT: &str = "PLUGIN_CLIENT_CERT";
const MULTIPLEX: &str = "PLUGIN_MULTIPLEX_GRPC";

/// go-plugin's own version, which is the first field of the handshake line.
const CORE_VERSION: u32 = 1;

/// The magic cookie, by which a plugin knows that its host started it, and not a person.
///
/// It is not a secret and protects nothing. Host and plugin agree on both strings.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    /// The name of the environment variable.
    pub key: &'static str,
    /// The value it must have.
    pub value: &'static str,
}

impl Cookie {
    fn check(self, found: Option<OsString>) -> Result<(), ServeError> {
        match found {
            Some(value) if value == self.value => Ok(()),
            Some(_) => Err(ServeError::NotStartedByHost {
                key: self.key,
                state: "set to something else",
            }),
            None => Err(ServeError::NotStartedByHost {
                key: self.key,
                state: "not set",
            }),
        }
    }
}

/// The requests of the host.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The versions of the application's protocol that the host speaks.
    versions: BTreeSet<u32>,
    /// The certificate of the host and of its brokered services; `None` means no TLS at all.
    pub host_cert: Option<CertificateDer<'static>>,
    /// True if all connections share one, by yamux.
    pub multiplex: bool,
    /// True if the host expects an answer about multiplexing: older hosts cannot read the seventh field.
    answers_multiplex: bool,
    /// The place of the socket.
    pub place: Place,
}

impl Launch {
    /// Reads the environment through `var`.
    pub fn read(cookie: Cookie, var: impl Fn(&str) -> Option<OsString>) -> Result<Launch, ServeError> {
        cookie.check(var(cookie.key))?;
        // go-plugin treats an empty variable like a missing one.
        let text = |name| {
            var(name)
                .filter(|value| !value.is_empty())
                .map(|value| value.to_string_lossy().into_owned())
        };
        let multiplex = text(MULTIPLEX);
        Ok(Launch {
            versions: versions(&text(VERSIONS).unwrap_or_default())?,
            host_cert: text(CLIENT_CERT).map(|pem| certificate(&pem)).transpose()?,
            multiplex: multiplex.as_deref().is_some_and(is_true),
            answers_multiplex: multiplex.is_some(),
            place: Place {
                directory: var(SOCKET_DIR)
                    .filter(|value| !value.is_empty())
                    .map(directory)
                    .transpose()?,
                group: text(SOCKET_GROUP),
            },
        })
    }

    /// Returns the highest version that both sides speak. A host that names no version gets the plugin's lowest, as it
    /// does from Go.
    pub fn negotiate(&self, offered: &BTreeSet<u32>) -> Result<u32, ServeError> {
        let lowest = *offered.first().ok_or(ServeError::NoVersion)?;
        if self.versions.is_empty() {
            return Ok(lowest);
        }
        let common = offered.intersection(&self.versions).max().copied();
        common.ok_or_else(|| ServeError::NoCommonVersion {
            lowest,
            offered: list(offered),
            wanted: list(&self.versions),
        })
    }

    /// Writes the handshake line.
    pub fn answer(
        &self,
        mut out: impl Write,
        version: u32,
        socket: &Path,
        cert: Option<&CertificateDer<'_>>,
    ) -> io::Result<()> {
        let cert = cert.map(|cert| STANDARD_NO_PAD.encode(cert)).unwrap_or_default();
        let mut line = format!("{CORE_VERSION}|{version}|unix|{}|grpc|{cert}", socket.display());
        if self.answers_multiplex {
            line.push_str(if self.multiplex { "|true" } else { "|false" });
        }
        line.push('\n');
        // The line is sent in one write, so that the host never reads half of it.
        out.write_all(line.as_bytes())?;
        out.flush()
    }
}

fn list(versions: &BTreeSet<u32>) -> String {
    versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn versions(list: &str) -> Result<BTreeSet<u32>, ServeError> {
    let parse = |item: &str| {
        item.parse().map_err(|_| ServeError::Environment {
            name: VERSIONS,
            reason: format!("{item:?} is not a version number"),
        })
    };
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(parse)
        .collect()
}

fn directory(path: OsString) -> Result<PathBuf, ServeError> {
    check_directory(Path::new(&path), SOCKET_DIR)?;
    Ok(path.into())
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>, ServeError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| ServeError::Environment {
        name: CLIENT_CERT,
        reason: format!("it is not a PEM certificate ({error})"),
    })
}

/// Parses like Go's `strconv.ParseBool`, which the host's side uses.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: Cookie = Cookie {
        key: "COOKIE",
        value: "yes",
    };

    /// Reads an environment in which the cookie and these variables are set.
    fn launch(variables: &[(&str, &str)]) -> Result<Launch, ServeError> {
        let all = [&[("COOKIE", "yes")], variables].concat();
        Launch::read(COOKIE, |name| {
            all.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    }

    fn line(launch: &Launch, cert: Option<&CertificateDer<'_>>) -> String {
        let mut line = Vec::new();
        launch
            .answer(&mut line, 5, Path::new("/tmp/plugin1"), cert)
            .unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_person_who_starts_the_plugin_learns_what_it_is() {
        let unset = Launch::read(COOKIE, |_| None).unwrap_err();
        assert_eq!(
            unset.to_string(),
            "this program is a plugin: it is not run by itself but started by the program that uses it, \
             which then sets COOKIE (it is not set)"
        );
        let wrong = Launch::read(COOKIE, |_| Some("no".into())).unwrap_err();
        assert!(
            wrong
                .to_string()
                .ends_with("sets COOKIE (it is set to something else)"),
            "{wrong}"
        );
    }

    #[test]
    fn the_highest_common_version_is_chosen() {
        let launch = launch(&[(VERSIONS, "6,3,5,4")]).unwrap();
        assert_eq!(launch.negotiate(&[4, 5].into()).unwrap(), 5);
        assert_eq!(launch.negotiate(&[4, 7].into()).unwrap(), 4);
    }

    #[test]
    fn a_host_that_names_no_version_gets_the_lowest() {
        assert_eq!(launch(&[]).unwrap().negotiate(&[4, 5].into()).unwrap(), 4);
    }

    #[test]
    fn without_a_common_version_both_sides_are_named() {
        let error = launch(&[(VERSIONS, "3,4")])
            .unwrap()
            .negotiate(&[5, 6].into())
            .unwrap_err();
        assert!(matches!(error, ServeError::NoCommonVersion { lowest: 5, .. }));
        assert_eq!(
            error.to_string(),
            "the host speaks protocol version 3, 4 and this plugin 5, 6: one of them is too old"
        );
    }

    #[test]
    fn nonsense_in_the_environment_is_named() {
        let error = launch(&[(VERSIONS, "5,five")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the host set PLUGIN_PROTOCOL_VERSIONS to something unusable: \"five\" is not a version number"
        );
        let error = launch(&[(CLIENT_CERT, "no certificate")]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the host set PLUGIN_CLIENT_CERT to something unusable"),
            "{error}"
        );
    }

    #[test]
    fn the_line_has_six_fields_and_a_certificate_without_padding() {
        let launch = launch(&[]).unwrap();
        assert_eq!(line(&launch, None), "1|5|unix|/tmp/plugin1|grpc|\n");
        let cert = CertificateDer::from(vec![0xff; 4]);
        assert_eq!(line(&launch, Some(&cert)), "1|5|unix|/tmp/plugin1|grpc|/////w\n");
    }

    #[test]
    fn a_directory_that_would_break_the_line_is_refused() {
        for path in ["/tmp/a|b", "/tmp/a\nb"] {
            let error = launch(&[(SOCKET_DIR, path)]).unwrap_err();
            assert!(
                matches!(error, ServeError::Environment { name: SOCKET_DIR, .. }),
                "{error}"
            );
        }
        assert!(launch(&[(SOCKET_DIR, "/tmp/a b")]).is_ok());
    }

    #[test]
    fn the_seventh_field_is_only_for_hosts_that_ask_for_it() {
        let asked = launch(&[(MULTIPLEX, "true")]).unwrap();
        assert!(asked.multiplex);
        assert_eq!(line(&asked, None), "1|5|unix|/tmp/plugin1|grpc||true\n");
        let declined = launch(&[(MULTIPLEX, "0")]).unwrap();
        assert!(!declined.multiplex);
        assert_eq!(line(&declined, None), "1|5|unix|/tmp/plugin1|grpc||false\n");
        assert_eq!(
            line(&launch(&[(MULTIPLEX, "")]).unwrap(), None),
            "1|5|unix|/tmp/plugin1|grpc|\n"
        );
    }
}
