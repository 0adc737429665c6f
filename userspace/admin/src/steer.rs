//! What is asked for when a target of an upstream is to be steered.

use crate::Response;
use serde_json::{Value, json};

/// A wish about one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steer {
    /// The upstream's name.
    pub upstream: String,
    /// The target's address as written.
    pub target: String,
    /// What is to become of it.
    pub wish: Wish,
}

/// What is to become of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It gets no new requests, or gets them again.
    Drained(bool),
    /// It gets another weight; `None` is the one written.
    Weight(Option<u32>),
}

impl Steer {
    /// Reads the body of a request.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Response> {
        let bad = |detail: &str| Response::problem(400, "the body is not understood", detail);
        let body: Value =
            serde_json::from_slice(body).map_err(|error| bad(&format!("it is not JSON: {error}")))?;
        let text = |key: &str| {
            let value = body.get(key).and_then(Value::as_str);
            value.map(str::to_owned).ok_or_else(|| bad(&format!("\"{key}\" is missing")))
        };
        let (upstream, target) = (text("upstream")?, text("target")?);
        let wish = match (body.get("drained"), body.get("weight")) {
            (Some(Value::Bool(drained)), None) => Wish::Drained(*drained),
            (None, Some(Value::Null)) => Wish::Weight(None),
            (None, Some(weight)) => {
                let weight = weight.as_u64().and_then(|weight| u32::try_from(weight).ok());
                Wish::Weight(Some(weight.filter(|weight| *weight <= WEIGHT_MAX).ok_or_else(|| {
                    bad(&format!(
                        "\"weight\" is a whole number up to {WEIGHT_MAX}, or null for the one written"
                    ))
                })?))
            }
            _ => return Err(bad("it needs either \"drained\": true or false, or \"weight\"")),
        };
        Ok(Self { upstream, target, wish })
    }

    /// The body of a request.
    #[must_use]
    pub fn body(&self) -> Value {
        let Self { upstream, target, wish } = self;
        match wish {
            Wish::Drained(drained) => json!({ "upstream": upstream, "target": target, "drained": drained }),
            Wish::Weight(weight) => json!({ "upstream": upstream, "target": target, "weight": weight }),
        }
    }
}

/// The largest weight, as in the configuration.
pub const WEIGHT_MAX: u32 = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_survives_its_way_and_anything_else_is_refused() {
        for wish in [Wish::Drained(true), Wish::Drained(false), Wish::Weight(Some(0)), Wish::Weight(None)] {
            let steer = Steer { upstream: "api".into(), target: "10.0.0.1:80".into(), wish };
            assert_eq!(Steer::parse(steer.body().to_string().as_bytes()), Ok(steer));
        }
        let check = |body: &str, says: &str| {
            let refused = String::from_utf8(Steer::parse(body.as_bytes()).unwrap_err().body).unwrap();
            assert!(refused.contains(says), "{body}: {refused}");
        };
        check("", "not JSON");
        check(r#"{"upstream":"a"}"#, "target");
        check(r#"{"upstream":"a","target":"b"}"#, "drained");
        check(r#"{"upstream":"a","target":"b","weight":65536}"#, "65535");
        check(r#"{"upstream":"a","target":"b","weight":1,"drained":true}"#, "either");
    }
}
