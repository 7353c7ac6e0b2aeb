//! TLS to Vault, by rustls and the same cryptography as for go-plugin.
//!
//! The HTTP library's own connector for rustls takes neither another server name nor a certificate without a panic if it
//! does not fit its key. So the connector is here.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::environment::{Environment, Variable};
use super::error::SetupError;

/// Wraps connections to `https` addresses in TLS.
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    /// The name for which the server must have a certificate, if it is not that of the address.
    server_name: Option<ServerName<'static>>,
}

impl TlsConnector {
    /// Reads the certificates and the key that the environment names.
    pub fn of(environment: &Environment) -> Result<Self, SetupError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| refused("TLS", error))?;
        let builder = if skips_verification(environment)? {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyServer::of(&provider)))
        } else {
            builder.with_root_certificates(authorities(environment)?)
        };
        let config = match (environment.get("CLIENT_CERT"), environment.get("CLIENT_KEY")) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let chain = certificates(&cert, &read(&cert)?)?;
                let private = PrivateKeyDer::from_pem_slice(&read(&key)?).map_err(|_| {
                    refused(
                        &key.name,
                        "the file has no private key in PEM form, or an encrypted one",
                    )
                })?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|error| refused(&cert.name, error))?
            }
            (Some(set), None) | (None, Some(set)) => {
                return Err(refused(
                    &set.name,
                    "a certificate and its key are needed together: set both VAULT_CLIENT_CERT and VAULT_CLIENT_KEY",
                ));
            }
        };
        let server_name = environment
            .get("TLS_SERVER_NAME")
            .map(|variable| {
                ServerName::try_from(variable.value)
                    .map_err(|_| refused(&variable.name, "is not a host name"))
            })
            .transpose()?;
        Ok(Self {
            config: Arc::new(config),
            server_name,
        })
    }
}

/// Returns true if any server is to be believed.
pub fn skips_verification(environment: &Environment) -> Result<bool, SetupError> {
    let Some(variable) = environment.get("SKIP_VERIFY") else {
        return Ok(false);
    };
    match variable.value.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(refused(&variable.name, "give true or false")),
    }
}

/// Returns the authorities that may sign the server's certificate: those of the environment, or else the system's.
fn authorities(environment: &Environment) -> Result<RootCertStore, SetupError> {
    let mut store = RootCertStore::empty();
    let mut add = |variable: &Variable, found: Vec<CertificateDer<'static>>| {
        found.into_iter().try_for_each(|certificate| {
            store
                .add(certificate)
                .map_err(|error| refused(&variable.name, error))
        })
    };
    if let Some(variable) = environment.get("CACERT") {
        add(&variable, certificates(&variable, &read(&variable)?)?)?;
    } else if let Some(variable) = environment.get("CACERT_BYTES") {
        add(&variable, certificates(&variable, variable.value.as_bytes())?)?;
    } else if let Some(variable) = environment.get("CAPATH") {
        add(&variable, in_directory(&variable)?)?;
    } else {
        let system = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(system.certs);
        if store.is_empty() {
            return Err(refused(
                "VAULT_CACERT",
                "this system has no certificates of authorities: name the file with your Vault's",
            ));
        }
    }
    Ok(store)
}

/// Returns the certificates of all files in a directory. Files without one are passed over.
fn in_directory(variable: &Variable) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let directory = PathBuf::from(&variable.value);
    let failed = |source| SetupError::File {
        path: directory.clone(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            let text = read_file(&path)?;
            found.extend(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
        }
    }
    if found.is_empty() {
        return Err(refused(
            &variable.name,
            "no file there has a certificate in PEM form",
        ));
    }
    Ok(found)
}

fn certificates(variable: &Variable, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(refused(&variable.name, "there is no certificate in PEM form")),
    }
}

fn read(variable: &Variable) -> Result<Vec<u8>, SetupError> {
    read_file(Path::new(&variable.value))
}

fn read_file(path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|source| SetupError::File {
        path: path.to_owned(),
        source,
    })
}

fn refused(name: &str, reason: impl ToString) -> SetupError {
    SetupError::Variable {
        name: name.to_owned(),
        reason: reason.to_string(),
    }
}

/// Returns what to do about a server that could not prove its identity, or that does not speak TLS.
pub fn advice(error: &rustls::Error) -> String {
    let advice = match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "set VAULT_CACERT to the certificate of the authority that signed the server's"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "use a name that the certificate has, in VAULT_ADDR or VAULT_TLS_SERVER_NAME",
        rustls::Error::InvalidCertificate(_) => "the server needs another certificate",
        rustls::Error::InvalidMessage(_) => {
            "the server does not speak TLS: if it is meant not to, begin VAULT_ADDR with http://"
        }
        rustls::Error::AlertReceived(_) => {
            "the server may want a certificate: set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"
        }
        _ => return format!("TLS: {error}"),
    };
    format!("TLS: {error}: {advice}")
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => {
                let host = details.uri.host().unwrap_or_default();
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                ServerName::try_from(host).map_err(|_| ureq::Error::Tls("the host is not a name for TLS"))?
            }
        };
        let mut connection = ClientConnection::new(self.config.clone(), name)
            .map_err(|error| ureq::Error::Other(error.into()))?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        Ok(Some(Either::B(TlsTransport {
            buffers: LazyBuffers::new(
                details.config.input_buffer_size(),
                details.config.output_buffer_size(),
            ),
            stream: StreamOwned::new(connection, socket),
        })))
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

/// A connection wrapped in TLS.
pub struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output();
        let output = output.get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

/// Believes any server that has the key of the certificate that it shows, for `VAULT_SKIP_VERIFY`.
#[derive(Debug)]
struct AnyServer(WebPkiSupportedAlgorithms);

impl AnyServer {
    fn of(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn environment(variables: &[(&'static str, &str)]) -> Environment {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        Environment::new(move |name| {
            let found = variables.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn reads_skip_verify_as_vaults_command_does() {
        let skips = |value| skips_verification(&environment(&[("VAULT_SKIP_VERIFY", value)]));
        assert!(skips("true").unwrap() && skips("1").unwrap());
        assert!(!skips("false").unwrap() && !skips("0").unwrap() && !skips("").unwrap());
        let error = skips("yes").unwrap_err().to_string();
        assert!(error.contains("VAULT_SKIP_VERIFY"), "{error}");
    }

    #[test]
    fn names_the_variable_whose_certificate_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let (empty, directory) = (empty.to_str().unwrap(), directory.path().to_str().unwrap());
        for (variables, words) in [
            (&[("VAULT_CACERT", empty)][..], "VAULT_CACERT"),
            (&[("BAO_CACERT", "/no/such/file")], "/no/such/file"),
            (&[("VAULT_CAPATH", directory)], "VAULT_CAPATH"),
            (
                &[("VAULT_SKIP_VERIFY", "1"), ("VAULT_CLIENT_CERT", empty)],
                "VAULT_CLIENT_KEY",
            ),
            (
                &[("VAULT_SKIP_VERIFY", "1"), ("VAULT_TLS_SERVER_NAME", "a b")],
                "VAULT_TLS_SERVER_NAME",
            ),
        ] {
            let error = TlsConnector::of(&environment(variables)).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn advises_on_what_the_servers_certificate_lacks() {
        for (error, word) in [
            (CertificateError::UnknownIssuer, "VAULT_CACERT"),
            (CertificateError::NotValidForName, "VAULT_TLS_SERVER_NAME"),
            (CertificateError::Expired, "another certificate"),
        ] {
            let advice = advice(&rustls::Error::InvalidCertificate(error));
            assert!(advice.contains(word), "{advice}");
        }
    }
}
