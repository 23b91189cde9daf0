//! `consume --exec`: one process per message.

use std::{process::Stdio, sync::Arc, time::Duration};

use rustix::process::{Pid, Signal as KillSignal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    connect::ServerArgs,
    messages::Which,
    target::{Place, TargetArgs},
    values::duration,
};
use crate::{
    cli::{
        Failure,
        help::help,
        text::{complain, shown},
    },
    client::{Body, Consume as Options, Handled, Received},
};

/// Bytes of the largest result of a process.
const RESULT_BYTES_MAX: u64 = 4 << 20;

/// `EX_DATAERR` of sysexits.h: the message itself is wrong.
const EXIT_DEAD: i32 = 65;

const HELP: &str = help!(
    "  anteroom consume demo/jobs --exec 'jq .page'",
    "  anteroom consume demo/jobs --exec ./work.sh --concurrency 4 --result",
    "  anteroom room queue consume --room demo --queue jobs --exec 'cat >> log' --count 100",
    "",
    "CMD is run by `sh -c`, once for each message. Its standard input is the body. Its environment has
ANTEROOM_ROOM, ANTEROOM_QUEUE, ANTEROOM_MESSAGE_ID, ANTEROOM_ATTEMPT, ANTEROOM_SENT_AT (milliseconds since 1970),
ANTEROOM_PARTITION, ANTEROOM_CONTENT_TYPE, and where there is one: ANTEROOM_KEY, ANTEROOM_TYPE, ANTEROOM_PRIORITY,
ANTEROOM_LABELS and ANTEROOM_HEADERS (JSON).

What becomes of the message, by the exit code of CMD:
  0   it is done; with --result, standard output is its result
  65  it is a dead letter (EX_DATAERR: trying again would not help)
  75  it is tried again as the queue's settings say (EX_TEMPFAIL); so it is with every other code

SIGINT and SIGTERM stop it: it takes no more messages, and waits for processes that run. A second one ends them;
their messages are given back."
);

/// `consume`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Consume {
    #[command(flatten)]
    target: TargetArgs,

    /// Command to run for each message
    #[arg(long, value_name = "CMD")]
    exec: String,

    /// So many at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: u32,

    /// Standard output of the command becomes the result of the message
    #[arg(long)]
    result: bool,

    /// A command that runs longer is ended, and its message tried again
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,

    /// How soon somebody else gets the messages if this program hangs; extended while a command runs
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    lease: Duration,

    /// How long commands that run may take when it stops
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1h")]
    grace: Duration,

    /// Stop after so many messages
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    server: ServerArgs,
}

/// What is the same for all messages.
struct Work {
    command: String,
    place: Place,
    is_result: bool,
    timeout: Option<Duration>,
}

fn on(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Refused(format!("cannot wait for signals: {error}")))
}

fn at_once() -> Result<(), crate::client::Error> {
    complain("ended at once: messages under way are given back");
    Ok(())
}

impl Consume {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.target.place()?;
        // Before anything is taken: a signal must not find us unprepared.
        let (mut interrupt, mut terminate) =
            (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
        let client = self.server.connect_for_long(&place.room).await?;
        let queue = client.queue(place.queue.as_str());
        let work = Arc::new(Work {
            command: self.exec,
            place,
            is_result: self.result,
            timeout: self.timeout,
        });
        let mut options = Options::new()
            .concurrency(self.concurrency)
            .lease(self.lease)
            .grace(self.grace)
            .receive(self.which.receive());
        if let Some(count) = self.count {
            options = options.limit(count);
        }
        let mut consumer = queue
            .consume(options, move |message| {
                let work = Arc::clone(&work);
                async move { work.handle(&message).await }
            })
            .await?;
        let result = tokio::select! {
            result = consumer.wait() => Some(result),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        };
        let result = match result {
            Some(result) => result,
            None => tokio::select! {
                result = consumer.stop() => result,
                _ = interrupt.recv() => at_once(),
                _ = terminate.recv() => at_once(),
            },
        };
        client.close().await;
        result.map_err(Failure::from)
    }
}

impl Work {
    async fn handle(&self, message: &Received) -> Result<Handled, String> {
        let handled = match self.timeout {
            None => self.exec(message).await,
            Some(limit) => match tokio::time::timeout(limit, self.exec(message)).await {
                Ok(handled) => handled,
                Err(_) => Err("the command took too long".to_owned()),
            },
        };
        if let Err(reason) = &handled {
            complain(&format!("{}: {}", shown(&message.id), shown(reason)));
        }
        handled
    }

    async fn exec(&self, message: &Received) -> Result<Handled, String> {
        let mut command = Command::new("sh");
        command
            .args(["-c", &self.command])
            .envs(variables(&self.place, message))
            .stdin(Stdio::piped())
            .stdout(if self.is_result { Stdio::piped() } else { Stdio::inherit() })
            // Ctrl-C is for us, who let the commands end.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("cannot run sh: {error}"))?;
        let mut group = Group::of(&child);
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // A command need not read what it is given.
                let _ = stdin.write_all(message.body.as_bytes()).await;
            }
        };
        let read = async {
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                stdout.take(RESULT_BYTES_MAX + 1).read_to_end(&mut output).await?;
            }
            Ok::<_, std::io::Error>(output)
        };
        let ((), output) = tokio::join!(write, read);
        let output = output.map_err(|error| format!("cannot read the result: {error}"))?;
        if output.len() as u64 > RESULT_BYTES_MAX {
            return Err(format!("the result has more than {RESULT_BYTES_MAX} bytes"));
        }
        let status = child.wait().await.map_err(|error| format!("cannot wait: {error}"))?;
        group.0 = None;
        match status.code() {
            Some(0) if self.is_result => Ok(result(&output)),
            Some(0) => Ok(Handled::Done(None)),
            Some(EXIT_DEAD) => Ok(Handled::dead(format!("exit code {EXIT_DEAD}"))),
            Some(code) => Err(format!("exit code {code}")),
            None => Err("ended by a signal".to_owned()),
        }
    }
}

/// A command and all that it began, which are ended together if nobody waits for the command any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // An error means that nothing of it is left.
            let _ = kill_process_group(leader, KillSignal::KILL);
        }
    }
}

/// Standard output as a result: JSON as it is, anything else as a text.
fn result(output: &[u8]) -> Handled {
    let text = String::from_utf8_lossy(output);
    match Body::raw(text.trim()) {
        Ok(json) => Handled::from(json),
        Err(_) => Handled::from(serde_json::Value::from(text.trim_end_matches('\n'))),
    }
}

fn variables(place: &Place, message: &Received) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("ANTEROOM_ROOM", place.room.to_string()),
        ("ANTEROOM_QUEUE", place.queue.to_string()),
        ("ANTEROOM_MESSAGE_ID", message.id.clone()),
        ("ANTEROOM_ATTEMPT", message.attempt.to_string()),
        ("ANTEROOM_SENT_AT", message.sent_at.0.to_string()),
        ("ANTEROOM_PARTITION", message.partition.clone()),
        ("ANTEROOM_CONTENT_TYPE", message.body.content_type().to_owned()),
        ("ANTEROOM_PRIORITY", message.priority.to_string()),
    ];
    let labels = (!message.labels.is_empty()).then(|| serde_json::to_string(&message.labels).ok());
    let optional = [
        ("ANTEROOM_KEY", message.key.clone()),
        ("ANTEROOM_TYPE", message.kind.clone()),
        ("ANTEROOM_LABELS", labels.flatten()),
        ("ANTEROOM_HEADERS", message.headers.as_ref().map(|headers| headers.get().to_owned())),
    ];
    all.extend(optional.into_iter().filter_map(|(name, text)| Some((name, text?))));
    // An environment cannot hold zero bytes.
    all.into_iter().map(|(name, text)| (name, text.replace('\0', "\u{fffd}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_output_is_json_or_a_text() {
        for (output, expected) in [
            (&b"{\"a\": 1.0}\n"[..], "{\"a\": 1.0}"),
            (b"7", "7"),
            (b"two words\n", "\"two words\""),
            (b"", "\"\""),
        ] {
            let Handled::Done(Some(found)) = result(output) else { panic!("{output:?}") };
            assert_eq!(found.get(), expected);
        }
    }
}
