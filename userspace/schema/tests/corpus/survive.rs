//! What must hold for every text: the tests replay files by it, and the fuzz target tries to break it.

use weir_schema::diagnostic::Style;
use weir_schema::lookup::{Anything, Fixed};
use weir_schema::render::{Detail, render};
use weir_schema::{Format, Source, Sources, fmt, parse};

/// Reads a text in every way there is; panics if something does not hold.
pub(crate) fn survive(text: &str) {
    for sources in [
        Sources::one("torn.yaml", text),
        Sources::new(vec![Source::new("a.yaml", text), Source::new("b.yaml", text)]),
    ] {
        let outcome = parse(&sources, &Anything);
        for format in [Format::Text, Format::Json, Format::Sarif] {
            drop(outcome.report.write(&sources, format, Style::Plain));
        }
        if let Some(config) = &outcome.config {
            drop(render(config, &sources, Detail { defaults: true, origins: true }));
        }
    }
    drop(parse(&Sources::one("torn.yaml", text), &Fixed::default()));
    if let Ok(formatted) = fmt::format(text) {
        assert_eq!(fmt::format(&formatted).as_ref(), Ok(&formatted), "\n{text}\nonce\n{formatted}");
        let [before, after] =
            [text, &formatted].map(|text| parse(&Sources::one("torn.yaml", text), &Anything));
        assert_eq!(before.config, after.config, "\n{text}\nmeans another thing as\n{formatted}");
    }
}
