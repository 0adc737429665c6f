//! What differs between two texts, as a patch shows it.

/// Lines of agreement shown around a difference.
const AROUND: usize = 3;
/// Beyond this many differing lines the whole is shown as replaced.
const DIFFERENCES_MAX: usize = 2_000;

/// A line of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'t> {
    Same(&'t str),
    Old(&'t str),
    New(&'t str),
}

/// The difference as a unified diff; empty if there is none.
#[must_use]
pub fn unified(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let steps = compare(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let mut text = format!("--- {name}\n+++ {name}\n");
    let (mut at, mut old_line, mut new_line) = (0, 1_usize, 1_usize);
    for (start, end) in hunks(&steps) {
        let skipped = start.saturating_sub(at);
        old_line = old_line.saturating_add(skipped);
        new_line = new_line.saturating_add(skipped);
        let hunk = steps.get(start..end).unwrap_or(&[]);
        let olds = hunk.iter().filter(|step| !matches!(step, Step::New(_))).count();
        let news = hunk.iter().filter(|step| !matches!(step, Step::Old(_))).count();
        text.push_str(&format!("@@ -{old_line},{olds} +{new_line},{news} @@\n"));
        for step in hunk {
            let (sign, line) = match step {
                Step::Same(line) => (' ', line),
                Step::Old(line) => ('-', line),
                Step::New(line) => ('+', line),
            };
            text.push_str(&format!("{sign}{line}\n"));
        }
        old_line = old_line.saturating_add(olds);
        new_line = new_line.saturating_add(news);
        at = end;
    }
    text
}

/// Ranges of steps that belong together: each difference with its surroundings.
fn hunks(steps: &[Step<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (index, _) in steps.iter().enumerate().filter(|(_, step)| !matches!(step, Step::Same(_))) {
        let (start, end) =
            (index.saturating_sub(AROUND), index.saturating_add(AROUND).saturating_add(1).min(steps.len()));
        match hunks.last_mut() {
            Some(last) if last.1 >= start => last.1 = end,
            _ => hunks.push((start, end)),
        }
    }
    hunks
}

/// The longest common lines are kept; what begins and ends alike is set aside first.
fn compare<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Step<'t>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (start, old) = old.split_at(head);
    let new = new.get(head..).unwrap_or(&[]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, end) = old.split_at(old.len().saturating_sub(tail));
    let new = new.get(..new.len().saturating_sub(tail)).unwrap_or(&[]);
    let middle =
        if old.len().max(new.len()) > DIFFERENCES_MAX { replaced(old, new) } else { common(old, new) };
    let same = |lines: &[&'t str]| lines.iter().map(|line| Step::Same(line)).collect::<Vec<_>>();
    [same(start), middle, same(end)].concat()
}

fn replaced<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Step<'t>> {
    old.iter().map(|line| Step::Old(line)).chain(new.iter().map(|line| Step::New(line))).collect()
}

/// The classic table: `lengths[i][j]` is the longest common subsequence of what follows line `i` of one and `j` of the other.
fn common<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Step<'t>> {
    let width = new.len().saturating_add(1);
    let mut lengths = vec![0_u16; old.len().saturating_add(1).saturating_mul(width)];
    let cell = |i: usize, j: usize| i.saturating_mul(width).saturating_add(j);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let at = |i: usize, j: usize| lengths.get(cell(i, j)).copied().unwrap_or(0);
            let length =
                if a == b { at(i + 1, j + 1).saturating_add(1) } else { at(i + 1, j).max(at(i, j + 1)) };
            if let Some(slot) = lengths.get_mut(cell(i, j)) {
                *slot = length;
            }
        }
    }
    let at = |i: usize, j: usize| lengths.get(cell(i, j)).copied().unwrap_or(0);
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    while let (Some(a), Some(b)) = (old.get(i), new.get(j)) {
        if a == b {
            steps.push(Step::Same(a));
            (i, j) = (i + 1, j + 1);
        } else if at(i + 1, j) >= at(i, j + 1) {
            steps.push(Step::Old(a));
            i += 1;
        } else {
            steps.push(Step::New(b));
            j += 1;
        }
    }
    steps.extend(replaced(old.get(i..).unwrap_or(&[]), new.get(j..).unwrap_or(&[])));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_with_its_surroundings() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\n";
        let expect = "--- x\n+++ x\n@@ -2,7 +2,8 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n+i\n";
        assert_eq!(unified("x", old, new), expect);
        assert_eq!(unified("x", old, old), "");
    }

    #[test]
    fn far_differences_are_apart() {
        let old: String = (0..40).map(|n| format!("{n}\n")).collect();
        let new = old.replace("\n5\n", "\n").replace("\n30\n", "\nx\n");
        let diff = unified("x", &old, &new);
        assert!(diff.contains("@@ -3,7 +3,6 @@\n 2\n 3\n 4\n-5\n 6"), "{diff}");
        assert!(diff.contains("@@ -28,7 +27,7 @@\n 27\n 28\n 29\n-30\n+x\n"), "{diff}");
    }
}
