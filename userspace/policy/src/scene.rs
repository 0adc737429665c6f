//! A stage for tests: one request, one client, one worker, and policies that are asked about them.
use crate::{Client, Flow, Leave, Now, Pass, Policy, Visit, Worker};
use std::net::IpAddr;
use weir_message::{Request, Response, Scheme};

pub(crate) struct Scene {
    pub(crate) request: Request,
    pub(crate) client: Client,
    pub(crate) worker: Worker,
    pub(crate) pass: Pass,
    pub(crate) now: Now,
}

impl Scene {
    pub(crate) fn new(method: &str, target: &str, fields: &[(&str, &str)]) -> Scene {
        let mut request = Request::default();
        request.begin(Scheme::Https, method.as_bytes(), b"api.example.com", target.as_bytes());
        for (name, value) in fields {
            request.head.append(name, value.as_bytes()).unwrap();
        }
        request.settle(weir_message::uri::Rules::default()).unwrap();
        Scene {
            request,
            client: Client::direct(IpAddr::from([192, 0, 2, 1])),
            worker: Worker::default(),
            pass: Pass::default(),
            now: Now { wall_ms: 1_700_000_000_000, mono_ns: 1_000_000_000_000 },
        }
    }

    pub(crate) fn get(fields: &[(&str, &str)]) -> Scene {
        Scene::new("GET", "/v1/orders?id=7", fields)
    }

    pub(crate) fn visit(&mut self) -> Visit<'_> {
        Visit {
            request: &mut self.request,
            client: &self.client,
            route: "orders",
            now: self.now,
            worker: &mut self.worker,
            pass: &mut self.pass,
        }
    }

    pub(crate) fn ask(&mut self, policy: &impl Policy) -> Flow {
        policy.request(&mut self.visit())
    }

    /// The status of the refusal, or 0 if the request may pass.
    pub(crate) fn status(&mut self, policy: &impl Policy) -> u16 {
        match self.ask(policy) {
            Flow::Next => 0,
            Flow::Reply(reply) => reply.status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn answer(&mut self, policy: &impl Policy, status: u16, fields: &[(&str, &str)]) -> Response {
        let mut response = Response::default();
        response.begin(status);
        for (name, value) in fields {
            response.head.append(name, value.as_bytes()).unwrap();
        }
        policy.response(&mut Leave {
            request: &self.request,
            response: &mut response,
            client: &self.client,
            route: "orders",
            now: self.now,
            worker: &mut self.worker,
            pass: &mut self.pass,
        });
        response
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.request.head.value(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// Every value of a field of an answer, joined by `, `.
pub(crate) fn sent(response: &Response, name: &str) -> String {
    response.head.values(name).map(String::from_utf8_lossy).collect::<Vec<_>>().join(", ")
}
