//! Sending, receiving, looking at messages.

use std::{
    io::{IsTerminal, Read},
    time::Duration,
};

use super::{
    connect::ServerArgs,
    output::{
        MessageJson, MessageOutput, Output, excerpt, json_line, now, print_json, print_table,
        print_views, short, write_line,
    },
    target::{NamedArgs, TargetArgs},
    values::{duration, moment, pair},
};
use crate::{
    cli::{Failure, help::help, text::print},
    client::{Filter, From, Lease, Message, ParentFailed, Receipt, Receive, State, WatchItem},
};

const SEND_HELP: &str = help!(
    "  anteroom send demo/jobs '{\"page\": 1}'",
    "  anteroom send demo/jobs '{\"page\": 2}' --key page-2 --delay 10s --label tenant=acme",
    "  anteroom room queue send --room demo --queue jobs --json '{\"page\": 3}'",
    "  printf '1\\n2\\n' | anteroom send demo/jobs --lines",
    "  anteroom send demo/images --content-type image/png < picture.png"
);

/// `send`.
#[derive(Debug, clap::Args)]
#[command(after_help = SEND_HELP)]
pub(in crate::cli) struct Send {
    /// The queue, and the body as JSON; without a body it is read from standard input
    #[arg(value_names = ["ROOM/QUEUE", "JSON"], num_args = 0..=2)]
    words: Vec<String>,

    #[command(flatten)]
    named: NamedArgs,

    /// The body as JSON, byte for byte
    #[arg(long, value_name = "BODY")]
    json: Option<String>,

    /// Each line of standard input is the body of one message
    #[arg(long, conflicts_with_all = ["json", "content_type", "id"])]
    lines: bool,

    /// Standard input is the body, and it is this, not JSON
    #[arg(long, value_name = "TYPE", conflicts_with = "json")]
    content_type: Option<String>,

    #[command(flatten)]
    about: About,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

/// What there is to say about a message.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Message")]
pub(in crate::cli) struct About {
    /// Id of your own
    #[arg(long)]
    id: Option<String>,

    /// Dedup key: a message with the same key is not added again
    #[arg(long)]
    key: Option<String>,

    /// Partition: its messages keep their order
    #[arg(long)]
    partition: Option<String>,

    /// Higher is taken first, in a queue with ordering=priority
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,

    /// Not ready before, like 10s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    delay: Option<Duration>,

    /// Not ready before this moment, like 2030-01-31T09:00:00Z or +10m
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_before: Option<u64>,

    /// Good for so long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<Duration>,

    /// Good until then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    deadline: Option<u64>,

    /// What kind of message it is
    #[arg(long = "type", value_name = "WORD")]
    kind: Option<String>,

    /// Label; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,

    /// Headers, a JSON object
    #[arg(long, value_name = "JSON")]
    headers: Option<String>,

    /// Failures until it is given up; 0 is never
    #[arg(long, value_name = "NUMBER")]
    attempts_max: Option<u32>,

    /// Id of a message that must be done first; may be repeated
    #[arg(long, value_name = "ID")]
    depends_on: Vec<String>,

    /// What happens when such a message is given up
    #[arg(long, value_name = "WHAT", value_parser = parent_failed)]
    parent_failed: Option<ParentFailed>,
}

fn parent_failed(text: &str) -> Result<ParentFailed, String> {
    match text {
        "wait" => Ok(ParentFailed::Wait),
        "fail" => Ok(ParentFailed::Fail),
        "run" => Ok(ParentFailed::Run),
        _ => Err("write wait, fail or run".to_owned()),
    }
}

impl About {
    pub(super) fn apply(&self, mut message: Message) -> Result<Message, Failure> {
        macro_rules! apply {
            ($($field:ident => $method:ident),*) => {
                $(if let Some(value) = self.$field.clone() {
                    message = message.$method(value);
                })*
            };
        }
        apply!(id => id, key => key, partition => partition, priority => priority, delay => delay,
            not_before => not_before, ttl => ttl, deadline => deadline, kind => kind,
            attempts_max => attempts_max, parent_failed => parent_failed);
        for (name, value) in &self.labels {
            message = message.label(name, value);
        }
        if let Some(headers) = &self.headers {
            let wrong = |error| Failure::Usage(format!("--headers is not JSON: {error}"));
            let headers = serde_json::value::RawValue::from_string(headers.clone());
            message = message.headers(&headers.map_err(wrong)?)?;
        }
        Ok(message.depends_on(self.depends_on.iter().cloned()))
    }
}

/// A body given on the command line.
pub(super) fn body(text: &str) -> Result<Message, Failure> {
    Message::raw(text).map_err(|error| {
        Failure::Usage(format!(
            "{error}\nnext: write JSON, such as '{{\"page\": 1}}' or '\"text\"'"
        ))
    })
}

/// Messages that are sent together when standard input is read by lines.
const LINES_PER_BATCH: usize = 500;

impl Send {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (place, rest) = self.named.place(&self.words)?;
        let given = match (rest, &self.json) {
            ([], json) => json.clone(),
            ([word], None) => Some(word.clone()),
            ([word, ..], _) => {
                return Err(Failure::Usage(format!(
                    "`{word}` is one word too many: quote the body"
                )));
            }
        };
        let message = match (&given, self.lines) {
            (Some(_), true) => {
                return Err(Failure::Usage(
                    "with --lines the bodies come from standard input".to_owned(),
                ));
            }
            (Some(text), false) => Some(self.about.apply(body(text)?)?),
            (None, true) => None,
            (None, false) => Some(self.about.apply(self.read()?)?),
        };
        let client = self.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        match message {
            Some(message) => {
                let receipt = queue.send_message(message).await?;
                self.say(&[receipt])?;
            }
            None => {
                let mut batch = Vec::new();
                let mut wrong = None;
                for (index, line) in std::io::stdin().lines().enumerate() {
                    let line = line.map_err(|error| Failure::Refused(error.to_string()))?;
                    if line.trim().is_empty() {
                        continue;
                    }
                    match body(&line) {
                        Ok(message) => batch.push(self.about.apply(message)?),
                        Err(Failure::Usage(reason)) => {
                            // What came before it is sent, as it would have been without it.
                            let number = index + 1;
                            wrong = Some(Failure::Usage(format!(
                                "line {number}: {reason}\nnote: the lines before it are sent"
                            )));
                            break;
                        }
                        Err(failure) => return Err(failure),
                    }
                    if batch.len() == LINES_PER_BATCH {
                        self.say(&queue.send_batch(&batch).await?)?;
                        batch.clear();
                    }
                }
                self.say(&queue.send_batch(&batch).await?)?;
                if let Some(failure) = wrong {
                    client.close().await;
                    return Err(failure);
                }
            }
        }
        client.close().await;
        Ok(())
    }

    fn read(&self) -> Result<Message, Failure> {
        if std::io::stdin().is_terminal() {
            let advice = "there is no body: give it as JSON, or on standard input";
            return Err(Failure::Usage(advice.to_owned()));
        }
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::Refused(format!("cannot read the body: {error}")))?;
        match &self.content_type {
            Some(kind) => Ok(Message::bytes(bytes, kind)),
            None => body(&String::from_utf8_lossy(&bytes)),
        }
    }

    fn say(&self, receipts: &[Receipt]) -> Result<(), Failure> {
        for receipt in receipts {
            match self.output {
                Output::Json => print_json(receipt)?,
                Output::Table if receipt.duplicate => print(&format!("{} duplicate", receipt.id)),
                Output::Table => print(&receipt.id),
            }
        }
        Ok(())
    }
}

/// Which messages are taken.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which messages")]
pub(in crate::cli) struct Which {
    /// Group, made if it is not there; without it the work group
    #[arg(long)]
    pub(super) group: Option<String>,

    /// Where a group begins that is not there yet: all, new, or a time
    #[arg(long, value_name = "WHERE", value_parser = from, requires = "group")]
    from: Option<From>,

    /// Partition
    #[arg(long)]
    partition: Option<String>,

    /// Label; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
}

pub(super) fn from(text: &str) -> Result<From, String> {
    match text {
        "all" => Ok(From::All),
        "new" => Ok(From::New),
        _ => moment(text).map(|at| From::At(at.into())),
    }
}

impl Which {
    pub(super) fn receive(&self) -> Receive {
        let mut receive = Receive::new();
        if let Some(group) = &self.group {
            receive = receive.group(group);
        }
        if let Some(from) = self.from {
            receive = receive.from(from);
        }
        if let Some(partition) = &self.partition {
            receive = receive.partition(partition);
        }
        for (name, value) in &self.labels {
            receive = receive.label(name, value);
        }
        receive
    }
}

const RECEIVE_HELP: &str = help!(
    "  anteroom receive demo/jobs",
    "  anteroom receive demo/jobs --wait",
    "  anteroom receive demo/jobs --wait 10s --max 5 --output json",
    "  anteroom room queue receive --room demo --queue jobs --group audit --from all",
    "",
    "A message is done once it is printed; if it cannot be printed, it stays in the queue."
);

/// `receive`.
#[derive(Debug, clap::Args)]
#[command(after_help = RECEIVE_HELP)]
pub(in crate::cli) struct ReceiveArgs {
    #[command(flatten)]
    target: TargetArgs,

    /// Wait for a message: so long, or without a duration for ever
    #[arg(long, value_name = "DURATION", value_parser = duration, num_args = 0..=1)]
    wait: Option<Option<Duration>>,

    /// So many messages at most
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    max: u32,

    #[command(flatten)]
    which: Which,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "body")]
    output: MessageOutput,

    #[command(flatten)]
    server: ServerArgs,
}

/// A wait without an end is made of such waits.
const ONE_WAIT: Duration = Duration::from_secs(60);

impl ReceiveArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = match self.wait {
            Some(None) => self.server.connect_for_long(&place.room).await?,
            _ => self.server.connect(&place.room).await?,
        };
        let queue = client.queue(place.queue.as_str());
        let receive = self.which.receive().max(self.max).lease_kind(Lease::Bound);
        let messages = match self.wait {
            None => queue.receive_with(&receive).await?,
            Some(Some(wait)) => queue.receive_with(&receive.wait(wait)).await?,
            Some(None) => loop {
                let messages = queue.receive_with(&receive.clone().wait(ONE_WAIT)).await?;
                if !messages.is_empty() {
                    break messages;
                }
            },
        };
        if messages.is_empty() {
            client.close().await;
            return Err(Failure::Nothing(format!("nothing to receive from {}", place.queue)));
        }
        if self.output == MessageOutput::Table {
            let rows = messages.iter().map(|message| {
                let age = short(now().0.saturating_sub(message.sent_at.0));
                [message.id.clone(), age, message.attempt.to_string(), excerpt(&message.body)]
            });
            print_table(["id", "#age", "#attempt", "body"], rows.collect());
        }
        for message in messages {
            let written = match self.output {
                MessageOutput::Table => Ok(()),
                MessageOutput::Body => write_line(message.body.as_bytes()),
                MessageOutput::Json => {
                    write_line(json_line(&MessageJson::of(message.info()))?.as_bytes())
                }
            };
            match written {
                Ok(()) => drop(message.done().await?),
                Err(error) => {
                    message.release().await?;
                    client.close().await;
                    return Err(Failure::Refused(format!("cannot print: {error}")));
                }
            }
        }
        client.close().await;
        Ok(())
    }
}

/// Which messages are looked at.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which messages")]
pub(in crate::cli) struct FilterArgs {
    /// States, with commas: blocked, delayed, ready, leased, dead, done
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = state)]
    pub(super) states: Vec<State>,

    #[command(flatten)]
    pub(super) other: OtherFilterArgs,
}

/// The same without the states.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct OtherFilterArgs {
    /// As this group sees them
    #[arg(long)]
    pub(super) group: Option<String>,

    /// Partition
    #[arg(long)]
    partition: Option<String>,

    /// What kind of message
    #[arg(long = "type", value_name = "WORD")]
    kind: Option<String>,

    /// Label; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,

    /// Dead, and this is part of the reason
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Sent before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    sent_before: Option<u64>,
}

pub(super) fn state(text: &str) -> Result<State, String> {
    State::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| {
        let known: Vec<_> = State::ALL.iter().map(|state| state.name()).collect();
        format!("write one of {}", known.join(", "))
    })
}

impl OtherFilterArgs {
    pub(super) fn filter(&self, states: &[State]) -> Filter {
        let mut filter = Filter::new().states(states.iter().copied());
        if let Some(partition) = &self.partition {
            filter = filter.partition(partition);
        }
        if let Some(kind) = &self.kind {
            filter = filter.kind(kind);
        }
        for (name, value) in &self.labels {
            filter = filter.label(name, value);
        }
        if let Some(reason) = &self.reason {
            filter = filter.reason(reason);
        }
        if let Some(at) = self.sent_before {
            filter = filter.sent_before(at);
        }
        filter
    }
}

const PEEK_HELP: &str = help!(
    "  anteroom queue peek demo/jobs",
    "  anteroom queue peek demo/jobs --states ready,leased --limit 5 --output json",
    "  anteroom room queue peek --room demo --queue jobs --label tenant=acme"
);

/// `peek`.
#[derive(Debug, clap::Args)]
#[command(after_help = PEEK_HELP)]
pub(in crate::cli) struct Peek {
    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    filter: FilterArgs,

    /// So many messages at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,

    /// After this position
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl Peek {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let filter = self.filter.other.filter(&self.filter.states);
        let group = self.filter.other.group.as_deref();
        let page = queue.browse(&filter, group, self.after.as_deref(), self.limit).await?;
        print_views(&page.messages, self.output)?;
        client.close().await;
        Ok(())
    }
}

const TAIL_HELP: &str = help!(
    "  anteroom queue tail demo/jobs",
    "  anteroom queue tail demo/jobs --bodies --output json",
    "  anteroom queue tail demo/jobs --events sent,dead --count 10",
    "",
    "It takes no messages. It ends after --count events, or when it is interrupted."
);

/// `tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = TAIL_HELP)]
pub(in crate::cli) struct Tail {
    #[command(flatten)]
    target: TargetArgs,

    /// Only these events, with commas: sent, delivered, done, retried, dead …
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    events: Vec<String>,

    /// Show the body of messages that are sent, too
    #[arg(long)]
    bodies: bool,

    /// End after so many events
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl Tail {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect_for_long(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let mut watch = queue.watch().await?;
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let Some(item) = watch.next().await else {
                return Err(Failure::Connect(client.ended().await));
            };
            match item {
                WatchItem::Missed(count) => {
                    crate::cli::text::complain(&format!(
                        "{count} events came too fast and are lost"
                    ));
                }
                WatchItem::Event(event) => {
                    if !self.events.is_empty() && !self.events.contains(&event.event) {
                        continue;
                    }
                    left -= 1;
                    let view = match (&event.message, self.bodies && event.event == "sent") {
                        // It may be gone already.
                        (Some(id), true) => queue.find(id, event.group.as_deref()).await.ok(),
                        _ => None,
                    };
                    match self.output {
                        Output::Json => {
                            let message = view.as_ref().map(MessageJson::of_view);
                            print_json(&TailJson { event: &event, message })?;
                        }
                        Output::Table => {
                            let at = crate::cli::text::utc(crate::types::Timestamp(event.at.0));
                            let id = event.message.as_deref().unwrap_or("-");
                            let body =
                                view.map(|view| excerpt(&view.message.body)).unwrap_or_default();
                            let line = format!("{at}  {:<10} {id:<8} {body}", event.event);
                            print(crate::cli::text::shown(&line).trim_end());
                        }
                    }
                }
            }
        }
        client.close().await;
        Ok(())
    }
}

#[derive(serde::Serialize)]
struct TailJson<'a> {
    event: &'a crate::client::QueueEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageJson<'a>>,
}
