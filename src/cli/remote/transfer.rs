//! `export` and `import`: messages as JSON lines.

use std::{
    io::{BufRead, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{connect::ServerArgs, messages::FilterArgs, target::TargetArgs};
use crate::{
    cli::{Failure, help::help, text::complain},
    client::{Inspection, Message, Receive, State, View},
};

/// Messages that are read or written together.
const BATCH: u32 = 500;

/// Bytes of lines that are sent together; far below what a server takes.
const BATCH_BYTES: usize = 1 << 20;

/// One line of an export: the message as it can be sent again, and where it was.
#[derive(Serialize)]
struct Line<'a> {
    message: &'a Message,
    from: Origin<'a>,
}

#[derive(Serialize)]
struct Origin<'a> {
    queue: &'a str,
    position: &'a str,
    sent_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
}

/// The same, as it is read.
#[derive(Deserialize)]
struct ReadLine {
    message: Message,
    from: Option<ReadOrigin>,
}

#[derive(Deserialize)]
struct ReadOrigin {
    queue: String,
    position: String,
    sent_at: u64,
}

/// A bar on standard error if somebody looks at it.
fn progress(total: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{bar:30} {pos}/{len} messages, {per_sec}, {eta} left",
        None => "{spinner} {pos} messages, {per_sec}",
    };
    // The template is ours; a wrong one would leave the default.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

const EXPORT_HELP: &str = help!(
    "  anteroom queue export demo/jobs > jobs.jsonl",
    "  anteroom queue export demo/jobs --states dead > dead.jsonl",
    "  anteroom queue export demo/jobs --take > jobs.jsonl",
    "  anteroom queue export demo/jobs --after 0-499 >> jobs.jsonl",
    "",
    "It looks at messages without taking them; --take empties the queue of those that are ready, each gone once
it is written. --after goes on where an export stopped. The line: {\"message\": as it can be sent again, \"from\":
where it was}."
);

/// `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPORT_HELP)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    filter: FilterArgs,

    /// After this position
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,

    /// Take the ready messages out of the queue
    #[arg(long, conflicts_with_all = ["states", "after", "reason", "sent_before", "kind"])]
    take: bool,

    #[command(flatten)]
    server: ServerArgs,
}

impl Export {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect_for_long(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let inspection = queue.inspect().await?;
        let bar = progress(Some(expected(&inspection, &self.filter.states)));
        let count = if self.take {
            self.take_all(&queue, &bar).await?
        } else {
            self.browse_all(&queue, &bar).await?
        };
        bar.finish_and_clear();
        complain(&format!("{count} exported"));
        client.close().await;
        Ok(())
    }

    async fn browse_all(
        &self,
        queue: &crate::client::Queue,
        bar: &ProgressBar,
    ) -> Result<u64, Failure> {
        let filter = self.filter.other.filter(&self.filter.states);
        let group = self.filter.other.group.as_deref();
        let (mut after, mut count) = (self.after.clone(), 0);
        loop {
            let page = queue.browse(&filter, group, after.as_deref(), BATCH).await?;
            let lines = page.messages.iter().map(|view| line(queue.name(), view));
            write_lines(&lines.collect::<Result<Vec<_>, _>>()?)?;
            count += page.messages.len() as u64;
            bar.inc(page.messages.len() as u64);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(count),
            }
        }
    }

    async fn take_all(
        &self,
        queue: &crate::client::Queue,
        bar: &ProgressBar,
    ) -> Result<u64, Failure> {
        let mut receive = Receive::new().max(BATCH).lease(Duration::from_secs(300));
        if let Some(group) = &self.filter.other.group {
            receive = receive.group(group);
        }
        let mut count = 0;
        loop {
            let messages = queue.receive_with(&receive).await?;
            if messages.is_empty() {
                return Ok(count);
            }
            let mut items = Vec::with_capacity(messages.len());
            let mut lines = Vec::with_capacity(messages.len());
            for message in &messages {
                lines.push(json(&Line {
                    message: &message.to_message(),
                    from: Origin {
                        queue: queue.name(),
                        position: &message.position,
                        sent_at: message.sent_at.0,
                        state: None,
                        attempts: message.attempt,
                        failures: None,
                        reason: None,
                        result: None,
                    },
                })?);
                let done = crate::client::Outcome::Done;
                items.extend(message.lease().map(|lease| crate::client::Item::new(lease, done)));
            }
            // Written before it is done: what cannot be written comes back.
            write_lines(&lines)?;
            queue.settle(items).await?;
            count += messages.len() as u64;
            bar.inc(messages.len() as u64);
        }
    }
}

fn expected(inspection: &Inspection, states: &[State]) -> u64 {
    if states.is_empty() {
        return inspection.messages;
    }
    let counts = inspection.group(None).map(|group| group.counts).unwrap_or_default();
    states
        .iter()
        .map(|state| match state {
            State::Blocked => counts.blocked,
            State::Delayed => counts.delayed,
            State::Ready => counts.ready,
            State::Leased => counts.leased,
            State::Dead => counts.dead,
            State::Done => counts.done,
        })
        .sum()
}

fn json(line: &Line<'_>) -> Result<String, Failure> {
    serde_json::to_string(line).map_err(|error| Failure::Refused(error.to_string()))
}

fn line(queue: &str, view: &View) -> Result<String, Failure> {
    let mut message = view.message.to_message();
    if let (State::Delayed, Some(until)) = (view.state, view.until) {
        message = message.not_before(until);
    }
    json(&Line {
        message: &message,
        from: Origin {
            queue,
            position: &view.message.position,
            sent_at: view.message.sent_at.0,
            state: Some(view.state.name()),
            attempts: view.attempts,
            failures: Some(view.failures),
            reason: view.reason.as_deref(),
            result: match &view.result {
                Some(crate::client::Body::Json(json)) => Some(json),
                Some(crate::client::Body::Bytes { .. }) | None => None,
            },
        },
    })
}

fn write_lines(lines: &[String]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let write = |out: &mut std::io::StdoutLock<'_>| {
        for line in lines {
            out.write_all(line.as_bytes())?;
            out.write_all(b"\n")?;
        }
        out.flush()
    };
    write(&mut out).map_err(|error| Failure::Refused(format!("cannot write: {error}")))
}

const IMPORT_HELP: &str = help!(
    "  anteroom queue import demo/jobs < jobs.jsonl",
    "  anteroom room queue import --room demo --queue copy < jobs.jsonl",
    "",
    "It can be done again after an interruption: a message without a key of its own gets one that says where it
was, and a message whose key the queue remembers (dedup_window_ms) is not added a second time."
);

/// `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = IMPORT_HELP)]
pub(in crate::cli) struct Import {
    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    server: ServerArgs,
}

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        if std::io::stdin().is_terminal() {
            let advice =
                "an import is read from standard input: anteroom queue import ROOM/QUEUE < FILE";
            return Err(Failure::Usage(advice.to_owned()));
        }
        let client = self.server.connect_for_long(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let bar = progress(None);
        let (mut imported, mut duplicates) = (0_u64, 0_u64);
        // What comes before a line that cannot be read is imported.
        let mut wrong = None;
        let mut batch: Vec<Message> = Vec::new();
        let mut bytes = 0;
        let mut lines = std::io::stdin().lock().lines().enumerate();
        loop {
            let next = lines.next();
            if let Some((index, text)) = &next {
                let text = text.as_ref().map_err(|error| Failure::Refused(error.to_string()))?;
                if !text.trim().is_empty() {
                    match read_line(index + 1, text) {
                        Ok(message) => batch.push(message),
                        Err(failure) => wrong = Some(failure),
                    }
                    bytes += text.len();
                }
            }
            let is_over = next.is_none() || wrong.is_some();
            if is_over || batch.len() >= BATCH as usize || bytes >= BATCH_BYTES {
                // All have keys, so a second time does no harm.
                let mut attempts = 0;
                let receipts = loop {
                    match queue.send_batch(&batch).await {
                        Err(error) if error.may_have_happened() && attempts < 3 => attempts += 1,
                        result => break result?,
                    }
                };
                bar.inc(receipts.len() as u64);
                let known = receipts.iter().filter(|receipt| receipt.duplicate).count() as u64;
                duplicates += known;
                imported += receipts.len() as u64 - known;
                batch.clear();
                bytes = 0;
            }
            if is_over {
                break;
            }
        }
        bar.finish_and_clear();
        complain(&format!("{imported} imported, {duplicates} were there already"));
        client.close().await;
        wrong.map_or(Ok(()), Err)
    }
}

fn read_line(number: usize, text: &str) -> Result<Message, Failure> {
    let wrong = |error: serde_json::Error| {
        // The line that serde counts is this one alone.
        let reason = error.to_string().replace(" at line 1 column ", " at column ");
        Failure::Usage(format!("line {number} is no line of an export: {reason}"))
    };
    let ReadLine { message, from } = serde_json::from_str(text).map_err(wrong)?;
    Ok(match from {
        Some(ReadOrigin { queue, position, sent_at }) if !message.has_key() => {
            message.key(format!("{queue}/{position}@{sent_at}"))
        }
        Some(_) | None => message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_a_key_that_says_where_it_was() {
        let text = r#"{"message":{"body":{"b" : 1}},"from":{"queue":"q","position":"0-1","sent_at":5,"attempts":1}}"#;
        let message = serde_json::to_string(&read_line(1, text).unwrap()).unwrap();
        assert_eq!(message, r#"{"body":{"b" : 1},"key":"q/0-1@5"}"#);
        let own = r#"{"message":{"body":1,"key":"k"},"from":null}"#;
        assert!(serde_json::to_string(&read_line(1, own).unwrap()).unwrap().contains("\"k\""));
        for wrong in ["x", "{}", r#"{"message":{"wat":1}}"#] {
            assert!(
                matches!(read_line(7, wrong), Err(Failure::Usage(said)) if said.contains("line 7"))
            );
        }
    }
}
