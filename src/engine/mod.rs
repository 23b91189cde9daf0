//! What a queue is. Pure: no clock, no randomness, no I/O, no actors, no logging.
//!
//! ```text
//!             send                     take                         settle
//!  message ──────────► log of a queue ──────────► delivery of a group ──────► done · dead · back
//!                      (partitions)      lease        (who, until when)
//! ```
//!
//! A queue is a *log* of messages in partitions, and *groups* that look at it. Each group sees each message in
//! one state, whatever the others do; the unnamed *work group* is always there. `apply(now, from, command)`
//! appends effects; `expire(now)` does what time does; `next_deadline()` says when it wants to be called.
//!
//! ```text
//!              ┌─ blocked ─┐                ┌──────── retry, release, expiry, abandon ───────┐
//!   send ──────┼─ delayed ─┼──► ready ──► leased ──► done                                   │
//!              └───────────┘      ▲          │└──────► dead ──► (redrive) ──► ready          │
//!                                 └──────────┴──────────────────────────────────────────────┘
//! ```
//!
//! # Rules
//!
//! **Existence.** A queue is `Absent` until an `Open`, `Configure`, `Send`, `Take` or `PutSchedule` makes it
//! (`OpenGroup` too), then `Open` or `Closed`. A closed queue refuses `Send` and `Take` with `QueueClosed`; all
//! else works on it. Any other command on an absent queue is refused with `QueueNotFound` (`Close` makes it,
//! closed). `Open` on an open queue is refused with `QueueExists`, unless it is idempotent. `Close` ends all
//! receivers with `QueueClosed`, and `Delete` with `QueueNotFound`; their leases are lost with `Delete`.
//!
//! **Time.** Before a command, everything that is due by `now` happens, in the order of time. A clock that
//! goes back is taken to stand still.
//!
//! **Sending.** A message goes to the end of its partition, which is made if need be. In every group that is
//! there it is at first *blocked* if a message that it depends on is not done; else *delayed* if its time is
//! not come; else, with a window set, held (shown as delayed) until the window closes; else *ready*. When it
//! is no longer blocked it may still be delayed. The checks, in this order: `QueueClosed`; an id that looks
//! like a position, labels or texts out of bounds (`InvalidRequest`); a known id or key; limits.
//!
//! * A known id: an id counts for the whole queue, as long as the message is kept. A known key: it counts in
//!   its partition, from the sending until the window is over (or, if asked, until the message is done, dead
//!   or gone). The first message's receipt is the answer, marked `duplicate`. With `dedup_content`, another
//!   body (or kind, or content type) is refused with `KeyConflict`. With `Replace`, a first message that is
//!   still ready or delayed in all groups and never taken gets the new body, options and delay; its place,
//!   id and key stay.
//! * Limits: `QueueFull`, `QueueBytesFull`: of the queue's settings over messages that some group is not done
//!   with (dead ones not counted), or of the server over all that is kept. `Overflow` says what happens at
//!   the queue's own limits; the server's limits always refuse.
//! * A batch is admitted as a whole or refused as a whole; a key twice in it makes the second a duplicate.
//!
//! **Order.** Ready messages are taken in the order of (class, sequence): the class is 0 for `Fifo`, minus the
//! aged priority for `Priority`, the deadline for `Deadline`. A message that comes back has its old place.
//!
//! **Taking messages.** `Take` makes the group if need be, beginning at `start`. It gets the first ready
//! messages, up to `max`, with all its labels (of the first 10,000 ready ones), not in a partition that is
//! leased as a whole. Not when the queue is paused, not beyond `rate` (no more than `count` deliveries within
//! any interval of length `per`: a delivery at t counts for those before t + per) or `concurrency` (leased messages of the group).
//! With nothing: `Empty`, or it parks.
//!
//! **Taking partitions.** A partition can be taken if none of its messages is leased in the group and its first
//! message that is not done or dead is ready (blocked, delayed and held ones stop it). The partitions with the
//! first ready messages come first, each gives its ready messages in order up to the first one that is not
//! ready, and `max` counts over all. One lease generation for all partitions of the take.
//!
//! **Receivers.** When a message can be taken and a receiver waits for it, it gets it at once. Receivers wait in
//! lines by what they can take: any message, any partition, the messages of one partition, one partition,
//! messages with labels. The receiver to be served next is the one with the earliest turn among those that can be
//! served; connections take turns, and within one connection and line the *newest* is served first (a client
//! that gives up on a receive tells nobody, and the newest is the one it surely still waits for). A standing
//! receiver gets one message and goes to the end of the line while it has credit left.
//!
//! **Settling.** A message lease: `Done`; `Retry` counts a failure and the message is given up when failures
//! reach `attempts_max` (of the message, else of the queue; 0 is never), else it waits for the delay asked
//! for, else the back-off; `Dead` gives up at once; `Release` counts nothing; `Cancel` removes the message.
//! Given up is dead, or dropped if the queue keeps no dead letters. Reasons that nobody gave: `failed`,
//! `lease expired`, `expired`, `parent failed`, `queue_full`, `buried`.
//!
//! A partition lease, all items of one command and partition together: the *head* is the item that is not
//! `Done` with the lowest place (in the order of the run). Everything before the head and up to the highest `Done` before it
//! is done, items or not; a `Done` behind the head is answered but changes nothing. Without a head: the lease goes on
//! until the run's last message is done, then the partition's failures are 0 again. With a head, the lease ends and the rest of
//! the run is ready again: `Retry` counts one failure *of the partition*; when these reach `attempts_max` the
//! head is given up and they are 0 again; `Dead` gives the head up; `Release` counts nothing; `Cancel` removes
//! the head. A wait (delay or back-off) applies to the head. Items behind a head that is not given up are answered `Back`.
//!
//! **Ends of leases.** A timed message lease that runs out is a failure if `expiry_is_failure` (then as
//! `Retry`, but without a wait), else the message is just back. A timed partition lease that runs out counts
//! nothing. A session's end releases what is bound to it. `Extend` moves the end to now + by, if that is later.
//!
//! **Ttl, deadline.** At its `expires_at` a message is dropped for every group in which it is not leased; with
//! `dead_letter_expired` it is dead there. Where it is leased, that happens when it comes back.
//!
//! **Keeping.** A message is removed when no group has it in a state other than done, and `retain_settled` has
//! passed since. `retain_dead` drops dead letters. `retain_open` drops everything older, leased ones when they
//! come back. A waiting `Await` is answered when the work group is done with its message, or it is removed.
//!
//! **Dependencies** count in the work group. A parent that is not known is waited for, if its id is a sender's
//! own; a position that was used and is no longer kept counts as done. A child that was added after its
//! parent was done is not blocked. A parent that is given up, expired or cancelled is failed: see [`ParentFailed`]; a
//! position or own id that is no longer kept is done. Own ids of done and failed messages are remembered for the dedup window.
//!
//! **Groups.** A new group gets what is kept from its start on: ready, whatever its state is elsewhere, unless
//! its own time is not come (delayed) or it is blocked. `Seek` does the same to a group that is there and forgets its leases, dead letters and failures.
//!
//! **Transactions.** Every lease must be live (`LeaseLost`), every message admitted and no duplicate
//! (`Duplicate`), else nothing happens. A prepared transaction keeps its leases from ending and its room in
//! the queue; messages of a prepared transaction are admitted at commit. Only message leases and partition leases
//! with all their items take part.
//!
//! # Invariants (checked after every step by the tests, which cite them)
//!
//! * **I1** a kept message is in exactly one state per group, and every index agrees with it.
//! * **I2** ready messages leave in their order, whatever came back meanwhile.
//! * **I3** no message is ready while a matching receiver waits and nothing forbids the delivery.
//! * **I4** a closed or absent queue has no receivers.
//! * **I5** counts and bytes are those of the kept messages.
//! * **I6** every effect rests on a record that was written; an attempt never falls; a generation only grows.
//! * **I7** replaying the records gives the state that wrote them, with all leases ended.
//! * **I8** a done message never returns, but by a seek.
//! * **I9** whatever is due is done: after `expire(now)` no deadline is at or before `now`.
//!
//! It refuses to know who a session is, how a record is written, or what any protocol calls these things.

mod browse;
#[cfg(test)]
mod check;
mod command;
mod effect;
mod group;
mod groups;
mod image;
mod known;
mod lane;
mod log;
mod manage;
mod message;
#[cfg(test)]
mod model;
mod moves;
mod partition;
mod queue;
mod record;
mod replay;
mod roster;
mod schedule;
mod schedules;
mod send;
mod settings;
mod settle;
#[cfg(test)]
mod simulation;
mod take;
mod timers;
mod transact;
mod view;
mod waiters;

pub use command::{
    Action, Command, Filter, Park, Permit, ReplyTo, SeekTo, Select, Start, State, States, Take,
    Term, Transaction, Unit, Verdict,
};
pub use effect::{Delivered, Effect, Event, Happened, Item, LeaseId, Outcome, Receipt, Settled};
pub use image::{
    BlockImage, Damaged, GroupImage, Image, KeyImage, LaneImage, PartitionImage, SettledImage,
};
pub use message::{
    DedupKey, Message, NewMessage, OnDuplicate, Options, ParentFailed, Position, Sequence,
};
pub use queue::{Parent, Queue, QueueConfig};
pub use record::{Record, RecordNumber, Standing};
pub use roster::{Attributes, Notice, Notices, Participant, Roster};
pub use schedule::{CatchUp, ScheduleSpec, Timing};
pub use settings::{
    Ageing, Backoff, BackoffKind, FOREVER, MessageOrder, Overflow, QueueSettings, Rate,
    SettingsPatch, Window,
};
pub use view::{
    Counts, Explanation, GroupView, Inspection, PartitionView, ScheduleView, Status, Totals, Why,
};
