//! The encrypted way to a broker: rustls with ring, as for PostgreSQL and mail.

use crate::{Access, Address, Trouble};
use std::{io, path::Path, sync::Arc};
use tokio::{net::TcpStream, task};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// Read anew for each connection, so that a renewed authority is taken without a restart.
pub(crate) async fn connect(address: Address, access: Access) -> io::Result<TlsStream<TcpStream>> {
    let config = task::spawn_blocking(move || config(access.ca.as_deref())).await.map_err(io::Error::other)??;
    let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn config(ca: Option<&Path>) -> io::Result<ClientConfig> {
    let roots = match ca {
        Some(ca) => named_authorities(ca).map_err(|why| {
            io::Error::other(Trouble::no_authority(format!("The file of mqtt_ca, {}, {why}", ca.display())))
        })?,
        None => machines_authorities()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn named_authorities(ca: &Path) -> Result<RootCertStore, &'static str> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|_| "can't be read")? {
        let certificate = certificate.map_err(|_| "is no PEM file")?;
        roots.add(certificate).map_err(|_| "holds what is no certificate of an authority")?;
    }
    if roots.is_empty() { Err("holds no certificate") } else { Ok(roots) }
}

fn machines_authorities() -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let what = "This machine trusts no certification authority".to_owned();
        return Err(io::Error::other(Trouble::no_authority(what)));
    }
    Ok(roots)
}
