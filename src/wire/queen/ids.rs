//! Ids that say what they stand for, so that nothing need be remembered to resolve them. To a client they are
//! texts without meaning.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::types::{GroupName, PartitionKey, QueueName};

/// A partition of a queue, written as base64url of `QUEUE 0 PARTITION`. No name has a zero in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionName {
    /// The queue.
    pub queue: QueueName,
    /// The partition.
    pub partition: PartitionKey,
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}\0{}", self.queue, self.partition);
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(text))
    }
}

impl PartitionName {
    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = decode(text)?;
        let (queue, partition) = text.split_once('\0')?;
        Some(Self { queue: queue.parse().ok()?, partition: partition.parse().ok()? })
    }
}

/// All leases that one pop gave, written `GENERATION-` and the queue in base64url.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseName {
    /// The queue.
    pub queue: QueueName,
    /// The generation of its leases.
    pub generation: u64,
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, BASE64_URL_SAFE_NO_PAD.encode(self.queue.as_str()))
    }
}

impl LeaseName {
    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (generation, queue) = text.split_once('-')?;
        Some(Self { queue: decode(queue)?.parse().ok()?, generation: generation.parse().ok()? })
    }
}

/// A dead letter of a group, written as base64url of `QUEUE 0 GROUP 0 PARTITION - OFFSET`; the work group has no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadName {
    /// The queue.
    pub queue: QueueName,
    /// The group; none is the work group.
    pub group: Option<GroupName>,
    /// Number of the partition.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: u64,
}

impl fmt::Display for DeadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.group.as_ref().map_or("", GroupName::as_str);
        let text = format!("{}\0{group}\0{}-{}", self.queue, self.partition, self.offset);
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(text))
    }
}

impl DeadName {
    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = decode(text)?;
        let (queue, rest) = text.split_once('\0')?;
        let (group, position) = rest.split_once('\0')?;
        let (partition, offset) = position.split_once('-')?;
        Some(Self {
            queue: queue.parse().ok()?,
            group: if group.is_empty() { None } else { Some(group.parse().ok()?) },
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    }
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// A message of a queue, in the form of a UUID of version 7, in which such ids are expected: those of a partition
/// sort by their place.
///
/// ```text
/// offset 48 | 7 | 12 of the queue | 2 | partition 32 | 30 of the queue        bits
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageName {
    /// Number of the partition.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: u64,
}

const VERSION: u128 = 7 << 76;
const VARIANT: u128 = 2 << 62;

impl MessageName {
    /// The id, in a queue.
    #[must_use]
    pub fn write(self, queue: &QueueName) -> String {
        let of_queue = number_of(queue);
        let bits = u128::from(self.offset & 0xffff_ffff_ffff) << 80
            | VERSION
            | u128::from(of_queue >> 30 & 0xfff) << 64
            | VARIANT
            | u128::from(self.partition) << 30
            | u128::from(of_queue & 0x3fff_ffff);
        uuid::Uuid::from_u128(bits).to_string()
    }

    /// Reads an id of this queue.
    #[must_use]
    pub fn read(text: &str, queue: &QueueName) -> Option<Self> {
        let bits = uuid::Uuid::try_parse(text).ok()?.as_u128();
        let name = Self {
            partition: u32::try_from(bits >> 30 & 0xffff_ffff).ok()?,
            offset: u64::try_from(bits >> 80).ok()?,
        };
        (name.write(queue).eq_ignore_ascii_case(text)).then_some(name)
    }
}

/// A number that differs for other queues (FNV-1a): an id of one means nothing in another.
fn number_of(queue: &QueueName) -> u64 {
    queue.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nothing_else() {
        let queue: QueueName = "orders é".parse().unwrap();
        let partition =
            PartitionName { queue: queue.clone(), partition: "Default".parse().unwrap() };
        assert_eq!(PartitionName::read(&partition.to_string()), Some(partition));
        let lease = LeaseName { queue: queue.clone(), generation: u64::MAX };
        assert_eq!(LeaseName::read(&lease.to_string()), Some(lease));
        for group in [None, Some("g".parse().unwrap())] {
            let dead = DeadName { queue: queue.clone(), group, partition: 3, offset: 17 };
            assert_eq!(DeadName::read(&dead.to_string()), Some(dead));
        }
        for text in ["", "b", "b3JkZXJz", "b3JkZXJzAA", "00000000-0000-7000-8000-000000000000"] {
            assert_eq!(PartitionName::read(text), None, "{text}");
            assert_eq!(MessageName::read(text, &queue), None, "{text}");
            assert_eq!(DeadName::read(text), None, "{text}");
        }
        for text in ["", "1", "1-", "x-b3JkZXJz", "-1-b3JkZXJz"] {
            assert_eq!(LeaseName::read(text), None, "{text}");
        }
        for name in [
            MessageName { partition: 0, offset: 0 },
            MessageName { partition: u32::MAX, offset: (1 << 48) - 1 },
            MessageName { partition: 3, offset: 17 },
        ] {
            let text = name.write(&queue);
            let uuid = uuid::Uuid::parse_str(&text).unwrap();
            assert_eq!(uuid.get_version_num(), 7);
            assert_eq!(MessageName::read(&text, &queue), Some(name));
            assert_eq!(MessageName::read(&text, &"other".parse().unwrap()), None);
        }
    }
}
