//! Listeners as meant.

use std::path::PathBuf;
use std::sync::Arc;

use weir_message::uri;
use weir_schema::error_page::ErrorPage;
use weir_schema::listener as written;
use weir_schema::redirect as written_redirect;
use weir_schema::value::{self, Cidr, FilePath, Leaf};
use weir_schema::{At, Code};

use super::{Build, limit, tls};
use crate::host::HostMap;
use crate::id::ListenerId;
use crate::listener::{Bind, Forwarded, Listener, Protocols, ProxyProtocol, Service, TraceFormats, Tunnel};
use crate::page::{Form, Page, Pages};
use crate::route::Redirect;
use crate::tls::Renewable;

/// Every listener in the order written.
pub(super) fn all(build: &mut Build<'_>) -> Vec<Arc<Listener>> {
    let config = build.config;
    let listeners = (0..).map(ListenerId).zip(&config.listeners);
    listeners.map(|(id, written)| Arc::new(one(id, written, build))).collect()
}

fn one(id: ListenerId, written: &At<written::Listener>, build: &mut Build<'_>) -> Listener {
    let protocols = protocols(written);
    let service = match (&written.tcp, &written.redirect) {
        (Some(tcp), _) => Service::Tunnel(tunnel(tcp, build)),
        (None, Some(redirect)) => Service::Redirect(protocols, self::redirect(redirect)),
        (None, None) => Service::Http(protocols),
    };
    let http = !matches!(service, Service::Tunnel(_));
    Listener {
        id,
        name: name(written).into(),
        binds: written.bind.iter().map(|bind| self::bind(&bind.value)).collect(),
        proxy_protocol: written.proxy_protocol.as_ref().map(|proxy| ProxyProtocol {
            from: networks(&proxy.from),
            header_timeout: proxy.header_timeout.value,
        }),
        paths: paths(&written.paths),
        tls: written.tls.as_ref().and_then(|tls| {
            tls::down(tls, http.then_some(protocols), (build, None)).map(|tls| Renewable::new(Arc::new(tls)))
        }),
        hsts: written.tls.as_ref().and_then(|tls| Some(tls.hsts.as_ref()?.value().into())),
        trusted_proxies: networks(&written.trusted_proxies),
        forwarded: forwarded(written.forwarded.value),
        joins_traces: written.trace_context.value == written::TraceContext::Join,
        trace_formats: trace_formats(&written.trace_formats),
        aborts_on_half_close: written.half_close.value == written::HalfClose::Abort,
        proxy_status: written.proxy_status.value,
        pages: pages(&written.error_pages, build),
        limits: limit::exchange(&written.limits),
        service,
    }
}

/// What a listener is called: by its name, else by its first address.
pub(crate) fn name(written: &written::Listener) -> String {
    let first = || written.bind.first().map(|bind| bind.spell()).unwrap_or_default();
    written.name.as_ref().map_or_else(first, |name| name.value.0.clone())
}

fn bind(written: &value::Bind) -> Bind {
    match written {
        value::Bind::Ip(address) => Bind::Ip(*address),
        value::Bind::Any(port) => Bind::Any(*port),
        value::Bind::Unix(path) => Bind::Unix(PathBuf::from(path)),
    }
}

pub(super) fn protocols(written: &written::Listener) -> Protocols {
    let named = |protocol| written.protocols.iter().any(|own| own.value == protocol);
    let silent = written.protocols.is_empty();
    Protocols {
        http1: silent || named(written::Protocol::Http1),
        http2: silent && written.tls.is_some() || named(written::Protocol::H2),
    }
}

fn trace_formats(written: &[At<written::TraceFormat>]) -> TraceFormats {
    if written.is_empty() {
        return TraceFormats::default();
    }
    let named = |format| written.iter().any(|own| own.value == format);
    TraceFormats {
        w3c: named(written::TraceFormat::W3c),
        b3: named(written::TraceFormat::B3),
        b3_multi: named(written::TraceFormat::B3Multi),
        jaeger: named(written::TraceFormat::Jaeger),
    }
}

/// How the paths of requests are read.
pub(super) fn paths(written: &written::Paths) -> uri::Rules {
    uri::Rules {
        merge_slashes: written.empty_segments.value == written::EmptySegments::Merge,
        keep_escaped_slashes: written.escaped_slashes.value == written::EscapedSlashes::Keep,
        refuse_dots: written.dot_segments.value == written::DotSegments::Refuse,
        as_received: written.forward.value == written::PathForm::Received,
    }
}

fn forwarded(written: written::Forwarded) -> Forwarded {
    let (x_forwarded, rfc7239) = match written {
        written::Forwarded::XForwarded => (true, false),
        written::Forwarded::Rfc7239 => (false, true),
        written::Forwarded::Both => (true, true),
        written::Forwarded::Off => (false, false),
    };
    Forwarded { x_forwarded, rfc7239 }
}

pub(super) fn networks(written: &[At<Cidr>]) -> Vec<ipnet::IpNet> {
    written.iter().map(|cidr| cidr.value.0).collect()
}

pub(super) fn redirect(written: &written_redirect::Redirect) -> Redirect {
    Redirect { to: written.to.value.clone(), status: written.status.value.0 }
}

/// Bytes of one error page.
const PAGE_BYTES_MAX: usize = 256 * 1024;

fn pages(written: &[At<ErrorPage>], build: &mut Build<'_>) -> Pages {
    let mut form = |file: &Option<At<FilePath>>| {
        let file = file.as_ref()?;
        let bytes = build.file(file)?;
        if bytes.len() > PAGE_BYTES_MAX {
            let message =
                format!("`{}` has {} bytes, and a page may have {PAGE_BYTES_MAX}", file.0, bytes.len());
            build.error(Code::FileUnreadable, file.span, message);
        }
        Some(Form::parse(&bytes))
    };
    let page = |page: &At<ErrorPage>| Page {
        statuses: page.status.iter().map(|range| (range.first, range.last)).collect(),
        html: form(&page.html),
        text: form(&page.text),
        json: form(&page.json),
    };
    Pages(written.iter().map(page).collect())
}

fn tunnel(written: &At<written::Tcp>, build: &mut Build<'_>) -> Tunnel {
    let mut by_name = HostMap::default();
    for (name, upstream) in written.sni.iter() {
        match value::HostPattern::parse(name) {
            Ok(pattern) => {
                if let Some(upstream) = build.upstream(upstream) {
                    by_name.entry(&pattern, || upstream);
                }
            }
            Err(_) => build.error(Code::Host, name.span, format!("`{}` is not a server name", name.value)),
        }
    }
    Tunnel {
        by_name,
        upstream: written.upstream.as_ref().and_then(|name| build.upstream(name)),
        idle_timeout: written.idle_timeout.value,
    }
}
