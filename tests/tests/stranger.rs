//! Tests that the host's socket serves only Vault: everybody without Vault's certificate is refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use airlock_tests::{Mount, Plugin, Server, Storage, process};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, Stream};
use serde_json::json;

static SERVER: LazyLock<(Server, Mount)> = LazyLock::new(|| {
    let server = Server::start("stranger", Storage::Memory);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    // The tests write this key at the same time. If it did not exist, their creates would conflict.
    kv.write("a", json!({"value": "one"})).expect_success("write");
    (server, kv)
});

/// HTTP/2's preface and an empty SETTINGS frame.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn socket() -> PathBuf {
    let sockets = process::listening_sockets(SERVER.0.host());
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    sockets[0].clone()
}

fn connect() -> UnixStream {
    let stream = UnixStream::connect(socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Returns what a stranger receives from the socket after sending HTTP/2's preface.
fn converse(stream: &mut (impl Read + Write)) -> Result<Vec<u8>, std::io::Error> {
    stream.write_all(HTTP2_PREFACE)?;
    stream.flush()?;
    let mut answer = vec![0; 9];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Checks that the host closed the connection instead of leaving the stranger to wait, and that it goes on serving
/// Vault.
#[track_caller]
fn assert_refused(conversation: Result<Vec<u8>, std::io::Error>) {
    let error = conversation.expect_err("the host answered a stranger");
    assert!(
        !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error:?}"
    );
    SERVER
        .1
        .write("a", json!({"value": "one"}))
        .expect_success("Vault's own request");
}

#[test]
fn stranger_without_tls_is_refused() {
    // The stranger receives a TLS alert, which is not an HTTP/2 frame.
    let mut stream = connect();
    match converse(&mut stream) {
        Ok(answer) => {
            assert_eq!(answer[0], 21, "not a TLS alert: {answer:?}");
            SERVER
                .1
                .write("a", json!({"value": "one"}))
                .expect_success("Vault's own request");
        }
        refused => assert_refused(refused),
    }
}

#[test]
fn stranger_without_a_certificate_is_refused() {
    let config = config().with_no_client_auth();
    assert_refused(converse_over_tls(config));
}

#[test]
fn stranger_with_a_certificate_that_looks_like_vaults_is_refused() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "localhost");
    parameters
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, "HashiCorp");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config()
        .with_client_auth_cert(vec![certificate.der().clone()], key)
        .unwrap();
    assert_refused(converse_over_tls(config));
}

#[test]
fn only_its_user_can_reach_the_socket() {
    let socket = socket();
    let user = rustix::process::getuid().as_raw();
    let reachable_by_others = socket
        .ancestors()
        .take_while(|path| path.starts_with(SERVER.0.temporary_directory()))
        .all(|path| {
            let metadata = path.metadata().unwrap();
            metadata.uid() != user || metadata.permissions().mode() & 0o077 != 0
        });
    assert!(!reachable_by_others, "{} is open to others", socket.display());
}

fn config() -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
}

/// Converses over TLS. The handshake must succeed on the stranger's side, or the test would show nothing. In TLS 1.3 it
/// ends there before the server has verified the client.
fn converse_over_tls(mut config: ClientConfig) -> Result<Vec<u8>, std::io::Error> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut connection =
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = connect();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    assert!(connection.peer_certificates().is_some());
    assert_eq!(connection.alpn_protocol(), Some(&b"h2"[..]));
    converse(&mut Stream::new(&mut connection, &mut stream))
}

/// A verifier that accepts every server, because a stranger does not care whom it talks to.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
