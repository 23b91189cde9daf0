//! Settings: what there is, and where it comes from.
//!
//! ```text
//! default  <  file (TOML, --config)  <  environment (ANTEROOM_…)  <  flag
//! ```
//!
//! What comes later wins, setting by setting. [`Config`] is the documentation of all of them. An unknown
//! key in the file is an error that names the nearest known one.
//!
//! Secrets are no settings: they come from `ANTEROOM_SECRET` or from files, never from a flag, and end in
//! the [`KeyRing`](crate::auth::KeyRing), which prints nothing of them.
//!
//! ```toml
//! listen = "0.0.0.0:8080"
//! secret_file = "/run/secrets/anteroom"
//! origins = ["https://app.example.com"]
//!
//! [limits]
//! message_bytes = "64MiB"
//!
//! [[keys]]
//! id = "issuer-2030"
//! algorithm = "ES256"
//! public_key_file = "issuer.pem"
//! audience = "anteroom"       # such a token must name this audience
//! ```
//!
//! What this module refuses to know: what the settings do. Invariant: only `load.rs` reads the
//! environment and files.

mod args;
mod dev;
mod encryption;
mod keys;
mod load;
mod settings;
#[cfg(test)]
mod test_place;

use std::{net::SocketAddr, path::PathBuf};

pub use args::{KeyArgs, ServeArgs};
pub use encryption::EncryptionKeys;
pub use load::{ConfigError, Loaded, load, load_keys, load_store, read_file_text};
pub use settings::{Quantity, SettingInfo, parse_duration, parse_origin};

use settings::{Raw, Setting, settings};

use crate::types::{Limits, Millis};

settings! {
    listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)), "127.0.0.1:8080",
        "address and port to listen on; port 0 takes a free one";
    data: PathBuf = PathBuf::from("./anteroom-data"), "./anteroom-data",
        "directory for what is to survive a restart";
    journal_segment: Quantity = Quantity(64 << 20), "64MiB",
        "size of one file of the journal";
    journal_size: Quantity = Quantity(512 << 20), "512MiB",
        "size the journal is kept below, by saving queues whose messages wait for long";
    encryption_keys_file: Option<PathBuf> = None, "none",
        "file with the keys that encrypt what is stored, 64 hexadecimal digits on each line, the newest first; or ANTEROOM_ENCRYPTION_KEYS holds them, with commas between";
    idle_timeout: Millis = Millis::from_secs(30), "30s",
        "how long a room that nobody uses stays in memory; what is stored of it stays stored";
    body_cache: Quantity = Quantity(256 << 20), "256MiB",
        "how much of the bodies of waiting messages is kept in memory; more than that is read again when it is needed";
    memory: bool = false, "false",
        "whether nothing at all is written to disk";
    dev: bool = false, "false",
        "whether this is a trial: what is missing of secret and API key is made, and a short secret will do";
    secret_file: Option<PathBuf> = None, "none",
        "file with the secret that signs tokens, at least 32 bytes; or ANTEROOM_SECRET holds it";
    previous_secret_file: Option<PathBuf> = None, "none",
        "file with the secret before that, whose tokens are still valid; or ANTEROOM_PREVIOUS_SECRET";
    api_keys_file: Option<PathBuf> = None, "none",
        "file with API keys (ma-...), one per line; or ANTEROOM_API_KEYS holds them, with commas between";
    require_exp: bool = false, "false",
        "whether tokens without an expiry are refused";
    origins: Vec<String> = Vec::new(), "none",
        "origins of web pages that may connect, * for all; if none, pages of this host and of loopback";
    open_is_idempotent: bool = false, "false",
        "whether opening an open queue succeeds";
    grace: Millis = Millis::from_secs(10), "10s",
        "how long a stopping server waits for what is under way";
    workers: usize = processors(), "number of processors",
        "threads that serve connections";
    log: String = "info,actix_server=warn,actix_http=off".to_owned(), "info,actix_server=warn,actix_http=off",
        "what is logged: a level, or a filter like warn,anteroom=debug";
    ping_interval: Millis = Millis::from_secs(25), "25s",
        "how often a silent peer is pinged";
    pong_timeout: Millis = Millis::from_secs(60), "60s",
        "how long the answer to a ping may take before the peer is cut";
    receipt_timeout: Millis = Millis::from_secs(25), "25s",
        "how long the receipt of a message may take before the message goes back";
    resume_timeout: Millis = Millis::from_secs(30), "30s",
        "how long a session of our own protocol outlives its connection; 0: not at all";
    write_timeout: Millis = Millis::from_secs(20), "20s",
        "how long a peer may read nothing of what waits for it before it is cut";
}

const MIN_SEGMENT: u64 = 64 << 10;
const MAX_SEGMENT: u64 = 1 << 30;

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Config {
    /// Rules over one or several settings that their types do not hold.
    fn check(&self) -> Result<(), String> {
        if !(1..=1024).contains(&self.workers) {
            return Err("workers must be between 1 and 1024".to_owned());
        }
        for (name, duration) in [
            ("ping_interval", self.ping_interval),
            ("pong_timeout", self.pong_timeout),
            ("receipt_timeout", self.receipt_timeout),
            ("write_timeout", self.write_timeout),
        ] {
            if duration.0 == 0 {
                return Err(format!("{name} must be longer than 0"));
            }
        }
        if !(MIN_SEGMENT..=MAX_SEGMENT).contains(&self.journal_segment.0) {
            return Err("journal_segment must be between 64KiB and 1GiB".to_owned());
        }
        if self.journal_size.0 < self.journal_segment.0.saturating_mul(2) {
            return Err("journal_size must be at least twice journal_segment".to_owned());
        }
        if self.pong_timeout <= self.ping_interval {
            return Err("pong_timeout must be longer than ping_interval".to_owned());
        }
        Ok(())
    }
}
