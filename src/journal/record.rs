//! The kinds of records.

use super::{Record, table::kinds};
use crate::engine::Standing;

kinds!(Record {
    1 Opened
    2 Closed
    3 Paused { paused }
    4 Deleted
    5 Configured { settings }
    6 PartitionAdded { partition, key }
    7 GroupAdded { group, name, from }
    8 GroupRemoved { group, at }
    9 Sent { message, standing }
    10 Replaced { message, standing }
    11 Settled { group, at, positions }
    12 Moved { group, position, failures, standing }
    13 Removed { at, positions }
    14 Purged { group, at, through, kept }
    15 Sought { group, partition, offset, at }
    16 Charged { group, partition, failures }
    17 Scheduled { name, spec, next }
    18 Unscheduled { name }
    19 GroupBegan { group, from }
});

kinds!(Standing {
    1 Ready
    2 Blocked
    3 Delayed { until }
    4 Held
    5 Dead { at, reason }
    6 Done { at, result }
    7 Dropped { at }
});
