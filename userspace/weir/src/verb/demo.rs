//! A first try: everything that is needed is made on the spot, then the appliance runs.

use super::respond;
use crate::boot;
use crate::demo::{HTTP_PORT, HTTPS_PORT, Kit, Place, STATUS_PORT, bracketed, make};
use crate::powers::Powers;
use anyhow::Result;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Demo {
    /// Where certificate, key, token secret and configuration are written.
    #[arg(long, default_value = "weir-demo")]
    dir: PathBuf,
    /// The address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Protect this interface by XDP.
    #[arg(long, requires = "pins")]
    interface: Option<String>,
    /// The directory, on a bpffs, for what the shield pins.
    #[arg(long)]
    pins: Option<PathBuf>,
}

impl Demo {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let powers = Powers::lay_down();
        let upstream = respond::open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let place = Place {
            address: self.address,
            interface: self.interface,
            upstream: upstream.local_addr()?,
            pins: self.pins,
        };
        let kit = make(&self.dir, &place)?;
        let words = invitation(&kit, self.address);
        let origin = move || weir_control::run(weir_control::origin::run(upstream, String::from("demo")));
        std::thread::Builder::new().name(String::from("demo-origin")).spawn(origin)?;
        boot::run(&kit.config, &self.dir.join("state"), powers, || print!("{words}"))
    }
}

/// What to try, as commands to copy.
fn invitation(kit: &Kit, address: IpAddr) -> String {
    let host = bracketed(address);
    let (certificate, socket, token) = (kit.certificate.display(), kit.socket.display(), &kit.token);
    format!(
        "\nTry, in a second shell:
  curl http://{host}:{HTTP_PORT}/
  curl --cacert {certificate} https://{host}:{HTTPS_PORT}/echo/hello
  curl -i http://{host}:{HTTP_PORT}/private/hello            # refused: no token
  curl -H 'authorization: Bearer {token}' http://{host}:{HTTP_PORT}/private/hello
  curl http://{host}:{STATUS_PORT}/metrics
  weir status --socket {socket}
Ctrl-C ends it.\n\n"
    )
}
