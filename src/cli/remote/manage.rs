//! Looking at queues and managing them.

use serde_json::json;

use super::{
    connect::ServerArgs,
    messages::state,
    output::{Output, age, confirm, now, print_json, print_table, table},
    target::{RoomArgs, TargetArgs},
    values::{pair, settings},
};
use crate::{
    cli::{
        Failure,
        help::help,
        text::{counted, print},
    },
    client::{Inspection, Queue, Settings, SettingsInForce, State},
};

const LIST_HELP: &str =
    help!("  anteroom queue list demo", "  anteroom room queue list --room demo --output json");

/// `list`.
#[derive(Debug, clap::Args)]
#[command(after_help = LIST_HELP)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    room: RoomArgs,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl List {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.server.connect(&self.room.room()?).await?;
        let queues = client.list().await?;
        match self.output {
            Output::Json => queues.iter().try_for_each(print_json)?,
            Output::Table => {
                let rows = queues.iter().map(|queue| [queue.name.clone(), queue.size.to_string()]);
                print_table(["queue", "#size"], rows.collect());
            }
        }
        client.close().await;
        Ok(())
    }
}

/// A verb on one queue that says nothing more.
macro_rules! verb {
    ($name:ident, $help:ident, $word:literal, $does:literal, |$queue:ident, $place:ident| $body:expr) => {
        const $help: &str = help!(
            concat!("  anteroom queue ", $word, " demo/jobs"),
            concat!("  anteroom room queue ", $word, " --room demo --queue jobs")
        );

        #[doc = concat!("`", $word, "`.")]
        #[derive(Debug, clap::Args)]
        #[command(after_help = $help)]
        pub(in crate::cli) struct $name {
            #[command(flatten)]
            target: TargetArgs,

            #[command(flatten)]
            server: ServerArgs,
        }

        impl $name {
            #[doc = $does]
            pub(super) async fn run(self) -> Result<(), Failure> {
                let $place = self.target.place()?;
                let client = self.server.connect(&$place.room).await?;
                let $queue = client.queue($place.queue.as_str());
                let result = $body;
                client.close().await;
                result
            }
        }
    };
}

const SIZE_HELP: &str = help!(
    "  anteroom queue size demo/jobs",
    "  anteroom room queue size --room demo --queue jobs --output json"
);

/// `size`.
#[derive(Debug, clap::Args)]
#[command(after_help = SIZE_HELP)]
pub(in crate::cli) struct Size {
    #[command(flatten)]
    target: TargetArgs,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl Size {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let inspection = client.queue(place.queue.as_str()).inspect().await?;
        let size = inspection.group(None).map_or(0, |group| group.counts.ready);
        match self.output {
            Output::Json => print_json(&json!({"name": place.queue.as_str(), "size": size}))?,
            Output::Table => print(&size.to_string()),
        }
        client.close().await;
        Ok(())
    }
}

verb!(Close, CLOSE_HELP, "close", "Closes it.", |queue, place| {
    queue.close().await?;
    print(&format!("{} is closed: what is in it stays", place.queue));
    Ok(())
});

verb!(Pause, PAUSE_HELP, "pause", "Hands out nothing more.", |queue, place| {
    queue.pause().await?;
    print(&format!("{} is paused", place.queue));
    Ok(())
});

verb!(Resume, RESUME_HELP, "resume", "Hands out again.", |queue, place| {
    queue.resume().await?;
    print(&format!("{} goes on", place.queue));
    Ok(())
});

const OPEN_HELP: &str = help!(
    "  anteroom queue open demo/jobs",
    "  anteroom queue open demo/mails lease=60s attempts_max=3 backoff.kind=fixed backoff.base=10s",
    "  anteroom room queue open --room demo --queue jobs"
);

/// `open`.
#[derive(Debug, clap::Args)]
#[command(after_help = OPEN_HELP)]
pub(in crate::cli) struct Open {
    #[command(flatten)]
    queue: SettingsArgs,
}

/// A queue and settings.
#[derive(Debug, clap::Args)]
struct SettingsArgs {
    /// The queue, and settings: lease=30s, attempts_max=3, backoff.base=1s; NAME= puts back a default
    #[arg(value_names = ["ROOM/QUEUE", "NAME=VALUE"], num_args = 0..)]
    words: Vec<String>,

    #[command(flatten)]
    named: super::target::NamedArgs,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl SettingsArgs {
    fn read(&self) -> Result<(super::target::Place, Settings), Failure> {
        let (place, rest) = self.named.place(&self.words)?;
        let pairs = rest.iter().map(|word| pair(word)).collect::<Result<Vec<_>, _>>();
        let pairs = settings(&pairs.map_err(Failure::Usage)?).map_err(Failure::Usage)?;
        let settings =
            pairs.into_iter().fold(Settings::new(), |all, (name, value)| all.set(name, value));
        Ok((place, settings))
    }

    fn print(&self, settings: &SettingsInForce) -> Result<(), Failure> {
        match self.output {
            Output::Json => print_json(settings),
            Output::Table => {
                let rows = settings.0.iter().map(|(name, value)| [name.clone(), value.to_string()]);
                print_table(["setting", "value"], rows.collect());
                Ok(())
            }
        }
    }
}

impl Open {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (place, settings) = self.queue.read()?;
        let client = self.queue.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let in_force = queue.open(complete(&queue, settings).await?).await?;
        match self.queue.output {
            Output::Json => self.queue.print(&in_force)?,
            Output::Table => print(&format!("{} is open", place.queue)),
        }
        client.close().await;
        Ok(())
    }
}

const CONFIGURE_HELP: &str = help!(
    "  anteroom queue configure demo/jobs lease=60s attempts_max=3",
    "  anteroom queue configure demo/jobs backoff.kind=exponential backoff.base=1s retain_settled=1h",
    "  anteroom queue configure demo/jobs retain_settled_ms=",
    "  anteroom queue configure demo/jobs",
    "",
    "It shows those that it set, without settings all that are in force. NAME= puts back a default."
);

/// `configure`.
#[derive(Debug, clap::Args)]
#[command(after_help = CONFIGURE_HELP)]
pub(in crate::cli) struct Configure {
    /// Put back the defaults of all settings that are not named
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    queue: SettingsArgs,
}

impl Configure {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (place, settings) = self.queue.read()?;
        let client = self.queue.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let in_force = if self.replace {
            queue.configure_anew(settings).await?
        } else if settings.is_empty() {
            queue.inspect().await?.settings
        } else {
            let settings = complete(&queue, settings).await?;
            let named = serde_json::to_value(&settings).unwrap_or_default();
            let mut in_force = queue.configure(settings).await?;
            if matches!(self.queue.output, Output::Table) {
                in_force.0.retain(|name, _| named.get(name).is_some());
            }
            in_force
        };
        self.queue.print(&in_force)?;
        client.close().await;
        Ok(())
    }
}

/// Fills up settings of which only a part is named (`backoff.base=1s`) with what is in force: the server takes
/// them as a whole.
async fn complete(queue: &Queue, settings: Settings) -> Result<Settings, Failure> {
    let given = serde_json::to_value(&settings).unwrap_or_default();
    let has_parts = |value: &serde_json::Value| value.is_object();
    if !given.as_object().is_some_and(|given| given.values().any(has_parts)) {
        return Ok(settings);
    }
    let in_force = match queue.inspect().await {
        Ok(inspection) => inspection.settings,
        // Made with the defaults, so that they are known.
        Err(error) if error.code() == "queue_not_found" => queue.configure(Settings::new()).await?,
        Err(error) => return Err(error.into()),
    };
    let mut all = settings;
    for (name, value) in given.as_object().into_iter().flatten() {
        if let (Some(part), Some(old)) =
            (value.as_object(), in_force.0.get(name).and_then(|old| old.as_object()))
        {
            let mut whole = old.clone();
            whole.extend(part.clone());
            all = all.set(name, whole);
        }
    }
    Ok(all)
}

const STATS_HELP: &str = help!(
    "  anteroom queue stats demo/jobs",
    "  anteroom room queue stats --room demo --queue jobs --output json"
);

/// `stats`.
#[derive(Debug, clap::Args)]
#[command(after_help = STATS_HELP)]
pub(in crate::cli) struct Stats {
    #[command(flatten)]
    target: TargetArgs,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl Stats {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let inspection = client.queue(place.queue.as_str()).inspect().await?;
        match self.output {
            Output::Json => print_json(&inspection)?,
            Output::Table => print(&stats(&inspection)),
        }
        client.close().await;
        Ok(())
    }
}

fn stats(inspection: &Inspection) -> String {
    let now = now();
    let paused = if inspection.paused { ", paused" } else { "" };
    let mut text = format!(
        "{}{paused}; {}, {}\n\n",
        inspection.status,
        counted(inspection.messages, "message", "messages"),
        counted(inspection.bytes, "byte", "bytes")
    );
    let rows = inspection.groups.iter().map(|group| {
        let counts = group.counts;
        let [blocked, delayed, ready, leased, dead, done] =
            [counts.blocked, counts.delayed, counts.ready, counts.leased, counts.dead, counts.done]
                .map(|count| count.to_string());
        let name = group.name.clone().unwrap_or_else(|| "(work)".to_owned());
        let receivers = group.receivers.to_string();
        let oldest = age(group.oldest_ready_at, now);
        [name, ready, leased, delayed, blocked, dead, done, receivers, oldest]
    });
    let columns = [
        "group",
        "#ready",
        "#leased",
        "#delayed",
        "#blocked",
        "#dead",
        "#done",
        "#receivers",
        "#oldest",
    ];
    text += &table(columns, rows.collect());
    let totals = inspection.totals;
    text += "\n\n";
    text += &table(
        ["#sent", "#delivered", "#done", "#retried", "#dead", "#dropped", "#duplicates"],
        vec![
            [
                totals.sent,
                totals.delivered,
                totals.done,
                totals.retried,
                totals.dead,
                totals.dropped,
                totals.duplicates,
            ]
            .map(|count| count.to_string()),
        ],
    );
    text
}

const DRAIN_HELP: &str = help!(
    "  anteroom queue drain demo/jobs --yes",
    "  anteroom room queue drain --room demo --queue jobs --yes"
);

/// `drain`.
#[derive(Debug, clap::Args)]
#[command(after_help = DRAIN_HELP)]
pub(in crate::cli) struct Drain {
    #[command(flatten)]
    target: TargetArgs,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    server: ServerArgs,
}

impl Drain {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        if !self.yes {
            let ready = queue.inspect().await?.group(None).map_or(0, |group| group.counts.ready);
            confirm(
                &format!(
                    "remove {} of {}?",
                    counted(ready, "ready message", "ready messages"),
                    place.queue
                ),
                false,
            )?;
        }
        print(&format!("{} removed", queue.drain().await?));
        client.close().await;
        Ok(())
    }
}

const PURGE_HELP: &str = help!(
    "  anteroom queue purge demo/jobs --states ready,delayed --yes",
    "  anteroom queue purge demo/jobs --states dead --yes",
    "  anteroom queue purge demo/jobs --all --yes"
);

/// `purge`.
#[derive(Debug, clap::Args)]
#[command(after_help = PURGE_HELP)]
pub(in crate::cli) struct Purge {
    #[command(flatten)]
    target: TargetArgs,

    /// States, with commas: blocked, delayed, ready, leased, dead, done
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = state, required_unless_present = "all")]
    states: Vec<State>,

    /// All states
    #[arg(long, conflicts_with = "states")]
    all: bool,

    /// Of this group
    #[arg(long)]
    group: Option<String>,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    server: ServerArgs,
}

impl Purge {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let states = if self.all { State::ALL.to_vec() } else { self.states };
        let group = self.group.as_deref();
        if !self.yes {
            let inspection = queue.inspect().await?;
            let counts = inspection.group(group).map(|group| group.counts).unwrap_or_default();
            let count: u64 = states
                .iter()
                .map(|state| match state {
                    State::Blocked => counts.blocked,
                    State::Delayed => counts.delayed,
                    State::Ready => counts.ready,
                    State::Leased => counts.leased,
                    State::Dead => counts.dead,
                    State::Done => counts.done,
                })
                .sum();
            confirm(
                &format!(
                    "remove {} of {} for ever?",
                    counted(count, "message", "messages"),
                    place.queue
                ),
                false,
            )?;
        }
        print(&format!("{} removed", queue.purge(&states, group).await?));
        client.close().await;
        Ok(())
    }
}

const DELETE_HELP: &str = help!(
    "  anteroom queue delete demo/jobs --yes",
    "  anteroom room queue delete --room demo --queue jobs --yes"
);

/// `delete`.
#[derive(Debug, clap::Args)]
#[command(after_help = DELETE_HELP)]
pub(in crate::cli) struct Delete {
    #[command(flatten)]
    target: TargetArgs,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    server: ServerArgs,
}

impl Delete {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        if !self.yes {
            let count = queue.inspect().await?.messages;
            let question = format!(
                "delete {} with {} for ever?",
                place.queue,
                counted(count, "message", "messages")
            );
            confirm(&question, false)?;
        }
        queue.delete().await?;
        print(&format!("{} is gone", place.queue));
        client.close().await;
        Ok(())
    }
}

const EXPLAIN_HELP: &str = help!(
    "  anteroom explain demo/jobs",
    "  anteroom room queue explain --room demo --queue jobs --output json"
);

/// `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLAIN_HELP)]
pub(in crate::cli) struct Explain {
    #[command(flatten)]
    target: TargetArgs,

    /// As this group sees it
    #[arg(long)]
    group: Option<String>,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl Explain {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let explanation = client.queue(place.queue.as_str()).explain(self.group.as_deref()).await?;
        match self.output {
            Output::Json => print_json(&json!(explanation))?,
            Output::Table => {
                print(&format!("{}: {}", explanation.code, explanation.sentence));
            }
        }
        client.close().await;
        Ok(())
    }
}
