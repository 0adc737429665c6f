//! What the kernel asks for the parts that no program of ours can do without: floors beside the figures.
//!
//! Each is a bare program that draws a source as for the row it stands beside, and then does only the one thing.
use std::os::fd::{AsFd, OwnedFd};

use crate::draw::{self, Draw, Program, map_pointer, op};
use crate::rig::{self, Outcome};

const HASH: u32 = 1;
const ARRAY: u32 = 2;
/// Bans that the shield's table has room for.
const BANS: u32 = weir_wire::table::BANS_MAX;
/// Cells of one class of limits.
const CELLS_BITS: u32 = weir_wire::table::SOURCE_BITS;
/// Bytes before the IPv4 header, and before the TCP header behind it.
const NETWORK: i32 = 14;
const TRANSPORT: i32 = 34;

impl Draw {
    /// Finds the source in a hash as large as the table of bans, and counts a hit there.
    pub(crate) fn hashing(&self, sources: u32) -> Outcome<Program> {
        let table = draw::map(HASH, 8, 16, BANS, 0)?;
        for number in 0..sources {
            rig::update(table.as_fd(), &u64::from(draw::source(number).to_be()), &[0_u64; 2])?;
        }
        let mut code = self.prologue();
        code.push(op(0x7b, 10, 7, -8, 0));
        code.extend(found(&table, -8));
        code.extend([op(0xb7, 1, 0, 0, 1), op(0xdb, 0, 1, 8, 0)]);
        draw::load(code, vec![table])
    }

    /// Reads and writes a word of an array as large as the cells of one class, anew for every source.
    pub(crate) fn charging(&self) -> Outcome<Program> {
        let table = draw::map(ARRAY, 4, 8, 1 << CELLS_BITS, 1 << 10)?;
        let mut code = self.prologue();
        // The lowest eight bits in network order are the first of the address, which say little.
        code.extend([op(0xbf, 8, 7, 0, 0), op(0x77, 8, 0, 0, 32 - i32::try_from(CELLS_BITS)?)]);
        code.push(op(0x63, 10, 8, -4, 0));
        code.extend(found(&table, -4));
        code.extend([op(0xb7, 1, 0, 0, 1), op(0xdb, 0, 1, 0, 0)]);
        draw::load(code, vec![table])
    }

    /// Asks the kernel for the cookie of a SYN with a TCP header of so many bytes.
    pub(crate) fn making_cookies(&self, header: u8) -> Outcome<Program> {
        const RAW_GEN_SYNCOOKIE_IPV4: i32 = 204;
        let header = i32::from(header);
        let mut code = self.prologue();
        code.extend([op(0x61, 2, 6, 0, 0), op(0x61, 3, 6, 4, 0)]);
        code.extend([op(0xbf, 4, 2, 0, 0), op(0x07, 4, 0, 0, TRANSPORT + header)]);
        code.push(op(0x2d, 4, 3, 5, 0));
        code.extend([op(0xbf, 1, 2, 0, 0), op(0x07, 1, 0, 0, NETWORK), op(0x07, 2, 0, 0, TRANSPORT)]);
        code.extend([op(0xb7, 3, 0, 0, header), op(0x85, 0, 0, 0, RAW_GEN_SYNCOOKIE_IPV4)]);
        draw::load(code, Vec::new())
    }
}

/// Looks up the key at this place on the stack; if it is not there, two instructions are left out.
fn found(table: &OwnedFd, key: i16) -> Vec<u64> {
    let mut code = map_pointer(1, table).to_vec();
    code.extend([op(0xbf, 2, 10, 0, 0), op(0x07, 2, 0, 0, i32::from(key))]);
    code.extend([op(0x85, 0, 0, 0, 1), op(0x15, 0, 0, 2, 0)]);
    code
}
