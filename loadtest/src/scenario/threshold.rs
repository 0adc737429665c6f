//! What must hold at the end.

use super::Latency;
use weir_schema::value::{Rate, Share};
use weir_schema::{At, section};

section! {
    /// What must hold for weir, or for the target.
    pub struct Thresholds "thresholds" {
        /// Half of the answers are faster.
        pub p50: Option<At<Latency>>,
        /// 99 of 100 answers are faster.
        pub p99: Option<At<Latency>>,
        /// 999 of 1000 answers are faster.
        pub p999: Option<At<Latency>>,
        /// At most so many wrong or missing answers.
        pub errors: Option<At<u64>>,
        /// At least so many right answers a second.
        pub throughput: Option<At<Rate>>,
        /// At least this share of what was offered is answered rightly.
        pub goodput: Option<At<Share>>,
    }
}
