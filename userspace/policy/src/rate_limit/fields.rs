//! How a client is told about its limits.
use super::Window;
use crate::Quota;
use crate::decimal::Decimal;
use weir_message::{Error, Head};

/// A family of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
    #[default]
    Ietf,
    /// `RateLimit-Limit` and the like for the tightest window, and `X-RateLimit-Limit-Minute` and the like.
    Kong,
    /// `X-RateLimit-Limit` and the like for the tightest window.
    X,
    /// None.
    None,
}

/// Writes the fields of one policy. `quotas` are those of `windows`, in order.
pub(super) fn write(
    family: Family,
    windows: &[Window],
    quotas: &[Quota],
    head: &mut Head,
) -> Result<(), Error> {
    let Some(tightest) = quotas.iter().min_by_key(|quota| (quota.remaining, u64::MAX - quota.reset_s)) else {
        return Ok(());
    };
    match family {
        Family::None => Ok(()),
        Family::X => triple("X-RateLimit-", tightest, head),
        Family::Kong => {
            triple("RateLimit-", tightest, head)?;
            windows.iter().zip(quotas).try_for_each(|(window, quota)| kong(window, quota, head))
        }
        Family::Ietf => windows.iter().zip(quotas).try_for_each(|(window, quota)| {
            head.append("RateLimit-Policy", &window.policy)?;
            let (left, reset) = (Decimal::new(quota.remaining), Decimal::new(quota.reset_s));
            head.append_parts(b"RateLimit", &[&window.quoted, b";r=", left.text(), b";t=", reset.text()])
        }),
    }
}

fn triple(prefix: &str, quota: &Quota, head: &mut Head) -> Result<(), Error> {
    let names = match prefix {
        "RateLimit-" => ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
        _ => ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
    };
    let numbers = [quota.limit, quota.remaining, quota.reset_s];
    names.iter().zip(numbers).try_for_each(|(name, number)| head.set(name, Decimal::new(number).text()))
}

fn kong(window: &Window, quota: &Quota, head: &mut Head) -> Result<(), Error> {
    let Some([limit, remaining]) = &window.kong else { return Ok(()) };
    head.set(limit, Decimal::new(quota.limit).text())?;
    head.set(remaining, Decimal::new(quota.remaining).text())
}
