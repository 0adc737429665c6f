//! One self-contained page: the data stands in it, a script draws it, nothing is fetched.

use serde_json::Value;

const PAGE: &str = include_str!("page.html");

/// The page for a report as `json::document` makes it.
pub(crate) fn page(report: &Value) -> String {
    // A `<` inside the data could otherwise end the element that holds it.
    let data = report.to_string().replace('<', "\\u003c");
    PAGE.replacen("/*DATA*/", &data, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn data_cannot_leave_its_element() {
        let page = page(&json!({ "what": "</script><script>alert(1)</script>" }));
        assert!(!page.contains("<script>alert"), "the data became markup");
        assert!(page.contains("\\u003c/script>"));
        assert!(!page.contains("http://") && !page.contains("https://"), "the page fetches something");
    }
}
