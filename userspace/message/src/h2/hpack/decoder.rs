//! From a block to fields (RFC 7541, section 6).
use super::{huffman, integer, static_table, table::Table};

/// The block cannot be read, and no later one of the connection either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt header block")]
pub struct Corrupt;

/// Reads the blocks of one direction of a connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    table_max: usize,
    /// A field while it is put together.
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// For a peer that was told to keep its table this small.
    pub fn new(table_max: usize) -> Decoder {
        Decoder { table: Table::new(table_max), table_max, name: Vec::new(), value: Vec::new() }
    }

    /// Gives each field of a block, as it was written, to `each`.
    ///
    /// # Errors
    /// What the block says has no meaning; both ends do not know the same table any more.
    pub fn decode(&mut self, mut block: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Result<(), Corrupt> {
        let mut begun = false;
        while let Some(&first) = block.first() {
            match first {
                0x80.. => {
                    let (name, value) = self.indexed(integer::read(&mut block, 7))?;
                    each(name, value);
                }
                0x40.. => {
                    self.literal(&mut block, 6)?;
                    each(&self.name, &self.value);
                    self.table.insert(&self.name, &self.value);
                }
                // Section 4.2: at the beginning of a block only.
                0x20.. if begun => return Err(Corrupt),
                0x20.. => {
                    self.resize(integer::read(&mut block, 5))?;
                    continue;
                }
                _ => {
                    self.literal(&mut block, 4)?;
                    each(&self.name, &self.value);
                }
            }
            begun = true;
        }
        Ok(())
    }

    fn indexed(&self, number: Option<usize>) -> Result<(&[u8], &[u8]), Corrupt> {
        let number = number.ok_or(Corrupt)?;
        let later = number.checked_sub(static_table::FIELDS.len() + 1);
        later.map_or_else(|| static_table::find(number), |age| self.table.find(age)).ok_or(Corrupt)
    }

    fn resize(&mut self, size: Option<usize>) -> Result<(), Corrupt> {
        let size = size.filter(|size| *size <= self.table_max).ok_or(Corrupt)?;
        self.table.resize(size);
        Ok(())
    }

    /// Section 6.2: a name, by its number or as text, and a value as text.
    fn literal(&mut self, block: &mut &[u8], bits: u32) -> Result<(), Corrupt> {
        let (mut name, mut value) = (std::mem::take(&mut self.name), std::mem::take(&mut self.value));
        name.clear();
        value.clear();
        let read = match integer::read(block, bits) {
            Some(0) => string(block, &mut name),
            number => self.indexed(number).map(|(known, _)| name.extend_from_slice(known)),
        };
        let read = read.and_then(|()| string(block, &mut value));
        (self.name, self.value) = (name, value);
        read
    }
}

/// Section 5.2: text, as it is or in the Huffman code.
fn string(block: &mut &[u8], into: &mut Vec<u8>) -> Result<(), Corrupt> {
    let is_coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer::read(block, 7).ok_or(Corrupt)?;
    let (text, rest) = block.split_at_checked(length).ok_or(Corrupt)?;
    *block = rest;
    if is_coded {
        huffman::decode(text, into).ok_or(Corrupt)
    } else {
        into.extend_from_slice(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
