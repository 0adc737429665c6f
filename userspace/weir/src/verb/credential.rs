//! Verbs about credentials: keys made and hashed, tokens looked into. They ask nobody and keep nothing.

use super::Output;
use super::running::versioned;
use crate::failure::{USAGE, failure};
use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::Read;
use std::process::ExitCode;
use weir_message::http_date;

/// No key and no token is longer.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

#[derive(clap::Args)]
pub(crate) struct HashKey {
    /// Make a new key of 256 random bits; otherwise one is read from standard input.
    #[arg(long)]
    new: bool,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

impl HashKey {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let key = if self.new { fresh()? } else { input("the key")? };
        let hashed = format!("sha256:{}", hex(digest(&SHA256, key.as_bytes()).as_ref()));
        match self.output {
            Output::Json => {
                let key = self.new.then_some(key);
                println!("{:#}", versioned(json!({ "key": key, "hash": hashed })));
            }
            Output::Text => {
                if self.new {
                    println!("key   {key}\n      for the client; it is not kept anywhere");
                }
                println!("hash  {hashed}\n      for `keys:` of a consumer");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Subcommand)]
pub(crate) enum Jwt {
    /// Show what a token says, read from standard input. Its signature is not checked.
    Inspect {
        /// How to print.
        #[arg(short, long, value_enum, default_value = "text")]
        output: Output,
    },
}

impl Jwt {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let Self::Inspect { output } = self;
        let token = input("the token")?;
        let (header, claims) = parts(&token)?;
        let times = json!({ "issued": moment(&claims, "iat"), "begins": moment(&claims, "nbf"), "expires": moment(&claims, "exp") });
        let told = json!({ "header": header, "claims": claims, "times": times, "verified": false });
        match output {
            Output::Json => println!("{:#}", versioned(told)),
            Output::Text => {
                println!("header  {header:#}\nclaims  {claims:#}");
                for (name, time) in times.as_object().into_iter().flatten() {
                    println!("{name:<8}{}", time.as_str().unwrap_or("not said"));
                }
                println!(
                    "The signature was not checked: `weir trace` says what a policy makes of the token."
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Header and claims of a signed token (RFC 7519, section 3). What is wrong is said without showing the token.
fn parts(token: &str) -> Result<(Value, Value)> {
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let pieces: Vec<&str> = token.split('.').collect();
    let [header, claims, _signature] = pieces.as_slice() else {
        let hint = if pieces.len() == 5 {
            "it is encrypted, and nothing of it can be shown"
        } else {
            "copy all of it"
        };
        return Err(failure(
            USAGE,
            format!("a signed token has 3 parts with dots between them, this one {}; {hint}", pieces.len()),
        ));
    };
    let part = |name: &str, text: &str| {
        let wrong =
            |what: &str| failure(USAGE, format!("the {name} of the token is not {what}; copy all of it"));
        let bytes = unbase64url(text).ok_or_else(|| wrong("base64url"))?;
        serde_json::from_slice(&bytes).map_err(|_| wrong("JSON"))
    };
    Ok((part("header", header)?, part("body", claims)?))
}

fn moment(claims: &Value, name: &str) -> Value {
    let second = claims.get(name).and_then(|value| value.as_u64());
    second.map_or(Value::Null, |second| String::from_utf8_lossy(&http_date(second)).into_owned().into())
}

/// RFC 4648, section 5, without padding.
fn unbase64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        (bits, held) = (bits << 6 & 0xffff | u32::from(value), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    (held < 6).then_some(bytes)
}

fn fresh() -> Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Standard input without its last line feed, so that secrets stay out of the shell's history.
fn input(what: &str) -> Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(failure(USAGE, format!("{what} is longer than {INPUT_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| failure(USAGE, format!("{what} is not text (UTF-8)")))?;
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() {
        return Err(failure(USAGE, format!("{what} is expected on standard input, and nothing came")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_read_strictly() {
        let check =
            |text: &str, expect: Option<&[u8]>| assert_eq!(unbase64url(text).as_deref(), expect, "{text}");
        check("", Some(b""));
        check("Zg", Some(b"f"));
        check("Zm9v", Some(b"foo"));
        check("-_-_", Some(&[0xfb, 0xff, 0xbf]));
        check("Zg==", Some(b"f"));
        check("Z", None);
        check("Zm 9", None);
        check("Zm+v", None);
    }
}
