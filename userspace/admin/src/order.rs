//! What is asked for when a configuration is to be taken.

use crate::Response;
use serde_json::{Value, json};
use std::net::IpAddr;

/// A wish to take a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Its files, the main one first; none means those that the program was started with.
    pub files: Option<Vec<File>>,
    /// After so many seconds the one before is in force again, unless this one is confirmed.
    pub confirm_s: Option<u64>,
    /// Take it even if it cuts an operator off.
    pub force: bool,
    /// Who asks, if over SSH.
    pub operator: Option<Operator>,
    /// What is in force already is not taken again.
    pub once: bool,
}

/// Somebody who is logged in over SSH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Where from.
    pub address: IpAddr,
    /// To which port of this host.
    pub port: u16,
}

/// One file of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What diagnostics call it.
    pub name: String,
    /// All of it.
    pub text: String,
}

impl Order {
    /// Reads the body of a request, of which nothing is needed.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Response> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let mut order = Self::default();
        each(body, |key, value| match key {
            "files" => files(value).map(|files| order.files = Some(files)),
            "confirm_s" => seconds(value).map(|seconds| order.confirm_s = Some(seconds)),
            "force" => value.as_bool().map(|force| order.force = force),
            "operator" => operator(value).map(|operator| order.operator = Some(operator)),
            _ => None,
        })?;
        Ok(order)
    }

    /// Reads the body of a request that puts its files in the place of what is in force; made twice it is made once.
    pub(crate) fn parse_whole(body: &[u8]) -> Result<Self, Response> {
        let order = Self::parse(body)?;
        if order.files.is_none() {
            let detail = "\"files\" is missing: [ { \"name\": \"weir.yaml\", \"text\": \"version: 1 …\" } ]";
            return Err(Response::problem(400, "the body is not understood", detail));
        }
        Ok(Self { once: true, ..order })
    }

    /// What is to be taken, in short: a configuration may hold secrets.
    pub(crate) fn what(&self) -> String {
        let file = |file: &File| format!("{:?} ({} bytes)", file.name, file.text.len()).replace('"', "");
        let files = self.files.as_ref().map(|files| files.iter().map(file).collect::<Vec<_>>().join(", "));
        let mut what = files.unwrap_or_else(|| String::from("its files"));
        if let Some(seconds) = self.confirm_s {
            what += &format!(", on trial for {seconds} s");
        }
        if self.force {
            what += ", by force";
        }
        what
    }

    /// The body of a request.
    #[must_use]
    pub fn body(&self) -> Value {
        let file = |file: &File| json!({ "name": file.name, "text": file.text });
        let operator = |operator: Operator| json!({ "address": operator.address, "port": operator.port });
        let fields = [
            ("files", self.files.as_ref().map(|files| files.iter().map(file).collect())),
            ("confirm_s", self.confirm_s.map(Value::from)),
            ("force", self.force.then_some(Value::Bool(true))),
            ("operator", self.operator.map(operator)),
        ];
        let written = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Value::Object(written.collect())
    }
}

/// The generation that the body of a request names.
pub(crate) fn generation(body: &[u8]) -> Result<Option<u64>, Response> {
    let mut number = None;
    if !body.is_empty() {
        each(body, |key, value| {
            number = value.as_u64().filter(|_| key == "generation");
            number.map(drop)
        })?;
    }
    Ok(number)
}

/// Goes through the fields of a body; one that is not taken refuses it.
fn each(body: &[u8], mut take: impl FnMut(&str, &Value) -> Option<()>) -> Result<(), Response> {
    let bad = |detail: &str| Response::problem(400, "the body is not understood", detail);
    let value: Value =
        serde_json::from_slice(body).map_err(|error| bad(&format!("it is not JSON: {error}")))?;
    let fields = value.as_object().ok_or_else(|| bad("it is not an object"))?;
    match fields.iter().find(|(key, value)| take(key, value).is_none()) {
        Some((key, _)) => Err(bad(&format!("\"{key}\" is unknown here, or its value is of another kind"))),
        None => Ok(()),
    }
}

/// A day is the most: whoever has forgotten a trial by then should not be surprised by its end.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().filter(|seconds| (1..=86_400).contains(seconds))
}

fn operator(value: &Value) -> Option<Operator> {
    let address = value.get("address")?.as_str()?.parse().ok()?;
    Some(Operator { address, port: u16::try_from(value.get("port")?.as_u64()?).ok()? })
}

fn files(value: &Value) -> Option<Vec<File>> {
    let file = |value: &Value| {
        let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        Some(File { name: text("name")?, text: text("text")? })
    };
    value.as_array().filter(|files| !files.is_empty())?.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_as_it_was_sent() {
        let file = |name: &str| File { name: name.to_owned(), text: String::from("version: 1\n") };
        let full = Order {
            files: Some(vec![file("a.yaml"), file("b.yaml")]),
            confirm_s: Some(300),
            force: true,
            operator: Some(Operator { address: [198, 51, 100, 7].into(), port: 22 }),
            once: false,
        };
        for order in [Order::default(), full] {
            assert_eq!(Order::parse(order.body().to_string().as_bytes()), Ok(order));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |body: &str, says: &str| {
            let text = String::from_utf8(Order::parse(body.as_bytes()).unwrap_err().body).unwrap();
            assert!(text.contains(says), "{says} not in {text}");
        };
        check("[]", "not an object");
        check("{", "not JSON");
        check(r#"{"fils":[]}"#, "fils");
        check(r#"{"confirm_s":0}"#, "confirm_s");
        check(r#"{"files":[]}"#, "another kind");
        check(r#"{"files":[{"name":"a"}]}"#, "another kind");
    }
}
