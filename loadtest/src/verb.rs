//! The verbs of the command line.

pub(crate) mod run;
pub(crate) mod setup;
