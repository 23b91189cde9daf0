//! Moments as these clients write them: `2026-01-01T00:00:00.000000Z`.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};

use crate::types::Timestamp;

/// The text of a moment.
#[must_use]
pub fn write(at: Timestamp) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::UNIX_EPOCH);
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The moment that a text means: with a zone, without one (UTC), or a day.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let at = DateTime::parse_from_rfc3339(text)
        .map(|at| at.timestamp_millis())
        .or_else(|_| {
            // In a query a `+` that is not encoded is a space.
            let zoned = text.rsplit_once(' ').filter(|(_, zone)| zone.contains(':'));
            zoned
                .and_then(|(at, zone)| DateTime::parse_from_rfc3339(&format!("{at}+{zone}")).ok())
                .map(|at| at.timestamp_millis())
                .ok_or(())
        })
        .or_else(|()| {
            let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
            let found =
                formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
            found.map(|at| at.and_utc().timestamp_millis()).ok_or(())
        })
        .or_else(|()| {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| ())?;
            day.and_hms_opt(0, 0, 0).map(|at| at.and_utc().timestamp_millis()).ok_or(())
        });
    u64::try_from(at.ok()?).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_one_way_and_read_in_several() {
        let at = Timestamp(1_767_225_600_123);
        assert_eq!(write(at), "2026-01-01T00:00:00.123000Z");
        for text in [
            "2026-01-01T00:00:00.123Z",
            "2026-01-01T00:00:00.123000Z",
            "2026-01-01T01:00:00.123+01:00",
            "2026-01-01T01:00:00.123 01:00",
            "2026-01-01T00:00:00.123",
            "2026-01-01 00:00:00.123",
        ] {
            assert_eq!(read(text), Some(at), "{text}");
        }
        assert_eq!(read("2026-01-01"), Some(Timestamp(1_767_225_600_000)));
        for text in ["", "now", "yesterday", "2026-13-01", "1969-01-01T00:00:00Z"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
