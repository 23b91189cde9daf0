//! Names: 1–255 bytes of UTF-8 without control characters (C0, DEL, C1), compared byte for byte.
//!
//! Cloning a name shares its text.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// Longest name in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than 255 bytes.
    #[error("a name has at most {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// The text holds a control character.
    #[error("a name must not hold control characters")]
    Control,
}

fn parse(text: &str) -> Result<Arc<str>, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    // `char::is_control` is exactly C0, DEL and C1.
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    Ok(Arc::from(text))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                parse(text).map(Self)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// Name of a room: the scope that holds participants and queues.
    RoomName
);
name!(
    /// Name of a queue inside its room.
    QueueName
);
name!(
    /// Name of a partition: an ordered part of a queue.
    PartitionKey
);
name!(
    /// Name of a consumer group of a queue.
    GroupName
);
name!(
    /// Name of a schedule of a queue.
    ScheduleName
);
name!(
    /// Name of a stream: windows over the messages of some queues.
    StreamName
);
name!(
    /// Name of a participant, from the token. Several participants may share one.
    ParticipantName
);

/// What the name of an internal queue begins with: no client can say it.
const INTERNAL: char = '\u{1}';

impl QueueName {
    /// Name of a queue that the server keeps for itself, in a room beside the others: in no list, in no
    /// client's reach. `text` must be a legal name.
    ///
    /// # Errors
    /// As for other names; an internal one is a byte longer.
    pub fn internal(text: &str) -> Result<Self, NameError> {
        let text = parse(text)?;
        match text.len() < NAME_BYTES_MAX {
            true => Ok(Self(format!("{INTERNAL}{text}").into())),
            false => Err(NameError::TooLong),
        }
    }

    /// Whether it is an internal queue's.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.0.starts_with(INTERNAL)
    }

    /// A name as it was written by the server itself, perhaps an internal one.
    ///
    /// # Errors
    /// As for other names.
    pub fn stored(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix(INTERNAL) {
            Some(text) => Self::internal(text),
            None => text.parse(),
        }
    }
}

impl Default for PartitionKey {
    /// Where a message goes whose sender names no partition. Queen MQ's clients know it by this name.
    fn default() -> Self {
        Self(Arc::from("Default"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_1_to_255_bytes_without_control_characters() {
        let longest = "é".repeat(127) + "x";
        for good in ["a", " ", "../b", "日本", "<img onerror>", "\u{200b}", longest.as_str()] {
            assert_eq!(good.parse::<QueueName>().unwrap().as_str(), good);
        }
        let too_long = "é".repeat(128);
        for (bad, why) in [
            ("", NameError::Empty),
            (too_long.as_str(), NameError::TooLong),
            ("a\nb", NameError::Control),
            ("\0", NameError::Control),
            ("\u{7f}", NameError::Control),
            ("\u{85}", NameError::Control),
        ] {
            assert_eq!(bad.parse::<QueueName>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn internal_names_are_told_apart_and_cannot_be_said() {
        let internal = QueueName::internal("notes").unwrap();
        assert!(internal.is_internal());
        assert!(!"notes".parse::<QueueName>().unwrap().is_internal());
        assert_eq!(internal.as_str().parse::<QueueName>(), Err(NameError::Control));
        assert_eq!(QueueName::stored(internal.as_str()), Ok(internal));
        assert_eq!(QueueName::stored("notes"), "notes".parse());
        assert_eq!(QueueName::stored("\u{2}notes"), Err(NameError::Control));
        assert_eq!(QueueName::stored("\u{1}\u{1}notes"), Err(NameError::Control));
        assert!(QueueName::internal(&"x".repeat(254)).is_ok());
        assert_eq!(QueueName::internal(&"x".repeat(255)), Err(NameError::TooLong));
        assert_eq!(QueueName::internal(""), Err(NameError::Empty));
    }

    #[test]
    fn names_are_compared_byte_for_byte() {
        let composed: QueueName = "é".parse().unwrap();
        let decomposed: QueueName = "e\u{301}".parse().unwrap();
        assert_ne!(composed, decomposed);
        assert_ne!("A".parse::<QueueName>().unwrap(), "a".parse().unwrap());
    }
}
