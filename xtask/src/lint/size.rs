//! Sizes: of files, functions and parameter lists.

use super::{Finding, Rule, source::Source};
use crate::lint::tree::Tree;
use proc_macro2::Span;
use syn::{Block, Signature, spanned::Spanned, visit::Visit};

pub(super) const FILES: Rule = Rule {
    name: "file-size",
    explain: "a Rust file has at most 400 lines, not counting its tests. Aim at about 130. Split where a piece has a \
              name a stranger would guess, one noun per file; a file that cannot be split so is doing one thing too \
              elaborately.",
    check: files,
};

pub(super) const FUNCTIONS: Rule = Rule {
    name: "function-size",
    explain: "a function has at most 70 lines of code (50 in ebpf/xdp, where each line is a line for the verifier) and \
              at most 5 parameters, unless a trait of others asks for more. Aim at about 8 lines. Blank lines and comments are not counted, and tests are free.",
    check: functions,
};

const FILE_MAX: usize = 400;
const FUNCTION_MAX: usize = 70;
const XDP_FUNCTION_MAX: usize = 50;
const PARAMETERS_MAX: usize = 5;

fn files(tree: &Tree) -> Vec<Finding> {
    let sizes = tree.code().map(|(path, source)| (path, source.lines().count()));
    sizes
        .filter(|(_, lines)| *lines > FILE_MAX)
        .map(|(path, lines)| {
            Finding::new(
                path,
                0,
                format!("{lines} lines without tests, {FILE_MAX} is the limit; split it by nouns"),
            )
        })
        .collect()
}

fn functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.code() {
        let lines_max = if path.starts_with("ebpf/xdp/") { XDP_FUNCTION_MAX } else { FUNCTION_MAX };
        let mut visitor = Functions { path, source, lines_max, is_bound: false, findings: &mut findings };
        visitor.visit_file(&source.syntax);
    }
    findings
}

struct Functions<'a> {
    path: &'a str,
    source: &'a Source,
    lines_max: usize,
    /// Whether a trait decides the parameters of the functions in sight.
    is_bound: bool,
    findings: &'a mut Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &Signature, body: Option<&Block>) {
        let line = signature.ident.span().start().line;
        if self.source.in_test(line) {
            return;
        }
        let lines = body.map_or(0, |body| self.lines_of(body.span()));
        if lines > self.lines_max {
            let (name, max) = (&signature.ident, self.lines_max);
            self.report(
                line,
                format!("{name} has {lines} lines of code, {max} is the limit; give a part a name"),
            );
        }
        if signature.inputs.len() > PARAMETERS_MAX && !self.is_bound {
            let (name, count) = (&signature.ident, signature.inputs.len());
            let what = format!(
                "{name} takes {count} parameters, {PARAMETERS_MAX} is the limit; group what belongs together"
            );
            self.report(line, what);
        }
    }

    /// Lines of code between the braces.
    fn lines_of(&self, body: Span) -> usize {
        let inside = body.end().line.saturating_sub(body.start().line + 1);
        let lines = self.source.text.lines().skip(body.start().line).take(inside);
        lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
    }

    fn report(&mut self, line: usize, what: String) {
        self.findings.push(Finding::new(self.path, line, what));
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, Some(&function.block));
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outer = std::mem::replace(&mut self.is_bound, item.trait_.is_some());
        syn::visit::visit_item_impl(self, item);
        self.is_bound = outer;
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, Some(&function.block));
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.measure(&function.sig, function.default.as_ref());
        syn::visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    fn lines(count: usize) -> String {
        "    step();\n".repeat(count)
    }

    #[test]
    fn a_file_may_have_400_lines_and_any_number_of_tests() {
        let path = "userspace/plan/src/a.rs";
        let full = "// line\n".repeat(FILE_MAX);
        let tests = format!("{full}#[cfg(test)]\nmod tests {{\n{}}}\n", "    // line\n".repeat(200));
        assert!(places(&FILES, &[(path, &full)]).is_empty());
        assert!(places(&FILES, &[(path, &tests)]).is_empty());
        assert!(places(&FILES, &[("userspace/plan/src/a/tests.rs", &format!("{full}{full}"))]).is_empty());
        assert_eq!(places(&FILES, &[(path, &format!("{full}// one\n"))]), [path]);
    }

    #[test]
    fn a_function_has_its_limit_and_the_kernel_a_lower_one() {
        for (path, count, found) in [
            ("userspace/plan/src/a.rs", 70, false),
            ("userspace/plan/src/a.rs", 71, true),
            ("ebpf/xdp/src/a.rs", 50, false),
            ("ebpf/xdp/src/a.rs", 51, true),
            ("userspace/plan/tests/a.rs", 200, false),
        ] {
            let text = format!("//! A.\n\nfn long() {{\n    // why\n\n{}}}\n", lines(count));
            let expect: Vec<_> = found.then(|| format!("{path}:3")).into_iter().collect();
            assert_eq!(places(&FUNCTIONS, &[(path, &text)]), expect, "{path} {count}");
            let method = format!("struct A;\nimpl A {{ fn long() {{\n{}}} }}\n", lines(count));
            assert_eq!(
                places(&FUNCTIONS, &[(path, &method)]).len(),
                usize::from(found),
                "{path} {count} method"
            );
        }
    }

    #[test]
    fn a_function_takes_five_parameters() {
        let path = "ebpf/xdp/src/a.rs";
        assert!(places(&FUNCTIONS, &[(path, "fn f(a: u8, b: u8, c: u8, d: u8, e: u8) {}\n")]).is_empty());
        let bound = "impl T for A { fn f(&self, b: u8, c: u8, d: u8, e: u8, f: u8) {} }\n";
        assert!(places(&FUNCTIONS, &[(path, bound)]).is_empty());
        let six = "trait T {\n    fn f(&self, b: u8, c: u8, d: u8, e: u8, f: u8);\n}\n";
        assert_eq!(places(&FUNCTIONS, &[(path, six)]), [format!("{path}:2")]);
    }
}
