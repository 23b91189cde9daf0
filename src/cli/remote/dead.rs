//! Dead letters: looking at them, and giving them another try.

use super::{
    connect::ServerArgs,
    messages::OtherFilterArgs,
    output::{Output, confirm, print_json, print_views},
    target::TargetArgs,
    values::per_second,
};
use crate::{
    cli::{
        Failure,
        help::help,
        text::{counted, print},
    },
    client::{Action, State, Which},
};

const HELP: &str =
    help!("  anteroom queue dlq list demo/jobs", "  anteroom queue dlq redrive demo/jobs --yes");

/// `dlq`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = HELP)]
pub(in crate::cli) enum DeadCommand {
    /// Show dead letters
    #[command(visible_alias = "ls")]
    List(List),
    /// Make dead letters ready again, with no failures counted
    Redrive(Redrive),
}

impl DeadCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(arguments) => arguments.run().await,
            Self::Redrive(arguments) => arguments.run().await,
        }
    }
}

const LIST_HELP: &str = help!(
    "  anteroom queue dlq list demo/jobs",
    "  anteroom queue dlq list demo/jobs --reason timeout --limit 5 --output json",
    "  anteroom room queue dlq list --room demo --queue jobs"
);

/// `dlq list`.
#[derive(Debug, clap::Args)]
#[command(after_help = LIST_HELP)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    filter: OtherFilterArgs,

    /// So many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
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

impl List {
    async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let filter = self.filter.filter(&[State::Dead]);
        let group = self.filter.group.as_deref();
        let queue = client.queue(place.queue.as_str());
        let page = queue.browse(&filter, group, self.after.as_deref(), self.limit).await?;
        print_views(&page.messages, self.output)?;
        client.close().await;
        Ok(())
    }
}

const REDRIVE_HELP: &str = help!(
    "  anteroom queue dlq redrive demo/jobs --dry-run",
    "  anteroom queue dlq redrive demo/jobs --reason timeout --limit 100 --rate 10/s --yes",
    "  anteroom room queue dlq redrive --room demo --queue jobs --yes"
);

/// `dlq redrive`.
#[derive(Debug, clap::Args)]
#[command(after_help = REDRIVE_HELP)]
pub(in crate::cli) struct Redrive {
    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    filter: OtherFilterArgs,

    /// Only these; may be repeated
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,

    /// So many at most
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,

    /// One after the other, at this rate
    #[arg(long, value_name = "N/s", value_parser = per_second)]
    rate: Option<u32>,

    /// Only say how many it would be
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Print as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

impl Redrive {
    async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        let client = self.server.connect(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let group = self.filter.group.as_deref();
        let which = if self.ids.is_empty() {
            Which::Filter(self.filter.filter(&[State::Dead]), self.limit)
        } else {
            Which::Ids(self.ids.clone())
        };
        let action = Action::Redrive { per_second: self.rate };
        if !self.yes && !self.dry_run {
            let count = queue.change(action.clone(), which.clone(), group, true).await?.count;
            confirm(
                &format!(
                    "redrive {} of {}?",
                    counted(count, "dead letter", "dead letters"),
                    place.queue
                ),
                false,
            )?;
        }
        let changed = queue.change(action, which, group, self.dry_run).await?;
        match (self.output, self.dry_run) {
            (Output::Json, _) => print_json(&changed)?,
            (Output::Table, true) => print(&format!("{} would be redriven", changed.count)),
            (Output::Table, false) => print(&format!("{} redriven", changed.count)),
        }
        client.close().await;
        Ok(())
    }
}
