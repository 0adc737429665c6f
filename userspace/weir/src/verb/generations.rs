//! Verbs that take configurations and go back to earlier ones.

use super::{Asking, Output};
use crate::files;
use anyhow::Result;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use weir_admin::{Operator, Order};
use weir_message::http_date;
use weir_schema::value::Leaf;

#[derive(clap::Args)]
pub(crate) struct Apply {
    /// The configuration. Files of `conf.d` beside it belong to it.
    file: PathBuf,
    /// Go back to the running one after this time, for example `5m`, unless `weir confirm` comes before.
    #[arg(long, value_name = "TIME", value_parser = time)]
    confirm: Option<Duration>,
    /// Take it even if the shield would cut off an operator who is logged in.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    let long_enough = |time: &Duration| time.as_secs() > 0;
    let time = <Duration as Leaf>::parse(text).map_err(|_| String::from("write a time such as 90s or 5m"))?;
    Some(time).filter(long_enough).ok_or_else(|| String::from("a second is the least"))
}

impl Apply {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let order = Order {
            files: Some(files::packed(&files::sources(&self.file)?)),
            confirm_s: self.confirm.map(|time| time.as_secs()),
            force: self.force,
            operator: operator(),
            once: false,
        };
        let outcome = self.asking.ask("POST", "/v1/reload", Some(&order.body()))?;
        self.asking.wait(&outcome)?;
        self.asking.print(&outcome);
        if self.asking.output == Output::Text {
            self.advise(&outcome);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What the operator has to know to go on.
    fn advise(&self, outcome: &Value) {
        let trial = outcome.get("trial").and_then(|trial| trial.get("back_to")).and_then(Value::as_u64);
        let socket = outcome.get("socket").and_then(Value::as_str).map(Path::new);
        let moved = socket.filter(|socket| *socket != self.asking.socket);
        if let (Some(back), Some(time)) = (trial, self.confirm) {
            let at = moved.map(|socket| format!(" --socket {}", socket.display())).unwrap_or_default();
            println!(
                "`weir confirm{at}` keeps it; in {time:?} generation {back} is in force again otherwise"
            );
        }
        let own = outcome.get("config").and_then(Value::as_str).map(Path::new);
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Some(own) = own.filter(|own| real(own) != real(&self.file)) {
            println!("the program was started with {}, and a restart takes that file again", own.display());
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Confirm {
    #[command(flatten)]
    asking: Asking,
}

impl Confirm {
    pub(crate) fn run(self) -> Result<ExitCode> {
        self.asking.print(&self.asking.ask("POST", "/v1/confirm", None)?);
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(clap::Args)]
pub(crate) struct Rollback {
    /// The generation; without one, the one before.
    generation: Option<u64>,
    #[command(flatten)]
    asking: Asking,
}

impl Rollback {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let body = self.generation.map(|number| json!({ "generation": number }));
        let outcome = self.asking.ask("POST", "/v1/rollback", body.as_ref())?;
        self.asking.wait(&outcome)?;
        self.asking.print(&outcome);
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    asking: Asking,
}

impl List {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let told = self.asking.ask_all("/v1/generations", "kept")?;
        if self.asking.output == Output::Json {
            self.asking.print(&told);
            return Ok(ExitCode::SUCCESS);
        }
        for one in told.get("kept").and_then(Value::as_array).into_iter().flatten() {
            println!("{}", line(one));
        }
        let trial = told.get("trial").filter(|trial| !trial.is_null());
        if let Some(trial) = trial {
            let number = |key: &str| trial.get(key).and_then(Value::as_u64).unwrap_or_default();
            println!(
                "in {} s generation {} is in force again, unless `weir confirm` comes before",
                number("seconds_left"),
                number("back_to")
            );
        }
        if let Some(why) = told.get("trouble").and_then(Value::as_str) {
            println!("nothing is kept: {why}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(one: &Value) -> String {
    let number = |key: &str| one.get(key).and_then(Value::as_u64).unwrap_or_default();
    let date = http_date(number("unix_s"));
    let hash = one.get("hash").and_then(Value::as_str).and_then(|hash| hash.get(..12)).unwrap_or_default();
    let running = if one.get("is_running").and_then(Value::as_bool) == Some(true) { "  running" } else { "" };
    format!("{:>6}  {}  {hash}{running}", number("generation"), String::from_utf8_lossy(&date))
}

/// Whoever types this, if over SSH: `SSH_CONNECTION` holds the client's address and port and the server's.
pub(super) fn operator() -> Option<Operator> {
    session(&std::env::var("SSH_CONNECTION").ok()?)
}

fn session(text: &str) -> Option<Operator> {
    let mut words = text.split_whitespace();
    let address: IpAddr = words.next()?.parse().ok()?;
    let port = words.nth(2)?.parse().ok()?;
    Some(Operator { address, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_its_far_end_and_our_port() {
        let check = |text: &str, expect: Option<Operator>| assert_eq!(session(text), expect, "{text}");
        let address = IpAddr::from([198, 51, 100, 7]);
        check("198.51.100.7 50000 10.0.0.1 2222", Some(Operator { address, port: 2222 }));
        check("", None);
        check("198.51.100.7 50000", None);
    }

    #[test]
    fn a_kept_configuration_stands_on_a_line() {
        let one = json!({ "generation": 12, "unix_s": 0, "hash": "0123456789abcdef", "is_running": true });
        assert_eq!(line(&one), "    12  Thu, 01 Jan 1970 00:00:00 GMT  0123456789ab  running");
    }
}
