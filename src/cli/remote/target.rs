//! Which room and queue are meant: `demo/jobs`, or `--room demo --queue jobs`.

use crate::{
    cli::Failure,
    types::{QueueName, RoomName},
};

/// A queue, and perhaps more words after it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct TargetArgs {
    /// The queue
    #[arg(value_name = "ROOM/QUEUE")]
    target: Option<String>,

    #[command(flatten)]
    named: NamedArgs,
}

/// The long form.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct NamedArgs {
    /// Room, instead of in ROOM/QUEUE
    #[arg(long, value_name = "ROOM")]
    room: Option<RoomName>,

    /// Queue, instead of in ROOM/QUEUE
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
}

/// Where a queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) room: RoomName,
    pub(super) queue: QueueName,
}

const ADVICE: &str = "write ROOM/QUEUE, or --room ROOM --queue QUEUE";

fn usage(reason: impl Into<String>) -> Failure {
    Failure::Usage(reason.into())
}

impl TargetArgs {
    pub(super) fn place(&self) -> Result<Place, Failure> {
        let words: Vec<_> = self.target.iter().cloned().collect();
        let (place, rest) = self.named.place(&words)?;
        match rest {
            [] => Ok(place),
            [word, ..] => Err(usage(format!("`{word}` is one word too many: {ADVICE}"))),
        }
    }
}

impl NamedArgs {
    /// The place, and the words that are left.
    pub(super) fn place<'a>(&self, words: &'a [String]) -> Result<(Place, &'a [String]), Failure> {
        let (room, queue, rest) = match (&self.room, &self.queue, words) {
            (Some(room), Some(queue), rest) => (room.clone(), queue.clone(), rest),
            (Some(room), None, [first, rest @ ..]) => (room.clone(), parse(first)?, rest),
            (None, Some(queue), [first, rest @ ..]) => (parse(first)?, queue.clone(), rest),
            (None, None, [first, rest @ ..]) => {
                let (room, queue) = first
                    .split_once('/')
                    .ok_or_else(|| usage(format!("`{first}` names no queue: {ADVICE}")))?;
                (parse(room)?, parse(queue)?, rest)
            }
            (_, _, []) => return Err(usage(format!("which queue? {ADVICE}"))),
        };
        Ok((Place { room, queue }, rest))
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| usage(format!("`{text}`: {error}")))
}

/// A room alone.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RoomArgs {
    /// The room
    #[arg(value_name = "ROOM", required_unless_present = "room_flag")]
    room: Option<RoomName>,

    /// Room, instead of as a word
    #[arg(id = "room_flag", long = "room", value_name = "ROOM", conflicts_with = "room")]
    flag: Option<RoomName>,
}

impl RoomArgs {
    pub(super) fn room(&self) -> Result<RoomName, Failure> {
        match (&self.room, &self.flag) {
            // A room's name may hold a slash, but as a word it is rather a queue that is meant.
            (Some(room), _) if room.as_str().contains('/') => Err(usage(format!(
                "`{room}` names a queue, and this is about a room: write ROOM, or --room ROOM"
            ))),
            (Some(room), _) | (None, Some(room)) => Ok(room.clone()),
            (None, None) => Err(usage("which room? write ROOM, or --room ROOM")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_queue_is_named_in_several_ways() {
        let named = |room: &str, queue: &str| NamedArgs {
            room: room.parse().ok(),
            queue: queue.parse().ok(),
        };
        for (args, given, expected) in [
            (named("", ""), "demo/jobs", "demo jobs "),
            (named("", ""), "demo/a/b body", "demo a/b body"),
            (named("demo", "jobs"), "", "demo jobs "),
            (named("demo", "jobs"), "body", "demo jobs body"),
            (named("demo", ""), "a/b body", "demo a/b body"),
            (named("", "jobs"), "demo", "demo jobs "),
        ] {
            let given = words(given);
            let (place, rest) = args.place(&given).unwrap();
            let found = format!("{} {} {}", place.room, place.queue, rest.join(" "));
            assert_eq!(found, expected);
        }
        for (args, given) in [(named("", ""), ""), (named("", ""), "jobs"), (named("", ""), "/x")] {
            assert!(matches!(args.place(&words(given)), Err(Failure::Usage(_))), "{given}");
        }
    }
}
