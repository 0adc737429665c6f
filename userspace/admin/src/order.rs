//! What is asked for when a configuration is to be taken.

use crate::Response;
use serde_json::{Value, json};

/// A wish to take a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Its files, the main one first; none means those that the program was started with.
    pub files: Option<Vec<File>>,
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
        let bad = |detail: &str| Response::problem(400, "not an order", detail);
        let value: Value =
            serde_json::from_slice(body).map_err(|error| bad(&format!("the body is not JSON: {error}")))?;
        let fields = value.as_object().ok_or_else(|| bad("the body is not an object"))?;
        let mut order = Self::default();
        for (key, value) in fields {
            let taken = match key.as_str() {
                "files" => files(value).map(|files| order.files = Some(files)),
                _ => return Err(bad(&format!("\"{key}\" is unknown; there is files"))),
            };
            taken.ok_or_else(|| bad(&format!("\"{key}\" has a value of another kind")))?;
        }
        Ok(order)
    }

    /// The body of a request.
    #[must_use]
    pub fn body(&self) -> Value {
        let file = |file: &File| json!({ "name": file.name, "text": file.text });
        let mut body = json!({});
        if let Some(files) = &self.files {
            body["files"] = files.iter().map(file).collect();
        }
        body
    }
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
        for order in [Order::default(), Order { files: Some(vec![file("a.yaml"), file("b.yaml")]) }] {
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
        check(r#"{"files":[]}"#, "another kind");
        check(r#"{"files":[{"name":"a"}]}"#, "another kind");
    }
}
