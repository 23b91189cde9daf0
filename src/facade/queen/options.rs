//! The options of a queue in their words, and what they come to in ours.
//!
//! What has an equal is kept as that; the rest is kept word for word in a label of the queue, so that it is shown
//! as it was said.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    error::{Error, ErrorCode},
    service::{Backoff, BackoffKind, FOREVER, QueueSettings, SettingsPatch, Window},
    types::{Millis, QueueName},
};

/// The label that holds what has no equal.
const OTHERS: &str = "queen";

/// Labels by which queues are found.
pub(super) const NAMESPACE: &str = "namespace";
pub(super) const TASK: &str = "task";

/// A window closes when it holds so many messages, however busy the partition is.
const WINDOW_MESSAGES: u32 = 100;

/// `minPopWaitTime` is cut to this, in milliseconds.
const BATCH_WAIT_MAX: u32 = 60_000;

/// What is shown of a number that ours does not bound.
const NO_LIMIT: u32 = i32::MAX as u32;

macro_rules! options {
    ($($name:ident $wire:literal: $type:ty = $default:expr;)*) => {
        /// All options.
        #[derive(Debug, Clone, PartialEq)]
        pub(super) struct Options {
            $(pub(super) $name: $type,)*
        }

        impl Default for Options {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Options {
            /// Their names on the wire.
            const NAMES: &'static [&'static str] = &[$($wire),*];

            /// Changes those that `said` names; `null` is the default.
            fn change(&mut self, said: &Map<String, Value>) -> Result<(), Error> {
                $(if let Some(value) = said.get($wire) {
                    self.$name = if value.is_null() {
                        $default
                    } else {
                        Word::read(value).ok_or_else(|| {
                            let text = format!(concat!("option `", $wire, "` may not be {}"), value);
                            Error::new(ErrorCode::InvalidSettings, text)
                        })?
                    };
                })*
                Ok(())
            }

            /// All of them by name.
            pub(super) fn show(&self) -> Map<String, Value> {
                let mut shown = Map::new();
                $(shown.insert($wire.to_owned(), Value::from(self.$name.clone()));)*
                shown
            }
        }
    };
}

options! {
    lease_time "leaseTime": u32 = 300;
    retry_limit "retryLimit": u32 = 3;
    dead_letter_queue "deadLetterQueue": bool = true;
    dlq_after_max_retries "dlqAfterMaxRetries": bool = true;
    delayed_processing "delayedProcessing": u32 = 0;
    window_buffer "windowBuffer": u32 = 0;
    min_pop_wait_time "minPopWaitTime": u32 = 0;
    dedup_window_seconds "dedupWindowSeconds": u32 = 3600;
    retention_enabled "retentionEnabled": bool = false;
    retention_seconds "retentionSeconds": u32 = 0;
    completed_retention_seconds "completedRetentionSeconds": u32 = 0;
    max_wait_time_seconds "maxWaitTimeSeconds": u32 = 0;
    encryption_enabled "encryptionEnabled": bool = false;
    priority "priority": i32 = 0;
    max_size "maxSize": u32 = 0;
    ttl "ttl": u32 = 3600;
    retry_delay "retryDelay": u32 = 1000;
    retention_sink_hold "retentionSinkHold": String = String::new();
    retention_sink_hold_max_seconds "retentionSinkHoldMaxSeconds": u32 = 604_800;
}

/// What an option may be.
trait Word: Sized {
    fn read(value: &Value) -> Option<Self>;
}

/// A whole number, which some write as `5.0` or `"5"`.
fn whole(value: &Value) -> Option<i64> {
    let of_float = || value.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 1e15);
    let of_text = || value.as_str()?.trim().parse().ok();
    value.as_i64().or_else(|| of_float().map(|it| it as i64)).or_else(of_text)
}

impl Word for u32 {
    fn read(value: &Value) -> Option<Self> {
        whole(value).and_then(|it| it.try_into().ok())
    }
}

impl Word for i32 {
    fn read(value: &Value) -> Option<Self> {
        whole(value).and_then(|it| it.try_into().ok())
    }
}

impl Word for bool {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(is) => Some(*is),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Word for String {
    fn read(value: &Value) -> Option<Self> {
        value.as_str().filter(|text| text.len() <= 255).map(str::to_owned)
    }
}

impl Options {
    /// Those that stand in an object, or beside it.
    pub(super) fn named(said: &Map<String, Value>) -> Map<String, Value> {
        let named = said.iter().filter(|(name, _)| Self::NAMES.contains(&name.as_str()));
        named.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Those of a queue, changed.
    ///
    /// # Errors
    /// `InvalidSettings`.
    pub(super) fn with(mut self, said: &Map<String, Value>) -> Result<Self, Error> {
        self.change(said)?;
        Ok(self)
    }

    /// The options that a queue has.
    pub(super) fn of(settings: &QueueSettings) -> Self {
        let seconds = |length: Millis| u32::try_from(length.0 / 1000).unwrap_or(NO_LIMIT);
        let mut options = Self::default();
        let others = settings.label(OTHERS).and_then(|text| serde_json::from_str(text).ok());
        if let Some(others) = others {
            // What it says was checked when it was set.
            let _ = options.change(&others);
        }
        options.lease_time = seconds(settings.lease);
        options.retry_limit = settings.attempts_max.checked_sub(1).unwrap_or(NO_LIMIT);
        let dead_letter = options.dead_letter_queue || options.dlq_after_max_retries;
        if dead_letter != settings.dead_letter {
            options.dead_letter_queue = settings.dead_letter;
            options.dlq_after_max_retries = settings.dead_letter;
        }
        options.delayed_processing = seconds(settings.delay);
        options.window_buffer = settings.window.map_or(0, |window| seconds(window.length));
        options.dedup_window_seconds = seconds(settings.dedup_window);
        options.priority = settings.priority;
        options.min_pop_wait_time =
            u32::try_from(settings.batch_wait.0).unwrap_or(BATCH_WAIT_MAX).min(BATCH_WAIT_MAX);
        let most = settings.messages_max.map(|most| u32::try_from(most).unwrap_or(NO_LIMIT));
        options.max_size = most.unwrap_or(0);
        options
    }

    /// What has no equal and differs from its default.
    fn others(&self) -> String {
        let defaults = Self::default().show();
        let kept = |name: &str| {
            !matches!(
                name,
                "leaseTime"
                    | "retryLimit"
                    | "delayedProcessing"
                    | "windowBuffer"
                    | "minPopWaitTime"
                    | "dedupWindowSeconds"
                    | "priority"
                    | "maxSize"
            )
        };
        let others = self.show().into_iter();
        let others = others.filter(|(name, value)| kept(name) && defaults.get(name) != Some(value));
        Value::Object(others.collect()).to_string()
    }

    /// How long something is kept by a time of theirs, of which 0 is none.
    fn keep(seconds: u32) -> Millis {
        match seconds {
            0 => FOREVER,
            seconds => Millis::from_secs(seconds.into()),
        }
    }

    /// The settings that these options mean.
    pub(super) fn settings(&self, labels: &[(&str, &str)]) -> QueueSettings {
        let by_age = Self::keep(if self.retention_enabled { self.retention_seconds } else { 0 });
        let completed = if self.retention_enabled { self.completed_retention_seconds } else { 0 };
        let others = self.others();
        let labels = labels.iter().copied().chain([(OTHERS, others.as_str())]);
        let labels = labels.filter(|(_, text)| !text.is_empty() && *text != "{}");
        let mut labels: Vec<(Arc<str>, Arc<str>)> =
            labels.map(|(name, text)| (name.into(), text.into())).collect();
        labels.sort();
        labels.dedup_by(|other, one| other.0 == one.0);
        QueueSettings {
            lease: Millis::from_secs(self.lease_time.max(1).into()),
            attempts_max: self.retry_limit.saturating_add(1),
            backoff: Backoff {
                kind: BackoffKind::Fixed,
                base: Millis(0),
                cap: Millis(0),
                jitter: 0,
            },
            expiry_is_failure: false,
            dead_letter: self.dead_letter_queue || self.dlq_after_max_retries,
            delay: Millis::from_secs(self.delayed_processing.into()),
            window: (self.window_buffer > 0).then(|| Window {
                length: Millis::from_secs(self.window_buffer.into()),
                debounce: false,
                messages: WINDOW_MESSAGES,
            }),
            dedup_window: Millis::from_secs(self.dedup_window_seconds.into()),
            messages_max: (self.max_size > 0).then(|| self.max_size.into()),
            retain_open: by_age.min(Self::keep(self.max_wait_time_seconds)),
            retain_settled: Self::keep(completed),
            retain_dead: FOREVER,
            priority: self.priority,
            batch_wait: Millis(self.min_pop_wait_time.min(BATCH_WAIT_MAX).into()),
            labels,
            ..QueueSettings::default()
        }
    }

    /// The same as a change of a queue: what they have no word for stays as it is.
    pub(super) fn patch(&self, labels: &[(&str, &str)]) -> SettingsPatch {
        let settings = self.settings(labels);
        SettingsPatch {
            lease: Some(settings.lease),
            attempts_max: Some(settings.attempts_max),
            backoff: Some(settings.backoff),
            expiry_is_failure: Some(settings.expiry_is_failure),
            dead_letter: Some(settings.dead_letter),
            delay: Some(settings.delay),
            window: Some(settings.window),
            dedup_window: Some(settings.dedup_window),
            messages_max: Some(settings.messages_max),
            retain_open: Some(settings.retain_open),
            retain_settled: Some(settings.retain_settled),
            retain_dead: Some(settings.retain_dead),
            priority: Some(settings.priority),
            batch_wait: Some(settings.batch_wait),
            labels: Some(settings.labels),
            ..SettingsPatch::default()
        }
    }
}

/// What a queue is made with by a push, or by whoever waits for one: of a name with a dot the first part is the
/// namespace, the rest the task; of another it is the namespace.
#[must_use]
pub(super) fn pushed_settings(queue: &QueueName) -> Arc<QueueSettings> {
    let (namespace, task) = queue.as_str().split_once('.').unwrap_or((queue.as_str(), ""));
    let options = Options { lease_time: 60, ..Options::default() };
    Arc::new(options.settings(&[(NAMESPACE, namespace), (TASK, task)]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(options: Value) -> Map<String, Value> {
        options.as_object().unwrap().clone()
    }

    #[test]
    fn options_come_back_as_they_were_said() {
        let all = json!({
            "leaseTime": 7, "retryLimit": 0, "deadLetterQueue": false, "dlqAfterMaxRetries": true,
            "delayedProcessing": 5, "windowBuffer": 2, "minPopWaitTime": 10, "dedupWindowSeconds": 0,
            "retentionEnabled": true, "retentionSeconds": 100, "completedRetentionSeconds": 50,
            "maxWaitTimeSeconds": 30, "encryptionEnabled": true, "priority": -3, "maxSize": 9,
            "ttl": 1, "retryDelay": 2, "retentionSinkHold": "s3", "retentionSinkHoldMaxSeconds": 3,
        });
        let options = Options::default().with(&said(all.clone())).unwrap();
        let settings = options.settings(&[("namespace", "n"), ("task", "")]);
        settings.check().unwrap();
        assert_eq!(Value::Object(Options::of(&settings).show()), all);
        assert_eq!(options.patch(&[("namespace", "n")]).apply(&QueueSettings::default()), settings);
        assert_eq!((settings.attempts_max, settings.dead_letter), (1, true));
        assert_eq!(settings.retain_open, Millis(30_000), "the shorter one");
        assert_eq!(settings.retain_settled, Millis(50_000));
        assert_eq!(settings.label("task"), None, "an empty text is none");
        let plain = Options::default().settings(&[]);
        assert!(plain.labels.is_empty());
        assert_eq!((plain.retain_open, plain.retain_settled), (FOREVER, FOREVER));
        assert_eq!(Options::of(&plain), Options::default());
    }

    #[test]
    fn a_queue_of_somebody_elses_is_shown_in_their_words() {
        let shown = Options::of(&QueueSettings::default());
        assert_eq!((shown.lease_time, shown.retry_limit), (30, 4));
        let never =
            QueueSettings { attempts_max: 0, dead_letter: false, ..QueueSettings::default() };
        let shown = Options::of(&never);
        assert_eq!(shown.retry_limit, NO_LIMIT);
        assert!(!shown.dead_letter_queue && !shown.dlq_after_max_retries);
    }

    #[test]
    fn null_is_the_default_and_what_is_no_option_is_refused() {
        let changed = Options { lease_time: 5, ..Options::default() };
        let changed = changed.with(&said(json!({"leaseTime": null, "maxSize": "4", "ttl": 8.0})));
        let changed = changed.unwrap();
        assert_eq!((changed.lease_time, changed.max_size, changed.ttl), (300, 4, 8));
        for wrong in
            [json!({"leaseTime": "x"}), json!({"retryLimit": -1}), json!({"deadLetterQueue": 1})]
        {
            let error = Options::default().with(&said(wrong)).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidSettings);
        }
        let named = Options::named(&said(json!({"queue": "q", "priority": 1, "other": 2})));
        assert_eq!(Value::Object(named), json!({"priority": 1}));
    }

    #[test]
    fn a_pushed_queue_has_its_namespace_by_its_name() {
        for (queue, namespace, task) in [
            ("orders", Some("orders"), None),
            ("billing.invoice", Some("billing"), Some("invoice")),
            ("a.b.c", Some("a"), Some("b.c")),
        ] {
            let settings = pushed_settings(&queue.parse().unwrap());
            assert_eq!((settings.label("namespace"), settings.label("task")), (namespace, task));
            assert_eq!(settings.lease, Millis(60_000));
        }
    }
}
