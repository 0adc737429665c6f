//! What the shield would do with a source, and why. The question takes all along that the answer needs: to look into the files
//! of the lists is for a thread that has time.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use weir_plan::shield::Shield as Plan;
use weir_wire::Config;

use super::Shield;
use crate::Error;
use crate::bans::Shown;
use crate::explain::{Explanation, Findings};
use crate::lists::{self, Origin};
use crate::tables::Tables;

/// A question about a source.
#[derive(Debug)]
pub struct Inquiry {
    source: IpAddr,
    plan: Plan,
    /// The network that is never dropped and that the source belongs to.
    protected: Option<IpNet>,
    ban: Option<Shown>,
    tables: Arc<Tables>,
}

impl Inquiry {
    /// Looks into the tables and the files.
    ///
    /// # Errors
    /// What the kernel refused, or a list file that has become unreadable.
    pub fn answer(self) -> Result<Explanation, Error> {
        let rules = self.tables.rules()?;
        let config = rules.map_or_else(Config::default, |rules| rules.config);
        let mut origins = lists::origins(&self.plan, self.source)?;
        if let Some(network) = self.protected {
            origins.insert(0, Origin { network, list: "trusted", file: None });
        }
        let mark = self.tables.mark(self.source.into())?;
        let findings = Findings { config: &config, mark, ban: self.ban, origins, plan: &self.plan };
        Ok(Explanation::new(self.source, &findings))
    }
}

impl Shield {
    /// A question about a source, to be answered wherever there is time.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn inquiry(&self, source: IpAddr) -> Result<Inquiry, Error> {
        let protected = self.bans.protected().iter().map(|(network, _)| network);
        Ok(Inquiry {
            source,
            plan: self.plan.clone(),
            protected: protected.into_iter().find(|network| network.contains(&source)),
            ban: self.bans.find(source)?,
            tables: Arc::clone(&self.tables),
        })
    }

    /// What the shield would do with a source, and why.
    ///
    /// # Errors
    /// As for [`Inquiry::answer`].
    pub fn explain(&self, source: IpAddr) -> Result<Explanation, Error> {
        self.inquiry(source)?.answer()
    }
}
