//! `weir diff`: what a reload would change.

use super::{Asking, Output};
use crate::failure::failure;
use crate::load::load;
use crate::{change, files};
use anyhow::Result;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use weir_admin::Order;

#[derive(clap::Args)]
pub(crate) struct Diff {
    /// The configuration as it would be; without one, the file that the program was started with.
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Compare with this configuration in place of the running one; no program is asked.
    #[arg(long, value_name = "FILE", requires = "config")]
    against: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

/// It could not be said whether anything differs.
const TROUBLE: u8 = 2;

impl Diff {
    /// Ends with 0 if nothing differs, 1 if something does, 2 if that cannot be said; as diff(1) does.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let told = self.told().map_err(|error| failure(TROUBLE, format!("{error:#}")))?;
        if self.asking.output == Output::Json {
            self.asking.print(&told);
        } else {
            let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
            print!("{}", text("text"));
            println!("{}", text("summary"));
            if !text("warnings").is_empty() {
                eprintln!("{}", text("warnings").trim_end());
            }
        }
        Ok(ExitCode::from(u8::from(told.get("differs").and_then(Value::as_bool) == Some(true))))
    }

    fn told(&self) -> Result<Value> {
        let sources = self.config.as_deref().map(files::sources).transpose()?;
        if let (Some(before), Some(after)) = (&self.against, &sources) {
            let before = load(files::sources(before)?, None)?;
            let after = load(after.clone(), Some(&before.plan))?;
            return Ok(change::told(&weir_plan::diff::diff(&before.plan, &after.plan)));
        }
        let order = Order { files: sources.as_ref().map(files::packed), ..Order::default() };
        self.asking.ask("POST", "/v1/diff", Some(&order.body()))
    }
}
