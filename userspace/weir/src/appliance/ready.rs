//! Whether this host can serve: what a balancer asks before it sends clients here.

use super::Appliance;
use weir_admin::Response;
use weir_proxy::State;

impl Appliance {
    /// Everything that is in the way is told at once.
    pub(super) fn ready(&mut self) -> Response {
        let lacks = self.lacks();
        match lacks.as_slice() {
            [] => Response::text("text/plain; charset=utf-8", "ready\n"),
            lacks => Response::problem(503, "not ready", &lacks.join("; ")),
        }
    }

    fn lacks(&mut self) -> Vec<String> {
        if self.draining {
            return vec![String::from("draining: this process is about to end")];
        }
        let mut lacks: Vec<String> = self.guard.lacks(&self.current.plan).into_iter().collect();
        match self.crew.stuck() {
            0 => {}
            stuck => lacks.push(format!("{stuck} of {} workers do not answer", self.crew.len())),
        }
        let metrics = self.current.config.telemetry.metrics.as_ref();
        let needs = metrics.map_or(&[][..], |metrics| &metrics.value.needs);
        if needs.is_empty() {
            return lacks;
        }
        let views = self.shared.board.view(&self.current.plan);
        for name in needs {
            let view = views.iter().find(|view| *view.name == *name.value.0);
            let serves = |state: State| matches!(state, State::Up);
            if !view.is_some_and(|view| view.targets.iter().any(|target| serves(target.state))) {
                lacks.push(format!("no target of the upstream `{}` is in use", name.value.0));
            }
        }
        lacks
    }
}
