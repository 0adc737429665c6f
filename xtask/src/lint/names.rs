//! Names that say nothing.

use super::{Finding, Rule};
use crate::lint::{source::Source, tree::Tree};
use syn::{Ident, visit::Visit};

pub(super) const RULE: Rule = Rule {
    name: "names",
    explain: "no file and no type is called util, common, helper, manager, handler, base, info, types or context: the \
              word fits everything, so everything ends up there. Name the one noun. A module `foo` lives in foo.rs and \
              foo/, never in foo/mod.rs. A function that hands out a field is named after it, without `get_`.",
    check,
};

/// Words that fit everything; checked as a whole word of a name, in singular and plural.
const BANNED: [&str; 9] =
    ["util", "common", "helper", "manager", "handler", "base", "info", "type", "context"];

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.sources() {
        let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
        if stem == "mod" {
            findings.push(Finding::new(path, 0, "name the file after its module: foo.rs beside foo/"));
        }
        if let Some(word) = stem.split('_').find(|word| is_banned(word)) {
            findings.push(Finding::new(
                path,
                0,
                format!("`{word}` says nothing; name the one noun that lives here"),
            ));
        }
        let mut visitor = Named { path, source, findings: &mut findings };
        visitor.visit_file(&source.syntax);
    }
    findings
}

/// `type` alone is a term of the trade (a media type, a record type); as a plural it is a drawer.
fn is_banned(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    if word == "type" {
        return false;
    }
    BANNED.contains(&word.as_str()) || word.strip_suffix('s').is_some_and(|one| BANNED.contains(&one))
}

struct Named<'a> {
    path: &'a str,
    source: &'a Source,
    findings: &'a mut Vec<Finding>,
}

impl Named<'_> {
    fn noun(&mut self, name: &Ident) {
        let text = name.to_string();
        if let Some(word) = words(&text).into_iter().find(|word| is_banned(word)) {
            self.report(name, format!("{text}: `{word}` says nothing; name what it is"));
        }
    }

    fn verb(&mut self, name: &Ident) {
        let text = name.to_string();
        if let Some(rest) = text.strip_prefix("get_") {
            self.report(name, format!("call {text} `{rest}`, or `find_{rest}` if it may miss"));
        }
    }

    fn report(&mut self, name: &Ident, what: String) {
        let line = name.span().start().line;
        if !self.source.in_test(line) {
            self.findings.push(Finding::new(self.path, line, what));
        }
    }
}

/// The words of a name in camel case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    words
}

impl<'ast> Visit<'ast> for Named<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.noun(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.noun(&item.ident);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.noun(&item.ident);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.noun(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.noun(&item.ident);
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() && is_banned(&item.ident.to_string()) {
            self.report(&item.ident, format!("module {} says nothing; name the one noun", item.ident));
        }
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.verb(&signature.ident);
        syn::visit::visit_signature(self, signature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn names_that_say_something_pass() {
        let text = "struct MediaType;\nstruct Informed;\nenum Basement { A }\nfn target() {}\nfn getaway() {}\n\
                    #[cfg(test)]\nmod tests { struct FakeHandler; }\n";
        assert!(places(&RULE, &[("userspace/plan/src/database.rs", text)]).is_empty());
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        for name in ["util", "utils", "http_helpers", "mod", "types", "info", "error_handler"] {
            let path = format!("userspace/plan/src/{name}.rs");
            assert_eq!(places(&RULE, &[(&path, "")]), [path.as_str()], "{name}");
        }
        for item in [
            "struct PoolManager;",
            "enum HandlerKind { A }",
            "trait Context {}",
            "type RequestInfo = u8;",
            "fn get_route() {}",
            "trait T { fn get_x(&self); }",
            "mod common { }",
        ] {
            let path = "userspace/plan/src/a.rs";
            assert_eq!(places(&RULE, &[(path, item)]), [format!("{path}:1")], "{item}");
        }
    }
}
