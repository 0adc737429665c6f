//! Verbs about the shield of the running program.

use super::bans::table;
use super::running::versioned;
use super::{Asking, Output, STATE};
use crate::failure::failure;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weir_kernel::{Error, Event, Events, Host, Status};

/// Where the shield is pinned when nothing else is said.
const PINS: &str = "/sys/fs/bpf/weir";
/// How often the ring of events is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Subcommand)]
pub(crate) enum Shield {
    /// Attachment, modes of stages and counters.
    Status {
        /// Read what is pinned there instead of asking the running program: needs none.
        #[arg(long)]
        pins: Option<PathBuf>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Ban an address: the next packet from it is dropped.
    Ban {
        /// The address.
        address: IpAddr,
        /// For how long, for example 90s, 10m, 2h, 1d; without it the configured escalation decides.
        #[arg(long = "for", value_parser = seconds)]
        seconds: Option<u64>,
        /// Why; it is kept with the ban.
        #[arg(long, default_value = "by the operator")]
        reason: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Lift a ban.
    Unban {
        /// The address.
        address: IpAddr,
        #[command(flatten)]
        asking: Asking,
    },
    /// Every ban with its reason and expiry.
    Bans {
        #[command(flatten)]
        asking: Asking,
    },
    /// Print each sampled drop as it happens; needs no running program.
    Monitor {
        /// Only events about this address.
        #[arg(long)]
        ip: Option<IpAddr>,
        /// Only packets that were dropped, not those that a stage only observed.
        #[arg(long)]
        drops: bool,
        /// Where the shield is pinned.
        #[arg(long, default_value = PINS)]
        pins: PathBuf,
        /// How to print: a line, or a JSON object a line.
        #[arg(short, long, value_enum, default_value = "text")]
        output: Output,
    },
    /// Take the shield off every interface and put back the sysctls that it set, whether or not a program is running. One
    /// that is goes on without it until `weir reload` or a restart.
    Detach {
        /// Where the shield is pinned.
        #[arg(long, default_value = PINS)]
        pins: PathBuf,
        /// Where the program keeps what must outlive it.
        #[arg(long, default_value = STATE)]
        state: PathBuf,
        /// How to print.
        #[arg(short, long, value_enum, default_value = "text")]
        output: Output,
    },
    /// Which stage would decide what for an address, and why.
    Explain {
        /// The address.
        address: IpAddr,
        #[command(flatten)]
        asking: Asking,
    },
}

impl Shield {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Status { pins: None, asking } => print(&asking, "GET", "/v1/shield"),
            Self::Status { pins: Some(pins), asking } => {
                asking.print(&json!(Status::read(&pins).map_err(|error| coded(&error))?));
                Ok(ExitCode::SUCCESS)
            }
            Self::Bans { asking } => {
                let bans = asking.ask_all("/v1/shield/bans", "items")?;
                match (asking.output, bans.get("items")) {
                    (Output::Text, Some(Value::Array(items))) => print!("{}", table(items, now_s())),
                    (_, items) => asking.print(items.unwrap_or(&bans)),
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Unban { address, asking } => {
                print(&asking, "DELETE", &format!("/v1/shield/bans/{address}"))
            }
            Self::Explain { address, asking } => {
                print(&asking, "GET", &format!("/v1/shield/explain/{address}"))
            }
            Self::Detach { pins, state, output } => detach(&pins, state, output),
            Self::Monitor { ip, drops, pins, output } => {
                let wanted = |event: &Event| {
                    ip.is_none_or(|ip| event.source == ip || event.destination == ip)
                        && !(drops && event.observed)
                };
                monitor(&pins, wanted, output)
            }
            Self::Ban { address, seconds, reason, asking } => {
                let body = json!({ "address": address, "seconds": seconds, "reason": reason });
                let asked_s = now_s();
                let ban = asking.ask("POST", "/v1/shield/bans", Some(&body))?;
                asking.print(&ban);
                let until_s = ban.get("until_s").and_then(Value::as_u64);
                if until_s.zip(seconds).is_some_and(|(until, wanted)| until < asked_s.saturating_add(wanted))
                {
                    eprintln!("weir: shorter than asked for: no ban lasts longer than `shield.bans.max`");
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn print(asking: &Asking, method: &str, path: &str) -> Result<ExitCode> {
    asking.print(&asking.ask(method, path, None)?);
    Ok(ExitCode::SUCCESS)
}

fn detach(pins: &std::path::Path, state: PathBuf, output: Output) -> Result<ExitCode> {
    let host = Host { state, ..Host::default() };
    let freed = weir_kernel::detach(pins, &host).map_err(|error| coded(&error))?;
    match output {
        Output::Json => println!("{:#}", versioned(json!({ "detached_from": freed }))),
        Output::Text if freed.is_empty() => println!("nothing was attached"),
        Output::Text => println!("detached from {}", freed.join(", ")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Follows the ring until the process is interrupted.
fn monitor(pins: &std::path::Path, wanted: impl Fn(&Event) -> bool, output: Output) -> Result<ExitCode> {
    let mut events = Events::open(pins).map_err(|error| coded(&error))?;
    loop {
        while let Some(event) = events.take() {
            match output {
                _ if !wanted(&event) => {}
                Output::Json => println!("{}", versioned(json!(event))),
                Output::Text => println!("{}", line(&event)),
            }
        }
        std::thread::park_timeout(LOOK);
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn line(event: &Event) -> String {
    let verdict = if event.observed { "observed" } else { "dropped" };
    let Event { source, source_port, destination, destination_port, protocol, length, reason, stage, .. } =
        event;
    format!(
        "{verdict} {reason} ({stage}) from {source} port {source_port} to {destination} port {destination_port}, \
         protocol {protocol}, {length} bytes"
    )
}

fn coded(error: &Error) -> anyhow::Error {
    failure(error.exit_code(), error.to_string())
}

/// `90s`, `10m`, `2h`, `1d` in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is no duration; write for example 90s, 10m, 2h or 1d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|n| *n > 0)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1d"), Ok(86_400));
        for wrong in ["", "10", "m", "0s", "-1s", "1w", "99999999999999999999s", "1µ"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
