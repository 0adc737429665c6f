//! The page that a scraper reads.

use super::{Appliance, seconds};
use crate::census;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::PoisonError;
use weir_admin::Response;
use weir_control::door::spare;
use weir_meter::{Block, Format, Page, names};
use weir_reactor::give_way;
use weir_wire::Reason;

/// What the control thread knows is written at once; what the workers have counted, which may be tens of thousands of lines,
/// on a thread that gives way to them.
pub(super) async fn page(appliance: &RefCell<Appliance>, format: Format) -> Response {
    let (mut page, blocks, rows, scribe) = {
        let mut appliance = appliance.borrow_mut();
        let mut page = Page::new(format, spare());
        appliance.tell(&mut page);
        let directory = appliance.shared.directory.lock().unwrap_or_else(PoisonError::into_inner);
        (page, appliance.crew.blocks(), directory.rows(), Rc::clone(&appliance.scribe))
    };
    let work = move || {
        give_way();
        let blocks: Vec<&Block> = blocks.iter().map(AsRef::as_ref).collect();
        weir_meter::blocks(&mut page, &blocks, &rows, |number| Reason::find(number).map(Reason::as_str));
        page.finish()
    };
    match scribe.run(work).await {
        Ok(text) => Response::text(format.media_type(), text),
        Err(error) => Response::problem(503, "no page", &format!("{error}; ask again")),
    }
}

impl Appliance {
    /// Everything but what the workers have counted.
    fn tell(&mut self, page: &mut Page) {
        page.family(&names::BUILD);
        page.sample(&names::BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.single(&names::STARTED, seconds(self.started));
        page.single(&names::WORKERS, self.crew.len());
        page.single(&names::STUCK, self.crew.stuck());
        page.single(&names::GENERATION, self.generation);
        page.family(&names::RELOADS);
        page.sample(&names::RELOADS, &[("result", "ok")], self.reloads.taken);
        page.sample(&names::RELOADS, &[("result", "refused")], self.reloads.refused);
        page.single(&names::LAST_RELOAD, u8::from(self.reloads.last_taken));
        page.single(&names::RETIRED, self.retired.len());
        census::process(page);
        census::reactors(page, self.crew.counters());
        let plan = self.shared.plans.load();
        census::certificates(page, &plan);
        self.renewals.metrics(page);
        self.logbook.metrics(page);
        self.spans.metrics(page);
        self.lookout.metrics(&plan, page);
        census::policies(page, &plan);
        self.guard.metrics(page);
    }
}
