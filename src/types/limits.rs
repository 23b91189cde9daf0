//! Every limit: its name, default, greatest value, unit, meaning and the error it raises, in one table.
//!
//! A limit is set by `limits.NAME` in the file, `ANTEROOM_LIMIT_NAME` in the environment or
//! `--limit NAME=VALUE` on the command line.

use super::nearest::nearest;
use crate::error::ErrorCode;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct LimitInfo {
    /// The setting's name, unit last.
    pub name: &'static str,
    /// Value when nothing is set.
    pub default: u64,
    /// Greatest value that may be set; the least is 1.
    pub max: u64,
    /// What is counted, per what.
    pub meaning: &'static str,
    /// Raised by the first thing past the limit.
    pub code: ErrorCode,
}

macro_rules! limits {
    ($($name:ident = $default:expr, max $max:expr, $code:ident, $meaning:literal;)*) => {
        /// The limits in force. Public fields, one per row of [`Limits::TABLE`].
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $meaning] pub $name: usize,)*
        }

        impl Limits {
            /// All limits, in the order of the documentation.
            pub const TABLE: &'static [LimitInfo] = &[$(LimitInfo {
                name: stringify!($name),
                default: $default,
                max: $max,
                meaning: $meaning,
                code: ErrorCode::$code,
            }),*];

            fn slot(&mut self, name: &str) -> Option<&mut usize> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default),* }
            }
        }
    };
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

limits! {
    frame_bytes = 1 << 20, max GIB, FrameTooLarge,
        "bytes of one WebSocket frame";
    name_bytes = 255, max 255, InvalidName,
        "bytes of the name of a room, a queue or a participant";
    message_bytes = 16 << 20, max GIB, MessageTooLarge,
        "bytes of one request, put together from its frames";
    fragments_per_message = 1024, max 1 << 20, TooManyFragments,
        "fragments of one WebSocket message";
    pings_per_second = 50, max 1 << 20, TooManyPings,
        "pings a peer may send per second";
    connections = 16_384, max 1 << 20, TooManyConnections,
        "WebSocket connections of the server";
    rooms = 1_000_000, max 1 << 32, TooManyRooms,
        "rooms of the server";
    participants_per_room = 16_384, max 1 << 20, TooManyParticipants,
        "connections of one room";
    attributes_bytes = 64 << 10, max 16 * MIB, AttributesTooLarge,
        "bytes of one participant's attributes";
    requests_in_flight = 1024, max 1 << 20, TooManyRequests,
        "unanswered requests of one connection, parked receivers not counted; past it the connection is not read until one is answered";
    parked_per_connection = 100_000, max 1 << 24, TooManyParkedOnConnection,
        "parked receivers of one connection";
    parked_per_queue = 200_000, max 1 << 24, TooManyParkedOnQueue,
        "parked receivers of one queue";
    parked_per_room = 400_000, max 1 << 24, TooManyParkedInRoom,
        "parked receivers of one room";
    queues_per_room = 100_000, max 1 << 24, TooManyQueues,
        "queues of one room";
    messages_per_queue = 16 << 20, max 1 << 40, QueueFull,
        "messages in one queue, handed out but not yet received ones included";
    bytes_per_queue = 16 << 30, max 1 << 50, QueueBytesFull,
        "bytes of the bodies in one queue";
    groups_per_queue = 1000, max 1 << 16, TooManyGroups,
        "consumer groups of one queue";
    partitions_per_queue = 100_000, max 1 << 24, TooManyPartitions,
        "partitions of one queue; and partitions × groups is at most ten times this";
    schedules_per_queue = 1000, max 1 << 20, TooManySchedules,
        "schedules of one queue";
    items_per_request = 10_000, max 1 << 20, TooManyItems,
        "messages, leases or ids in one request";
    resume_bytes = 1 << 20, max GIB, SessionLost,
        "bytes kept of what one connection has not confirmed, to be said again when its client comes back; what is larger is kept while it is confirmed in time";
    outgoing_bytes = 16 << 20, max GIB, SlowConsumer,
        "bytes of replies and pushes that wait for one connection, message bodies not counted; past it the connection is cut";
}

impl Limits {
    /// Sets one limit by name.
    ///
    /// # Errors
    /// A sentence that names the nearest known limit, or the range.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), String> {
        let Some(info) = Self::TABLE.iter().find(|info| info.name == name) else {
            return Err(format!(
                "unknown limit `{name}`; did you mean `{}`?",
                nearest(name, Self::TABLE.iter().map(|info| info.name))
            ));
        };
        if value == 0 || value > info.max {
            return Err(format!("limit `{name}` must be between 1 and {}", info.max));
        }
        let value = usize::try_from(value)
            .map_err(|_| format!("limit `{name}` is too large for this machine"))?;
        if let Some(slot) = self.slot(name) {
            *slot = value;
        }
        Ok(())
    }
}

/// Reads `1000`, `64KiB`, `16 MiB`, `4GiB`: a count, or bytes in powers of 1024.
///
/// # Errors
/// A sentence that says what a quantity looks like.
pub fn parse_quantity(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return Err(format!("`{text}` is not a quantity: write 1000, 64KiB, 16MiB or 4GiB")),
    };
    let number: u64 = number
        .replace('_', "")
        .parse()
        .map_err(|_| format!("`{text}` is not a quantity: write 1000, 64KiB, 16MiB or 4GiB"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_up_to_its_greatest_value_and_not_past_it() {
        let mut limits = Limits::default();
        for info in Limits::TABLE {
            assert!(info.default >= 1 && info.default <= info.max, "{}", info.name);
            limits.set(info.name, 1).unwrap();
            limits.set(info.name, info.max).unwrap();
            assert!(limits.set(info.name, 0).is_err());
            assert!(limits.set(info.name, info.max + 1).is_err());
        }
        assert_eq!(limits.frame_bytes as u64, GIB);
    }

    #[test]
    fn an_unknown_limit_names_the_nearest_one() {
        let error = Limits::default().set("frame_byte", 1).unwrap_err();
        assert!(error.contains("`frame_bytes`"), "{error}");
    }

    #[test]
    fn quantities() {
        for (text, value) in
            [("1", 1), ("1_000", 1000), ("64KiB", 65_536), ("16 MiB", 16 << 20), ("4GiB", 4 << 30)]
        {
            assert_eq!(parse_quantity(text), Ok(value));
        }
        for bad in ["", "x", "1kb", "-1", "KiB", "99999999999GiB"] {
            assert!(parse_quantity(bad).is_err(), "{bad}");
        }
    }
}
