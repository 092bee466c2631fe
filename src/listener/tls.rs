//! TLS, with a certificate that can be renewed while connections come in.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::ListenError;
use super::settings::TlsFiles;

/// Reads the certificate again after it was renewed. Open connections keep the old certificate.
#[derive(Clone)]
pub struct TlsReloader {
    files: TlsFiles,
    acceptor: Arc<RwLock<TlsAcceptor>>,
}

impl TlsReloader {
    pub(super) fn new(files: TlsFiles) -> Result<Self, ListenError> {
        let acceptor = Arc::new(RwLock::new(read(&files)?));
        Ok(Self { files, acceptor })
    }

    /// Reads the files again. If they are not valid, the certificate in use stays.
    pub fn reload(&self) -> Result<(), ListenError> {
        let fresh = read(&self.files)?;
        *self
            .acceptor
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let acceptor = self.acceptor.read();
        acceptor.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for TlsReloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsReloader({:?})", self.files)
    }
}

impl TlsFiles {
    /// Checks that the files can be read and belong together, without listening.
    pub fn check(&self) -> Result<(), ListenError> {
        read(self).map(drop)
    }
}

fn read(files: &TlsFiles) -> Result<TlsAcceptor, ListenError> {
    let TlsFiles { crt_file, key_file } = files;
    let pem = |what, file: &std::path::Path, reason: String| ListenError::Pem {
        what,
        file: file.to_owned(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(crt_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem("a certificate", crt_file, error.to_string()))?;
    if chain.is_empty() {
        let reason = "it holds no CERTIFICATE section".to_owned();
        return Err(pem("a certificate", crt_file, reason));
    }
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| pem("a private key", key_file, error.to_string()))?;
    let pair = |error: tokio_rustls::rustls::Error| ListenError::Pair {
        crt_file: crt_file.clone(),
        key_file: key_file.clone(),
        reason: error.to_string(),
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
