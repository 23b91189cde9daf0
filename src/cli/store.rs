//! `anteroom store`: looking after what a server has stored.

use std::path::PathBuf;

use serde_json::json;

use super::{Failure, text::print};
use crate::{
    config,
    store::{
        Keys,
        admin::{self, Report},
    },
};

pub(super) const HELP: &str = "check, stats, repair and restore are for a directory that no server uses; backup works beside a server, too.

Examples:
  anteroom store check --data ./anteroom-data
      reads everything and checks every checksum
  anteroom store backup --data ./anteroom-data --to ./backup-1
      copies a store, while the server runs or not, and checks the copy
  anteroom store restore ./backup-1 --data ./anteroom-new
      makes a store from a backup
  anteroom store repair --data ./anteroom-data --accept-loss
      cuts a damaged journal where it is damaged: what follows is lost

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
            let loss = admin::repair(&data, &keys).map_err(refused)?;
            match (loss, plain.json) {
                (None, false) => print("nothing is damaged"),
                (None, true) => print("null"),
                (Some(loss), false) => print(&format!(
                    "cut journal/{} at byte {}: frame {} and all after it are lost; the files as they were: {}",
                    loss.file,
                    loss.offset,
                    loss.first_frame,
                    loss.kept_in.display()
                )),
                (Some(loss), true) => print(
                    &json!({"file": loss.file, "offset": loss.offset, "first_frame": loss.first_frame, "kept_in": loss.kept_in})
                        .to_string(),
                ),
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
    }
    Ok(())
}

fn show(report: &Report, json: bool) {
    let Report {
        segments,
        journal_bytes,
        last_frame,
        state_bytes,
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
                "state_bytes": state_bytes, "queues": queues, "rooms": rooms, "saved_messages": saved_messages,
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
state store       {state_bytes} bytes
stopped           {stopped}
everything stored can be read"
    ));
}
