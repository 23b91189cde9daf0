//! What a queue is. Pure: no clock, no randomness, no I/O, no actors, no logging.
//!
//! ```text
//!             send                     take                         settle
//!  message ──────────► log of a queue ──────────► delivery of a group ──────► done · dead · back
//!                      (partitions)      lease        (who, until when)
//! ```
//!
//! A queue is a *log* of messages in partitions, and *groups* that look at it. Each group sees each message
//! in one state, whatever the others do; the unnamed *work group* is always there. `apply(now, from,
//! command)` appends effects; `expire(now)` does what time does; `next_deadline()` says when it wants to be
//! called.
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
//! **Existence.** A queue is `Absent` until one of `Open`, `Configure`, `Close`, `Send`, `SendBatch`, `Take`,
//! `OpenGroup`, `PutSchedule` makes it, then `Open` or `Closed`. `Transact`, `Prepare`, `Commit`, `Abort`
//! need no queue (what they send makes it). A queue that is not there has the settings that whoever asks brings along, else
//! the defaults, and is made with them; `Settle` without one is answered `Lost`; `Unpark` and `Abandon`
//! are never answered; all others are refused with `QueueNotFound`. A refused command makes nothing. A closed
//! queue refuses sends and takes with `QueueClosed`; all else works on it. `Open` of an open queue is refused
//! with `QueueExists` unless it is idempotent; its answer are the settings in force. `Close` ends all
//! receivers with `QueueClosed`, `Delete` with `QueueNotFound`. `Delete` forgets everything but how far the
//! numbers went: partitions and groups that are made later have new ones, so that an old lease is never taken
//! for a new one.
//!
//! **Time.** Before a command, everything that is due by `now` happens in the order of its time, and at one
//! moment leases end first, then come delays, windows, ttl, what is kept long enough, schedules; then, before
//! the next moment, what can be handed out is. Whoever gives up at a moment gets what comes at that moment.
//! However late it is: what is written down, and ages and lengths of leases, go by `now`. After a command
//! comes first what it made due, and then whoever waits for what it brought: so its own answer comes before
//! what it causes for others. A clock that goes back is taken to stand still.
//!
//! **Sending.** A message goes to the end of its partition, which is made if need be. In every group that is
//! there it is at first *blocked* if a message that it depends on is not done; else *delayed* if its time is
//! not come (what its sender said, else the queue's delay after the sending; when that delay is changed, messages that
//! say nothing of their own and were never taken wait by the new one at once); else, with a window set, *held* (shown as delayed) until the window of its partition closes;
//! else *ready*. Only those that are held count in a window. What is unblocked, or delayed no more, is not
//! held.
//!
//! The checks: `QueueClosed`, `EncryptionUnavailable`; for each message texts out of bounds, an id that looks like a position, a
//! parent at a position that was never used, or itself as parent (`InvalidRequest`), then whether it is
//! known; then `TooManyPartitions`, the server's limits, the queue's. A batch is admitted as a whole or
//! refused as a whole.
//!
//! * A known id: an id counts for the whole queue, as long as the message is kept. A known key: it counts in
//!   its partition, from the sending until the window is over (or, if asked, until the work group is done
//!   with the message); with a window of 0 a key means nothing. The id is looked at first. The first
//!   message's receipt is the answer, marked `duplicate`; that prolongs nothing. With `dedup_content`, now
//!   and when the first one was sent, another body (or kind, or content type) is refused with `KeyConflict`.
//!   With `Replace`, a first message that is still ready or delayed in all groups and was never taken gets
//!   the new body, options and delay; its place, `sent_at`, id and key stay, and no limit is asked. Within a
//!   batch the second one is a plain duplicate.
//! * Limits: `QueueFull`, `QueueBytesFull`: of the queue's settings over messages that some group is not done
//!   with (dead ones not counted), or of the server over all that is kept. Prepared messages count.
//!   Where the server's would be exceeded, messages that every group is done with make room, the oldest first, 1,000 or
//!   more at a time; if that is not enough, nothing is dropped. `Overflow` says what happens at the queue's own limits;
//!   the server's refuse. `DropOldest` drops
//!   messages that were ready in the work group before the command, for all groups, and only if that is
//!   enough; `DeadLetter` gives up, in every group, each message that does not fit.
//!
//! **Order.** Ready messages are taken in the order of (class, sequence): the class is 0 for `Fifo`, minus
//! the aged priority for `Priority`, the deadline for `Deadline`. A message that comes back has its old
//! place.
//!
//! **Taking messages.** `Take` makes the group if need be, beginning at `start`. It gets the first ready
//! messages, up to `max`, with all its labels (of the first 10,000 ready ones), not in a partition that is
//! leased as a whole. Not when the queue is paused, not beyond `rate` (no more than `count` deliveries within
//! any interval of length `per`: a delivery at t counts for those before t + per) or `concurrency` (leased
//! messages of the group). With nothing: `Empty`, or it parks. [`Term::Auto`]: each message is done when it
//! is handed out, and what that unblocks may be the next.
//!
//! **Taking partitions.** A partition can be taken if none of its messages is leased in the group and its
//! first message that is not done or dead is ready (blocked, delayed and held ones stop it). The partitions
//! with the first ready messages come first, each gives its ready messages in order up to the first one that
//! is not ready, and `max` counts over all. One lease generation for all partitions of the take. [`Unit::Newest`] gives
//! of these messages the last one of each partition, and those before it are done: whoever wants to know how things
//! stand need not read how they came to.
//!
//! **Receivers.** When a message can be taken and a receiver waits for it, it gets it at once. Groups are
//! served in the order of their making. In a group receivers wait in lines by what they can take: any
//! message, any partition, the messages of one partition, one partition, messages with labels. The one to be
//! served next has the earliest turn among those that can be served; connections take turns, and within one
//! connection and line the *newest* is served first (a client that gives up on a receive tells nobody, and
//! the newest is the one it surely still waits for). A standing receiver gets one message at a time and is
//! then the last of its connection, while it has credit; when credit comes back it is the newest again.
//! A receiver that only wants to be *told* is answered `Takeable` when it would be served, and what it would have got
//! is for the next one. With `batch_wait`, one that parks and wants more than one message, and could get something but not
//! its max, waits so long, as far as its own time allows, and then gets what is there; or at once when its max is, before
//! all who are in line. Meanwhile those take what there is. `Cancel` answers the receiver, or the `Await`, that it ends with `Empty`. Awaits count as
//! parked.
//!
//! **Settling.** Any session may settle a lease that it knows. The items of a command: first those of message
//! leases, then those of partition leases; what is named twice is `Lost` the second time.
//!
//! A message lease: `Done`; `Retry` counts a failure and the message is given up when failures reach
//! `attempts_max` (of the message, else of the queue; 0 is never), else it waits for the delay asked for,
//! else the back-off; `Dead` gives up at once; `Release` counts nothing; `Cancel` removes the message. Given
//! up is dead, or dropped if the queue keeps no dead letters. Reasons that nobody gave: `failed`, `lease
//! expired`, `expired`, `parent failed`, `queue_full`, `buried`; those who await hear `cancelled` and
//! `purged`, too.
//!
//! A partition lease, all items of one command and partition together: the *head* is the item that is not
//! `Done` with the lowest place (in the order of the run). Everything before the head and up to the highest
//! `Done` before it is done, items or not; a `Done` behind the head is answered `Back` and changes
//! nothing, unless settling goes on (below).
//! Without a head the lease goes on until the run's last message is done; then the partition's failures are 0
//! again. With a head the lease ends. Of the head, `Retry` counts one failure *of the partition*, and when these reach
//! `attempts_max` it is given up; `Dead` gives it up; `Cancel` removes it; `Release` counts nothing. A wait (delay or
//! back-off) applies to the head. When the head is given up or removed, settling goes on behind it, message by message:
//! with `Done`, `Dead`, `Cancel`, with `Retry` if that is one failure too many as well, and with what nobody names if a
//! `Done` comes behind it. It stops at the first other one, and from there on all is ready again. The failures are then
//! 0, but as many as before if it stopped at a `Retry`.
//!
//! **Settling by name.** A message of a partition is named by its key, else by its place, among those of the live lease;
//! if nobody has the partition, among its first 10,000 ready ones, in order. Of several items that mean one message the
//! strongest counts (`Cancel`, `Dead`, `Retry`, `Release`, `Done`). A lease that is named must be live, else all items are
//! `Lost`; but if it is the last one that was settled to its end, what the group is done with or has given up is `Again`;
//! and so is, of a lease from before the queue was loaded, which has ended one way or the other, what is named as done.
//! With no lease named it is the live one, whosoever has it; and if there is none, `Done` makes done the message and all
//! ready ones before it, as far as nothing else is said of any before, and other items change nothing (`Back`). A name
//! that means none of these is `Before` if the group is done with the message or has given it up (by the key that is
//! remembered, else by the place), else `Unknown`.
//!
//! **Ends of leases.** A timed message lease that runs out is a failure if `expiry_is_failure` (then as
//! `Retry`, but without a wait), else the message is just back. A timed partition lease that runs out counts
//! nothing. A session's end releases what is bound to it. `Extend` moves the end to now + by, if that is
//! later; `ExtendTake` does so to all partition leases that one take gave.
//!
//! **Ttl, deadline.** At its `expires_at` a message is dropped for every group in which it waits; with
//! `dead_letter_expired` it is dead there. Where it is leased, that happens when it comes back (which is
//! answered `Back` all the same), and so it does with what is redriven or sought too late, or sent too late.
//!
//! **Keeping.** A message is removed when no group has had it open or dead for `retain_settled`; only then
//! its `ended_at` is shown, and its `result` is what the work group's taker said. It goes earlier where room is needed
//! (see limits). `retain_dead` drops dead
//! letters, of which nobody hears. `retain_open` drops everything older, leased ones when they come back. A
//! waiting `Await` is answered when the work group is done with its message, or it is removed.
//!
//! **Dependencies** count in the work group. A parent is named by position or by a sender's own id: that
//! means the first message with this id that is there, or comes. A position that was used, or an id that is
//! remembered, and no longer kept counts as done; own ids are remembered for the dedup window after the
//! message is gone. A parent that is given up, expired, dropped or cancelled has failed: see
//! [`ParentFailed`]; a child that goes on waiting then does so until the parent is redriven and done. Purged
//! is done. A child that is ended by hand still waits for its parents in other groups.
//!
//! **Groups.** A new group gets what is kept from its start on: ready, whatever its state is elsewhere,
//! unless its own time is not come (delayed) or it is blocked. `Seek` does the same to a group that is there,
//! and forgets leases, dead letters, attempts and failures in what it moves. A group remembers where it began and can be
//! sought back there; `SetStart` says that anew and moves nothing. The work group is always there,
//! unless it is switched off: then all its messages are done, and so is at once what is sent meanwhile;
//! commands that name no group are refused with `GroupRequired`.
//!
//! **By hand.** `Purge` and `Discard` mean done, by nobody. `Change` looks at messages by position until it has found
//! `limit` that the filter lets through, and then does what it is asked to those that it fits. `Browse` looks
//! at no more than 100,000 messages; `next` says where to go on. `Look` shows the last message with a key, or the one at a place,
//! as every group sees it.
//!
//! **Schedules.** An occurrence that is more than a minute late is missed: for all missed ones together one
//! message is sent with [`CatchUp::Once`], and none otherwise. What cannot be sent then is passed over in
//! silence.
//!
//! **Transactions.** Every lease must be live and named once, and of a partition lease all of it
//! (`LeaseLost`); every name must mean something, or be done and named as done (`MessageNotFound`), each partition of a
//! group once; every message admitted and none sent before (`Duplicate`; within the transaction the second one is a plain
//! duplicate); else nothing happens. Settles come first, then those by name, then sends. A prepared transaction keeps its leases from ending and its room in the queue: they cannot
//! be settled or extended by others, and an end that falls due waits for `Abort`. What removes a message or
//! moves a group ends its leases all the same: `Commit` answers `Lost`. `Commit` asks no limit, and what is
//! known by then is a duplicate.
//!
//! **Durability.** With [`Durability::Relaxed`] answers and deliveries rest on no record: a crash may undo what they say.
//! Transactions over several queues are durable all the same. A queue with [`Encryption::Required`] is refused with
//! `EncryptionUnavailable` where what is stored is not encrypted: the settings, and what is sent to it.
//!
//! # Invariants (checked after every step by the tests, which cite them)
//!
//! * **I1** a kept message is in exactly one state per group, and every index agrees with it.
//! * **I2** ready messages leave in their order, whatever came back meanwhile.
//! * **I3** no message is ready while a matching receiver waits and nothing forbids the delivery.
//! * **I4** a closed or absent queue has no receivers.
//! * **I5** counts and bytes are those of the kept messages.
//! * **I6** every effect rests on a record that was written, or on none if the queue is relaxed; an attempt never falls, but by a seek; a
//!   generation only grows. After a crash the attempts are those of the last image, and at least as many as
//!   the failures since.
//! * **I7** replaying the records gives the state that wrote them, with all leases ended; so does an
//!   [`Image`] and the records after it.
//! * **I8** a done message never returns, but by a seek.
//! * **I9** whatever is due is done: after `expire(now)` no deadline is at or before `now`.
//!
//! It refuses to know who a session is, how a record is written, or what any protocol calls these things.

mod admit;
mod ascending;
mod bound;
mod browse;
#[cfg(test)]
mod check;
mod cold;
mod command;
mod deliveries;
mod effect;
mod filling;
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
mod named;
mod numbered;
mod packed;
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
mod stream;
mod survey;
mod take;
mod timers;
mod transact;
mod view;
mod waiters;

pub use cold::BodyRange;
pub use command::{
    Action, Command, Filter, Name, Park, Permit, ReplyTo, SeekTo, Select, SettleNamed, Start,
    State, States, Take, Term, Transaction, Unit, Verdict,
};
pub use effect::{
    Delivered, Effect, Event, Happened, Item, LeaseId, NamedSettled, Outcome, Receipt, Settled,
    SettledPart,
};
pub use image::{
    BlockImage, Damaged, GroupImage, Image, KeyImage, LaneImage, PartitionImage, SettledImage,
};
pub use log::BLOCK;
pub use message::{
    DedupKey, Message, NewMessage, OnDuplicate, Options, ParentFailed, Position, Sequence,
};
pub use queue::{Parent, Queue, QueueConfig};
pub use record::{Record, RecordNumber, Standing};
pub use roster::{Attributes, Notice, Notices, Participant, Roster};
pub use schedule::{CatchUp, ScheduleSpec, Timing};
pub use settings::{
    Ageing, Backoff, BackoffKind, Durability, Encryption, FOREVER, MessageOrder, Overflow,
    QueueSettings, Rate, SettingsPatch, Window,
};
pub use stream::{EMPTY_MAX, KEEP, Moments, Span, StreamSpec};
pub use view::{
    Counts, Explanation, GroupView, Inspection, PartitionSurvey, PartitionView, ScheduleView,
    Status, Totals, Why,
};
