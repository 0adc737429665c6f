//! What a peer is to serve.

use crate::client::tls::NAME;
use crate::client::token::Signer;
use crate::scenario::{Client, Key, PeerName, Protocol, Scenario};
use anyhow::{Context, Result, ensure};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls_pki_types::CertificateDer;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Certificate and keys of one run.
pub(crate) struct Material {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: PathBuf,
    pub(crate) key_pem: PathBuf,
    pub(crate) token_pem: PathBuf,
}

impl Material {
    /// Makes them and writes them into a folder.
    pub(crate) fn make(folder: &Path, key: Key, signer: &Signer) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let algorithm = match key {
            Key::Ecdsa => &PKCS_ECDSA_P256_SHA256,
            Key::Rsa => &PKCS_RSA_SHA256,
        };
        let pair = KeyPair::generate_for(algorithm).context("cannot make a key")?;
        let parameters = CertificateParams::new([NAME.to_owned()]).context("the name is no name")?;
        let certificate = parameters.self_signed(&pair).context("cannot sign a certificate")?;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            std::path::absolute(&path).context("the folder has no path")
        };
        // HAProxy wants both in one file; the others find in it what they look for.
        let both = format!("{}{}", certificate.pem(), pair.serialize_pem());
        Ok(Self {
            certificate: certificate.der().clone(),
            certificate_pem: write("server.pem", &both)?,
            key_pem: write("server.key", &pair.serialize_pem())?,
            token_pem: write("tokens.pem", signer.public_pem())?,
        })
    }
}

/// What a peer is to serve, and where its files lie.
pub(crate) struct Site<'a> {
    pub(crate) folder: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) origin: SocketAddr,
    pub(crate) is_tls: bool,
    pub(crate) is_h2: bool,
    pub(crate) guarded: bool,
    pub(crate) h2_upstream: bool,
    /// Write an access log.
    pub(crate) is_logged: bool,
    /// Connections that may be open at once.
    pub(crate) connections: u32,
    pub(crate) material: &'a Material,
    pub(crate) programs: &'a Programs,
}

/// Where programs lie that no distribution has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    pub(crate) weir: Option<PathBuf>,
    pub(crate) floor: Option<PathBuf>,
}

impl<'a> Site<'a> {
    pub(crate) fn new(
        (name, scenario): (PeerName, &Scenario),
        folder: PathBuf,
        origin: SocketAddr,
        material: &'a Material,
        programs: &'a Programs,
    ) -> Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let client: &Client = &scenario.client;
        let peers = scenario.peers.as_ref().context("the scenario has no peers")?;
        Ok(Self {
            folder: std::path::absolute(folder)?,
            listen: free_address()?,
            origin,
            is_tls: client.tls.is_some(),
            is_h2: client.protocol.value == Protocol::H2,
            guarded: peers.guarded.value,
            h2_upstream: peers.h2_upstream.value,
            is_logged: name.is_logged(),
            connections: scenario.load.connections() + 1000,
            material,
            programs,
        })
    }

    /// Writes one of the peer's files.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}

/// The program on the path, or in a folder that users' paths leave out.
pub(crate) fn find(program: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    ensure!(
        found.is_some(),
        "{program} is not installed: `weir-loadtest setup` installs the package {package}"
    );
    found.context("it was there")
}
