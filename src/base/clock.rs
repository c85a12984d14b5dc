//! The only place where the clocks are read: the monotonic one for waits, UTC for what people read.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, on the clock that never goes back.
pub fn now() -> Instant {
    Instant::now()
}

/// Now, as people and protocols write it; before 1970 counts as 1970.
pub fn utc() -> Utc {
    Utc { since_epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
}

/// A moment in UTC. Displays as RFC 3339 to the second: `2026-07-28T09:30:05Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc {
    since_epoch: Duration,
}

impl Utc {
    /// The moment `seconds` after 1970-01-01T00:00:00Z.
    pub fn from_seconds(seconds: u64) -> Self {
        Self { since_epoch: Duration::from_secs(seconds) }
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> u64 {
        self.since_epoch.as_secs()
    }

    /// Parses RFC 3339 (`2026-07-28T11:30:05+02:00`, fractions of a second dropped); `None` for anything else
    /// and for years before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = bytes.get(range)?;
            digits.iter().all(u8::is_ascii_digit).then_some(())?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        let mark = |at: usize, wanted: &[u8]| bytes.get(at).filter(|byte| wanted.contains(byte)).map(|_| ());
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        mark(4, b"-")?;
        mark(7, b"-")?;
        mark(10, b"Tt ")?;
        mark(13, b":")?;
        mark(16, b":")?;
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut at = 19;
        if bytes.get(at) == Some(&b'.') {
            at += 1 + bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        }
        let offset = match bytes.get(at)? {
            b'Z' | b'z' if at + 1 == bytes.len() => 0,
            sign @ (b'+' | b'-') if at + 6 == bytes.len() => {
                mark(at + 3, b":")?;
                let minutes = number(at + 1..at + 3)? * 60 + number(at + 4..at + 6)?;
                if *sign == b'+' { minutes } else { -minutes }
            }
            _ => return None,
        };
        let days = days_from_civil(year, month, day);
        let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second;
        u64::try_from(seconds).ok().map(Self::from_seconds)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        let (year, month, day) = civil_from_days((seconds / 86_400) as i64);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

// Days are counted in eras of 400 Gregorian years (146,097 days), each year beginning in March, so that the
// leap day is the last of its year.
const DAYS_PER_ERA: i64 = 146_097;
// From 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year * 365 + year / 4 - year / 100 + day_of_year - DAYS_TO_EPOCH
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_EPOCH;
    let (era, day) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_display_and_parse_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_785_231_005, "2026-07-28T09:30:05Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(Utc::from_seconds(seconds).to_string(), text);
            assert_eq!(Utc::parse(text), Some(Utc::from_seconds(seconds)));
        }
    }

    #[test]
    fn offsets_and_fractions_are_understood() {
        let moment = Utc::parse("2026-07-28T09:30:05Z");
        assert_eq!(Utc::parse("2026-07-28T11:30:05+02:00"), moment);
        assert_eq!(Utc::parse("2026-07-28T05:00:05.123456-04:30"), moment);
    }

    #[test]
    fn every_day_of_two_centuries_survives_the_round_trip() {
        for day in 0..73_000 {
            let (year, month, date) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, date), day);
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "2026-07-28", "2026-13-01T00:00:00Z", "2026-07-28T09:30:05", "2026-07-28T09:30:05Zx", "x"] {
            assert_eq!(Utc::parse(text), None, "{text}");
        }
    }
}
