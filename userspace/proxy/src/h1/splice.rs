//! Long bodies of a known length between two plain connections: their bytes stay in the kernel.
use super::{Inflow, Outflow};
use crate::{fault::Broken, stream::Stream};
use std::rc::Rc;
use weir_reactor::Pump;

/// What is left of a body must be this long to be worth a pipe.
const LONG_MIN: u64 = 128 * 1024;

/// Whether what is left of a body may go this way.
pub(crate) fn is_worth_it(pump: &Pump, inflow: &Inflow, outflow: &Outflow) -> bool {
    let plain = |stream: &Stream| matches!(stream, Stream::Plain(_));
    let long = inflow.rest_length().is_some_and(|left| left >= LONG_MIN || pump.is_open());
    long && outflow.is_bare() && plain(inflow.stream()) && plain(outflow.stream())
}

/// Moves what comes next: the number of bytes, or nothing where they have to go through buffers nevertheless.
pub(crate) async fn step(
    pump: &mut Pump,
    inflow: &mut Inflow,
    outflow: &mut Outflow,
) -> Result<Option<usize>, Broken> {
    let left = inflow.rest_length().unwrap_or(0);
    let (from, to) = (Rc::clone(inflow.stream()), Rc::clone(outflow.stream()));
    let (Stream::Plain(from), Stream::Plain(to)) = (&*from, &*to) else { return Ok(None) };
    let Some(bytes) = pump.pass(&from.recv, &to.send, left).await? else { return Ok(None) };
    if bytes == 0 {
        return Err(Broken::Gone);
    }
    inflow.passed(bytes as u64);
    if inflow.is_done() && !from.recv.is_silent().await {
        inflow.spoil();
    }
    outflow.passed(bytes as u64);
    Ok(Some(bytes))
}
