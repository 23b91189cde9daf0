//! `bench`: how fast a server is, as a client sees it, with every message counted.

mod phases;
mod tally;

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{
    connect::ServerArgs,
    output::{Output, print_json, print_table},
    target::RoomArgs,
};
use crate::{
    cli::{
        Failure,
        help::help,
        text::{counted, print},
    },
    client::Client,
};
use phases::Plan;
use tally::Measured;

const HELP: &str = help!(
    "  anteroom bench demo --messages 2000",
    "  anteroom bench demo --messages 2000 --size 100 --senders 1 --receivers 1 --window 1",
    "  anteroom bench demo --messages 2000 --output json",
    "",
    "The phases, one after the other, in a queue of its own that is deleted at the end:
  send      all senders at once, each with WINDOW sends unanswered; the time is from a send to its answer
  receive   what was sent is received by push and settled as done, with a credit of WINDOW for each receiver
  both      senders and receivers at once; the time is from a send to the receipt of the message
  parked    one message at a time, to a receiver that is waiting already; the time is from the send to the receipt

Every message is counted: one that is lost, comes twice or comes back changed makes the run a failure. The client
works for its living, too, on one processor: a server can be faster than what is shown. Compare runs of one
machine only, and best in turns: rates say as much about the machine as about the server."
);

/// `bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Bench {
    #[command(flatten)]
    room: RoomArgs,

    /// Messages of each phase
    #[arg(long, value_name = "COUNT", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    messages: u32,

    /// Bytes of a message's body
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(64..=16_000_000))]
    size: u32,

    /// Senders, each with a connection
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    senders: u16,

    /// Receivers, each with a connection
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    receivers: u16,

    /// Sends of a connection that are unanswered at a time, and messages of one that are unsettled
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    window: u16,

    /// Messages of the phase `parked`
    #[arg(long, value_name = "COUNT", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    parked: u32,

    /// Print the report as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

/// All that came of it.
#[derive(Serialize)]
struct Report {
    size: u32,
    senders: u16,
    receivers: u16,
    window: u16,
    phases: Vec<Measured>,
    lost: u64,
    twice: u64,
    changed: u64,
}

impl Bench {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| Failure::Refused(error.to_string()))?;
        let queue = format!("bench-{:08x}", u32::from_le_bytes(random));
        let builder = self.server.builder_for_long(&self.room.room()?)?.no_reconnect();
        let connect = async |count: u16| -> Result<Vec<Client>, Failure> {
            let mut clients = Vec::new();
            for _ in 0..count {
                clients.push(builder.clone().connect().await?);
            }
            Ok(clients)
        };
        let plan = Plan {
            senders: connect(self.senders).await?,
            receivers: connect(self.receivers).await?,
            queue,
            messages: u64::from(self.messages),
            size: self.size as usize,
            window: usize::from(self.window),
            bar: self.bar(),
        };
        let measured = self.measure(&plan).await;
        plan.bar.finish_and_clear();
        // Whatever came of it, the queue goes; that it cannot go is the lesser trouble.
        let deleted = plan.delete().await;
        let phases = measured?;
        deleted?;
        self.tell(phases)
    }

    fn bar(&self) -> ProgressBar {
        if !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(u64::from(self.messages));
        bar.enable_steady_tick(Duration::from_millis(100));
        // The template is ours; a wrong one would leave the default.
        if let Ok(style) = ProgressStyle::with_template("{msg:8} {bar:30} {pos}/{len}, {per_sec}") {
            bar.set_style(style);
        }
        bar
    }

    async fn measure(&self, plan: &Plan) -> Result<Vec<Measured>, Failure> {
        plan.open().await?;
        Ok(vec![
            plan.send().await?,
            plan.receive().await?,
            plan.both().await?,
            plan.parked(u64::from(self.parked)).await?,
        ])
    }

    fn tell(&self, phases: Vec<Measured>) -> Result<(), Failure> {
        let sum = |of: fn(&Measured) -> u64| phases.iter().map(of).sum::<u64>();
        let (lost, twice, changed) =
            (sum(|one| one.lost), sum(|one| one.twice), sum(|one| one.changed));
        let Self { size, senders, receivers, window, .. } = *self;
        let report = Report { size, senders, receivers, window, phases, lost, twice, changed };
        match self.output {
            Output::Json => print_json(&report)?,
            Output::Table => report.print(),
        }
        match lost + twice + changed {
            0 => Ok(()),
            wrong => {
                let wrong = counted(wrong, "message was", "messages were");
                Err(Failure::Refused(format!("{wrong} lost, received twice or changed")))
            }
        }
    }
}

impl Report {
    fn print(&self) {
        let Self { size, senders, receivers, window, lost, twice, changed, .. } = self;
        print(&format!(
            "{size} bytes, {senders} senders, {receivers} receivers, window {window}; {lost} lost, {twice} twice, {changed} changed"
        ));
        let rows = self.phases.iter().map(|phase| {
            let time = |micros: Option<u64>| micros.map_or_else(|| "-".to_owned(), milliseconds);
            [
                phase.phase.to_owned(),
                phase.messages.to_string(),
                format!("{:.0}", phase.per_second),
                time(phase.p50_us),
                time(phase.p90_us),
                time(phase.p99_us),
                time(phase.max_us),
            ]
        });
        let columns =
            ["phase", "#messages", "#per second", "#p50 ms", "#p90 ms", "#p99 ms", "#max ms"];
        print_table(columns, rows.collect());
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
