//! From `rate_limit` as written to the policy.
use super::{Count, Family, Part, RateLimit, Whom, Window};
use crate::jwt::ClaimPath;
use crate::{Build, Place};
use weir_schema::policy::{self as written, OnStoreError};
use weir_schema::value::HashKey;
use weir_schema::{Code, Diagnostic};

impl RateLimit {
    pub(crate) fn compile(written: &written::RateLimit, build: &mut Build<'_>) -> Option<RateLimit> {
        let mut tiers = Vec::new();
        for (name, windows) in written.consumers.iter() {
            tiers.push((
                Whom::Consumer(name.value.as_str().into()),
                windows_of(&windows.value, written, build)?,
            ));
        }
        let mut groups = Vec::new();
        for (name, windows) in written.groups.iter() {
            groups
                .push((Whom::Group(name.value.as_str().into()), windows_of(&windows.value, written, build)?));
        }
        // Of several groups the most generous holds, so it is asked for first.
        groups.sort_by(|(_, a), (_, b)| generosity(b).total_cmp(&generosity(a)));
        tiers.extend(groups);
        if let Some(rate) = &written.rate {
            let (count, burst) = (rate.value.count, rate.value.burst());
            let per_ns = u64::try_from(rate.value.per.as_nanos()).unwrap_or(u64::MAX);
            tiers.push((Whom::All, vec![Window::new("rate", Count::Bucket { count, per_ns, burst })]));
        }
        if let Some(windows) = &written.windows {
            tiers.push((Whom::All, windows_of(&windows.value, written, build)?));
        }
        let by = written.by.iter().map(|part| part_of(&part.value)).collect();
        let family = match written.headers.value {
            written::LimitHeaders::Ietf => Family::Ietf,
            written::LimitHeaders::Kong => Family::Kong,
            written::LimitHeaders::X => Family::X,
            written::LimitHeaders::None => Family::None,
        };
        let keys_max = usize::try_from(written.keys_max.value).unwrap_or(usize::MAX);
        let works = build.mode(written.mode.value);
        // Who only observes refuses nobody, not even for want of a count.
        let on_error = if build.observe { OnStoreError::Local } else { written.on_store_error.value };
        works.then(|| RateLimit::new(by, tiers, family, keys_max).on_store_error(on_error))
    }
}

fn windows_of(
    windows: &written::Windows,
    policy: &written::RateLimit,
    build: &mut Build<'_>,
) -> Option<Vec<Window>> {
    let slides = policy.algorithm.value == written::Algorithm::Sliding;
    let mut all = Vec::new();
    for (name, window_s, limit) in windows.iter() {
        let max = if slides { Count::SLIDING_MAX } else { u32::MAX };
        let Some(limit) = u32::try_from(limit.value).ok().filter(|limit| *limit <= max) else {
            let found =
                Diagnostic::new(Code::Windows, limit.span, format!("a window counts to {max} at most"));
            build.fail(if slides {
                found.hint("Windows with `algorithm: fixed` count to 4294967295.")
            } else {
                found
            });
            return None;
        };
        let count =
            if slides { Count::Sliding { limit, window_s } } else { Count::Fixed { limit, window_s } };
        all.push(Window::new(name, count));
    }
    Some(all)
}

/// Requests a second, by the longest window.
#[expect(clippy::cast_precision_loss, reason = "only compared")]
fn generosity(windows: &[Window]) -> f64 {
    windows.last().map_or(0.0, |window| match window.count {
        Count::Bucket { count, per_ns, .. } => count as f64 * 1e9 / per_ns as f64,
        Count::Fixed { limit, window_s } | Count::Sliding { limit, window_s } => {
            f64::from(limit) / window_s as f64
        }
    })
}

fn part_of(written: &HashKey) -> Part {
    match written {
        HashKey::Ip => Part::Ip,
        HashKey::Consumer => Part::Consumer,
        HashKey::Path => Part::Path,
        HashKey::Host => Part::Host,
        HashKey::Route => Part::Route,
        HashKey::Claim(name) => Part::Claim(ClaimPath::new(name)),
        HashKey::Header(name) => Part::Place(Place::Header(name.as_str().into())),
        HashKey::Cookie(name) => Part::Place(Place::Cookie(name.as_str().into())),
        HashKey::Query(name) => Part::Place(Place::Query(name.as_str().into())),
    }
}
