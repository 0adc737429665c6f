//! The suite: where it lies, how it is fetched, and how its two sides are run.
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VERSION: &str = "autobahntestsuite==25.10.1";
/// How long the server may take to listen, and the whole run.
const PATIENCE: Duration = Duration::from_secs(600);

/// The suite, ready to run.
pub struct Suite {
    python: PathBuf,
    directory: PathBuf,
}

/// A running side of it, which ends with this.
pub struct Side(Child);

impl Drop for Side {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Suite {
    /// Finds it, or fetches it.
    pub fn open() -> Result<Suite, String> {
        let python = python().ok_or("the suite of Autobahn needs Python 2.7, and there is none")?;
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autobahn");
        let suite = Suite { python, directory };
        if !suite.directory.join("complete").exists() {
            suite.fetch()?;
        }
        Ok(suite)
    }

    fn fetch(&self) -> Result<(), String> {
        drop(std::fs::remove_dir_all(&self.directory));
        let pip = Command::new(&self.python)
            .args(["-m", "pip", "install", "--quiet", "--target"])
            .arg(&self.directory)
            .arg(VERSION)
            .output()
            .map_err(|error| error.to_string())?;
        if !pip.status.success() {
            let said = String::from_utf8_lossy(&pip.stderr);
            let last = said.lines().last().unwrap_or_default();
            return Err(format!("pip cannot fetch {VERSION} for Python 2.7: {last}"));
        }
        // A package that is spread over several needs this outside of a site directory.
        std::fs::write(self.directory.join("zope/__init__.py"), "").map_err(|error| error.to_string())?;
        std::fs::write(self.directory.join("complete"), VERSION).map_err(|error| error.to_string())
    }

    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.env("PYTHONPATH", &self.directory).arg(self.directory.join("bin/wstest")).args(arguments);
        command.current_dir(&self.directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Its own server, which echoes.
    pub fn serve(&self, address: SocketAddr) -> Side {
        let url = format!("ws://{address}");
        let side = Side(self.run(&["-m", "testeeserver", "-w", &url]).spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        side
    }

    /// Its client, with these cases: each with how it behaved and how it closed.
    pub fn ask(&self, address: SocketAddr, cases: &str) -> Vec<(String, String, String)> {
        let reports = self.directory.join(format!("reports-{}", std::process::id()));
        let spec = self.directory.join(format!("spec-{}.json", std::process::id()));
        let text = format!(
            r#"{{"outdir": "{}", "servers": [ {{ "agent": "weir", "url": "ws://{address}" }} ],
                "cases": [ {cases} ], "exclude-cases": [], "exclude-agent-cases": {{}} }}"#,
            reports.display()
        );
        std::fs::write(&spec, text).unwrap();
        let mut client =
            Side(self.run(&["-m", "fuzzingclient", "-s", spec.to_str().unwrap()]).spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match client.0.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "the cases do not end"),
            }
            std::thread::park_timeout(Duration::from_millis(50));
        };
        assert!(status.success(), "the client ended with {status}");
        let index = std::fs::read_to_string(reports.join("index.json")).unwrap();
        drop((std::fs::remove_dir_all(&reports), std::fs::remove_file(&spec)));
        read(&index)
    }
}

/// Every case of an index: an object whose values are words, found by their names.
fn read(index: &str) -> Vec<(String, String, String)> {
    let word = |part: &str, name: &str| {
        let from = part.find(&format!("\"{name}\"")).map(|at| &part[at + name.len() + 2..])?;
        from.split('"').nth(1).map(str::to_owned)
    };
    let cases = index.split('{').filter(|part| part.contains("\"behaviorClose\""));
    cases
        .filter_map(|part| {
            Some((word(part, "reportfile")?, word(part, "behavior")?, word(part, "behaviorClose")?))
        })
        .collect()
}

/// Python 2.7 with pip: in the path, or where pyenv keeps it.
fn python() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let kept = std::fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
    let kept = kept.filter(|version| version.file_name().to_string_lossy().starts_with("2.7"));
    let candidates = std::iter::once(PathBuf::from("python2.7"));
    candidates.chain(kept.map(|version| version.path().join("bin/python2.7"))).find(|python| {
        let pip = Command::new(python).args(["-m", "pip", "--version"]).stderr(Stdio::null()).output();
        pip.is_ok_and(|pip| pip.status.success())
    })
}
