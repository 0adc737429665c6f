//! weir inside its namespace, with the shield on or off, and the counters of the kernel.

use super::field::{Field, INTERFACE, SERVER};
use crate::client::endpoint::Endpoint;
use crate::client::tls::Trust;
use crate::client::token::Signer;
use crate::measure::process::Tree;
use crate::peer::{Material, end, weir_program};
use crate::scenario::{Client, Key, Scenario, Tls};
use crate::trial::Options;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PORT: u16 = 8080;
const PORT_TLS: u16 = 8443;
const PATIENCE: Duration = Duration::from_secs(15);

/// weir under attack.
pub(crate) struct Fort {
    child: Child,
    socket: PathBuf,
    pub(crate) defended: bool,
    material: Material,
}

impl Fort {
    pub(crate) fn build(
        scenario: &Scenario,
        field: &Field,
        options: &Options,
        defended: bool,
    ) -> Result<Self> {
        let folder = options.folder.join(scenario.name.as_str());
        let folder = folder.join(if defended { "defended" } else { "undefended" });
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = std::path::absolute(folder)?;
        let config = folder.join("weir.yaml");
        // The path of a socket is short, so it lies where temporary files do.
        let socket = std::env::temp_dir().join(format!("{}.sock", field.server));
        let key = scenario.client.tls.as_ref().map_or(Key::Ecdsa, |tls| tls.key.value);
        let material = Material::make(&folder, key, &Signer::new()?)?;
        let (certificate, key) = (material.certificate_pem.display(), material.key_pem.display());
        let tls = format!("{{ certificate: {certificate}, key: {key} }}");
        let text = text(&socket, &shield(defended, &folder), &tls);
        std::fs::write(&config, text).context("cannot write weir's configuration")?;
        let log = File::create(folder.join("output.log")).context("cannot write weir's output")?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &field.server, "taskset", "-c", "0"]);
        command.arg(weir_program(&options.programs)?).arg("run").arg("--config").arg(&config);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start weir")?;
        let mut fort = Self { child, socket, defended, material };
        fort.wait(&folder.join("output.log"))?;
        Ok(fort)
    }

    pub(crate) fn target(&self) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::new(SERVER, PORT))
    }

    /// Where honest clients ask, in the clear or with TLS.
    pub(crate) fn endpoint(&self, client: &Client) -> Result<Endpoint> {
        match &client.tls {
            Some(tls) => self.endpoint_tls(tls, client.is_h2()),
            None => Ok(Endpoint::new(self.target(), None, 0)),
        }
    }

    /// Where TLS is spoken, for honest clients and for attacks on handshakes.
    pub(crate) fn endpoint_tls(&self, tls: &Tls, is_h2: bool) -> Result<Endpoint> {
        let trust = Trust::new(self.material.certificate.clone(), tls, is_h2)?;
        let address = SocketAddr::V4(SocketAddrV4::new(SERVER, PORT_TLS));
        Ok(Endpoint::new(address, Some(Arc::new(trust)), 0))
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::of(self.child.id())
    }

    /// What the kernel has counted so far: packets dropped, by reason, and SYNs answered with a cookie.
    pub(crate) fn counters(&self) -> Result<(BTreeMap<String, u64>, u64)> {
        let answer = self.ask("/v1/shield")?;
        let cookies = answer.pointer("/passed_as/cookie_sent").and_then(Value::as_u64).unwrap_or(0);
        let refused = answer.get("refused").and_then(Value::as_array).into_iter().flatten();
        let one = |one: &Value| {
            let reason = one
                .get("reason")
                .map(|reason| reason.as_str().map_or_else(|| reason.to_string(), str::to_owned));
            Some((reason?, one.pointer("/dropped/packets")?.as_u64()?))
        };
        Ok((refused.filter_map(one).collect(), cookies))
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let mut stream = UnixStream::connect(&self.socket).context("weir's admin socket does not answer")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let from = body.find('{').context("weir says nothing of its shield")?;
        let mut values = serde_json::Deserializer::from_str(body.get(from..).unwrap_or("")).into_iter();
        values.next().context("weir says nothing of its shield")?.context("weir's answer is not JSON")
    }

    fn wait(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listens = TcpStream::connect_timeout(&self.target(), Duration::from_millis(200)).is_ok();
            // The admin socket may be there a moment after the listeners.
            if listens && let Ok(state) = self.ask("/v1/shield") {
                let is_on = state.get("state").and_then(Value::as_str) == Some("on");
                if is_on != self.defended {
                    bail!("the shield is not as asked for: {state}");
                }
                return Ok(());
            }
            let said = || std::fs::read_to_string(log).unwrap_or_default();
            if let Some(status) = self.child.try_wait()? {
                bail!("weir ended with {status}:\n{}", said());
            }
            if Instant::now() > deadline {
                bail!("weir does not listen:\n{}", said());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Fort {
    fn drop(&mut self) {
        end(&mut self.child);
        std::fs::remove_file(&self.socket).ok();
    }
}

fn shield(defended: bool, folder: &Path) -> String {
    if !defended {
        return "{ mode: off }".to_owned();
    }
    format!(
        "
  mode: enforce
  interfaces: [ {INTERFACE} ]
  on_exit: detach
  on_attach_failure: refuse
  set_sysctls: true
  mount_bpffs: true
  pin_directory: {}
  late_fragments: enforce
  # Honest clients of the siege share one address.
  per_source: {{ packets: 1M/s, new_connections: 100k/s, udp: 1k/s }}
  syn_guard: {{ mode: auto, above: 2k/s }}",
        folder.join("bpf").display()
    )
}

fn text(socket: &Path, shield: &str, tls: &str) -> String {
    format!(
        "# Generated for one siege.
version: 1
shield: {shield}
limits: {{ workers: 1 }}
admin: {{ socket: {socket} }}
listeners:
  - bind: {SERVER}:{PORT}
    protocols: [ http/1.1, h2 ]
  - bind: {SERVER}:{PORT_TLS}
    tls: {tls}
routes:
  - match: \"*\"
    respond: {{ body: 0123456789abc }}
",
        socket = socket.display()
    )
}
