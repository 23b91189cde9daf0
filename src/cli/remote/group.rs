//! Groups of a queue.

use super::{
    connect::ServerArgs,
    messages::from,
    output::{Output, age, now, print_json, print_table},
    target::{NamedArgs, TargetArgs},
    values::moment,
};
use crate::{
    cli::{Failure, help::help, text::print},
    client::{From, SeekTo},
};

const HELP: &str = help!(
    "  anteroom queue group list demo/jobs",
    "  anteroom queue group open demo/jobs audit --from all",
    "  anteroom receive demo/jobs --group audit"
);

/// `group`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = HELP)]
pub(in crate::cli) enum GroupCommand {
    /// Show the groups of a queue
    #[command(visible_alias = "ls")]
    List(List),
    /// Make a group
    Open(Open),
    /// Remove a group
    #[command(visible_alias = "rm")]
    Delete(Delete),
    /// Move a group, so that it gets messages again or not at all
    Seek(Seek),
}

impl GroupCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(arguments) => arguments.run().await,
            Self::Open(arguments) => arguments.run().await,
            Self::Delete(arguments) => arguments.run().await,
            Self::Seek(arguments) => arguments.run().await,
        }
    }
}

const LIST_HELP: &str = help!(
    "  anteroom queue group list demo/jobs",
    "  anteroom room queue group list --room demo --queue jobs --output json"
);

/// `group list`.
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
        let groups = client.queue(place.queue.as_str()).inspect().await?.groups;
        match self.output {
            Output::Json => groups.iter().try_for_each(print_json)?,
            Output::Table => {
                let now = now();
                let rows = groups.iter().map(|group| {
                    let [ready, leased, dead, receivers] = [
                        group.counts.ready,
                        group.counts.leased,
                        group.counts.dead,
                        group.receivers,
                    ]
                    .map(|count| count.to_string());
                    let name = group.name.clone().unwrap_or_else(|| "(work)".to_owned());
                    [name, ready, leased, dead, receivers, age(group.oldest_ready_at, now)]
                });
                let columns = ["group", "#ready", "#leased", "#dead", "#receivers", "#oldest"];
                print_table(columns, rows.collect());
            }
        }
        client.close().await;
        Ok(())
    }
}

/// A queue and a group.
#[derive(Debug, clap::Args)]
struct GroupArgs {
    /// The queue, and the group's name
    #[arg(value_names = ["ROOM/QUEUE", "GROUP"], num_args = 0..=2)]
    words: Vec<String>,

    #[command(flatten)]
    named: NamedArgs,

    #[command(flatten)]
    server: ServerArgs,
}

impl GroupArgs {
    fn read(&self) -> Result<(super::target::Place, &str), Failure> {
        match self.named.place(&self.words)? {
            (place, [group]) => Ok((place, group)),
            _ => Err(Failure::Usage("name the group: ROOM/QUEUE GROUP".to_owned())),
        }
    }
}

const OPEN_HELP: &str = help!(
    "  anteroom queue group open demo/jobs audit --from all",
    "  anteroom room queue group open --room demo --queue jobs audit --from new"
);

/// `group open`.
#[derive(Debug, clap::Args)]
#[command(after_help = OPEN_HELP)]
pub(in crate::cli) struct Open {
    /// Where it begins: all, new, or a time
    #[arg(long, value_name = "WHERE", value_parser = from)]
    from: Option<From>,

    #[command(flatten)]
    group: GroupArgs,
}

impl Open {
    async fn run(self) -> Result<(), Failure> {
        let (place, group) = self.group.read()?;
        let client = self.group.server.connect(&place.room).await?;
        client.queue(place.queue.as_str()).open_group(group, self.from).await?;
        print(&format!("{group} is there"));
        client.close().await;
        Ok(())
    }
}

const DELETE_HELP: &str = help!("  anteroom queue group delete demo/jobs audit");

/// `group delete`.
#[derive(Debug, clap::Args)]
#[command(after_help = DELETE_HELP)]
pub(in crate::cli) struct Delete {
    #[command(flatten)]
    group: GroupArgs,
}

impl Delete {
    async fn run(self) -> Result<(), Failure> {
        let (place, group) = self.group.read()?;
        let client = self.group.server.connect(&place.room).await?;
        client.queue(place.queue.as_str()).delete_group(group).await?;
        print(&format!("{group} is gone"));
        client.close().await;
        Ok(())
    }
}

const SEEK_HELP: &str = help!(
    "  anteroom queue group seek demo/jobs audit --to start",
    "  anteroom queue group seek demo/jobs audit --to 2030-01-31T09:00:00Z",
    "  anteroom queue group seek demo/jobs --to end",
    "",
    "Without a group it moves the work group."
);

/// `group seek`.
#[derive(Debug, clap::Args)]
#[command(after_help = SEEK_HELP)]
pub(in crate::cli) struct Seek {
    /// To where: start, end, or the first message sent at a time or later
    #[arg(long, value_name = "WHERE", value_parser = to)]
    to: SeekTo,

    /// Only in this partition
    #[arg(long)]
    partition: Option<String>,

    #[command(flatten)]
    group: GroupArgs,
}

fn to(text: &str) -> Result<SeekTo, String> {
    match text {
        "start" => Ok(SeekTo::Start),
        "end" => Ok(SeekTo::End),
        _ => moment(text).map(|at| SeekTo::At(at.into())),
    }
}

impl Seek {
    async fn run(self) -> Result<(), Failure> {
        let (place, rest) = self.group.named.place(&self.group.words)?;
        let group = match rest {
            [] => None,
            [group] => Some(group.as_str()),
            [_, word, ..] => {
                return Err(Failure::Usage(format!("`{word}` is one word too many")));
            }
        };
        let client = self.group.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        queue.seek(group, self.partition.as_deref(), self.to).await?;
        print("moved");
        client.close().await;
        Ok(())
    }
}
