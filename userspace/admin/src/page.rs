//! Lists that may be long are told in pieces: so many items, those after the last one seen, in the order of their keys.

use crate::Response;
use serde_json::Value;

/// Items of a page if nothing is said.
pub const ITEMS: usize = 1_000;
/// Items of a page at most.
pub const ITEMS_MAX: usize = 10_000;

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    limit: usize,
    /// The key of the last item seen.
    after: Option<String>,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: ITEMS, after: None }
    }
}

impl Page {
    /// Takes one part of a query; false if it says nothing about pages.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<bool, Response> {
        let bad = |detail: String| Response::problem(400, "the query is not understood", &detail);
        match name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=ITEMS_MAX).contains(limit));
                let wrong = || bad(format!("`limit` is a whole number from 1 to {ITEMS_MAX}"));
                self.limit = limit.ok_or_else(wrong)?;
            }
            "after" => {
                let wrong = || bad(String::from("`after` is what `next` of the page before says"));
                self.after = Some(unhex(value).ok_or_else(wrong)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The part of the list that is asked for, and where the next one is found. An item that comes or goes meanwhile moves no
    /// other from one page to another.
    #[must_use]
    pub fn cut(&self, path: &str, items: Vec<Value>, key: impl Fn(&Value) -> String) -> (Vec<Value>, Value) {
        let mut keyed: Vec<(String, Value)> = items.into_iter().map(|item| (key(&item), item)).collect();
        keyed.sort_by(|one, other| one.0.cmp(&other.0));
        let is_seen = |item: &(String, Value)| self.after.as_ref().is_some_and(|after| item.0 <= *after);
        let seen = keyed.partition_point(is_seen);
        let more = keyed.len() - seen > self.limit;
        let mut page: Vec<(String, Value)> = keyed.into_iter().skip(seen).take(self.limit).collect();
        let last = page.last_mut().filter(|_| more).map(|last| std::mem::take(&mut last.0));
        let next = last.map_or(Value::Null, |last| {
            Value::String(format!("{path}?limit={}&after={}", self.limit, hex(&last)))
        });
        (page.into_iter().map(|(_, item)| item).collect(), next)
    }
}

/// A key may hold anything, and stands in a query.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<String> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    String::from_utf8(pairs.iter().map(byte).collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(query: &str) -> Result<Page, Response> {
        let mut page = Page::default();
        for (name, value) in query.split('&').filter_map(|part| part.split_once('=')) {
            assert!(page.take(name, value)?, "{name}");
        }
        Ok(page)
    }

    #[test]
    fn pages_follow_one_another_and_miss_nothing() {
        let key = |item: &Value| item.as_str().unwrap().to_owned();
        let mut items: Vec<Value> = ["d é", "a", "c/1", "b"].map(Value::from).to_vec();
        let (mut seen, mut next) = (Vec::new(), String::from("/list?limit=2"));
        loop {
            let page = of(next.split_once('?').unwrap().1).unwrap();
            let (part, more) = page.cut("/list", items.clone(), key);
            assert!(part.len() <= 2);
            seen.extend(part);
            let Some(more) = more.as_str() else { break };
            next = more.to_owned();
            // What goes away meanwhile takes no other item with it.
            items.retain(|item| item != "a");
        }
        assert_eq!(json!(seen), json!(["a", "b", "c/1", "d é"]));
        assert_eq!(Page::default().cut("/list", Vec::new(), key), (Vec::new(), Value::Null));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (query, says) in
            [("limit=0", "1 to 10000"), ("limit=x", "limit"), ("limit=10001", "limit"), ("after=zz", "next")]
        {
            let text = String::from_utf8(of(query).unwrap_err().body).unwrap();
            assert!(text.contains(says), "{query}: {text}");
        }
    }
}
