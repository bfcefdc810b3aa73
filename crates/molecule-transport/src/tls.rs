//! The one place where TLS is set up: rustls with ring, and whom to trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::{BoxError, TransportError};

/// A TLS configuration, and why it trusts nobody, if so.
pub(crate) struct Tls {
    pub(crate) config: ClientConfig,
    pub(crate) no_roots: Option<Arc<str>>,
}

/// Trusts the system's roots (or `SSL_CERT_FILE` and `SSL_CERT_DIR`, where set) and those in
/// `ca_file`. That there are none is no error before an https address is called.
pub(crate) fn configure(system_roots: bool, ca_file: Option<&Path>) -> Result<Tls, TransportError> {
    let mut roots = RootCertStore::empty();
    let mut problem = "no certificate file was found".to_owned();
    if system_roots {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        problem = found.errors.first().map_or(problem, ToString::to_string);
    }
    if let Some(path) = ca_file {
        add_ca_file(&mut roots, path).map_err(|source| TransportError::CaFile {
            path: PathBuf::from(path),
            source,
        })?;
    }
    let no_roots = roots.is_empty().then(|| problem.into());
    let config = client_config(roots).map_err(|error| TransportError::Setup {
        source: error.into(),
    })?;
    Ok(Tls { config, no_roots })
}

fn add_ca_file(roots: &mut RootCertStore, path: &Path) -> Result<(), BoxError> {
    let certificates = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err("the file has no CERTIFICATE section".into());
    }
    for certificate in certificates {
        roots.add(certificate)?;
    }
    Ok(())
}

fn client_config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
