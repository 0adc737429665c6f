//! What would become of a change: said, and nothing is changed.

use super::{Appliance, said, turn};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::cell::RefCell;
use weir_admin::{Call, Response, Steer, Wish};

/// Says what the answer to a change would be: that it is refused and why, or what it would do.
pub(super) async fn rehearse(appliance: &RefCell<Appliance>, change: Call) -> Response {
    let would = change.what();
    let outcome = match change {
        Call::Reload(order) => turn::diff(appliance, order.files).await,
        Call::Rollback(number) => turn::diff_back(appliance, number).await,
        quick => appliance.borrow_mut().may(&quick),
    };
    let marked = |mut told: Value| {
        if let Some(fields) = told.as_object_mut() {
            fields.insert(String::from("dry_run"), Value::Bool(true));
            fields.insert(String::from("would"), Value::String(would));
        }
        told
    };
    said(outcome.map(marked), "it would be refused")
}

impl Appliance {
    /// Whether what is done at once would be done.
    fn may(&mut self, change: &Call) -> Result<Value> {
        match change {
            Call::Confirm => ensure!(self.trial.is_some(), "nothing waits to be confirmed"),
            Call::Steer(Steer { upstream, target, wish }) => {
                let weight = match wish {
                    Wish::Drained(_) => None,
                    Wish::Weight(weight) => Some(*weight),
                };
                let plan = self.shared.plans.load();
                self.shared.board.may_steer(&plan, (upstream, target), weight)?;
            }
            Call::Ban { address, .. } => {
                if let Some(why) = self.guard.protects(*address) {
                    anyhow::bail!("{address} is {why} and is never banned; see `shield.bans`");
                }
                return Ok(json!({ "is_banned": self.guard.has_banned(*address)? }));
            }
            Call::Unban(address) => return Ok(json!({ "is_banned": self.guard.has_banned(*address)? })),
            _ => {}
        }
        Ok(json!({}))
    }
}
