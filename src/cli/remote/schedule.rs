//! Messages that are sent at a time.

use std::time::Duration;

use super::{
    connect::ServerArgs,
    messages::{About, body},
    output::{Output, moment as shown_moment, now, print_json, print_table, short},
    target::{NamedArgs, TargetArgs},
    values::{duration, moment},
};
use crate::{
    cli::{Failure, help::help, text::print},
    client::{At, Schedule, ScheduleInfo},
};

const HELP: &str = help!(
    "  anteroom queue schedule put demo/jobs tick '{}' --every 30s",
    "  anteroom queue schedule list demo/jobs",
    "  anteroom queue schedule delete demo/jobs tick"
);

/// `schedule`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = HELP)]
pub(in crate::cli) enum ScheduleCommand {
    /// Show the schedules of a queue
    #[command(visible_alias = "ls")]
    List(List),
    /// Make or replace a schedule
    Put(Box<Put>),
    /// Remove a schedule
    #[command(visible_alias = "rm", after_help = DELETE_HELP)]
    Delete(Named),
    /// Stop a schedule until it is resumed
    #[command(after_help = PAUSE_HELP)]
    Pause(Named),
    /// Let a schedule go on
    #[command(after_help = RESUME_HELP)]
    Resume(Named),
    /// Send a schedule's message now
    #[command(after_help = FIRE_HELP)]
    Fire(Named),
}

const DELETE_HELP: &str = help!("  anteroom queue schedule delete demo/jobs nightly");
const PAUSE_HELP: &str = help!("  anteroom queue schedule pause demo/jobs nightly");
const RESUME_HELP: &str = help!("  anteroom queue schedule resume demo/jobs nightly");
const FIRE_HELP: &str = help!("  anteroom queue schedule fire demo/jobs nightly");

impl ScheduleCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(arguments) => arguments.run().await,
            Self::Put(arguments) => arguments.run().await,
            Self::Delete(named) => named.run(Verb::Delete).await,
            Self::Pause(named) => named.run(Verb::Pause).await,
            Self::Resume(named) => named.run(Verb::Resume).await,
            Self::Fire(named) => named.run(Verb::Fire).await,
        }
    }
}

const LIST_HELP: &str = help!(
    "  anteroom queue schedule list demo/jobs",
    "  anteroom room queue schedule list --room demo --queue jobs --output json"
);

/// `schedule list`.
#[derive(Debug, clap::Args)]
#[command(after_help = LIST_HELP)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    target: TargetArgs,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let schedules = client.queue(place.queue.as_str()).inspect().await?.schedules;
        match self.output {
            Output::Json => schedules.iter().try_for_each(print_json)?,
            Output::Table => {
                let now = now();
                let rows = schedules.iter().map(|schedule| {
                    let state = if schedule.paused { "paused" } else { "runs" };
                    let next = shown_moment(schedule.next_at, now);
                    [schedule.name.clone(), timing(schedule), state.to_owned(), next]
                });
                print_table(["schedule", "when", "state", "next"], rows.collect());
            }
        }
        client.close().await;
        Ok(())
    }
}

fn timing(schedule: &ScheduleInfo) -> String {
    match (schedule.every_ms, &schedule.cron, schedule.at) {
        (Some(every), _, _) => format!("every {}", short(every)),
        (None, Some(cron), _) => {
            format!("{cron} {}", schedule.zone.as_deref().unwrap_or("UTC"))
        }
        (None, None, Some(At(at))) => crate::cli::text::utc(crate::types::Timestamp(at)),
        (None, None, None) => "-".to_owned(),
    }
}

const PUT_HELP: &str = help!(
    "  anteroom queue schedule put demo/jobs nightly '{\"report\": 1}' --cron '0 3 * * *' --zone Europe/Berlin",
    "  anteroom queue schedule put demo/jobs tick '{}' --every 30s",
    "  anteroom queue schedule put demo/jobs once '{}' --at +10m",
    "  anteroom room queue schedule put --room demo --queue jobs nightly --json '{}' --every 1h"
);

/// `schedule put`.
#[derive(Debug, clap::Args)]
#[command(after_help = PUT_HELP)]
#[command(group = clap::ArgGroup::new("timing").required(true).args(["every", "cron", "at"]))]
pub(in crate::cli) struct Put {
    /// The queue, the schedule's name, and the body of its message as JSON
    #[arg(value_names = ["ROOM/QUEUE", "NAME", "JSON"], num_args = 0..=3)]
    words: Vec<String>,

    #[command(flatten)]
    named: NamedArgs,

    /// The body as JSON
    #[arg(long, value_name = "BODY")]
    json: Option<String>,

    /// Every so often
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    every: Option<Duration>,

    /// As this cron expression says: minute hour day month weekday, with seconds before them if there are six
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,

    /// Time zone of the cron expression
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "cron")]
    zone: String,

    /// Once, like 2030-01-31T09:00:00Z or +10m
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<u64>,

    /// After an absence of the server, send one message for all that were missed
    #[arg(long)]
    catch_up: bool,

    /// Let it stand still at first
    #[arg(long)]
    paused: bool,

    #[command(flatten)]
    about: About,

    #[command(flatten)]
    server: ServerArgs,
}

impl Put {
    async fn run(self) -> Result<(), Failure> {
        let (place, rest) = self.named.place(&self.words)?;
        let (name, text) = match (rest, &self.json) {
            ([name], Some(json)) => (name, json),
            ([name, json], None) => (name, json),
            _ => {
                let advice = "name the schedule and give the body: ROOM/QUEUE NAME JSON";
                return Err(Failure::Usage(advice.to_owned()));
            }
        };
        let message = self.about.apply(body(text)?)?;
        let mut schedule = match (self.every, &self.cron, self.at) {
            (Some(every), _, _) => Schedule::every(every, message),
            (None, Some(cron), _) => Schedule::cron(cron, &self.zone, message),
            (None, None, at) => Schedule::at(at.unwrap_or_default(), message),
        };
        if self.catch_up {
            schedule = schedule.catch_up_once();
        }
        if self.paused {
            schedule = schedule.paused();
        }
        let client = self.server.connect(&place.room).await?;
        let next = client.queue(place.queue.as_str()).put_schedule(name, &schedule).await?;
        print(&format!("next: {}", shown_moment(next, now())));
        client.close().await;
        Ok(())
    }
}

/// A schedule by name.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Named {
    /// The queue, and the schedule's name
    #[arg(value_names = ["ROOM/QUEUE", "NAME"], num_args = 0..=2)]
    words: Vec<String>,

    #[command(flatten)]
    named: NamedArgs,

    #[command(flatten)]
    server: ServerArgs,
}

enum Verb {
    Delete,
    Pause,
    Resume,
    Fire,
}

impl Named {
    async fn run(self, verb: Verb) -> Result<(), Failure> {
        let (place, rest) = self.named.place(&self.words)?;
        let [name] = rest else {
            return Err(Failure::Usage("name the schedule: ROOM/QUEUE NAME".to_owned()));
        };
        let client = self.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let said = match verb {
            Verb::Delete => {
                queue.delete_schedule(name).await?;
                format!("{name} is gone")
            }
            Verb::Pause => {
                queue.pause_schedule(name).await?;
                format!("{name} is paused")
            }
            Verb::Resume => {
                let next = queue.resume_schedule(name).await?;
                format!("next: {}", shown_moment(next, now()))
            }
            Verb::Fire => queue.fire_schedule(name).await?.id,
        };
        print(&said);
        client.close().await;
        Ok(())
    }
}
