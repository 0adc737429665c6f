//! A whole field that is written again and again: put together and checked once.
use crate::{Error, FieldName, Head, Name};

/// Name and value of a field as one line, with its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLine {
    pub(crate) id: Name,
    pub(crate) name_len: usize,
    pub(crate) text: Box<[u8]>,
}

impl FieldLine {
    /// The line of a field.
    ///
    /// # Errors
    /// Name or value may not stand in a field.
    pub fn new(name: &str, value: &[u8]) -> Result<FieldLine, Error> {
        let mut head = Head::default();
        head.append_named(&FieldName::from(name), &[value])?;
        Ok(FieldLine { id: Name::parse(name.as_bytes()), name_len: name.len(), text: head.text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_like_the_field_that_it_stands_for() {
        for (name, value) in [("X-Tenant", &b"acme"[..]), ("Server", b""), ("vary", b"Origin")] {
            let line = FieldLine::new(name, value).unwrap();
            let (mut plain, mut ready) = (Head::default(), Head::default());
            for head in [&mut plain, &mut ready] {
                head.append("X-Before", b"1").unwrap();
            }
            plain.append(name, value).unwrap();
            ready.append_line(&line);
            assert!(plain.iter().eq(ready.iter()), "{name}");
            let (mut one, mut other) = (Vec::new(), Vec::new());
            plain.write(&mut one);
            ready.write(&mut other);
            assert_eq!(one, other);
            assert!(ready.remove(name) && ready.len() == 1);
        }
        for (name, value) in [("", &b"1"[..]), ("a b", b"1"), ("a", b"1\r\nb: 2")] {
            assert_eq!(FieldLine::new(name, value), Err(Error::Unwritable), "{name:?}");
        }
    }
}
