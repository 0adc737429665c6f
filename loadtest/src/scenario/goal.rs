//! A speed goal: our cost against a peer's.

use super::PeerName;
use weir_schema::value::Name;
use weir_schema::{At, section, words};

section! {
    /// One peer's figure, most often weir's, divided by that of another must not be above a ratio.
    pub struct Goal "goal" {
        /// The goal's id.
        pub id: At<Name>,
        /// Whose.
        pub of: At<PeerName> = PeerName::Weir,
        /// Which figure.
        pub figure: At<Figure> = Figure::Cpu,
        /// The peer.
        pub against: At<PeerName>,
        /// The highest ratio that meets the goal.
        pub ratio: At<f64>,
    }
}

words! {
    /// A figure of a run.
    pub enum Figure "a figure" {
        /// CPU time for each right answer.
        Cpu = "cpu",
        /// The latency that 99 of 100 answers keep.
        P99 = "p99",
        /// The latency that 999 of 1000 answers keep.
        P999 = "p999",
        /// Memory for each idle connection.
        Memory = "memory",
    }
}
