//! The plain list file: one address or network a line, `#` begins a comment.

use ipnet::IpNet;
use std::net::IpAddr;

/// What a list file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFile {
    /// The networks, in the order of the file, host bits cleared.
    pub networks: Vec<IpNet>,
    /// The lines that are no network; at most [`BAD_LINES_MAX`] are kept.
    pub bad: Vec<BadLine>,
    /// How many lines are no network, kept or not.
    pub bad_count: usize,
}

/// How many bad lines of one file are kept word for word.
pub const BAD_LINES_MAX: usize = 20;

/// How much of a bad line is kept, in characters.
const EXCERPT_CHARS_MAX: usize = 60;

/// A line that is no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub number: usize,
    /// The beginning of the line.
    pub text: String,
    /// Why it was not understood.
    pub why: &'static str,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "line {}: {:?}: {}", self.number, self.text, self.why)
    }
}

impl ListFile {
    /// Reads the text of a list file. Text that is not UTF-8 spoils only its own line.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut file = Self::default();
        for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            match network(line) {
                Ok(Some(network)) => file.networks.push(network),
                Ok(None) => {}
                Err(why) => file.complain(index + 1, line, why),
            }
        }
        file
    }

    fn complain(&mut self, number: usize, line: &[u8], why: &'static str) {
        self.bad_count += 1;
        if self.bad.len() < BAD_LINES_MAX {
            let text = String::from_utf8_lossy(line).trim().chars().take(EXCERPT_CHARS_MAX).collect();
            self.bad.push(BadLine { number, text, why });
        }
    }
}

fn network(line: &[u8]) -> Result<Option<IpNet>, &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    let entry = text.split('#').next().unwrap_or_default().trim();
    if entry.is_empty() {
        return Ok(None);
    }
    let network = match entry.split_once('/') {
        None => entry.parse::<IpAddr>().map_err(|_| "not an address")?.into(),
        Some((address, length)) => {
            let address: IpAddr = address.parse().map_err(|_| "not an address before the slash")?;
            let length: u8 = length.parse().map_err(|_| "not a prefix length after the slash")?;
            IpNet::new(address, length).map_err(|_| "a prefix longer than the address")?
        }
    };
    Ok(Some(network.trunc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<String>, Vec<(usize, &'static str)>) {
        let file = ListFile::parse(text.as_bytes());
        (
            file.networks.iter().map(ToString::to_string).collect(),
            file.bad.iter().map(|bad| (bad.number, bad.why)).collect(),
        )
    }

    #[test]
    fn addresses_networks_and_comments() {
        let check = |text: &str, networks: &[&str]| assert_eq!(parsed(text).0, networks, "{text:?}");
        check("192.0.2.1", &["192.0.2.1/32"]);
        check("192.0.2.1\r\n", &["192.0.2.1/32"]);
        check("192.0.2.77/24 # office\n\n# all\n", &["192.0.2.0/24"]);
        check(" 2001:db8::/32\t# v6\n::1", &["2001:db8::/32", "::1/128"]);
        check("0.0.0.0/0", &["0.0.0.0/0"]);
        check("", &[]);
    }

    #[test]
    fn a_bad_line_is_told_by_number_and_the_rest_kept() {
        let check = |text: &str, bad: &[(usize, &'static str)]| assert_eq!(parsed(text).1, bad, "{text:?}");
        check("192.0.2.1\n192.0.2\n", &[(2, "not an address")]);
        check("192.0.2.0/33", &[(1, "a prefix longer than the address")]);
        check("192.0.2.0/x", &[(1, "not a prefix length after the slash")]);
        check(
            "a/8\n::/129",
            &[(1, "not an address before the slash"), (2, "a prefix longer than the address")],
        );
        assert_eq!(parsed("junk\n192.0.2.1").0, ["192.0.2.1/32"]);
        assert_eq!(ListFile::parse(b"\xff\n192.0.2.1").bad[0].why, "not UTF-8");
    }

    #[test]
    fn many_bad_lines_are_counted_and_few_are_kept() {
        let file = ListFile::parse("x\n".repeat(1000).as_bytes());
        assert_eq!((file.bad_count, file.bad.len()), (1000, BAD_LINES_MAX));
        let long = ListFile::parse("y".repeat(1000).as_bytes());
        assert_eq!(long.bad[0].text.len(), EXCERPT_CHARS_MAX);
    }
}
