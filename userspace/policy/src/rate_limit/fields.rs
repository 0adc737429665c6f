//! How a client is told about its limits.
use super::Window;
use super::limit::Quota;
use crate::decimal::Decimal;
use weir_message::{Error, FieldName, Head};

pub(super) static RETRY_AFTER: FieldName = FieldName::other("Retry-After");
static POLICY: FieldName = FieldName::other("RateLimit-Policy");
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
    quotas: &[Quota],
    head: &mut Head,
) -> Result<(), Error> {
    let Some(tightest) = quotas.iter().min_by_key(|quota| (quota.remaining, u64::MAX - quota.reset_s)) else {
        return Ok(());
    };
    match family {
        Family::None => Ok(()),
        Family::X => triple(&X, tightest, head),
        Family::Kong => {
            triple(&KONG, tightest, head)?;
            of(windows, quotas).try_for_each(|(window, quota)| kong(window, quota, head))
        }
        Family::Ietf => of(windows, quotas).try_for_each(|(window, quota)| {
            head.append_named(&POLICY, &[&window.policy])?;
            let (left, reset) = (Decimal::new(quota.remaining), Decimal::new(quota.reset_s));
            head.append_named(&LEFT, &[&window.quoted, b";r=", left.text(), b";t=", reset.text()])
        }),
    }
}

fn of<'q>(windows: &'q [Window], quotas: &'q [Quota]) -> impl Iterator<Item = (&'q Window, &'q Quota)> {
    quotas.iter().filter_map(|quota| Some((windows.get(quota.index)?, quota)))
}

fn triple(names: &[FieldName; 3], quota: &Quota, head: &mut Head) -> Result<(), Error> {
    let numbers = [quota.limit, quota.remaining, quota.reset_s];
    names
        .iter()
        .zip(numbers)
        .try_for_each(|(name, number)| head.set_named(name, &[Decimal::new(number).text()]))
}

fn kong(window: &Window, quota: &Quota, head: &mut Head) -> Result<(), Error> {
    let Some([limit, remaining]) = &window.kong else { return Ok(()) };
    head.set_named(limit, &[Decimal::new(quota.limit).text()])?;
    head.set_named(remaining, &[Decimal::new(quota.remaining).text()])
}
