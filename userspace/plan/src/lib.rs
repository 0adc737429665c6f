//! The configuration as meant: an immutable plan compiled from the schema, and the difference of two plans.

pub mod shield;
