//! Every code a diagnostic can carry, and the long text that explains it.

/// Declares the codes once: variant, number as printed, and the rule in a few words.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $number:literal $title:literal,)*) => {
        /// What a diagnostic is about. `E…` refuses the configuration, `W…` lets it pass.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as printed: `E0103`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $number,)* }
            }

            /// The rule in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    Syntax = "E0101" "the file is not YAML",
    DuplicateKey = "E0102" "a key stands twice in one mapping",
    UnknownKey = "E0103" "no such key here",
    MissingKey = "E0104" "a key is missing",
    WrongKind = "E0105" "a value of another kind is needed",
    UnknownWord = "E0106" "not one of the words allowed here",
    Conflict = "E0107" "keys that exclude each other",
    Empty = "E0108" "something must stand here",
    TooLarge = "E0109" "the file is larger or deeper than its limit",
    NotUsed = "E0110" "a part of YAML that is not used here",
    Version = "E0111" "the version of the configuration",
    Duration = "E0201" "a duration",
    Size = "E0202" "a size in bytes",
    Rate = "E0203" "a rate",
    Number = "E0204" "a number",
    Share = "E0205" "a share in per cent",
    Cidr = "E0206" "a network",
    Address = "E0207" "an address and port",
    Host = "E0208" "a host name",
    Path = "E0209" "a path to match",
    Regex = "E0210" "a regular expression",
    Url = "E0211" "a URL",
    Header = "E0212" "the name of a header",
    Template = "E0213" "a template",
    Status = "E0214" "a status code",
    Method = "E0215" "a method",
    Name = "E0216" "a name",
    Boolean = "E0217" "true or false",
    Port = "E0218" "a protocol and port",
    HashKey = "E0219" "what to tell clients apart by",
    File = "E0220" "the path of a file",
    Material = "E0221" "a key or certificate",
    Text = "E0222" "text that a header can carry",
    EnvUndefined = "E0301" "an environment variable is not set",
    FileUnreadable = "E0302" "a file cannot be read",
    CredentialMissing = "E0303" "a credential is not there",
    Reference = "E0304" "a reference that cannot be understood",
    NoUpstream = "E0310" "no such upstream",
    NoPolicy = "E0311" "no such policy",
    NoConsumer = "E0312" "no such consumer",
    NoListener = "E0313" "no such listener",
    NoGroup = "E0314" "no consumer is in this group",
    DuplicateName = "E0315" "a name is used twice",
    NoAction = "E0401" "a route must do exactly one thing",
    SameAddress = "E0402" "two listeners on one address",
    Windows = "E0403" "a longer window must allow more",
    Cors = "E0404" "any origin together with credentials",
    NoKeys = "E0405" "a token needs exactly one source of keys",
    Range = "E0406" "a lower bound above its upper bound",
    Balance = "E0407" "targets that cannot be balanced",
    Verdict = "E0408" "a verdict that could never ban, or always would",
    Unprotected = "E0409" "an admin interface that anyone could use",
    TooLate = "E0410" "a policy that comes too late for a consumer",
    Compile = "E0501" "the plan cannot be built from this",
    ListLine = "E0502" "a line of a list is not an address or network",
    UnusedUpstream = "W0601" "an upstream that nothing uses",
    UnusedPolicy = "W0602" "a policy that nothing uses",
    Shadowed = "W0603" "a route that can never match",
    Unreached = "W0604" "a policy that is never reached",
    Tier = "W0605" "a limit that its tier cannot hold",
    SecretReadable = "W0606" "a secret that others can read",
    Expiring = "W0607" "a certificate that expires soon",
    SecretInline = "W0608" "a secret written into the file",
    NoTraffic = "W0609" "nothing is listened for",
    Overlap = "W0610" "the same network twice",
    UnusedConsumer = "W0612" "a consumer without a way to be known",
    Verify = "W0613" "a certificate that is not checked",
}

/// The long texts, one section a code, as they also stand in the documentation.
const TEXTS: &str = include_str!("code/explain.md");

impl Code {
    /// The code with this number, in either case.
    #[must_use]
    pub fn find(number: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(number.trim()))
    }

    /// It lets the configuration pass.
    #[must_use]
    pub fn is_warning(self) -> bool {
        self.as_str().starts_with('W')
    }

    /// What the rule is, why it is there and how to satisfy it, in Markdown.
    #[must_use]
    pub fn explain(self) -> &'static str {
        let Some((_, after)) = TEXTS.split_once(&format!("\n## {} ", self.as_str())) else {
            return self.title();
        };
        let text = after.split_once('\n').map_or("", |(_, text)| text);
        text.split_once("\n## ").map_or(text, |(text, _)| text).trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_order() {
        let numbers: Vec<_> = Code::ALL.iter().map(|code| (code.is_warning(), code.as_str())).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(numbers, sorted);
    }

    #[test]
    fn every_code_is_found_and_explained() {
        for &code in Code::ALL {
            assert_eq!(Code::find(&code.as_str().to_lowercase()), Some(code));
            assert!(code.explain().len() > 60, "{} wants a text in explain.md", code.as_str());
        }
        assert_eq!(Code::find("E9999"), None);
    }
}
