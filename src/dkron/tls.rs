//! TLS without the operating system's help: a scratch image has no roots, so they are compiled in.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// The certificates in use: the compiled-in roots, those of `--ca-file`, and our own for a server that asks.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA file holds no certificate.
    #[error("no PEM certificate in it")]
    NoCertificate,
    /// The key file holds no key.
    #[error("no PEM private key in it: {0}")]
    NoKey(String),
    /// A certificate that cannot be read or used.
    #[error("{0}")]
    Bad(String),
}

impl Tls {
    /// The compiled-in roots, plus `ca_pem`, plus the client certificate with its key (all PEM).
    pub fn new(ca_pem: Option<&[u8]>, client: Option<(&[u8], &[u8])>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = ca_pem {
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(|error| TlsError::Bad(error.to_string()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Bad(error.to_string()))?
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::NoKey(error.to_string()))?;
                builder
                    .with_client_auth_cert(certificates(chain)?, key)
                    .map_err(|error| TlsError::Bad(error.to_string()))?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// For a client of reqwest's.
    pub fn config(&self) -> ClientConfig {
        (*self.0).clone()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Bad(error.to_string()))?;
    if certificates.is_empty() { Err(TlsError::NoCertificate) } else { Ok(certificates) }
}
