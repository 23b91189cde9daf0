//! Messages that are sent at a time: once, every so often, or as a cron expression says.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds},
};

use super::message::NewMessage;
use crate::types::{Millis, Timestamp};

/// An occurrence that is handled later than this is missed.
pub(super) const MISSED_AFTER: Millis = Millis::from_secs(60);

/// When a schedule's message is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timing {
    /// Once.
    At(Timestamp),
    /// Every so often, counted from the making of the schedule.
    Every(Millis),
    /// A cron expression of 5 fields, or 6 with seconds first, in a time zone.
    Cron {
        /// As it was given.
        expression: String,
        /// IANA name, such as `Europe/Berlin`.
        zone: String,
    },
}

/// What happens to occurrences that were missed because the server was not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing.
    #[default]
    Skip,
    /// One message is sent for all of them.
    Once,
}

/// When, what, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleSpec {
    /// When.
    pub timing: Timing,
    /// What is sent.
    pub message: NewMessage,
    /// After an absence.
    pub catch_up: CatchUp,
    /// It stands still.
    pub paused: bool,
    /// Since when it counts; set by the engine.
    pub since: Timestamp,
}

fn parse_cron(expression: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    parser.parse(expression).map_err(|error| error.to_string())
}

impl Timing {
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::At(_) => Ok(()),
            Self::Every(every) if every.0 == 0 => Err("every_ms must be at least 1".to_owned()),
            Self::Every(_) => Ok(()),
            Self::Cron { expression, zone } => {
                zone.parse::<Tz>().map_err(|_| format!("`{zone}` is not a time zone"))?;
                parse_cron(expression).map_err(|error| format!("`{expression}`: {error}")).map(drop)
            }
        }
    }

    /// The first occurrence after `now` of a schedule that counts from `since`.
    #[must_use]
    pub fn next(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => (*at > now).then_some(*at),
            Self::Every(every) => {
                let passed = now.since(since).0 / every.0.max(1);
                Some(since.after(Millis(passed.saturating_add(1).saturating_mul(every.0))))
            }
            Self::Cron { expression, zone } => {
                let zone: Tz = zone.parse().ok()?;
                let now = DateTime::<Utc>::from_timestamp_millis(i64::try_from(now.0).ok()?)?;
                let next = parse_cron(expression)
                    .ok()?
                    .find_next_occurrence(&now.with_timezone(&zone), false)
                    .ok()?;
                u64::try_from(next.timestamp_millis()).ok().map(Timestamp)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-29 00:30 UTC; at 01:00 UTC clocks in Berlin go from 02:00 to 03:00.
    const NIGHT: Timestamp = Timestamp(1_774_744_200_000);
    const MINUTE: u64 = 60_000;

    fn cron(expression: &str, zone: &str) -> Timing {
        Timing::Cron { expression: expression.into(), zone: zone.into() }
    }

    #[test]
    fn next_occurrences() {
        let next = |timing: Timing| timing.next(NIGHT, NIGHT).map(|at| (at.0 - NIGHT.0) / MINUTE);
        assert_eq!(next(cron("0 * * * *", "UTC")), Some(30));
        assert_eq!(next(cron("0 0 * * * *", "UTC")), Some(30), "six fields, seconds first");
        assert_eq!(next(cron("0 5 * * *", "Europe/Berlin")), Some(150), "in summer time already");
        assert_eq!(next(cron("0 0 30 2 *", "UTC")), None, "never");
        assert_eq!(next(Timing::At(NIGHT)), None, "not after now");
        let every = Timing::Every(Millis(10 * MINUTE));
        assert_eq!(
            every.next(NIGHT, NIGHT.after(Millis(25 * MINUTE))),
            Some(NIGHT.after(Millis(30 * MINUTE)))
        );
    }

    #[test]
    fn what_is_no_timing_is_refused() {
        for wrong in [
            cron("* * * *", "UTC"),
            cron("61 * * * *", "UTC"),
            cron("* * * * *", "Mars/Phobos"),
            cron("", "UTC"),
            Timing::Every(Millis(0)),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        cron("*/5 9-17 * * MON-FRI", "America/New_York").check().unwrap();
    }
}
