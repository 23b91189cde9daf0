//! The settings of a queue.

use super::table::{fields, kinds, tagged};
use crate::engine::{
    Ageing, Backoff, BackoffKind, Durability, Encryption, MessageOrder, Overflow, QueueSettings,
    Rate, Window,
};

tagged!(QueueSettings all {
    1 ordering
    2 ageing
    3 lease
    4 attempts_max
    5 backoff
    6 expiry_is_failure
    7 dead_letter
    8 dead_letter_expired
    9 delay
    10 ttl
    11 window
    12 dedup_window
    13 dedup_content
    14 messages_max
    15 bytes_max
    16 overflow
    17 retain_open
    18 retain_settled
    19 retain_dead
    20 rate
    21 concurrency
    22 work_group
    23 durability
    24 encryption
} set {
    25 labels
    26 priority
    27 batch_wait
});

kinds!(Durability { 1 Durable 2 Relaxed });

kinds!(Encryption { 1 Optional 2 Required });

kinds!(MessageOrder { 1 Fifo 2 Priority 3 Deadline });

fields!(Ageing { every, step, top });

fields!(Backoff { kind, base, cap, jitter });

kinds!(BackoffKind { 1 Fixed 2 Linear 3 Exponential });

fields!(Window { length, debounce, messages });

kinds!(Overflow { 1 Reject 2 DropOldest 3 DeadLetter });

fields!(Rate { count, per });
