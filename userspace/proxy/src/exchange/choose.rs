//! Which route answers, and what it changes about the request.
use super::{Exchange, reply::unwritable};
use crate::{
    fault::Fault,
    forward,
    half::{Sink, Source},
};
use weir_message::Framing;
use weir_plan::{
    route::{Redirect, Respond, Route},
    router::Ask,
};
use weir_policy::{Facts, Template};

impl<'a, S: Source, K: Sink> Exchange<'a, S, K> {
    /// Finds the route.
    pub(super) fn choose(&mut self) -> Result<&'a Route, Fault> {
        let snapshot = self.snapshot;
        let sni = self.line.server_name.as_deref();
        let ask = Ask {
            request: self.request,
            listener: self.listener.id,
            client: self.client.address,
            sni,
            identity: Some(&self.pass.identity),
        };
        let found = snapshot.plan.router.find(&ask).ok_or(Fault::NoRoute)?;
        self.pass.forget_captures();
        for (name, value) in found.entry.captures(self.request.path()) {
            self.pass.capture(name, value.as_bytes());
        }
        self.wants_claims = found.wants_claims;
        self.route = &found.route.name;
        self.record.seat = snapshot.seat(self.listener, found.route.id);
        Ok(found.route)
    }

    /// Applies what the route changes.
    pub(super) fn rewrite(&mut self, route: &Route) -> Result<(), Fault> {
        let rewrite = &route.rewrite;
        if let Some(prefix) = &rewrite.strip_prefix {
            let prefix = prefix.trim_end_matches('/');
            let rest = self.request.path().strip_prefix(prefix);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                self.request.strip_path_prefix(prefix.len());
                if self.listener.forwarded.x_forwarded && !prefix.is_empty() {
                    forward::tell_prefix(&mut self.request.head, prefix).map_err(unwritable)?;
                }
            }
        }
        if let Some(prefix) = &rewrite.add_prefix {
            let path = self.request.path().to_owned();
            self.request
                .set_path(&[prefix.trim_end_matches('/').as_bytes(), path.as_bytes()])
                .map_err(unwritable)?;
        }
        if let Some(template) = &rewrite.path {
            let path = self.rendered(template);
            self.request.set_path(&[&path]).map_err(unwritable)?;
        }
        if let Some(template) = &rewrite.host {
            let host = self.rendered(template);
            self.request.set_authority(&host).map_err(unwritable)?;
        }
        if let Some(method) = &rewrite.method {
            self.request.set_method(method.as_bytes()).map_err(unwritable)?;
        }
        Ok(())
    }

    /// Sends the client elsewhere.
    pub(super) async fn redirect(&mut self, redirect: &Redirect) -> Result<(), Fault> {
        let target = self.rendered(&redirect.to);
        self.response.begin(redirect.status);
        self.body.clear();
        self.field(b"Location", &target)?;
        self.send_own(None).await
    }

    /// The answer that the configuration gives.
    pub(super) async fn respond(&mut self, respond: &Respond) -> Result<(), Fault> {
        self.response.begin(respond.status);
        if !respond.body.is_empty() {
            self.field(b"Content-Type", respond.content_type.as_bytes())?;
        }
        for (name, template) in &respond.headers {
            let value = self.rendered(template);
            self.field(name.as_bytes(), &value)?;
        }
        self.response.framing = Framing::Length(respond.body.len() as u64);
        self.send_own(Some(&respond.body)).await
    }

    fn rendered(&self, template: &weir_schema::value::Template) -> Vec<u8> {
        let mut out = Vec::new();
        let facts = Facts { request: self.request, client: &self.client, route: self.route, pass: self.pass };
        Template::compile(template).write(facts, &mut out);
        out
    }
}
