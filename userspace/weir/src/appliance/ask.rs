//! Questions about the shield whose answers take long: a hundred thousand bans, or lists of a million lines. They are asked here
//! and answered on another thread; meanwhile everything else goes on.

use super::{Appliance, of_shield};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::net::IpAddr;
use weir_admin::{Page, Response};
use weir_control::aside;
use weir_kernel::{Error, Listing};

/// A part of the list of bans, the youngest first.
pub(super) async fn bans(appliance: &RefCell<Appliance>, page: Page) -> Response {
    let listing = appliance.borrow_mut().guard.bans();
    let youngest_first = |ban: &Value| {
        let since_s = ban.get("since_s").and_then(Value::as_u64).unwrap_or(0);
        format!("{:020} {}", u64::MAX - since_s, ban.get("source").unwrap_or(&Value::Null))
    };
    elsewhere(move || {
        let bans = listing.map_or(Ok(Vec::new()), Listing::read)?;
        let bans = bans.iter().map(|ban| json!(ban)).collect();
        let (items, next) = page.cut("/v1/shield/bans", bans, youngest_first);
        Ok(json!({ "items": items, "next": next }))
    })
    .await
}

/// What would happen to a packet from an address, and why.
pub(super) async fn explain(appliance: &RefCell<Appliance>, address: IpAddr) -> Response {
    let inquiry = appliance.borrow().guard.inquiry(address);
    match inquiry {
        Ok(Some(inquiry)) => elsewhere(move || Ok(json!(inquiry.answer()?))).await,
        Ok(None) => Response::json(&appliance.borrow().guard.summary()),
        Err(error) => of_shield(Err(error)),
    }
}

async fn elsewhere(answer: impl FnOnce() -> Result<Value, Error> + Send + 'static) -> Response {
    match aside(move || of_shield(answer())).await {
        Ok(response) => response,
        Err(error) => Response::problem(500, "ask the shield", &error.to_string()),
    }
}
