//! What comes back → JSON, the same over WebSocket and over HTTP.

use super::{
    message::{write_delivered, write_item, write_list, write_new, write_receipt, write_settled},
    settings,
};
use crate::{
    error::Error,
    service::{
        Attributes, CatchUp, Counts, Event, Explanation, Happened, Inspection, Notice, Outcome,
        Participant, QueueOutcome, ScheduleView, Status, Timing, Totals,
    },
    types::{QueueName, RequestId, Timestamp},
    wire::native::{
        Writer,
        answer::{self, Group, Partition, Refusal},
    },
};

/// What stands in `ok`.
pub(super) fn write_outcome(out: &mut Writer, outcome: &Outcome) {
    match outcome {
        // Nobody asks for streams in this protocol.
        Outcome::Done | Outcome::Stream { .. } => out.put("{}"),
        Outcome::Json(json) => out.put(json),
        Outcome::Time(Timestamp(time)) => out.value(&answer::Time { time: *time }),
        Outcome::Queue { queue, outcome } => write_queue_outcome(out, queue, outcome),
        Outcome::Queues { queues, .. } => {
            out.put("{\"queues\":");
            write_list(out, queues.iter(), |out, queue| {
                out.put("{\"name\":");
                out.text(queue.queue.as_str());
                out.name("size");
                out.number(queue.size);
                out.put("}");
            });
            out.put("}");
        }
        Outcome::Participants { participants } => {
            out.put("{\"participants\":");
            write_list(out, participants, write_participant);
            out.put("}");
        }
        Outcome::Transacted { parts } => {
            out.put("{\"parts\":");
            write_list(out, parts, |out, (queue, outcome)| {
                out.put("{\"queue\":");
                out.text(queue.as_str());
                if let QueueOutcome::Transacted { settled, sent, .. } = outcome {
                    out.name("settled");
                    write_list(out, settled, |out, settled| write_settled(out, *settled));
                    out.name("sent");
                    write_list(out, sent, write_receipt);
                }
                out.put("}");
            });
            out.put("}");
        }
    }
}

fn write_queue_outcome(out: &mut Writer, queue: &QueueName, outcome: &QueueOutcome) {
    match outcome {
        // Nobody settles or looks by name, surveys partitions, or wants to be told, in this protocol.
        QueueOutcome::Done
        | QueueOutcome::Prepared
        | QueueOutcome::SettledNamed(_)
        | QueueOutcome::Looked(_)
        | QueueOutcome::Surveyed { .. }
        | QueueOutcome::Takeable => {
            out.put("{}");
        }
        QueueOutcome::Configured(settings) => {
            out.put("{\"settings\":");
            out.value(&settings::show(settings));
            out.put("}");
        }
        QueueOutcome::Sent(receipt) => write_receipt(out, receipt),
        QueueOutcome::SentBatch(receipts) => {
            out.put("{\"messages\":");
            write_list(out, receipts, write_receipt);
            out.put("}");
        }
        QueueOutcome::Delivered(messages) => {
            out.put("{\"messages\":");
            write_list(out, messages, write_delivered);
            out.put("}");
        }
        QueueOutcome::Empty => out.put("{\"messages\":[]}"),
        QueueOutcome::Settled(settled) => {
            out.put("{\"results\":");
            write_list(out, settled, |out, settled| write_settled(out, *settled));
            out.put("}");
        }
        QueueOutcome::Extended(until) => {
            out.put("{\"until\":");
            write_list(out, until, |out, until| out.number_or_null(until.map(|at| at.0)));
            out.put("}");
        }
        QueueOutcome::Transacted { settled, sent, .. } => {
            out.put("{\"settled\":");
            write_list(out, settled, |out, settled| write_settled(out, *settled));
            out.name("sent");
            write_list(out, sent, write_receipt);
            out.put("}");
        }
        QueueOutcome::Purged { count } => out.value(&answer::Count { count: *count }),
        QueueOutcome::Changed { count, positions } => {
            out.put("{\"count\":");
            out.number(*count);
            out.name("ids");
            write_list(out, positions, |out, position| out.dashed(position.parts()));
            out.put("}");
        }
        QueueOutcome::Browsed { items, next } => {
            out.put("{\"messages\":");
            write_list(out, items, write_item);
            out.name("next");
            match next {
                Some(next) => out.dashed(next.parts()),
                None => out.put("null"),
            }
            out.put("}");
        }
        QueueOutcome::Found(item) => write_item(out, item),
        QueueOutcome::Scheduled { next } => {
            out.value(&answer::NextAt { next_at: next.map(|at| at.0) });
        }
        QueueOutcome::Inspected(inspection) => write_inspection(out, queue, inspection),
        QueueOutcome::Explained(explained) => {
            let Explanation { why, sentence, counts, receivers } = &**explained;
            out.value(&answer::Explanation {
                code: why.code().to_owned(),
                sentence: sentence.clone(),
                counts: show_counts(*counts),
                receivers: *receivers,
            });
        }
    }
}

const fn show_counts(counts: Counts) -> answer::Counts {
    let Counts { blocked, delayed, ready, leased, dead, done } = counts;
    answer::Counts { blocked, delayed, ready, leased, dead, done }
}

fn write_inspection(out: &mut Writer, queue: &QueueName, inspection: &Inspection) {
    let Inspection { status, paused, messages, bytes, totals, .. } = inspection;
    out.put("{\"name\":");
    out.text(queue.as_str());
    out.name("status");
    out.plain(match status {
        Status::Open => "open",
        // A queue that is not there is not shown.
        Status::Closed | Status::Absent => "closed",
    });
    out.name("paused");
    out.flag(*paused);
    out.name("settings");
    out.value(&settings::show(&inspection.settings));
    for (name, number) in [("messages", messages), ("bytes", bytes)] {
        out.name(name);
        out.number(*number);
    }
    out.name("groups");
    write_list(out, &inspection.groups, |out, group| {
        out.value(&Group {
            name: group.name.as_ref().map(ToString::to_string),
            counts: show_counts(group.counts),
            receivers: group.receivers,
            oldest_ready_at: group.oldest_ready.map(|at| at.0),
        });
    });
    out.name("partitions");
    write_list(out, &inspection.partitions, |out, partition| {
        out.value(&Partition {
            name: partition.key.to_string(),
            number: partition.number,
            messages: partition.messages,
            end: partition.end,
        });
    });
    out.name("schedules");
    write_list(out, &inspection.schedules, write_schedule);
    out.name("totals");
    let Totals { sent, duplicates, delivered, done, retried, .. } = *totals;
    let Totals { released, leases_expired, dead, dropped, cancelled, .. } = *totals;
    out.value(&answer::Totals {
        sent,
        duplicates,
        delivered,
        done,
        retried,
        released,
        leases_expired,
        dead,
        dropped,
        cancelled,
    });
    out.put("}");
}

fn write_schedule(out: &mut Writer, schedule: &ScheduleView) {
    let spec = &schedule.spec;
    out.put("{\"name\":");
    out.text(schedule.name.as_str());
    match &spec.timing {
        Timing::Every(every) => {
            out.name("every_ms");
            out.number(every.0);
        }
        Timing::At(at) => {
            out.name("at");
            out.number(at.0);
        }
        Timing::Cron { expression, zone } => {
            out.name("cron");
            out.text(expression);
            out.name("zone");
            out.text(zone);
        }
    }
    out.name("catch_up");
    out.plain(match spec.catch_up {
        CatchUp::Skip => "skip",
        CatchUp::Once => "once",
    });
    out.name("paused");
    out.flag(spec.paused);
    out.name("next_at");
    out.number_or_null(schedule.next.map(|at| at.0));
    out.name("message");
    write_new(out, &spec.message);
    out.put("}");
}

fn write_attributes(out: &mut Writer, attributes: &Attributes) {
    out.put("{");
    for (name, value) in attributes {
        out.element();
        out.text(name);
        out.put(":");
        out.json(value.bytes());
    }
    out.put("}");
}

fn write_participant(out: &mut Writer, participant: &Participant) {
    out.put("{\"id\":");
    out.text(&participant.id);
    out.name("name");
    out.text(participant.name.as_str());
    out.name("role");
    out.text(&participant.role);
    out.name("attributes");
    write_attributes(out, &participant.attributes);
    out.put("}");
}

/// What stands in `error`.
pub(super) fn write_refusal(out: &mut Writer, error: &Error) {
    out.value(&Refusal {
        code: error.code.name().to_owned(),
        number: error.code.number(),
        message: error.message.to_string(),
        retryable: error.code.is_retryable(),
        may_have_happened: error.code.may_have_happened(),
    });
}

/// A whole frame: something happened.
pub(super) fn write_event(out: &mut Writer, watch: RequestId, queue: &QueueName, event: &Event) {
    let Event { at, what, message, group, count } = event;
    out.put("{\"watch\":");
    out.number(watch.0);
    out.name("queue");
    out.text(queue.as_str());
    out.name("event");
    out.plain(word(*what));
    out.name("at");
    out.number(at.0);
    out.name("message");
    match message {
        Some(message) => match message.options.as_ref().and_then(|options| options.id.as_ref()) {
            Some(id) => out.text(id),
            None => out.dashed(message.position.parts()),
        },
        None => out.put("null"),
    }
    out.name("group");
    match group {
        Some(group) => out.text(group.as_str()),
        None => out.put("null"),
    }
    out.name("count");
    out.number(*count);
    out.put("}");
}

/// The word for what happened.
pub(super) const fn word(what: Happened) -> &'static str {
    match what {
        Happened::Opened => "opened",
        Happened::Closed => "closed",
        Happened::Paused => "paused",
        Happened::Resumed => "resumed",
        Happened::Configured => "configured",
        Happened::Deleted => "deleted",
        Happened::Purged => "purged",
        Happened::Sent => "sent",
        Happened::Ready => "ready",
        Happened::Delivered => "delivered",
        Happened::Done => "done",
        Happened::Retried => "retried",
        Happened::Released => "released",
        Happened::LeaseExpired => "lease_expired",
        Happened::Dead => "dead",
        Happened::Dropped => "dropped",
        Happened::Cancelled => "cancelled",
        Happened::GroupOpened => "group_opened",
        Happened::GroupDeleted => "group_deleted",
        Happened::Sought => "sought",
        Happened::Fired => "fired",
    }
}

/// A whole frame: news of others.
pub(super) fn write_notice(out: &mut Writer, notice: &Notice) {
    let begin = |out: &mut Writer, word| {
        out.put("{\"notice\":");
        out.plain(word);
    };
    match notice {
        Notice::MessagingEnabled { participants } => {
            begin(out, "participants");
            out.name("participants");
            write_list(out, participants, write_participant);
        }
        Notice::ParticipantEnabled { participant } => {
            begin(out, "joined");
            out.name("participant");
            write_participant(out, participant);
        }
        Notice::ParticipantDisabled { id } => {
            begin(out, "left");
            out.name("participant_id");
            out.text(id);
        }
        Notice::AttributesChanged { id, changed } => {
            begin(out, "attributes");
            out.name("participant_id");
            out.text(id);
            out.name("attributes");
            write_attributes(out, changed);
        }
        Notice::Message { from, kind, message, attachment } => {
            begin(out, "message");
            for (name, text) in [("from", from), ("type", kind)] {
                out.name(name);
                out.text(text);
            }
            out.name("message");
            out.json(message.bytes());
            if !attachment.is_empty() {
                out.name("attachment");
                out.base64(attachment);
            }
        }
    }
    out.put("}");
}
