//! TLS without the operating system's help: a scratch image has no roots, so they are compiled in.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// The certificates in use: the compiled-in roots, those of `--ca-file`, and our own for a server that asks.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

/// Why certificates or keys cannot be used: what is wrong with which of the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates to trust.
    #[error("{0}")]
    Ca(&'static str),
    /// Our own certificate.
    #[error("{0}")]
    Certificate(&'static str),
    /// Its key.
    #[error("{0}")]
    Key(&'static str),
}

/// What no parser understands.
const CUT: &str = "its PEM is cut or damaged";
const DAMAGED: &str =
    "a certificate in it is damaged, is not of X.509 version 3, or has a critical extension that is unknown";

impl Tls {
    /// The compiled-in roots, plus `ca_pem`, plus the client certificate with its key (all PEM).
    pub fn new(ca_pem: Option<&[u8]>, client: Option<(&[u8], &[u8])>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = ca_pem {
            for certificate in certificates(pem).map_err(TlsError::Ca)? {
                roots.add(certificate).map_err(|_| TlsError::Ca(DAMAGED))?;
            }
        }
        let builder = builder().with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain).map_err(TlsError::Certificate)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
                    TlsError::Key(match error {
                        pem::Error::NoItemsFound => "no PEM private key in it",
                        _ => CUT,
                    })
                })?;
                builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => TlsError::Key("it is not the key of the certificate"),
                    rustls::Error::InvalidCertificate(_) => TlsError::Certificate(DAMAGED),
                    _ => TlsError::Key("it is no RSA, ECDSA or Ed25519 key that can be used"),
                })?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// For a client of reqwest's.
    pub fn config(&self) -> ClientConfig {
        (*self.0).clone()
    }
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    #[expect(
        clippy::expect_used,
        reason = "only a provider without cipher suites for these versions is refused, and ring has them"
    )]
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3")
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|_| CUT)?;
    if certificates.is_empty() { Err("no PEM certificate in it") } else { Ok(certificates) }
}
