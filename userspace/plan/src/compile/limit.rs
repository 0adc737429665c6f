//! Limits, timeouts and retries as meant.

use weir_schema::limits;
use weir_schema::upstream as written;
use weir_schema::value::ByteRate;

use crate::limit::{ExchangeLimits, Limits, Retry, Timeouts};

pub(super) fn limits(limits: &limits::Limits) -> Limits {
    Limits {
        workers: match limits.workers.value {
            limits::Workers::Auto => None,
            limits::Workers::Count(count) => Some(count),
        },
        connections_max: limits.connections.value,
        connections_per_ip_max: limits.connections_per_ip.value,
        handshakes_max: limits.handshakes.value,
        buffer_bytes_max: limits.buffer_memory.value.0,
        drain_timeout: limits.drain_timeout.value,
        name_lifetime: limits.name_lifetime.value,
        retired_max: limits.retired_plans.value,
        generations_max: limits.generations.value,
        overload: limits.overload.value.ratio(),
    }
}

pub(super) fn exchange(limits: &limits::ExchangeLimits) -> ExchangeLimits {
    ExchangeLimits {
        header_bytes_max: limits.header_bytes_max.value.0,
        headers_max: limits.headers_max.value,
        header_timeout: limits.header_timeout.value,
        idle_timeout: limits.idle_timeout.value,
        body_bytes_max: limits.body_max.as_ref().map(|size| size.value.0),
        body_bytes_per_second_min: per_second(limits.body_rate_min.value),
        requests_max: limits.requests_max.value,
        streams_max: limits.streams_max.value,
    }
}

/// Bytes a second, at least one where any are asked for.
pub(super) fn per_second(rate: ByteRate) -> u64 {
    rate.size.0.div_ceil(rate.per.as_secs().max(1))
}

pub(super) fn timeouts(timeouts: &limits::Timeouts) -> Timeouts {
    Timeouts {
        connect: timeouts.connect.value,
        first_byte: timeouts.first_byte.value,
        idle: timeouts.idle.value,
        total: timeouts.total.as_ref().map(|total| total.value),
    }
}

pub(super) fn retry(retry: &written::Retry) -> Retry {
    let on = |failure: written::RetryOn| retry.on.iter().any(|on| on.value == failure);
    let statuses = retry.on.iter().filter_map(|on| match on.value {
        written::RetryOn::Status(range) => Some((range.first, range.last)),
        _ => None,
    });
    Retry {
        attempts_max: retry.attempts.value,
        on_connect: on(written::RetryOn::Connect),
        on_reset: on(written::RetryOn::Reset),
        on_timeout: on(written::RetryOn::Timeout),
        on_status: statuses.collect(),
        budget: retry.budget.value.ratio(),
        body_bytes_max: usize::try_from(retry.body_max.value.0).unwrap_or(usize::MAX),
        backoff: retry.backoff.value,
        backoff_max: retry.backoff_max.value,
        tells_attempt: retry.attempt_header.value,
    }
}
