//! Verbs about the certificates of the running program.

use super::{Asking, Output};
use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Certs {
    /// Each with its names and end, the one that expires first in front, and files that are not used because what they hold
    /// will not do. Exit code 1 if there is one, or a certificate has expired.
    List {
        #[command(flatten)]
        asking: Asking,
    },
}

impl Certs {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let Self::List { asking } = self;
        let answer = asking.ask_all("/v1/certificates", "certificates")?;
        let list = answer.get("certificates").and_then(Value::as_array).cloned().unwrap_or_default();
        let refused = answer.get("refused").and_then(Value::as_array).cloned().unwrap_or_default();
        match asking.output {
            Output::Json => asking.print(&answer),
            Output::Text if list.is_empty() => println!("no listener presents a certificate"),
            Output::Text => {
                list.iter().for_each(|certificate| println!("{}", line(certificate)));
                refused.iter().for_each(|refusal| println!("{}", refusal_line(refusal)));
            }
        }
        Ok(ExitCode::from(u8::from(list.iter().any(has_expired) || !refused.is_empty())))
    }
}

/// What was in use before is listed with the others.
fn refusal_line(refusal: &Value) -> String {
    let text = |key: &str| refusal.get(key).and_then(Value::as_str).unwrap_or_default();
    format!("NOT USED  {}: {}; what was in use before stays in use", text("source"), text("why"))
}

fn has_expired(certificate: &Value) -> bool {
    certificate.get("expired").and_then(Value::as_bool).unwrap_or_default()
}

fn line(certificate: &Value) -> String {
    let text = |key: &str| certificate.get(key).and_then(Value::as_str).unwrap_or_default();
    let names = certificate.get("names").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    let left = match (has_expired(certificate), certificate.get("days_left").and_then(Value::as_u64)) {
        (false, Some(days)) => format!("{days} days left"),
        _ => String::from("EXPIRED: renew it; the new one is taken by itself"),
    };
    format!("{}  {left}  {}  {}  {}", text("not_after"), names.join(" "), text("algorithm"), text("source"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_expired_certificate_says_what_to_do() {
        let certificate = json!({ "source": "/a.pem", "names": ["a.test"], "not_after": "then", "expired": true, "days_left": 0 });
        assert!(line(&certificate).contains("EXPIRED: renew it; the new one is taken by itself"));
    }
}
