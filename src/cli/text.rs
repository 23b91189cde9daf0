//! Words for people: moments, durations, names; and where they are printed.

use std::io::Write;

use crate::types::{Millis, Timestamp};

/// Prints a line of a result. A reader that went away wants no more of it.
pub(super) fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints a line that is not a result.
pub(super) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A text from outside that cannot move the cursor, hide or reverse what is beside it.
pub(super) fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => safe.push(c),
            _ => safe.extend(c.escape_debug()),
        }
    }
    safe
}

/// A word for a shell, whatever is in it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// `2030-03-17T17:46:40Z`
pub(super) fn utc(moment: Timestamp) -> String {
    let seconds = moment.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day since 1970-01-01 in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, a year's odd day is its last and 400 years always have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// `1 message`, `2 messages`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `2 days 3 hours`: the two largest units.
pub(super) fn span(duration: Millis) -> String {
    let seconds = duration.0 / 1000;
    let units =
        [("day", 86_400, u64::MAX), ("hour", 3600, 24), ("minute", 60, 60), ("second", 1, 60)];
    let words: Vec<_> = units
        .iter()
        .map(|(name, size, most)| (name, seconds / size % most))
        .skip_while(|(_, count)| *count == 0)
        .take(2)
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if words.is_empty() { "0 seconds".to_owned() } else { words.join(" ") }
}

/// `2030-03-17T17:46:40Z, in 2 days 3 hours`
pub(super) fn moment(moment: Timestamp, now: Timestamp) -> String {
    if moment >= now {
        format!("{}, in {}", utc(moment), span(moment.since(now)))
    } else {
        format!("{}, {} ago", utc(moment), span(now.since(moment)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        // By `date -u -d @SECONDS`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_900_000_000, "2030-03-17T17:46:40Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(Timestamp(seconds * 1000)), expected);
        }
        let now = Timestamp(1_900_000_000_000);
        assert_eq!(
            moment(now.after(Millis(61_000)), now),
            "2030-03-17T17:47:41Z, in 1 minute 1 second"
        );
        assert_eq!(moment(Timestamp(1_899_999_999_000), now), "2030-03-17T17:46:39Z, 1 second ago");
    }

    #[test]
    fn spans() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3_599, "59 minutes 59 seconds"),
            (3_601, "1 hour"),
            (86_400, "1 day"),
            (90_000, "1 day 1 hour"),
            (400 * 86_400 + 7_200, "400 days 2 hours"),
        ] {
            assert_eq!(span(Millis(seconds * 1000)), expected);
        }
    }

    #[test]
    fn texts_from_outside_stay_in_their_place() {
        for (text, expected) in [
            ("日本 é \"a\" \\", "日本 é \"a\" \\"),
            ("\u{1b}[2J\n", "\\u{1b}[2J\\n"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
        ] {
            assert_eq!(shown(text), expected);
        }
        for (word, expected) in [
            ("./target/debug/anteroom", "./target/debug/anteroom"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
