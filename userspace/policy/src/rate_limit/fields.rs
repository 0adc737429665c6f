//! How a client is told about its limits.
use super::Window;
use super::limit::Quota;
use crate::decimal::Decimal;
use weir_message::{FieldName, Head};

pub(super) static RETRY_AFTER: FieldName = FieldName::other("Retry-After");
static LEFT: FieldName = FieldName::other("RateLimit");
static X: [FieldName; 3] = [
    FieldName::other("X-RateLimit-Limit"),
    FieldName::other("X-RateLimit-Remaining"),
    FieldName::other("X-RateLimit-Reset"),
];
static KONG: [FieldName; 3] = [
    FieldName::other("RateLimit-Limit"),
    FieldName::other("RateLimit-Remaining"),
    FieldName::other("RateLimit-Reset"),
];

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

/// Writes the fields of one policy about those of its windows that have quotas.
pub(super) fn write(
    family: Family,
    windows: &[Window],
    quotas: impl Iterator<Item = Quota> + Clone,
    head: &mut Head,
) {
    match family {
        Family::None => {}
        Family::Ietf => of(windows, quotas).for_each(|(window, quota)| ietf(window, quota, head)),
        Family::X => triple(&X, quotas, head),
        Family::Kong => {
            triple(&KONG, quotas.clone(), head);
            of(windows, quotas).for_each(|(window, quota)| kong(window, quota, head));
        }
    }
}

fn of(windows: &[Window], quotas: impl Iterator<Item = Quota>) -> impl Iterator<Item = (&Window, Quota)> {
    quotas.filter_map(|quota| Some((windows.get(quota.index)?, quota)))
}

fn ietf(window: &Window, quota: Quota, head: &mut Head) {
    if let Some(policy) = &window.policy {
        head.append_line(policy);
    }
    let (left, reset) = (Decimal::new(quota.remaining), Decimal::new(quota.reset_s));
    head.append_own(&LEFT, &[&window.left, left.text(), b";t=", reset.text()]);
}

/// Of several windows the one with the least left, and of those the one that takes longest.
fn triple(names: &[FieldName; 3], quotas: impl Iterator<Item = Quota>, head: &mut Head) {
    let Some(tightest) = quotas.min_by_key(|quota| (quota.remaining, u64::MAX - quota.reset_s)) else {
        return;
    };
    let numbers = [tightest.limit, tightest.remaining, tightest.reset_s];
    names.iter().zip(numbers).for_each(|(name, number)| head.set_own(name, &[Decimal::new(number).text()]));
}

fn kong(window: &Window, quota: Quota, head: &mut Head) {
    let Some([limit, remaining]) = &window.kong else { return };
    head.set_own(limit, &[Decimal::new(quota.limit).text()]);
    head.set_own(remaining, &[Decimal::new(quota.remaining).text()]);
}
