//! Routes as meant, and the router over them.

use std::collections::HashMap;
use std::sync::Arc;

use weir_message::uri;
use weir_policy::jwt::ClaimPath;
use weir_schema::redirect as written_redirect;
use weir_schema::route as written;
use weir_schema::value::{Leaf, Map, PathPattern, Piece, Segment, Template, TextMatch, Variable};
use weir_schema::{At, Code, Config, Diagnostic, Span};

use super::{Build, limit, listener, shadow};
use crate::id::{ListenerId, RouteId};
use crate::route::{Action, Respond, Rewrite, Route, Split};
use crate::router::{Conditions, Router, Rule, Test, Tests};

/// The router over all routes; none if one of them is faulty.
pub(super) fn router(build: &mut Build<'_>) -> Option<Router> {
    let config = build.config;
    let listeners: HashMap<String, ListenerId> =
        config.listeners.iter().map(|one| listener::name(one)).zip((0..).map(ListenerId)).collect();
    let mut rules = Vec::with_capacity(config.routes.len());
    for (id, written) in (0..).map(RouteId).zip(&config.routes) {
        rules.extend(rule(id, written, &listeners, build));
    }
    let whole = rules.len() == config.routes.len();
    let router = match Router::new(rules) {
        Ok(router) if whole => router,
        Ok(_) => return None,
        Err(faults) => {
            for fault in faults {
                let path =
                    config.routes.get(fault.route.index()).and_then(|it| it.r#match.path.get(fault.path));
                let span = path.map_or(Span::NOWHERE, |path| path.span);
                build.error(Code::Regex, span, format!("this expression cannot be used: {}", fault.reason));
            }
            return None;
        }
    };
    shadow::warn(&router, build);
    Some(router)
}

fn rule(
    id: RouteId,
    written: &At<written::Route>,
    listeners: &HashMap<String, ListenerId>,
    build: &mut Build<'_>,
) -> Option<Rule> {
    let matched = &written.r#match;
    let paths: Vec<Option<PathPattern>> = matched.path.iter().map(|path| normal(path, build)).collect();
    let conditions = conditions(matched, listeners, build);
    let action = action(written, build);
    check_captures(written, build);
    let route = Route {
        id,
        name: written.label().into(),
        action: action?,
        rewrite: written.rewrite.as_ref().map(|rewrite| self::rewrite(rewrite)).unwrap_or_default(),
        timeouts: written.timeouts.as_ref().map(|timeouts| limit::timeouts(timeouts)),
        retry: written.retry.as_ref().map(|retry| limit::retry(retry)),
        body_bytes_max: written.body_max.as_ref().map(|size| size.value.0),
        upgrade: written.upgrade.value,
    };
    Some(Rule {
        route: Arc::new(route),
        priority: written.priority.value,
        hosts: matched.hosts.iter().map(|host| host.value.clone()).collect(),
        paths: paths.into_iter().collect::<Option<_>>()?,
        conditions: conditions?,
    })
}

/// What some listener lets through: a pattern may be meant for its requests.
fn widest(config: &Config) -> uri::Rules {
    let each = config.listeners.iter().map(|listener| listener::paths(&listener.value.paths));
    each.fold(uri::Rules::default(), |all, own| uri::Rules {
        merge_slashes: all.merge_slashes && own.merge_slashes,
        keep_escaped_slashes: all.keep_escaped_slashes || own.keep_escaped_slashes,
        ..all
    })
}

/// The pattern in the form that paths have when they are matched.
fn normal(path: &At<PathPattern>, build: &mut Build<'_>) -> Option<PathPattern> {
    let rules = widest(build.config);
    let mut clean = |text: &str| -> Option<String> {
        let mut out = Vec::new();
        match uri::normalise(text.as_bytes(), rules, &mut out) {
            Ok(false) => Some(text.to_owned()),
            Ok(true) => String::from_utf8(out).ok(),
            Err(error) => {
                let found =
                    Diagnostic::new(Code::Path, path.span, format!("no request has this path: {error}"));
                build.report.push(found.hint("Bytes beyond ASCII are written with `%`, as they travel."));
                None
            }
        }
    };
    Some(match &path.value {
        PathPattern::Exact(text) => PathPattern::Exact(clean(text)?),
        PathPattern::Below(prefix) if prefix.is_empty() => PathPattern::Below(String::new()),
        PathPattern::Below(prefix) => PathPattern::Below(clean(prefix)?),
        PathPattern::Regex(text) => PathPattern::Regex(text.clone()),
        PathPattern::Template(segments) => {
            let segment = |segment: &Segment| match segment {
                Segment::Text(text) if !text.is_empty() => {
                    let clean = clean(&format!("/{text}"))?;
                    Some(Segment::Text(clean.strip_prefix('/').unwrap_or(&clean).to_owned()))
                }
                other => Some(other.clone()),
            };
            PathPattern::Template(segments.iter().map(segment).collect::<Option<_>>()?)
        }
    })
}

fn conditions(
    matched: &written::Match,
    listeners: &HashMap<String, ListenerId>,
    build: &mut Build<'_>,
) -> Option<Conditions> {
    let known = |name: &At<weir_schema::value::Name>| listeners.get(name.value.as_str()).copied();
    for name in matched.listeners.iter().filter(|name| known(name).is_none()) {
        build.error(Code::NoListener, name.span, format!("there is no listener `{}`", name.value.0));
    }
    let [headers, query, cookies] =
        [&matched.headers, &matched.query, &matched.cookies].map(|written| tests(written, Test::new, build));
    let claims = claims(&matched.claims, build);
    Some(Conditions {
        listeners: matched.listeners.iter().filter_map(known).collect(),
        methods: matched.methods.iter().map(|method| method.value.0.as_str().into()).collect(),
        sources: listener::networks(&matched.source),
        sni: matched.sni.iter().map(|name| name.value.clone()).collect(),
        headers: headers?,
        query: query?,
        cookies: cookies?,
        claims: claims?,
    })
}

fn tests(
    written: &Map<TextMatch>,
    compile: fn(&TextMatch) -> Result<Test, String>,
    build: &mut Build<'_>,
) -> Option<Tests> {
    let tests = written.iter().map(|(name, test)| match compile(test) {
        Ok(test) => Some((name.value.as_str().into(), test)),
        Err(reason) => {
            build.error(Code::Regex, test.span, format!("this expression cannot be used: {reason}"));
            None
        }
    });
    // All are compiled before the first fault ends the matter, so that all faults are told.
    tests.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Tests)
}

fn claims(written: &Map<TextMatch>, build: &mut Build<'_>) -> Option<Vec<(ClaimPath, Test)>> {
    let tests = tests(written, Test::of_claim, build)?;
    Some(tests.0.into_iter().map(|(name, test)| (ClaimPath::new(&name), test)).collect())
}

fn action(written: &written::Route, build: &mut Build<'_>) -> Option<Action> {
    if let Some(name) = &written.upstream {
        return build.upstream(name).map(Action::Upstream);
    }
    if let Some(redirect) = &written.redirect {
        return Some(Action::Redirect(listener::redirect(redirect)));
    }
    if let Some(respond) = &written.respond {
        return self::respond(respond, build).map(Action::Respond);
    }
    let parts: Vec<_> =
        written.split.iter().map(|part| Some((part.weight.value, build.upstream(&part.upstream)?))).collect();
    Some(Action::Split(Split::new(parts.into_iter().collect::<Option<Vec<_>>>()?)))
}

fn respond(written: &written_redirect::Respond, build: &mut Build<'_>) -> Option<Respond> {
    let body = match (&written.body, &written.file) {
        (Some(text), _) => text.value.clone().into_bytes(),
        (None, Some(file)) => build.file(file)?,
        (None, None) => Vec::new(),
    };
    Some(Respond {
        status: written.status.value.0,
        body: body.into(),
        content_type: written.content_type.value.clone(),
        headers: written
            .headers
            .iter()
            .map(|(name, value)| (name.value.clone(), value.value.clone()))
            .collect(),
    })
}

fn rewrite(written: &written::Rewrite) -> Rewrite {
    let prefix = |path: &At<PathPattern>| path.value.spell();
    let cut = |prefix: String| prefix.trim_end_matches('/').to_owned();
    Rewrite {
        strip_prefix: written.strip_prefix.as_ref().map(prefix).map(cut),
        add_prefix: written.add_prefix.as_ref().map(prefix).map(cut),
        path: written.path.as_ref().map(|path| path.value.clone()),
        host: written.host.as_ref().map(|host| host.value.clone()),
        method: written.method.as_ref().map(|method| method.value.0.clone()),
    }
}

/// A template that names a capture needs it in every path of its route.
fn check_captures(written: &written::Route, build: &mut Build<'_>) {
    let rewrite = written.rewrite.iter().flat_map(|rewrite| rewrite.path.iter().chain(&rewrite.host));
    let redirect = written.redirect.iter().map(|redirect| &redirect.to);
    let respond = written.respond.iter().flat_map(|respond| respond.headers.iter().map(|(_, value)| value));
    for template in rewrite.chain(redirect).chain(respond) {
        for name in captures(&template.value) {
            let lacks = |path: &PathPattern| !captured(path).any(|own| own == name);
            let paths = &written.r#match.path;
            if !paths.is_empty() && !paths.iter().any(|path| lacks(&path.value)) {
                continue;
            }
            let message = format!("no part of the path is called `{name}` here");
            let found = Diagnostic::new(Code::Template, template.span, message);
            let hint = format!(
                "Match a path with it, such as `/users/{{{name}}}`; every path of the route needs it."
            );
            build.report.push(found.hint(hint));
        }
    }
}

fn captures(template: &Template) -> impl Iterator<Item = &str> {
    template.pieces.iter().filter_map(|piece| match piece {
        Piece::Variable(Variable::Capture(name)) => Some(name.as_str()),
        _ => None,
    })
}

fn captured(path: &PathPattern) -> impl Iterator<Item = &str> {
    let segments = match path {
        PathPattern::Template(segments) => segments.as_slice(),
        _ => &[],
    };
    segments.iter().filter_map(|segment| match segment {
        Segment::One(name) | Segment::Rest(name) => Some(name.as_str()),
        Segment::Text(_) => None,
    })
}
