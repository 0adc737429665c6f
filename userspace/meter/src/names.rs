//! The one table of metric names. No other file spells a name that a scraper sees.

/// What a metric is, in the sense of the exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; the name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Cumulative buckets with sum and count; the unit is seconds.
    Histogram,
    /// Constant 1; what it says stands in its labels.
    Info,
}

/// One metric family: its name, kind, label names and help text.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// Full name with prefix and base unit.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Names of its labels; no value of theirs is ever chosen by a client.
    pub labels: &'static [&'static str],
    /// One sentence for the reader of a dashboard.
    pub help: &'static str,
}

macro_rules! names {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(#[doc = $help] pub const $id: Name =
            Name { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        /// Every family, in the order in which a scrape prints them.
        pub const ALL: &[&Name] = &[$(&$id),*];
    };
}

names! {
    BUILD: Info "weir_build_info" ["version"] "The running program.";
    STARTED: Gauge "weir_process_start_time_seconds" [] "When this process started, in seconds since 1970.";
    WORKERS: Gauge "weir_workers" [] "Worker threads that serve traffic.";
    STUCK: Gauge "weir_workers_stuck" [] "Workers that have not answered the control thread twice in a row, which takes two seconds.";
    GENERATION: Gauge "weir_config_generation" [] "Number of the running configuration, counted from 1 at start.";
    RELOADS: Counter "weir_config_reloads_total" ["result"] "Reloads by result: ok or refused.";
    LAST_RELOAD: Gauge "weir_config_last_reload_success" [] "1 if the newest reload was taken, 0 if it was refused and the old plan kept.";
    RETIRED: Gauge "weir_config_retired_plans" [] "Earlier configurations that are still in memory because an exchange that began under them goes on.";

    CPU: Counter "weir_process_cpu_seconds_total" [] "Processor time that this process has used.";
    MEMORY: Gauge "weir_process_resident_memory_bytes" [] "Memory of this process that is in use.";
    FILES: Gauge "weir_process_open_fds" [] "Open file descriptors of this process.";
    OWN_LINES_LOST: Counter "weir_log_lines_lost_total" [] "Lines of the program's own log that were lost because nobody reads its standard error.";
    CERTIFICATE_END: Gauge "weir_certificate_not_after_seconds" ["source"] "When a certificate that a listener presents expires, in seconds since 1970.";
    STAPLE_END: Gauge "weir_ocsp_answer_not_after_seconds" ["source"] "Until when the answer of OCSP counts that clients are shown with a certificate, in seconds since 1970; absent where none is shown, or one without an end.";
    RENEWALS: Counter "weir_certificate_renewals_total" ["result"] "Certificates, keys, authorities and revocations replaced while running, by result: ok, or refused and what was in use kept.";
    RENEWALS_REFUSED: Gauge "weir_certificate_files_refused" [] "Sources of certificates that are not used now, because what they hold will not do.";
    BUFFERS: Gauge "weir_buffers_in_use" [] "Buffers in the hands of connections.";
    BUFFERS_OUT: Counter "weir_buffers_exhausted_total" [] "Times that a receive had to wait because every buffer was in use.";
    RING_LIVE: Gauge "weir_ring_operations_in_flight" [] "Operations that the kernel works on for the workers.";
    RING_REFUSED: Counter "weir_ring_operations_refused_total" [] "Operations refused because too many were in flight.";
    RING_OVERFLOWS: Counter "weir_ring_overflows_total" [] "Times that the kernel had more completions than the ring had room for; none is lost.";
    TURNS_LONG: Counter "weir_worker_long_turns_total" [] "Turns of a worker in which one connection's work kept all others waiting for more than a millisecond.";
    TURN_MAX: Gauge "weir_worker_turn_max_seconds" [] "The longest turn of any worker since it began.";
    ACCEPT_PAUSES: Counter "weir_accept_pauses_total" [] "Times that accepting paused for want of descriptors or memory.";
    RECEIVED: Counter "weir_network_received_bytes_total" [] "Bytes received from clients and upstreams, as they are on the wire.";
    SENT: Counter "weir_network_sent_bytes_total" [] "Bytes sent to clients and upstreams, as they are on the wire.";
    PANICS: Counter "weir_panics_total" [] "Tasks that ended by a mistake in this program; each took its connection with it.";

    ACCEPTED: Counter "weir_connections_accepted_total" [] "Client connections accepted.";
    PASSED_ON: Counter "weir_connections_passed_on_total" [] "Fresh connections that a worker gave to another with fewer.";
    CLOSED: Counter "weir_connections_closed_total" [] "Client connections closed; accepted minus closed are open now.";
    SHED: Counter "weir_connections_shed_total" [] "Client connections closed unserved because a limit was reached.";
    PARKED: Gauge "weir_connections_parked" [] "Client connections of HTTP/1 that have been idle for a while and wait without a task.";
    LOT_FULL: Counter "weir_connections_idle_closed_total" [] "Client connections of HTTP/1 closed before their time because too many of their worker were idle.";
    TLS_DONE: Counter "weir_tls_handshakes_total" [] "TLS handshakes completed with clients.";
    TLS_SESSIONS: Counter "weir_tls_sessions_total" ["version", "resumed"] "TLS handshakes completed with clients, by version, and whether a session from before went on.";
    TLS_SHAKING: Gauge "weir_tls_handshakes_in_progress" [] "TLS handshakes with clients that are on their way.";
    TLS_FAILED: Counter "weir_tls_failures_total" ["why"] "TLS handshakes with clients that failed: slow, gone, an unknown name, a certificate of theirs that will not do, one of ours that they did not want, another protocol, or one too many at once.";
    REQUESTS: Counter "weir_requests_total" ["listener", "route", "method", "class"] "Requests answered, by class of status.";
    REFUSED: Counter "weir_refusals_total" ["reason"] "Requests and connections refused by the proxy, by reason.";
    H2_CONNECTIONS: Counter "weir_h2_connections_total" [] "Client connections that spoke HTTP/2.";
    H2_STREAMS: Counter "weir_h2_streams_total" [] "Requests that came as streams of HTTP/2.";
    H2_RESETS: Counter "weir_h2_client_resets_total" [] "Streams of HTTP/2 that clients gave up before their answer was complete.";
    H2_FAREWELLS: Counter "weir_h2_goaways_sent_total" [] "Connections of HTTP/2 that were told to go: idle, full, draining or flooding.";
    H2_FLOODS: Counter "weir_h2_floods_total" ["kind"] "Connections of HTTP/2 ended because they sent too much of something.";
    DURATION: Histogram "weir_request_duration_seconds" ["listener", "route", "method", "class"] "From the first byte of a request to the last byte of its answer.";
    UPSTREAM_DURATION: Histogram "weir_upstream_duration_seconds" ["listener", "route", "method", "class"] "The part of a request's time spent waiting for the upstream.";
    OWN_DURATION: Histogram "weir_own_duration_seconds" ["listener", "route", "method", "class"] "The rest of the time of a request that was sent to an upstream: weir's own share, and what waited for the client.";
    REQUEST_BYTES: Counter "weir_request_body_bytes_total" ["listener", "route"] "Bytes of request bodies received from clients.";
    RESPONSE_BYTES: Counter "weir_response_body_bytes_total" ["listener", "route"] "Bytes of response bodies sent to clients.";
    UP_OPENED: Counter "weir_upstream_connections_opened_total" [] "Connections opened to upstreams.";
    UP_REUSED: Counter "weir_upstream_connections_reused_total" [] "Requests sent over a kept-alive upstream connection.";
    UP_STREAMS: Counter "weir_upstream_streams_total" [] "Requests sent as streams of shared connections of HTTP/2.";
    UP_REFUSED: Counter "weir_upstream_streams_refused_total" [] "Streams that an upstream refused unprocessed, by GOAWAY or REFUSED_STREAM.";
    UP_FAILED: Counter "weir_upstream_failures_total" [] "Attempts at an upstream that failed: no connection, a timeout, or a bad answer.";
    RETRIED: Counter "weir_upstream_retries_total" [] "Attempts beyond the first.";
    UP_FULL: Counter "weir_upstream_overflows_total" [] "Requests answered 503 at once because a limit of their upstream's breaker was reached.";
    RETRY_DENIED: Counter "weir_upstream_retries_denied_total" [] "Attempts that were not made because the upstream's budget for them was spent.";
    TARGET_STATE: Gauge "weir_upstream_target_state" ["upstream", "target", "state"] "1 for the state that a target is in: up, ill, out or drained.";
    LOG_LINES: Counter "weir_access_log_lines_total" [] "Lines of the access log that were written.";
    LOG_BYTES: Counter "weir_access_log_bytes_total" [] "Bytes of the access log that were written.";
    LOG_OVERFLOWED: Counter "weir_access_log_overflows_total" [] "Lines lost because every buffer of the access log waited to be written.";
    LOG_FAILED: Counter "weir_access_log_failures_total" [] "Lines lost because what the access log is written to took no more.";
    LOG_UP: Gauge "weir_access_log_up" [] "1 if the access log could be written the last time, 0 if not.";
    SPANS_SENT: Counter "weir_trace_spans_sent_total" [] "Spans of traces that the collector took.";
    SPANS_OVERFLOWED: Counter "weir_trace_spans_overflows_total" [] "Spans lost because every buffer of theirs waited to be sent.";
    SPANS_FAILED: Counter "weir_trace_spans_failures_total" [] "Spans lost because the collector did not take them.";
    SPANS_UP: Gauge "weir_trace_collector_up" [] "1 if the collector took the spans that it was last sent, 0 if not.";
    JWKS_FETCHES: Counter "weir_jwks_fetches_total" ["source", "result"] "Fetches of an issuer's keys by result: ok or failed.";
    JWKS_KEYS: Gauge "weir_jwks_keys" ["source"] "Keys of an issuer that tokens are checked with.";
    JWKS_AGE: Gauge "weir_jwks_age_seconds" ["source"] "How long ago the keys of an issuer were fetched.";
    TOKENS_VERIFIED: Counter "weir_jwt_tokens_verified_total" ["rule"] "Tokens found good by their signature; those that were remembered are not among them.";
    TOKENS_FORGOTTEN: Counter "weir_jwt_tokens_forgotten_total" ["rule"] "Verified tokens forgotten before their time, because `cache` has no room for more.";
    KEYS_FORGOTTEN: Counter "weir_rate_limit_keys_forgotten_total" ["rule"] "Keys of a limit forgotten while they still counted, because more than `keys_max` do.";
    UNCOUNTED: Counter "weir_rate_limit_uncounted_total" ["rule"] "Requests that a limit could not count, and treated as `on_store_error` says.";
    CLIENTS_FORGOTTEN: Counter "weir_verdicts_clients_forgotten_total" ["rule"] "Clients whose score was forgotten before it was nothing, because more have one than there is room for.";
    OVERDUE: Counter "weir_exchanges_overdue_total" [] "Exchanges cut because more earlier configurations than `limits.retired_plans` were in memory, and theirs was the oldest.";
    MERGED: Counter "weir_requests_without_series_total" [] "Requests counted under listener and route \"other\" because the limit of series was reached.";
    SERIES_LOST: Gauge "weir_series_without_row" [] "Routes of listeners that are counted under \"other\" because the limit of series was reached.";

    XDP_MODE: Gauge "weir_xdp_attached" ["interface", "mode"] "1 for the mode in which the shield is attached to an interface.";
    XDP_PACKETS: Counter "weir_xdp_packets_total" ["stage", "reason"] "Packets judged in the kernel, by stage and reason.";
    XDP_BYTES: Counter "weir_xdp_bytes_total" ["stage", "reason"] "Bytes of the packets judged in the kernel, by stage and reason.";
    XDP_BESIDES: Counter "weir_xdp_happenings_total" ["what"] "What happened besides verdicts: events suppressed by the rate cap or lost, guards raised, limits contended.";
    XDP_BANS: Gauge "weir_xdp_bans" [] "Addresses banned now.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_the_exposition_format() {
        for (at, name) in ALL.iter().enumerate() {
            assert!(name.name.starts_with("weir_"), "{}", name.name);
            assert_eq!(name.kind == Kind::Counter, name.name.ends_with("_total"), "{}", name.name);
            assert_eq!(name.kind == Kind::Info, name.name.ends_with("_info"), "{}", name.name);
            assert!(name.kind != Kind::Histogram || name.name.ends_with("_seconds"), "{}", name.name);
            assert!(name.help.ends_with('.'), "{}", name.name);
            assert!(ALL.iter().skip(at + 1).all(|other| other.name != name.name), "{} twice", name.name);
        }
    }
}
