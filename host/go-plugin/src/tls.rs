//! AutoMTLS: both sides make a certificate for this one process and accept exactly the other's.
//!
//! The host's certificate comes in the environment; the plugin's is sent in the handshake line. The verifiers here
//! compare the peer's certificate with the expected one, byte by byte, and then make the TLS library check that the
//! peer has its key. Nothing else is checked, because nothing else is known. No authority exists, and the host's
//! certificates are marked as authorities themselves, on curve P-521, which ordinary verifiers refuse in a server or a
//! client.

use std::sync::Arc;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, PeerIncompatible, ServerConfig, SignatureScheme,
    version,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::ServeError;

/// The name in both certificates, for which both sides ask.
const NAME: &str = "localhost";

/// gRPC over TLS must agree on HTTP/2 by ALPN; grpc-go refuses a peer that does not.
const ALPN: &[u8] = b"h2";

/// The plugin's two roles in TLS, both pinned to one host.
#[derive(Clone)]
pub(crate) struct Tls {
    /// The plugin's own certificate, for the handshake line.
    pub cert: CertificateDer<'static>,
    /// Accepts the host's connections to the plugin.
    pub acceptor: TlsAcceptor,
    /// Makes the plugin's connections to the host's services.
    pub connector: TlsConnector,
}

impl Tls {
    /// Makes a certificate and pins both roles to the host's certificate.
    pub fn pinned_to(host: CertificateDer<'static>) -> Result<Tls, ServeError> {
        let (cert, key) = own_certificate().map_err(ServeError::Certificate)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pin = Arc::new(Pin {
            peer: host,
            algorithms: provider.signature_verification_algorithms,
        });

        let server = server_config(&provider, &pin, &cert, key.clone_key()).map_err(ServeError::Tls)?;
        let client = client_config(&provider, &pin, &cert, key).map_err(ServeError::Tls)?;
        Ok(Tls {
            cert,
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        })
    }
}

/// Returns the name for which to ask the host's services.
#[allow(clippy::expect_used)]
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from(NAME).expect("localhost is a valid name")
}

/// Makes the plugin's certificate. Go's TLS wants the usages of both roles, or none, because the one certificate serves
/// both.
fn own_certificate() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let mut params = CertificateParams::new([NAME.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    let key = KeyPair::generate()?; // ECDSA on P-256
    let cert = params.self_signed(&key)?;
    Ok((
        cert.der().clone(),
        PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    ))
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    pin: &Arc<Pin>,
    cert: &CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(pin.clone())
        .with_single_cert(vec![cert.clone()], key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // The host connects only once.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    pin: &Arc<Pin>,
    cert: &CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous() // rustls's word for a verifier of one's own
        .with_custom_certificate_verifier(pin.clone())
        .with_client_auth_cert(vec![cert.clone()], key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Accepts one peer: the holder of the key of one certificate.
#[derive(Debug)]
struct Pin {
    peer: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pin {
    fn check(&self, presented: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        if *presented == self.peer {
            Ok(())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.algorithms)
    }
}

/// Fails for TLS 1.2. Only TLS 1.3 is offered, so this is never called.
fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(PeerIncompatible::Tls12NotOffered.into())
}

impl ClientCertVerifier for Pin {
    /// Gives no hints: the host has one certificate and no authority by which to choose.
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rcgen::{BasicConstraints, IsCa, PKCS_ECDSA_P521_SHA512};

    /// A host's side of AutoMTLS, with the kind of certificate that go-plugin makes.
    pub(crate) struct Host {
        pub cert: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    }

    pub(crate) fn host() -> Host {
        let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
        let cert = params.self_signed(&key).unwrap();
        Host {
            cert: cert.der().clone(),
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    impl Host {
        fn pin(plugin: &CertificateDer<'static>) -> (Arc<CryptoProvider>, Arc<Pin>) {
            let provider = Arc::new(aws_lc_rs::default_provider());
            let algorithms = provider.signature_verification_algorithms;
            (
                provider,
                Arc::new(Pin {
                    peer: plugin.clone(),
                    algorithms,
                }),
            )
        }

        /// Returns a connector for the host's connections to a plugin with this certificate.
        pub(crate) fn connector(&self, plugin: &CertificateDer<'static>) -> TlsConnector {
            let (provider, pin) = Self::pin(plugin);
            let config = client_config(&provider, &pin, &self.cert, self.key.clone_key()).unwrap();
            TlsConnector::from(Arc::new(config))
        }

        /// Returns an acceptor for the host's services, for a plugin with this certificate.
        fn acceptor(&self, plugin: &CertificateDer<'static>) -> TlsAcceptor {
            let (provider, pin) = Self::pin(plugin);
            let config = server_config(&provider, &pin, &self.cert, self.key.clone_key()).unwrap();
            TlsAcceptor::from(Arc::new(config))
        }
    }

    /// Connects client and server. Returns the protocol on which they agree, or `None` if they do not trust each other.
    async fn meet(connector: &TlsConnector, acceptor: &TlsAcceptor) -> Option<Vec<u8>> {
        let (client, server) = tokio::io::duplex(64 << 10);
        let (client, server) =
            tokio::join!(connector.connect(server_name(), client), acceptor.accept(server));
        let (_client, server) = (client.ok()?, server.ok()?);
        server.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    }

    #[tokio::test]
    async fn both_roles_meet_a_host_that_shows_an_authority_on_p521_and_agree_on_http2() {
        let host = host();
        let tls = Tls::pinned_to(host.cert.clone()).unwrap();
        assert_eq!(
            meet(&host.connector(&tls.cert), &tls.acceptor).await.as_deref(),
            Some(ALPN)
        );
        assert_eq!(
            meet(&tls.connector, &host.acceptor(&tls.cert)).await.as_deref(),
            Some(ALPN)
        );
    }

    #[tokio::test]
    async fn another_certificate_is_refused_in_both_roles() {
        let tls = Tls::pinned_to(host().cert).unwrap();
        let stranger = host();
        assert_eq!(meet(&stranger.connector(&tls.cert), &tls.acceptor).await, None);
        assert_eq!(meet(&tls.connector, &stranger.acceptor(&tls.cert)).await, None);
    }

    #[tokio::test]
    async fn the_hosts_certificate_without_its_key_is_refused() {
        let host = host();
        let tls = Tls::pinned_to(host.cert.clone()).unwrap();
        // rustls would not build this: its configurations check that certificate and key fit.
        let thief = Host {
            cert: host.cert.clone(),
            key: self::host().key,
        };
        let (provider, pin) = Host::pin(&tls.cert);
        let key = provider.key_provider.load_private_key(thief.key).unwrap();
        let stolen = rustls::sign::CertifiedKey::new(vec![thief.cert], key);
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(pin)
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(stolen)));
        assert_eq!(
            meet(&TlsConnector::from(Arc::new(config)), &tls.acceptor).await,
            None
        );
    }
}
