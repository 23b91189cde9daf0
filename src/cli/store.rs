//! `anteroom store`: looking after what a server has stored.

use std::path::PathBuf;

use serde_json::json;

use super::{
    Failure,
    text::{self, complain, print},
};
use crate::{
    archive::{self, ArchiveError, Counts},
    config,
    store::{
        Keys,
        admin::{self, Report},
    },
    types::RoomName,
};

pub(super) const HELP: &str = "All but backup are for a directory that no server uses; backup works beside a server, too.

Examples:
  anteroom store check --data ./anteroom-data
      reads everything and checks every checksum
  anteroom store backup --data ./anteroom-data --to ./backup-1
      copies a store, while the server runs or not, and checks the copy
  anteroom store restore ./backup-1 --data ./anteroom-new
      makes a store from a backup
  anteroom store export --data ./anteroom-data --to store.jsonl
      writes all that is stored as lines of JSON, also of a backup
  anteroom store import store.jsonl --data ./anteroom-new
      makes a store of these lines
  anteroom store repair --data ./anteroom-data --accept-loss
      cuts a damaged journal where it is damaged: what follows is lost

A file that is exported has everything: queues with their settings, groups, schedules, messages, dead letters, what is
remembered of ids and keys. It is plain text, whether the store is encrypted or not. What ends with a restart is not in it: leases
(their messages are ready again), receivers, participants. It can be changed by hand; the last line counts the others.
An import takes the whole file or nothing of it, and refuses rooms of which there is something already.

Exit codes:
  0  it is so
  1  refused or damaged, with the reason on standard error
  2  wrong usage or configuration";

#[derive(Debug, clap::Subcommand)]
pub(super) enum StoreCommand {
    /// Reads everything and checks it; changes nothing
    #[command(after_help = HELP)]
    Check(Plain),
    /// The same, for its figures
    #[command(after_help = HELP)]
    Stats(Plain),
    /// Cuts a damaged journal where it is damaged
    #[command(after_help = HELP)]
    Repair {
        #[command(flatten)]
        plain: Plain,
        /// What was acknowledged after the damaged place is lost
        #[arg(long, required = true)]
        accept_loss: bool,
    },
    /// Copies a store, also of a running server
    #[command(after_help = HELP)]
    Backup {
        #[command(flatten)]
        plain: Plain,
        /// Directory for the copy; must not be there
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Makes a store from a backup
    #[command(after_help = HELP)]
    Restore {
        /// Directory with the backup
        #[arg(value_name = "BACKUP")]
        from: PathBuf,
        #[command(flatten)]
        plain: Plain,
    },
    /// Writes a store as lines of JSON, in plain text
    #[command(after_help = HELP)]
    Export {
        #[command(flatten)]
        plain: Plain,
        /// File to write; must not be there [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Only this room; can be given several times
        #[arg(long = "room", value_name = "ROOM")]
        rooms: Vec<RoomName>,
    },
    /// Makes a store from lines of JSON, or adds their rooms to one
    #[command(after_help = HELP)]
    Import {
        /// File to read; - is standard input
        #[arg(value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        plain: Plain,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Plain {
    /// Directory with the store
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// File with settings, for the directory and the encryption keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Plain {
    fn open(&self) -> Result<(PathBuf, Keys), Failure> {
        let (data, keys) = config::load_store(self.config.clone(), self.data.clone())?;
        Ok((data, Keys::new(keys.0)))
    }
}

pub(super) fn run(command: StoreCommand) -> Result<(), Failure> {
    let refused = |error: crate::store::OpenError| Failure::Refused(error.to_string());
    match command {
        StoreCommand::Check(plain) | StoreCommand::Stats(plain) => {
            let (data, keys) = plain.open()?;
            show(&admin::check(&data, &keys).map_err(refused)?, plain.json);
        }
        StoreCommand::Repair { plain, .. } => {
            let (data, keys) = plain.open()?;
            let losses = admin::repair(&data, &keys).map_err(refused)?;
            if plain.json {
                let losses = losses.iter().map(|loss| {
                    json!({"file": loss.file, "offset": loss.offset, "first_frame": loss.first_frame, "kept_in": loss.kept_in})
                });
                print(&losses.collect::<serde_json::Value>().to_string());
            } else if losses.is_empty() {
                print("nothing is damaged");
            } else {
                losses.iter().for_each(|loss| print(&format!(
                    "cut journal/{} at byte {}: frame {} and all after it are lost; the files as they were: {}",
                    loss.file,
                    loss.offset,
                    loss.first_frame,
                    loss.kept_in.display()
                )));
            }
        }
        StoreCommand::Backup { plain, to } => {
            let (data, keys) = plain.open()?;
            show(&admin::backup(&data, &to, &keys).map_err(refused)?, plain.json);
        }
        StoreCommand::Restore { from, plain } => {
            let (data, keys) = plain.open()?;
            show(&admin::restore(&from, &data, &keys).map_err(refused)?, plain.json);
        }
        StoreCommand::Export { plain, to, rooms } => {
            let (data, keys) = plain.open()?;
            let counts = archive::export_to(&data, &keys, &rooms, to.as_deref());
            let text = counted(counts.map_err(not_moved)?, plain.json);
            // Standard output has the lines.
            if to.is_some() { print(&text) } else { complain(&text) }
        }
        StoreCommand::Import { from, plain } => {
            let (data, keys) = plain.open()?;
            let counts = archive::import_from(&data, &keys, &from).map_err(not_moved)?;
            print(&counted(counts, plain.json));
        }
    }
    Ok(())
}

fn not_moved(error: ArchiveError) -> Failure {
    Failure::Refused(error.to_string())
}

fn counted(counts: Counts, json: bool) -> String {
    let Counts { queues, messages } = counts;
    if json {
        json!({"queues": queues, "messages": messages}).to_string()
    } else {
        format!(
            "{}, {}",
            text::counted(queues, "queue", "queues"),
            text::counted(messages, "message", "messages")
        )
    }
}

fn show(report: &Report, json: bool) {
    let Report {
        segments,
        journal_bytes,
        last_frame,
        state_bytes,
        blob_bytes,
        queues,
        rooms,
        saved_messages,
        journal_records,
        is_clean,
    } = report;
    if json {
        return print(
            &json!({
                "segments": segments, "journal_bytes": journal_bytes, "last_frame": last_frame,
                "state_bytes": state_bytes, "blob_bytes": blob_bytes, "queues": queues, "rooms": rooms, "saved_messages": saved_messages,
                "journal_records": journal_records, "is_clean": is_clean,
            })
            .to_string(),
        );
    }
    let stopped = if *is_clean { "in order" } else { "not in order, or not at all" };
    print(&format!(
        "queues            {queues}, in {rooms} rooms
saved messages    {saved_messages}
journal           {segments} files, {journal_bytes} bytes, up to frame {last_frame}
records to replay {journal_records}
state store       {state_bytes} bytes, and {blob_bytes} of bodies beside it
stopped           {stopped}
everything stored can be read"
    ));
}
