//! Divided /24s, made as short as they can be: a few single hosts fit into one word.
use alloc::vec::Vec;
use core::ops::Range;

use crate::list::{IS_LINE, Line, Mark};

/// Single hosts that a digest has room for.
const HOSTS: usize = 7;

/// The digests of divided /24s so far, and the lines they name, counted from the first one.
#[derive(Default)]
pub(super) struct Digests {
    digests: Vec<u64>,
    lines: Vec<Line>,
    open: Option<(u64, Line)>,
}

impl Digests {
    /// Paints some hosts of a /24 that is not painted whole. The /24s come in the order of their addresses.
    pub(super) fn paint(&mut self, block: u64, hosts: Range<u64>, mark: Mark) {
        if self.open.is_some_and(|(open, _)| open != block) {
            self.close();
        }
        let (_, line) = self.open.get_or_insert((block, [0; 8]));
        for host in hosts {
            if let Some(word) = usize::try_from(host >> 5).ok().and_then(|at| line.get_mut(at)) {
                *word |= (mark as u64) << (2 * (host & 31));
            }
        }
    }

    /// The digests, eight to a line, and behind them the lines they name.
    pub(super) fn into_lines(mut self) -> Vec<Line> {
        self.close();
        let first = self.digests.len().div_ceil(8) as u64;
        let mut all = Vec::with_capacity(self.digests.len().div_ceil(8) + self.lines.len());
        for eight in self.digests.chunks(8) {
            let mut line = [0; 8];
            for (place, digest) in line.iter_mut().zip(eight) {
                *place = if digest & IS_LINE == 0 { *digest } else { digest + first };
            }
            all.push(line);
        }
        all.append(&mut self.lines);
        all
    }

    fn close(&mut self) {
        let Some((_, line)) = self.open.take() else { return };
        let digest = of_hosts(&line).unwrap_or_else(|| {
            self.lines.push(line);
            IS_LINE | (self.lines.len() - 1) as u64
        });
        self.digests.push(digest);
    }
}

/// The digest of a /24 in which a few hosts bear one mark and all others none.
fn of_hosts(line: &Line) -> Option<u64> {
    let codes = line.iter().flat_map(|word| (0..32).map(move |place| (word >> (2 * place)) & 3));
    let marked: Vec<(u64, u64)> = (0..).zip(codes).filter(|(_, code)| *code != 0).take(HOSTS + 1).collect();
    let (first, mark) = *marked.first()?;
    if marked.len() > HOSTS || marked.iter().any(|(_, code)| *code != mark) {
        return None;
    }
    // A place that is left over repeats the first host.
    let host_at = |place: usize| marked.get(place).map_or(first, |(host, _)| *host);
    Some((0..HOSTS).fold(mark << 56, |digest, place| digest | (host_at(place) << (8 * place))))
}
