//! `verify`: whether a server keeps what it promises, seen from outside.

mod judge;
mod ledger;
mod work;

use std::{cell::Cell, io::IsTerminal, path::PathBuf, time::Duration};

use futures_util::future::{join_all, try_join_all};
use serde::Serialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use super::{
    connect::ServerArgs,
    output::{Output, print_json, print_table},
    target::RoomArgs,
    values::{duration, per_second},
};
use crate::{
    cli::{
        Failure,
        help::help,
        text::{complain, counted, print, shown},
    },
    client::{Error, Filter, Settings, State},
};
use judge::{Check, Found, judge};
use ledger::{Book, Ledger};
use work::{Line, NOT_FOUND, Plan};

const HELP: &str = help!(
    "  anteroom verify demo --for 2s",
    "  anteroom verify demo --for 1s --queues 3 --senders 4 --receivers 4 --output json",
    "  anteroom verify demo --for 1s --rate 200/s --log calls.jsonl",
    "",
    "While it runs, do to the server what you want to know about: kill it and start it again, fill its disk, cut its
network. The senders and receivers connect again; a request without an answer may have happened or not, and is
counted as neither. Half of the receivers take messages with a lease and settle them (most as done; some fail, are
given back, given up, or left until the lease ends), the other half take them without a lease (`lease: none`). Half of
the senders repeat a send that was not answered, under the same key. At the end the queues are emptied and listed.

What is checked:
  lost       an acknowledged message was received, or is still there, or is a dead letter. What was settled as done or
             dead is so at the end. A message taken without a lease may be gone with the connection on which it was
             under way: so many as there were such connections, and no more
  strangers  nothing is received or listed that was not sent, and nothing whose sending was refused
  twice      no message is stored twice (repeated sends included); no delivery number is used twice; nothing comes again
             after it was settled as done or dead, or was taken without a lease; nobody is handed a message while
             another one's lease must still hold; a lease is not lost before its time. (A server that is started anew has ended all
             leases, and numbers deliveries from 1: over a connection that broke, leases and numbers are not compared)
  order      of two messages of one sender in one queue, the first delivery of the first comes first. Pairs around a
             receive that broke are passed over: what was under way there comes back in its place, but late
  answers    every call (parked receives above all) is answered in time or ends with its connection, and in the end the
             queues can be emptied

The exit code is 0 if all of it holds, and 1 if something does not. Its queues are called verify-… and are deleted at
the end; the token must be allowed to manage them. Ctrl-C ends the run early and checks what was done so far; once more
ends it at once."
);

/// `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Verify {
    #[command(flatten)]
    room: RoomArgs,

    /// How long messages are sent
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "30s")]
    length: Duration,

    /// Senders, each with a connection
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    senders: u16,

    /// Receivers, each with a connection: half with leases, half without
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    receivers: u16,

    /// Queues
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    queues: u16,

    /// Messages per time, of all senders together: 50/s, 600/m
    #[arg(long, value_name = "RATE", value_parser = per_second, default_value = "1000/s")]
    rate: u32,

    /// Bodies are of all lengths up to about this one
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    size: u32,

    /// How long a lease lasts
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "3s")]
    lease: Duration,

    /// How long a server may be away, and a call unanswered
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    patience: Duration,

    /// File for every call and what came of it, one JSON object per line, as it happens
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Leave the queues as they are at the end
    #[arg(long)]
    keep: bool,

    /// Print the report as
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

/// All that came of it.
#[derive(Serialize)]
struct Report {
    holds: bool,
    milliseconds: u64,
    sent: usize,
    acknowledged: usize,
    refused: usize,
    unanswered: usize,
    received: usize,
    settles: usize,
    connections_lost: u64,
    refusals: std::collections::BTreeMap<String, u64>,
    queues: Vec<String>,
    checks: Vec<Check>,
}

/// Beyond the end of the run; messages that are done are kept so long, to be looked at.
const KEPT_LONGER: Duration = Duration::from_secs(3600);

/// Messages of one page.
const PAGE: u32 = 500;

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

impl Verify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let cannot =
            |error: std::io::Error| Failure::Refused(format!("cannot wait for signals: {error}"));
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt()).map_err(cannot)?,
            signal(SignalKind::terminate()).map_err(cannot)?,
        );
        let plan = self.plan()?;
        let mut work = Box::pin(self.verify(&plan));
        let stopped = tokio::select! {
            result = &mut work => Some(result),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => return Err(Failure::Stopped(15)),
        };
        let result = match stopped {
            Some(result) => result,
            None => {
                complain("stopped early: emptying the queues and checking");
                plan.is_draining.set(true);
                tokio::select! {
                    result = &mut work => result,
                    _ = interrupt.recv() => return Err(Failure::Stopped(2)),
                    _ = terminate.recv() => return Err(Failure::Stopped(15)),
                }
            }
        };
        drop(work);
        let (found, late) = result?;
        self.tell(plan, &found, late)
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let file = self.log.as_ref().map(|path| {
            std::fs::File::create(path)
                .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
        });
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| Failure::Refused(error.to_string()))?;
        let run = format!("{:08x}", u32::from_le_bytes(random));
        let builder = self
            .server
            .builder_for_long(&self.room.room()?)?
            .no_reconnect()
            .timeout(self.patience)
            .connect_timeout(self.patience)
            .ping_interval(Duration::from_secs(5));
        Ok(Plan {
            builder,
            queues: (1..=self.queues).map(|number| format!("verify-{run}-{number}")).collect(),
            run,
            lease: self.lease,
            size: self.size as usize,
            patience: self.patience,
            pace: Duration::from_secs(u64::from(self.senders)) / self.rate,
            ends_at: millis(self.length),
            ledger: Ledger::new(file.transpose()?),
            is_draining: Cell::new(false),
            is_over: Cell::new(false),
        })
    }

    /// The run. What the queues hold at the end, and what could not be done in time.
    async fn verify(&self, plan: &Plan) -> Result<(Vec<Found>, Vec<String>), Failure> {
        let mut line = Line::new(plan);
        // The first attempt is made once: a server that is not there is told at once.
        plan.builder.clone().connect().await?.close().await;
        let kept = millis(self.length.saturating_add(KEPT_LONGER));
        let settings = Settings::new()
            .set("retain_settled_ms", kept)
            .set("dedup_window_ms", kept)
            .set("attempts_max", 0)
            .set("dead_letter", true);
        for queue in &plan.queues {
            let open = |client: crate::client::Client| {
                let (queue, settings) = (client.queue(queue), settings.clone());
                async move { queue.configure(settings).await }
            };
            line.insist("the making of a queue", open)
                .await
                .map_err(|error| self.refused(error))?;
        }
        let work = self.work(plan, &mut line);
        let progress = self.progress(plan);
        let late = tokio::select! {
            late = work => late?,
            never = progress => match never {},
        };
        let mut found = Vec::new();
        for (number, queue) in plan.queues.iter().enumerate() {
            list(plan, &mut line, number, queue, &mut found).await?;
        }
        for queue in plan.queues.iter().filter(|_| !self.keep) {
            let delete = |client: crate::client::Client| {
                let queue = client.queue(queue);
                async move { unless_gone(queue.delete().await) }
            };
            line.insist("the removal of a queue", delete).await?;
        }
        line.close().await;
        Ok((found, late))
    }

    fn refused(&self, error: Error) -> Failure {
        match &error {
            Error::Server(refusal) if refusal.code == "permission_denied" => Failure::Refused(
                "permission_denied: the token may not manage queues called verify-…, and send to and receive from them\n\
                 next: make one with `anteroom token create --room ROOM`, and see what one says with `anteroom token inspect`".to_owned(),
            ),
            _ => error.into(),
        }
    }

    /// Senders and receivers until everything is received.
    async fn work(&self, plan: &Plan, line: &mut Line<'_>) -> Result<Vec<String>, Failure> {
        let senders = (0..usize::from(self.senders)).map(|sender| work::send(plan, sender));
        let receivers = (0..usize::from(self.receivers)).map(|receiver| {
            let is_leased = receiver.is_multiple_of(2);
            work::receive(plan, receiver, is_leased)
        });
        let receivers = async {
            let ended = join_all(receivers).await;
            ended.into_iter().collect::<Result<Vec<()>, Error>>()
        };
        let rest = async {
            let sent = try_join_all(senders).await;
            plan.is_draining.set(true);
            let drained = match sent {
                Ok(_) => drain(plan, line).await,
                Err(error) => Err(error),
            };
            plan.is_over.set(true);
            drained
        };
        let (received, late) = tokio::join!(receivers, rest);
        let late = late.map_err(|error| self.refused(error))?;
        received.map_err(|error| self.refused(error))?;
        Ok(late)
    }

    /// Says now and then how far it is.
    async fn progress(&self, plan: &Plan) -> std::convert::Infallible {
        let is_terminal = std::io::stderr().is_terminal();
        let every = Duration::from_secs(if is_terminal { 1 } else { 5 });
        loop {
            sleep(every).await;
            let seconds = plan.ledger.now() / 1000;
            let line = plan.ledger.read(|book| {
                let (sent, received, lost) = (book.acknowledged, book.receipts.len(), book.connections_lost);
                let what = if plan.is_draining.get() { "emptying" } else { "running" };
                format!("{seconds} s, {what}: {sent} acknowledged, {received} received, {lost} connections made anew")
            });
            if is_terminal {
                aside(&format!("\r\x1b[K{line}"));
            } else {
                complain(&line);
            }
        }
    }

    fn tell(self, plan: Plan, found: &[Found], late: Vec<String>) -> Result<(), Failure> {
        let milliseconds = plan.ledger.now();
        let book = plan.ledger.into_book();
        let checks = judge(&book, found, millis(self.lease), late);
        let report = Report::new(book, milliseconds, plan.queues, checks);
        if std::io::stderr().is_terminal() {
            aside("\r\x1b[K");
        }
        match self.output {
            Output::Json => print_json(&report)?,
            Output::Table => report.print(),
        }
        match report.checks.iter().map(|check| check.violated).sum() {
            0 => Ok(()),
            count => {
                let count = counted(count, "thing does", "things do");
                Err(Failure::Refused(format!("{count} not hold: see the report")))
            }
        }
    }
}

/// To a terminal, without an end of line.
fn aside(text: &str) {
    use std::io::Write;
    let mut err = std::io::stderr().lock();
    // Nobody misses it.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// None: the server knows no such queue.
fn unless_gone<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Err(Error::Server(refusal)) if refusal.code == NOT_FOUND => Ok(None),
        result => result.map(Some),
    }
}

/// Waits until everything is received. What is not, when all patience is at an end.
async fn drain(plan: &Plan, line: &mut Line<'_>) -> Result<Vec<String>, Error> {
    let patience = millis(plan.patience.saturating_add(plan.lease));
    let mut give_up_at = plan.ledger.now().saturating_add(patience);
    let mut received = 0;
    loop {
        let mut left = Vec::new();
        for name in &plan.queues {
            let inspect = |client: crate::client::Client| {
                let queue = client.queue(name);
                async move { unless_gone(queue.inspect().await) }
            };
            let Some(inspection) = line.insist("a look at a queue", inspect).await? else {
                continue;
            };
            let counts = inspection.group(None).map(|group| group.counts).unwrap_or_default();
            if counts.blocked + counts.delayed + counts.ready + counts.leased > 0 {
                let (ready, leased, delayed) =
                    (counts.ready, counts.leased, counts.delayed + counts.blocked);
                left.push(format!(
                    "{name} is not empty: {ready} ready, {leased} leased, {delayed} delayed"
                ));
            }
        }
        let now = plan.ledger.now();
        let so_far = plan.ledger.read(|book| book.receipts.len());
        if so_far > received {
            (received, give_up_at) = (so_far, now.saturating_add(patience));
        }
        if left.is_empty() || now > give_up_at || plan.is_over.get() {
            return Ok(left);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Adds all that is in a queue.
async fn list(
    plan: &Plan,
    line: &mut Line<'_>,
    number: usize,
    name: &str,
    found: &mut Vec<Found>,
) -> Result<(), Error> {
    let mut after: Option<String> = None;
    loop {
        let browse = |client: crate::client::Client| {
            let (queue, after) = (client.queue(name), after.clone());
            async move {
                unless_gone(
                    queue
                        .browse(&Filter::new().states(State::ALL), None, after.as_deref(), PAGE)
                        .await,
                )
            }
        };
        let Some(page) = line.insist("the list of a queue", browse).await? else { return Ok(()) };
        found.extend(page.messages.into_iter().map(|view| Found {
            send: plan.which(&view.message),
            queue: number,
            state: view.state,
            position: view.message.position,
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

impl Report {
    fn new(book: Book, milliseconds: u64, queues: Vec<String>, checks: Vec<Check>) -> Self {
        let count = |fate| book.sends.iter().filter(|sent| sent.fate == fate).count();
        Self {
            holds: checks.iter().all(|check| check.violated == 0),
            milliseconds,
            sent: book.sends.len(),
            acknowledged: count(ledger::Fate::Acknowledged),
            refused: count(ledger::Fate::Refused),
            unanswered: count(ledger::Fate::Unknown),
            received: book.receipts.len(),
            settles: book.settles.len(),
            connections_lost: book.connections_lost,
            refusals: book.refusals,
            queues,
            checks,
        }
    }

    fn print(&self) {
        let Self { sent, acknowledged, refused, unanswered, received, connections_lost, .. } = self;
        print(&format!(
            "{sent} sent: {acknowledged} acknowledged, {refused} refused, {unanswered} unanswered; {received} received; {} in {}.{} s",
            counted(*connections_lost, "connection made anew", "connections made anew"),
            self.milliseconds / 1000,
            self.milliseconds % 1000 / 100,
        ));
        for (code, count) in &self.refusals {
            print(&format!("refused with {}: {count}", shown(code)));
        }
        let rows = self.checks.iter().map(|check| {
            let verdict = if check.violated == 0 {
                "holds".to_owned()
            } else {
                format!("{} VIOLATED", check.violated)
            };
            [check.name.to_owned(), check.checked.to_string(), verdict, check.promise.to_owned()]
        });
        print_table(["check", "#checked", "verdict", "promise"], rows.collect());
        for check in self.checks.iter().filter(|check| check.violated > 0) {
            print(&format!("\n{}: {}", check.name, check.promise));
            check.violations.iter().for_each(|text| print(&format!("  {}", shown(text))));
            let told = check.violations.len() as u64;
            if check.violated > told {
                print(&format!("  … and {} more", check.violated - told));
            }
        }
    }
}
