//! The grammar of RFC 8259, without any of its freedoms.
use super::{Kind, Limits, Node};
use crate::jwt::scan::end_of_plain;

/// Reads one value that fills `text`. Escapes are resolved in place.
pub(super) fn read(text: &mut [u8], nodes: &mut Vec<Node>, limits: Limits) -> Option<()> {
    std::str::from_utf8(text).ok()?;
    u32::try_from(text.len()).ok()?;
    let mut reader = Reader { text, at: 0, nodes, limits };
    reader.space();
    reader.value(0)?;
    reader.space();
    (reader.at == reader.text.len()).then_some(())
}

struct Reader<'a> {
    text: &'a mut [u8],
    at: usize,
    nodes: &'a mut Vec<Node>,
    limits: Limits,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Adds a node and says where; its end and next are set when they are known.
    fn open(&mut self, kind: Kind, start: usize) -> Option<usize> {
        let index = self.nodes.len();
        let next = u32::try_from(index + 1).ok()?;
        let start = u32::try_from(start).ok()?;
        (index < self.limits.nodes_max).then(|| self.nodes.push(Node { kind, start, end: start, next }))?;
        Some(index)
    }

    fn close(&mut self, index: usize, end: usize) -> Option<()> {
        let next = u32::try_from(self.nodes.len()).ok()?;
        let node = self.nodes.get_mut(index)?;
        (node.end, node.next) = (u32::try_from(end).ok()?, next);
        Some(())
    }

    /// Adds a node that contains no others.
    fn leaf(&mut self, kind: Kind, start: usize, end: usize) -> Option<()> {
        let index = self.nodes.len();
        let [start, end, next] =
            [u32::try_from(start).ok()?, u32::try_from(end).ok()?, u32::try_from(index + 1).ok()?];
        (index < self.limits.nodes_max).then(|| self.nodes.push(Node { kind, start, end, next }))
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => self.string(),
            b't' => self.word(b"true", Kind::True),
            b'f' => self.word(b"false", Kind::False),
            b'n' => self.word(b"null", Kind::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Option<()> {
        let start = self.at;
        self.text.get(start..)?.starts_with(word).then_some(())?;
        self.at += word.len();
        self.leaf(kind, start, self.at)
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        (depth <= self.limits.depth_max).then_some(())?;
        let index = self.open(Kind::Array, self.at)?;
        self.at += 1;
        self.space();
        if self.eat(b']').is_none() {
            loop {
                self.space();
                self.value(depth)?;
                self.space();
                if self.eat(b',').is_none() {
                    break self.eat(b']')?;
                }
            }
        }
        self.close(index, self.at)
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        (depth <= self.limits.depth_max).then_some(())?;
        let index = self.open(Kind::Object, self.at)?;
        self.at += 1;
        self.space();
        if self.eat(b'}').is_none() {
            let (mut members, mut seen) = (0, 0);
            loop {
                members += 1;
                (members <= self.limits.members_max).then_some(())?;
                self.member(index, depth, &mut seen)?;
                if self.eat(b',').is_none() {
                    break self.eat(b'}')?;
                }
            }
        }
        self.close(index, self.at)
    }

    /// `seen` has a bit for each name so far; two names may have the same one, but one name never two.
    fn member(&mut self, object: usize, depth: usize, seen: &mut u64) -> Option<()> {
        self.space();
        let name = self.nodes.len();
        self.string()?;
        let bit = self.bit(name)?;
        (*seen & bit == 0 || self.is_new(object, name)).then_some(())?;
        *seen |= bit;
        self.space();
        self.eat(b':')?;
        self.space();
        self.value(depth)?;
        self.space();
        Some(())
    }

    /// One bit of 64 for a name.
    fn bit(&self, name: usize) -> Option<u64> {
        let node = self.nodes.get(name)?;
        let text = self.text.get(node.start as usize..node.end as usize)?;
        let [first, last] = [text.first(), text.last()].map(|byte| usize::from(byte.copied().unwrap_or(0)));
        Some(1 << ((first * 7 + last * 13 + text.len() * 5) & 63))
    }

    /// Whether no earlier member of the object has the name at `name`. Names are compared unescaped.
    fn is_new(&self, object: usize, name: usize) -> bool {
        let span = |node: &Node| self.text.get(node.start as usize..node.end as usize);
        let Some(new) = self.nodes.get(name).and_then(span) else { return false };
        let mut at = object + 1;
        while at < name {
            let (Some(earlier), Some(value)) = (self.nodes.get(at), self.nodes.get(at + 1)) else {
                return false;
            };
            if span(earlier) == Some(new) {
                return false;
            }
            at = value.next as usize;
        }
        true
    }

    fn string(&mut self) -> Option<()> {
        self.eat(b'"')?;
        let start = self.at;
        self.at += end_of_plain(self.text.get(start..)?)?;
        let end = if self.peek()? == b'"' { self.at } else { self.unescaped()? };
        self.at += 1;
        self.leaf(Kind::Text, start, end)
    }

    /// Resolves the escapes up to the end of a string, and says where it ends then. Whole runs of plain letters are moved
    /// at once.
    #[cold]
    fn unescaped(&mut self) -> Option<usize> {
        let mut end = self.at;
        loop {
            match self.peek()? {
                b'"' => return Some(end),
                b'\\' => end = self.escape(end)?,
                _ => return None,
            }
            let plain = end_of_plain(self.text.get(self.at..)?)?;
            self.text.copy_within(self.at..self.at + plain, end);
            end += plain;
            self.at += plain;
        }
    }

    /// Resolves the escape at the reader's place, writes it at `end`, and says where that ends.
    fn escape(&mut self, end: usize) -> Option<usize> {
        self.at += 1;
        let letter = self.peek()?;
        self.at += 1;
        let symbol = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return None,
        };
        let room = self.text.get_mut(end..self.at)?;
        Some(end + symbol.encode_utf8(room).len())
    }

    /// RFC 8259, section 7: four hexadecimal digits, or two such groups for a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high);
        }
        self.eat(b'\\')?;
        self.eat(b'u')?;
        let low = self.hex().filter(|low| (0xdc00..0xe000).contains(low))?;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let value =
            digits.iter().try_fold(0, |sum, &byte| Some(sum * 16 + char::from(byte).to_digit(16)?))?;
        self.at += 4;
        Some(value)
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let _minus = self.eat(b'-');
        if self.eat(b'0').is_none() {
            self.digits()?;
        }
        if self.eat(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.leaf(Kind::Number, start, self.at)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}
