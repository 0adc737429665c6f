//! The state of the shield as one struct, read from pins alone: no weir needs to be running.

use std::os::fd::AsFd;
use std::path::Path;

use serde::Serialize;
use weir_wire::port::{PortState, STATE_ACTIVE_UNTIL};
use weir_wire::{Ban, Rules, Stage, table};

use crate::attach::{Attached, Placement};
use crate::counters::{Amount, Counters};
use crate::map::Map;
use crate::netlink::Interface;
use crate::pins::Pins;
use crate::tables::Tables;
use crate::{Error, bpf, clock, object};

/// What `weir shield status` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The number of the program in the kernel.
    pub program: Option<u32>,
    /// Where the object inside this weir came from: `fresh` or `prebuilt`.
    pub object: &'static str,
    /// Every interface that has a link.
    pub interfaces: Vec<Attached>,
    /// The mode of every stage; empty before the first plan.
    pub stages: Vec<StageMode>,
    /// Bans in force.
    pub bans: usize,
    /// Port rules whose SYN guard answers at this moment.
    pub guarded_rules: Vec<usize>,
    /// Everything that was dropped.
    pub dropped: Amount,
    /// Everything that passed.
    pub passed: Amount,
}

/// A stage and its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StageMode {
    /// The stage.
    pub stage: &'static str,
    /// `off`, `observe` or `enforce`.
    pub mode: &'static str,
}

impl Status {
    /// Reads the state of the shield with these pins.
    ///
    /// # Errors
    /// There is none, or the kernel refused.
    pub fn read(pin_directory: &Path) -> Result<Self, Error> {
        let pins = Pins::at(pin_directory);
        let tables = Tables::open(pin_directory)?;
        let counters = Counters::read(&tables)?;
        let program = pins.pinned_program();
        let stages = tables.rules()?.map(|rules| stages(&rules));
        Ok(Self {
            program: program.and_then(|program| bpf::program_id(program.as_fd()).ok()),
            object: object::ORIGIN,
            interfaces: pins.linked().iter().map(|name| seen(&pins, name)).collect::<Result<_, _>>()?,
            stages: stages.unwrap_or_default(),
            bans: bans_in_force(pin_directory)?,
            guarded_rules: guarded(&tables.port_states()?, clock::monotonic_ns()),
            dropped: counters.dropped_in_all(),
            passed: counters.passed_in_all(),
        })
    }
}

/// The mode of every stage of the kernel.
pub(crate) fn stages(rules: &Rules) -> Vec<StageMode> {
    let own = Stage::ALL.into_iter().filter(|stage| *stage != Stage::Request);
    own.map(|stage| StageMode { stage: stage.as_str(), mode: rules.config.mode(stage).as_str() }).collect()
}

fn bans_in_force(pins: &Path) -> Result<usize, Error> {
    let now_ns = clock::monotonic_ns();
    let bans: Map<u64, Ban> = Map::open(pins, table::BANS)?;
    Ok(bans.read_all()?.into_iter().filter(|(_, ban)| ban.holds(now_ns)).count())
}

/// The numbers of the rules whose SYN guard answers.
pub(crate) fn guarded(states: &[PortState], now_ns: u64) -> Vec<usize> {
    let active = |state: &PortState| state.get(STATE_ACTIVE_UNTIL).is_some_and(|&until_ns| now_ns < until_ns);
    states.iter().enumerate().filter(|(_, state)| active(state)).map(|(rule, _)| rule).collect()
}

fn seen(pins: &Pins, name: &str) -> Result<Attached, Error> {
    let interface = Interface::find(name).map_err(|error| Error::os(format!("look at {name}"), &error))?;
    let link = pins.link(name)?;
    let (placement, why) = match (&interface, &link) {
        (None, _) => (Placement::Off, "the interface is gone"),
        (Some(now), Some(link)) if link.index == now.index && link.program != 0 => {
            match now.native == link.program {
                true => (Placement::Native, ""),
                false if now.generic == link.program => (Placement::Generic, ""),
                false => (Placement::Off, "the link was detached by somebody else"),
            }
        }
        _ => (Placement::Off, "the interface was made anew since"),
    };
    Ok(Attached { interface: name.to_owned(), placement, why: why.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_guarded_until_its_time() {
        let mut states = vec![PortState::default(); 3];
        states[2][STATE_ACTIVE_UNTIL] = 100;
        assert_eq!(guarded(&states, 99), [2]);
        assert_eq!(guarded(&states, 100), Vec::<usize>::new());
    }
}
