//! When a target counts as well: not each answer decides, but several in a row (B49).

/// What a target's last checks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Streak {
    healthy_after: u32,
    unhealthy_after: u32,
    well: Option<bool>,
    /// Checks in a row that say the opposite.
    against: u32,
}

impl Streak {
    pub(super) fn new(healthy_after: u32, unhealthy_after: u32) -> Streak {
        Streak { healthy_after, unhealthy_after, well: None, against: 0 }
    }

    /// Takes in a check. True if what counts has changed by it; the first check alone decides.
    pub(super) fn sees(&mut self, good: bool) -> bool {
        let Some(well) = self.well else {
            self.well = Some(good);
            return true;
        };
        self.against = if good == well { 0 } else { self.against.saturating_add(1) };
        let needed = if well { self.unhealthy_after } else { self.healthy_after };
        let changes = self.against > 0 && self.against >= needed;
        if changes {
            (self.well, self.against) = (Some(good), 0);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `g` is a good check, `b` a bad one; a capital letter one after which the target changes.
    fn check(checks: &str) {
        let mut streak = Streak::new(2, 3);
        for (at, letter) in checks.chars().enumerate() {
            let changes = streak.sees(letter.eq_ignore_ascii_case(&'g'));
            assert_eq!(changes, letter.is_ascii_uppercase(), "{checks} at {at}");
        }
    }

    #[test]
    fn b49_several_in_a_row_decide_and_the_first_alone() {
        check("GgbbBbgG");
        check("BgGbbgbbgbbB");
        check("BgbgbgbgG");
    }

    #[test]
    fn f23_a_flapping_target_does_not_flap_here() {
        check("Gbgbgbbgbbgb");
    }
}
