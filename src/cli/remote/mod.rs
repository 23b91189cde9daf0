//! Commands that talk to a server, all by way of the client.
//!
//! Each has a long form in the shape of the MeshAgent tool (`anteroom room queue send --room demo --queue jobs
//! --json BODY`) and a short one (`anteroom send demo/jobs BODY`); they are the same command.

mod bench;
mod connect;
mod consume;
mod dead;
mod group;
mod manage;
mod messages;
mod output;
mod schedule;
mod target;
mod top;
mod transfer;
mod values;
mod verify;

use super::Failure;

/// What can be done with a room.
#[derive(Debug, clap::Subcommand)]
pub(super) enum RoomCommand {
    /// Work with queues
    #[command(subcommand, visible_alias = "q", after_help = super::QUEUE_HELP)]
    Queue(QueueCommand),
}

/// What can be done with queues.
#[derive(Debug, clap::Subcommand)]
pub(super) enum QueueCommand {
    /// Show the queues of a room
    #[command(visible_alias = "ls")]
    List(manage::List),
    /// Make a queue, or open a closed one
    Open(manage::Open),
    /// Send a message
    #[command(visible_alias = "put")]
    Send(Box<messages::Send>),
    /// Take messages and print them
    #[command(visible_alias = "get")]
    Receive(Box<messages::ReceiveArgs>),
    /// Print the number of ready messages
    Size(manage::Size),
    /// Remove all ready messages
    Drain(manage::Drain),
    /// Refuse sends and receives from now on; what is in the queue stays
    Close(manage::Close),
    /// Look at messages without taking them
    Peek(Box<messages::Peek>),
    /// Show what happens to a queue, as it happens
    Tail(messages::Tail),
    /// Show counts by state and group, and totals
    Stats(manage::Stats),
    /// Watch the queues of a room, live
    Top(top::Top),
    /// Say why nothing moves
    Explain(manage::Explain),
    /// Hand out nothing until resumed
    Pause(manage::Pause),
    /// Hand out messages again
    Resume(manage::Resume),
    /// Change settings, or show them
    Configure(manage::Configure),
    /// Remove messages by state
    Purge(manage::Purge),
    /// Remove a queue with all that is in it
    #[command(visible_alias = "rm")]
    Delete(manage::Delete),
    /// Run a command for each message
    Consume(Box<consume::Consume>),
    /// Write messages as JSON lines
    Export(Box<transfer::Export>),
    /// Send messages from JSON lines
    Import(transfer::Import),
    /// Dead letters: list, redrive
    #[command(subcommand)]
    Dlq(dead::DeadCommand),
    /// Schedules: list, put, delete, pause, resume, fire
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Groups: list, open, delete, seek
    #[command(subcommand)]
    Group(group::GroupCommand),
}

/// The short forms for daily use.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Shortcut {
    /// Show the queues of a room (short for `room queue list`)
    Ls(manage::List),
    /// Send a message (short for `room queue send`)
    #[command(visible_alias = "put")]
    Send(Box<messages::Send>),
    /// Take messages and print them (short for `room queue receive`)
    #[command(visible_alias = "get")]
    Receive(Box<messages::ReceiveArgs>),
    /// Look at messages without taking them (short for `room queue peek`)
    Peek(Box<messages::Peek>),
    /// Show what happens to a queue, as it happens (short for `room queue tail`)
    Tail(messages::Tail),
    /// Show counts by state and group, and totals (short for `room queue stats`)
    Stats(manage::Stats),
    /// Run a command for each message (short for `room queue consume`)
    Consume(Box<consume::Consume>),
    /// Say why nothing moves in a queue (short for `room queue explain`)
    Explain(manage::Explain),
    /// Watch the queues of a room, live (short for `room queue top`)
    Top(top::Top),
    /// Try whether a server keeps what it promises, even if it is killed meanwhile
    Verify(Box<verify::Verify>),
    /// Measure how fast a server is, as a client sees it
    Bench(Box<bench::Bench>),
}

impl QueueCommand {
    async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(arguments) => arguments.run().await,
            Self::Open(arguments) => arguments.run().await,
            Self::Send(arguments) => arguments.run().await,
            Self::Receive(arguments) => arguments.run().await,
            Self::Size(arguments) => arguments.run().await,
            Self::Drain(arguments) => arguments.run().await,
            Self::Close(arguments) => arguments.run().await,
            Self::Peek(arguments) => arguments.run().await,
            Self::Tail(arguments) => arguments.run().await,
            Self::Stats(arguments) => arguments.run().await,
            Self::Top(arguments) => arguments.run().await,
            Self::Explain(arguments) => arguments.run().await,
            Self::Pause(arguments) => arguments.run().await,
            Self::Resume(arguments) => arguments.run().await,
            Self::Configure(arguments) => arguments.run().await,
            Self::Purge(arguments) => arguments.run().await,
            Self::Delete(arguments) => arguments.run().await,
            Self::Consume(arguments) => arguments.run().await,
            Self::Export(arguments) => arguments.run().await,
            Self::Import(arguments) => arguments.run().await,
            Self::Dlq(command) => command.run().await,
            Self::Schedule(command) => command.run().await,
            Self::Group(command) => command.run().await,
        }
    }
}

/// Does what a command on queues says.
pub(super) fn run_queue(command: QueueCommand) -> Result<(), Failure> {
    let hears_signals = matches!(command, QueueCommand::Consume(_));
    in_runtime(Box::pin(command.run()), hears_signals)
}

/// Does what a short form says.
pub(super) fn run_shortcut(command: Shortcut) -> Result<(), Failure> {
    let hears_signals = matches!(command, Shortcut::Consume(_) | Shortcut::Verify(_));
    let command = async {
        match command {
            Shortcut::Ls(arguments) => arguments.run().await,
            Shortcut::Send(arguments) => arguments.run().await,
            Shortcut::Receive(arguments) => arguments.run().await,
            Shortcut::Peek(arguments) => arguments.run().await,
            Shortcut::Tail(arguments) => arguments.run().await,
            Shortcut::Stats(arguments) => arguments.run().await,
            Shortcut::Consume(arguments) => arguments.run().await,
            Shortcut::Explain(arguments) => arguments.run().await,
            Shortcut::Top(arguments) => arguments.run().await,
            Shortcut::Verify(arguments) => arguments.run().await,
            Shortcut::Bench(arguments) => arguments.run().await,
        }
    };
    in_runtime(Box::pin(command), hears_signals)
}

/// `hears_signals`: the command has an idea of its own of what they mean.
fn in_runtime(
    command: impl Future<Output = Result<(), Failure>>,
    hears_signals: bool,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Refused(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let result = tokio::select! {
            result = command => result,
            failure = signals(), if !hears_signals => Err(failure),
        };
        connect::close_all().await;
        result
    })
}

/// Waits for SIGINT or SIGTERM.
async fn signals() -> Failure {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Failure::Stopped(SignalKind::interrupt().as_raw_value()),
        _ = terminate.recv() => Failure::Stopped(SignalKind::terminate().as_raw_value()),
    }
}
