//! A list file: one address or network a line, `#` begins a comment.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Report};
use crate::span::Span;
use crate::value::parse_cidr;

/// The networks of one list file, in the order written, host bits cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFile {
    /// The networks.
    pub nets: Vec<IpNet>,
    /// Lines that could not be read.
    pub bad_lines: usize,
}

impl ListFile {
    /// Reads a list. Bad lines are reported as the lines of file number `file`, and left out.
    #[must_use]
    pub fn parse(text: &str, file: u16, report: &mut Report) -> Self {
        let mut list = Self { nets: Vec::with_capacity(text.len() / 16), bad_lines: 0 };
        for (number, line) in (1_u32..).zip(text.lines()) {
            let entry = line.split('#').next().unwrap_or("").trim();
            if entry.is_empty() {
                continue;
            }
            match plain_v4(entry).map_or_else(|| parse_cidr(entry), Ok) {
                Ok(net) => list.nets.push(net.trunc()),
                Err(fault) => {
                    list.bad_lines = list.bad_lines.saturating_add(1);
                    let indent = line.chars().take_while(|c| c.is_whitespace()).count();
                    let start = Span { file, len: 1, line: number, column: 1 };
                    let (offset, len) = fault.part.unwrap_or((0, entry.chars().count()));
                    let shown: String = entry.chars().take(60).collect();
                    let message = fault.message.replace("{}", &format!("`{shown}`"));
                    let span = start.part(indent.saturating_add(offset), len);
                    report.push(Diagnostic::new(Code::ListLine, span, message).hint_if(fault.hint));
                }
            }
        }
        list
    }
}

/// The common line, four decimal numbers, read without the general parser; `None` leaves the line to it.
fn plain_v4(text: &str) -> Option<IpNet> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => {
            (address, prefix.parse::<u8>().ok().filter(|_| prefix.bytes().all(|b| b.is_ascii_digit()))?)
        }
        None => (text, 32),
    };
    let address: Ipv4Addr = address.parse().ok()?;
    if prefix == 32 {
        return Some(IpNet::from(IpAddr::V4(address)));
    }
    Ipv4Net::new(address, prefix).ok().map(IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blanks_are_skipped_and_bad_lines_reported_at_their_place() {
        let text = "# head\n203.0.113.0/24  # why\n\n  10.0.0.9/8\n2001:db8::/32\nx.example\n  10.0.0.0/40\n198.51.100.7\r\n";
        let mut report = Report::default();
        let list = ListFile::parse(text, 3, &mut report);
        let nets: Vec<_> = list.nets.iter().map(ToString::to_string).collect();
        assert_eq!(nets, ["203.0.113.0/24", "10.0.0.0/8", "2001:db8::/32", "198.51.100.7/32"]);
        assert_eq!(list.bad_lines, 2);
        let places: Vec<_> = report
            .iter()
            .map(|found| (found.span.file, found.span.line, found.span.column, found.span.len))
            .collect();
        assert_eq!(places, [(3, 6, 1, 9), (3, 7, 12, 2)]);
    }
}
