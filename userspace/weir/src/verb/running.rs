//! Verbs that ask the running program about itself.

use super::generations::operator;
use super::{Asking, Output};
use crate::failure::{CONFIG, NOT_RUNNING, UNAVAILABLE, code, failure};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use weir_admin::{Client, ClientError, Order};

#[derive(clap::Args)]
pub(crate) struct Status {
    /// Wait until it serves, but no longer than this, for example `30s`.
    #[arg(long, value_name = "TIME", value_parser = super::generations::time, num_args = 0..=1, default_missing_value = "30s")]
    wait: Option<Duration>,
    #[command(flatten)]
    asking: Asking,
}

impl Status {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let deadline = self.wait.map(|wait| Instant::now() + wait);
        let status = loop {
            match (self.asking.ask("GET", "/v1/status", None), deadline) {
                (Err(_), Some(deadline)) if Instant::now() < deadline => std::thread::park_timeout(PAUSE),
                (Err(error), _) => return Err(not_running(error)),
                (Ok(status), _) => break status,
            }
        };
        self.asking.print(&status);
        Ok(ExitCode::SUCCESS)
    }
}

/// A program that does not run is an answer as well: 3 is what the init scripts of LSB end with then.
fn not_running(error: anyhow::Error) -> anyhow::Error {
    if code(&error) == Some(UNAVAILABLE) { failure(NOT_RUNNING, format!("{error:#}")) } else { error }
}

#[derive(clap::Args)]
pub(crate) struct Reload {
    /// Wait until every worker serves by the new configuration.
    #[arg(long)]
    wait: bool,
    /// Take it even if the shield would cut off an operator who is logged in.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    asking: Asking,
}

/// How long workers may take to serve by a new configuration.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often they are asked.
const PAUSE: Duration = Duration::from_millis(10);

impl Reload {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let order = Order { force: self.force, operator: operator(), ..Order::default() };
        let outcome = self.asking.ask("POST", "/v1/reload", Some(&order.body()))?;
        if self.wait {
            self.asking.wait(&outcome)?;
        }
        self.asking.print(&outcome);
        Ok(ExitCode::SUCCESS)
    }
}

impl Asking {
    /// Asks the running program; a refusal ends the verb with the words of the program.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        ask_at(&self.socket, method, path, body)
    }

    /// Asks for a list, all of it.
    pub(crate) fn ask_all(&self, path: &str, list: &str) -> Result<Value> {
        Client::new(&self.socket, ANSWER_MAX).ask_all(path, list).map_err(told)
    }

    /// Waits until every worker serves by the generation that an answer names, or by a later one.
    pub(super) fn wait(&self, outcome: &Value) -> Result<()> {
        let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        let wanted = number(outcome, "generation");
        // The configuration may have moved the socket.
        let socket = outcome.get("socket").and_then(Value::as_str).map_or(&*self.socket, Path::new);
        let deadline = Instant::now() + PATIENCE;
        while number(&ask_at(socket, "GET", "/v1/status", None)?, "serving_generation") < wanted {
            ensure!(
                Instant::now() < deadline,
                "generation {wanted} is in force, but a worker has not taken it within {PATIENCE:?}"
            );
            std::thread::park_timeout(PAUSE);
        }
        Ok(())
    }

    /// Prints an answer as it came, or as indented lines.
    pub(crate) fn print(&self, value: &Value) {
        match self.output {
            Output::Json => println!("{:#}", versioned(value.clone())),
            Output::Text => print!("{}", lines(value, 0)),
        }
    }
}

/// How long a change may take: a configuration of very many routes is compiled meanwhile, and others may come first.
const CHANGE_MAX: Duration = Duration::from_secs(330);
/// How long an answer to a mere question may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

fn ask_at(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let patience = if method == "POST" { CHANGE_MAX } else { ANSWER_MAX };
    Client::new(socket, patience).ask_json(method, path, body).map_err(told)
}

/// A refusal in the program's words, with the exit code of its cause.
fn told(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Refused { status: 422, .. } => failure(CONFIG, error.to_string()),
        ClientError::Unreachable { .. } => failure(UNAVAILABLE, error.to_string()),
        other => other.into(),
    }
}

/// The version of the shapes that `-o json` prints. It rises when a field goes away or changes its meaning.
const FORMAT: u32 = 1;

/// A document that says by which version of the shapes it is to be read; a list becomes its `items`.
pub(super) fn versioned(value: Value) -> Value {
    let mut fields = match value {
        Value::Object(fields) => fields,
        items => [(String::from("items"), items)].into_iter().collect(),
    };
    fields.insert(String::from("format"), FORMAT.into());
    Value::Object(fields)
}

/// A JSON value as `name: value` lines; what is nested is indented.
fn lines(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let entry = |name: &str, value: &Value| match value {
        Value::Object(fields) if fields.is_empty() => String::new(),
        Value::Object(_) => format!("{indent}{name}\n{}", lines(value, depth + 1)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            format!("{indent}{name}\n{}", lines(value, depth + 1))
        }
        Value::Array(items) => {
            format!("{indent}{name:<18} {}\n", items.iter().map(plain).collect::<Vec<_>>().join(", "))
        }
        Value::Null => format!("{indent}{name:<18} -\n"),
        other => format!("{indent}{name:<18} {}\n", plain(other)),
    };
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| entry(name, value)).collect(),
        Value::Array(items) if items.is_empty() => format!("{indent}none\n"),
        Value::Array(items) => items.iter().map(|item| format!("{}\n", lines(item, depth))).collect(),
        other => format!("{indent}{}\n", plain(other)),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_reads_as_lines() {
        let value =
            json!({ "generation": 2, "listeners": ["a", "b"], "shield": { "mode": "native" }, "bans": [] });
        let text = lines(&value, 0);
        assert_eq!(
            text,
            "bans               \ngeneration         2\nlisteners          a, b\nshield\n  mode               native\n"
        );
    }
}
