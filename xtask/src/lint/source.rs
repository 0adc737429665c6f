//! A parsed Rust file: its syntax, its tokens, and which of its lines are tests.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use std::ops::RangeInclusive;
use syn::{Attribute, Item, spanned::Spanned, visit::Visit};

/// A Rust file.
pub(super) struct Source {
    pub(super) text: String,
    pub(super) syntax: syn::File,
    /// Whether the whole file is a test.
    pub(super) is_test: bool,
    tests: Vec<RangeInclusive<usize>>,
}

impl Source {
    /// Parses a file; the path tells whether it is a test.
    pub(super) fn parse(path: &str, text: &str) -> syn::Result<Self> {
        let syntax = syn::parse_file(text)?;
        let mut tests = Tests::default();
        tests.visit_file(&syntax);
        let mut parts = path.split('/');
        let is_test = parts.any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "fuzz"));
        Ok(Self { text: text.to_owned(), syntax, is_test, tests: tests.found })
    }

    /// Whether a line (counted from one) belongs to a test.
    pub(super) fn in_test(&self, line: usize) -> bool {
        self.is_test || self.tests.iter().any(|range| range.contains(&line))
    }

    /// The lines that are not tests, with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines()).filter(|(line, _)| !self.in_test(*line))
    }

    /// Every token outside tests and attributes, in order, groups opened; macros' bodies are included.
    pub(super) fn tokens(&self) -> Vec<Token> {
        let mut tokens = self.all_tokens();
        tokens.retain(|token| !self.in_test(token.line));
        tokens
    }

    /// The same with the tests.
    pub(super) fn all_tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        if let Ok(stream) = self.text.parse::<TokenStream>() {
            flatten(stream, &mut tokens);
        }
        tokens
    }
}

/// One token as it is written, and its line.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    fn new(text: &str, span: Span) -> Self {
        Self { text: text.to_owned(), line: span.start().line }
    }

    /// The content of a string or byte string literal.
    pub(super) fn literal(&self) -> Option<&str> {
        let text = self.text.trim_start_matches(['b', 'c', 'r']).trim_matches('#');
        text.strip_prefix('"')?.strip_suffix('"')
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                trees.next_if(|next| matches!(next, TokenTree::Punct(mark) if mark.as_char() == '!'));
                trees.next_if(|next| matches!(next, TokenTree::Group(_)));
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token::new(open, group.span_open()));
                flatten(group.stream(), tokens);
                tokens.push(Token::new(close, group.span_close()));
            }
            other => tokens.push(Token::new(&other.to_string(), other.span())),
        }
    }
}

/// The modules a file declares for its tests only, as paths without `.rs`.
pub(super) fn test_modules(path: &str, source: &Source) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let below = match path.rsplit_once('/').map_or(path, |(_, name)| name) {
        "lib.rs" | "main.rs" => folder.to_owned(),
        name => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    let declared = source.syntax.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => Some(&module.ident),
        _ => None,
    });
    declared.map(|name| format!("{below}/{name}")).collect()
}

/// Whether attributes make an item part of the tests.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let text = list.tokens.to_string();
        attribute.path().is_ident("cfg")
            && (text == "test" || text.starts_with("all (test") || text.starts_with("all(test"))
    })
}

/// Collects the line ranges of test items.
#[derive(Default)]
struct Tests {
    found: Vec<RangeInclusive<usize>>,
}

impl Tests {
    fn take(&mut self, attributes: &[Attribute], span: Span) {
        if is_test(attributes) {
            let start = attributes.first().map_or(span, Spanned::span).start().line;
            self.found.push(start..=span.end().line);
        }
    }
}

impl<'ast> Visit<'ast> for Tests {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            Item::Trait(item) => &item.attrs,
            Item::Macro(item) => &item.attrs,
            _ => &[],
        };
        self.take(attributes, item.span());
        syn::visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.take(&function.attrs, function.span());
        syn::visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tests_are_known() {
        let text = "//! x\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let source = Source::parse("src/a.rs", text).unwrap();
        let lines: Vec<_> = source.lines().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 2, 7]);
        let words: Vec<_> = source.tokens().into_iter().map(|token| token.text).collect();
        assert_eq!(words, ["fn", "a", "(", ")", "{", "}", "fn", "c", "(", ")", "{", "}"]);
    }

    #[test]
    fn attributes_are_no_tokens_but_macros_are() {
        let source = Source::parse("src/a.rs", "#[doc = \"weir_x\"]\nm!(b\"text\");\n").unwrap();
        let literals: Vec<_> =
            source.tokens().iter().filter_map(|token| token.literal().map(str::to_owned)).collect();
        assert_eq!(literals, ["text"]);
    }
}
