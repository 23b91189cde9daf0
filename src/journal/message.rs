//! Messages, what their senders said about them, and schedules, which send them.

use super::{
    NotARecord,
    table::{Reader, Written, fields, kinds, tagged},
};
use crate::engine::{
    CatchUp, DedupKey, Message, NewMessage, OnDuplicate, Options, ParentFailed, Position,
    ScheduleSpec, Timing,
};

/// `sequence | position | sent_at | maybe expires_at | body | maybe options`
impl Written for Message {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { sequence, position, sent_at, sent_in: _, expires_at, body, options } = self;
        sequence.put(out);
        position.put(out);
        sent_at.put(out);
        expires_at.put(out);
        body.put(out);
        options.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        Ok(Self {
            sequence: Written::get(reader)?,
            position: Written::get(reader)?,
            sent_at: Written::get(reader)?,
            sent_in: reader.number,
            expires_at: Written::get(reader)?,
            body: Written::get(reader)?,
            options: Written::get(reader)?,
        })
    }
}

/// `partition | offset`
impl Written for Position {
    fn put(&self, out: &mut Vec<u8>) {
        self.partition.put(out);
        self.offset.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        Ok(Self { partition: Written::get(reader)?, offset: Written::get(reader)? })
    }
}

fields!(NewMessage { partition, body, options });

tagged!(Options set {
    1 id
    2 key
    3 priority
    4 delay
    5 not_before
    6 ttl
    7 deadline
    8 kind
    9 labels
    10 headers
    11 attempts_max
    12 backoff
    13 depends_on
    14 parent_failed
});

fields!(DedupKey { text, window, until_settled, on_duplicate });

kinds!(OnDuplicate { 1 Keep 2 Replace });

kinds!(ParentFailed { 1 Wait 2 Fail 3 Run });

fields!(ScheduleSpec { timing, message, catch_up, paused, since });

kinds!(CatchUp { 1 Skip 2 Once });

const AT: u8 = 1;
const EVERY: u8 = 2;
const CRON: u8 = 3;

/// `1 | moment`, `2 | duration`, `3 | expression | zone`
impl Written for Timing {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::At(at) => {
                out.push(AT);
                at.put(out);
            }
            Self::Every(every) => {
                out.push(EVERY);
                every.put(out);
            }
            Self::Cron { expression, zone } => {
                out.push(CRON);
                expression.put(out);
                zone.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, NotARecord> {
        Ok(match reader.byte()? {
            AT => Self::At(Written::get(reader)?),
            EVERY => Self::Every(Written::get(reader)?),
            CRON => Self::Cron { expression: Written::get(reader)?, zone: Written::get(reader)? },
            _ => return Err(NotARecord),
        })
    }
}
