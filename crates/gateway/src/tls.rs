//! TLS on both sides: the certificate that callers see, and the roots that providers are held to.
//!
//! One cryptographic provider, aws-lc-rs, is named wherever rustls would otherwise look for a
//! process-wide one: with two in the dependency graph that search panics at run time.
//! When this is wrong: a certificate is read once, at the start; a renewed file needs a restart.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;

/// Why there can be no TLS. The first thing named is the file or the place to look at.
#[derive(Debug)]
pub enum TlsError {
    /// A file could not be opened or read.
    Unreadable(PathBuf, io::Error),
    /// A file is not PEM, or not the PEM that is needed: says what was looked for.
    NotPem(PathBuf, &'static str, pem::Error),
    /// A certificate and a key that do not belong together, or cannot be used.
    Unusable(PathBuf, rustls::Error),
    /// The system has no usable root certificates.
    NoRoots(rustls::Error),
}

/// Makes aws-lc-rs the cryptography of the whole process, for code that asks for a default.
/// Calling it again does nothing.
pub fn install_default() {
    // An error says that somebody was first; there is only one provider in this program.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// What the listener presents: the chain in `cert` (leaf first), the key in `key`; HTTP/2 and
/// HTTP/1.1 are offered.
///
/// # Errors
///
/// A file that cannot be read, is not PEM, or does not fit the other.
pub fn server_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| in_file(cert, "certificate", error))?;
    if chain.is_empty() {
        return Err(in_file(cert, "certificate", pem::Error::NoItemsFound));
    }
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, "private key", error))?;
    let unusable = |error| TlsError::Unusable(cert.to_owned(), error);
    let versions =
        ServerConfig::builder_with_provider(crypto()).with_safe_default_protocol_versions();
    let anybody = versions.map_err(unusable)?.with_no_client_auth();
    let mut config = anybody.with_single_cert(chain, secret).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What providers are held to: the roots of the system, or of `SSL_CERT_FILE` / `SSL_CERT_DIR`.
///
/// # Errors
///
/// No root certificate is to be found, as in an empty container.
pub fn client_config() -> Result<ClientConfig, TlsError> {
    let verified = ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(TlsError::NoRoots)?;
    Ok(verified.with_no_client_auth())
}

/// Holds providers to these roots and no others. With none, no https provider is believed.
///
/// # Errors
///
/// The protocol versions are not supported by the cryptography, which does not happen.
pub fn client_config_trusting(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .map(|versions| versions.with_root_certificates(roots).with_no_client_auth())
        .map_err(TlsError::NoRoots)
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotPem(path, wanted, error) => {
                write!(f, "{}: no {wanted} in PEM form: {error}", path.display())
            }
            Self::Unusable(path, error) => {
                write!(f, "{}: the certificate and its key cannot be used: {error}", path.display())
            }
            Self::NoRoots(error) => {
                write!(f, "no root certificates to check providers with (SSL_CERT_FILE): {error}")
            }
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            Self::NotPem(_, _, error) => Some(error),
            Self::Unusable(_, error) | Self::NoRoots(error) => Some(error),
        }
    }
}

fn in_file(path: &Path, wanted: &'static str, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(error) => TlsError::Unreadable(path.to_owned(), error),
        other => TlsError::NotPem(path.to_owned(), wanted, other),
    }
}

fn crypto() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
