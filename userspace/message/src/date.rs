//! The date format of HTTP (RFC 9110, section 5.6.7), from a number of seconds; the clock is the caller's.

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `Sun, 06 Nov 1994 08:49:37 GMT` for the seconds since 1970 in UTC. Years stay below 10000.
pub fn http_date(unix_seconds: u64) -> [u8; 29] {
    let days = unix_seconds / 86_400;
    let second_of_day = unix_seconds % 86_400;
    let (year, month, day) = civil(days);
    let mut text = *b"---, -- --- ---- --:--:-- GMT";
    put(&mut text, 0, DAYS.get(usize::try_from(days % 7).unwrap_or(0)).map_or(b"---", |name| *name));
    put(&mut text, 5, &two_digits(day));
    put(&mut text, 8, MONTHS.get(usize::try_from(month - 1).unwrap_or(0)).map_or(b"---", |name| *name));
    put(&mut text, 12, &two_digits(year / 100 % 100));
    put(&mut text, 14, &two_digits(year % 100));
    put(&mut text, 17, &two_digits(second_of_day / 3600));
    put(&mut text, 20, &two_digits(second_of_day / 60 % 60));
    put(&mut text, 23, &two_digits(second_of_day % 60));
    text
}

fn put(text: &mut [u8], at: usize, part: &[u8]) {
    for (to, from) in text.iter_mut().skip(at).zip(part) {
        *to = *from;
    }
}

fn two_digits(number: u64) -> [u8; 2] {
    let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or(0);
    [digit(number / 10), digit(number)]
}

/// Year, month and day of a day count since 1970: years begin in March, so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: u64, expect: &str) {
        assert_eq!(std::str::from_utf8(&http_date(seconds)).unwrap(), expect);
    }

    #[test]
    fn known_dates() {
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT");
        check(1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT");
        check(4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT");
    }
}
