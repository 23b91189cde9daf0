//! Settings of a queue, both ways.

use std::sync::Arc;

use super::operation::invalid;
use crate::{
    error::{Error, ErrorCode},
    service::{
        Ageing, Backoff, BackoffKind, Durability, Encryption, FOREVER, MessageOrder, Overflow,
        QueueSettings, Rate, SettingsPatch, Window,
    },
    types::Millis,
    wire::native::{
        Keep,
        settings::{self as wire, Settings, SettingsChange},
    },
};

/// What a change says of a setting that cannot be null: `null` is its default.
fn plain<W: Copy, T>(there: Option<Option<W>>, read: impl FnOnce(W) -> T, default: T) -> Option<T> {
    there.map(|value| value.map_or(default, read))
}

/// The same of one that can.
fn optional<W: Copy, T>(
    there: Option<Option<W>>,
    read: impl FnOnce(W) -> T,
    default: Option<T>,
) -> Option<Option<T>> {
    there.map(|value| value.map_or(default, |value| Some(read(value))))
}

/// Changes, checked.
pub(super) fn settings_patch(change: &SettingsChange) -> Result<SettingsPatch, Error> {
    let default = QueueSettings::default();
    let patch = SettingsPatch {
        ordering: plain(change.ordering, ordering, default.ordering),
        ageing: optional(change.ageing, ageing, default.ageing),
        lease: plain(change.lease_ms, Millis, default.lease),
        attempts_max: plain(change.attempts_max, |n| n, default.attempts_max),
        backoff: plain(change.backoff, read_backoff, default.backoff),
        expiry_is_failure: plain(change.expiry_is_failure, |is| is, default.expiry_is_failure),
        dead_letter: plain(change.dead_letter, |is| is, default.dead_letter),
        dead_letter_expired: plain(
            change.dead_letter_expired,
            |is| is,
            default.dead_letter_expired,
        ),
        delay: plain(change.delay_ms, Millis, default.delay),
        ttl: optional(change.ttl_ms, Millis, default.ttl),
        window: optional(change.window, window, default.window),
        dedup_window: plain(change.dedup_window_ms, Millis, default.dedup_window),
        dedup_content: plain(change.dedup_content, |is| is, default.dedup_content),
        messages_max: optional(change.messages_max, |n| n, default.messages_max),
        bytes_max: optional(change.bytes_max, |n| n, default.bytes_max),
        overflow: plain(change.overflow, overflow, default.overflow),
        retain_open: plain(change.retain_open_ms, keep, default.retain_open),
        retain_settled: plain(change.retain_settled_ms, keep, default.retain_settled),
        retain_dead: plain(change.retain_dead_ms, keep, default.retain_dead),
        rate: optional(change.rate, rate, default.rate),
        concurrency: optional(change.concurrency, |n| n, default.concurrency),
        work_group: plain(change.work_group, |is| is, default.work_group),
        durability: plain(change.durability, durability, default.durability),
        encryption: plain(change.encryption, encryption, default.encryption),
        labels: match &change.labels {
            Some(Some(labels)) => Some(read_labels(labels)),
            Some(None) => Some(default.labels.clone()),
            None => None,
        },
        priority: plain(change.priority, |n| n, default.priority),
        // Only Queen's clients have a word for it.
        batch_wait: None,
    };
    // No rule is about two settings, so what is not changed may be anything. The engine knows the rules, and names
    // the setting.
    let rule = patch.apply(&default).check();
    rule.map_err(|rule| Error::new(ErrorCode::InvalidSettings, rule))?;
    Ok(patch)
}

fn read_labels(labels: &wire::Labels) -> Vec<(Arc<str>, Arc<str>)> {
    labels.iter().map(|(name, text)| (name.as_str().into(), text.as_str().into())).collect()
}

fn show_labels(labels: &[(Arc<str>, Arc<str>)]) -> wire::Labels {
    labels.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
}

const fn ordering(ordering: wire::Ordering) -> MessageOrder {
    match ordering {
        wire::Ordering::Fifo => MessageOrder::Fifo,
        wire::Ordering::Priority => MessageOrder::Priority,
        wire::Ordering::Deadline => MessageOrder::Deadline,
    }
}

const fn ageing(wire::Ageing { every_ms, step, top }: wire::Ageing) -> Ageing {
    Ageing { every: Millis(every_ms), step, top }
}

const fn read_backoff(backoff: wire::Backoff) -> Backoff {
    let wire::Backoff { kind, base_ms, cap_ms, jitter_percent } = backoff;
    let kind = match kind {
        wire::BackoffKind::Fixed => BackoffKind::Fixed,
        wire::BackoffKind::Linear => BackoffKind::Linear,
        wire::BackoffKind::Exponential => BackoffKind::Exponential,
    };
    Backoff { kind, base: Millis(base_ms), cap: Millis(cap_ms), jitter: jitter_percent }
}

/// The back-off of one message.
pub(super) fn backoff(backoff: wire::Backoff) -> Result<Backoff, Error> {
    let settings = QueueSettings { backoff: read_backoff(backoff), ..QueueSettings::default() };
    settings.check().map_err(invalid)?;
    Ok(settings.backoff)
}

const fn window(wire::Window { length_ms, debounce, messages }: wire::Window) -> Window {
    Window { length: Millis(length_ms), debounce, messages }
}

const fn overflow(overflow: wire::Overflow) -> Overflow {
    match overflow {
        wire::Overflow::Reject => Overflow::Reject,
        wire::Overflow::DropOldest => Overflow::DropOldest,
        wire::Overflow::DeadLetter => Overflow::DeadLetter,
    }
}

const fn durability(durability: wire::Durability) -> Durability {
    match durability {
        wire::Durability::Durable => Durability::Durable,
        wire::Durability::Relaxed => Durability::Relaxed,
    }
}

const fn encryption(encryption: wire::Encryption) -> Encryption {
    match encryption {
        wire::Encryption::Optional => Encryption::Optional,
        wire::Encryption::Required => Encryption::Required,
    }
}

const fn rate(wire::Rate { count, per_ms }: wire::Rate) -> Rate {
    Rate { count, per: Millis(per_ms) }
}

const fn keep(keep: Keep) -> Millis {
    match keep {
        Keep::Forever => FOREVER,
        Keep::Ms(ms) => Millis(ms),
    }
}

/// A back-off as it is shown.
pub(super) const fn show_backoff(backoff: Backoff) -> wire::Backoff {
    let Backoff { kind, base: Millis(base_ms), cap: Millis(cap_ms), jitter } = backoff;
    let kind = match kind {
        BackoffKind::Fixed => wire::BackoffKind::Fixed,
        BackoffKind::Linear => wire::BackoffKind::Linear,
        BackoffKind::Exponential => wire::BackoffKind::Exponential,
    };
    wire::Backoff { kind, base_ms, cap_ms, jitter_percent: jitter }
}

fn show_keep(length: Millis) -> Keep {
    if length == FOREVER { Keep::Forever } else { Keep::Ms(length.0) }
}

/// Settings as they are shown.
pub(super) fn show(settings: &QueueSettings) -> Settings {
    Settings {
        ordering: match settings.ordering {
            MessageOrder::Fifo => wire::Ordering::Fifo,
            MessageOrder::Priority => wire::Ordering::Priority,
            MessageOrder::Deadline => wire::Ordering::Deadline,
        },
        ageing: settings.ageing.map(|Ageing { every, step, top }| wire::Ageing {
            every_ms: every.0,
            step,
            top,
        }),
        lease_ms: settings.lease.0,
        attempts_max: settings.attempts_max,
        backoff: show_backoff(settings.backoff),
        expiry_is_failure: settings.expiry_is_failure,
        dead_letter: settings.dead_letter,
        dead_letter_expired: settings.dead_letter_expired,
        delay_ms: settings.delay.0,
        ttl_ms: settings.ttl.map(|ttl| ttl.0),
        window: settings.window.map(|Window { length, debounce, messages }| wire::Window {
            length_ms: length.0,
            debounce,
            messages,
        }),
        dedup_window_ms: settings.dedup_window.0,
        dedup_content: settings.dedup_content,
        messages_max: settings.messages_max,
        bytes_max: settings.bytes_max,
        overflow: match settings.overflow {
            Overflow::Reject => wire::Overflow::Reject,
            Overflow::DropOldest => wire::Overflow::DropOldest,
            Overflow::DeadLetter => wire::Overflow::DeadLetter,
        },
        retain_open_ms: show_keep(settings.retain_open),
        retain_settled_ms: show_keep(settings.retain_settled),
        retain_dead_ms: show_keep(settings.retain_dead),
        rate: settings.rate.map(|Rate { count, per }| wire::Rate { count, per_ms: per.0 }),
        concurrency: settings.concurrency,
        work_group: settings.work_group,
        durability: match settings.durability {
            Durability::Durable => wire::Durability::Durable,
            Durability::Relaxed => wire::Durability::Relaxed,
        },
        encryption: match settings.encryption {
            Encryption::Optional => wire::Encryption::Optional,
            Encryption::Required => wire::Encryption::Required,
        },
        labels: show_labels(&settings.labels),
        priority: settings.priority,
    }
}
