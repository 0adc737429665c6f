//! The verbs of the command line.

pub(crate) mod compare;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod setup;
