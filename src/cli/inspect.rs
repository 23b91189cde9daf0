//! `anteroom token inspect`.

use std::io::Read;

use serde_json::{Value, json};

use super::{
    Failure,
    text::{moment, print, shown, utc},
};
use crate::{
    auth::{self, Grants, KeyRing, Names, SignatureCheck, TOKEN_BYTES_MAX, Token},
    clock::{Clock, SystemClock},
    config::{self, KeyArgs},
    error::Error,
    types::Timestamp,
};

const HELP: &str =
    "The signature is checked if a secret is at hand, found as `anteroom token create` \
finds it.

Examples:
  anteroom token inspect eyJhbGciOi...
  anteroom token create --room demo --name ann | anteroom token inspect -
  anteroom token inspect --secret-file secret --json - < token

Exit codes:
  0  a server would accept it, as far as can be said here
  1  a server would refuse it, with the reason on standard error
  2  wrong usage or configuration";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// The token, or - to read it from standard input
    token: String,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    keys: KeyArgs,
}

/// All there is to say about a token.
struct Report<'a> {
    token: Token<'a>,
    signature: Signature,
    /// Why a server would refuse it.
    refusal: Option<Error>,
    now: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    Right,
    Wrong,
    NotChecked,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut read = String::new();
    let token = if arguments.token == "-" {
        // One byte more than fits tells a token that is too long from one that is not.
        let most = u64::try_from(TOKEN_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1024);
        std::io::stdin()
            .take(most)
            .read_to_string(&mut read)
            .map_err(|error| Failure::Refused(format!("cannot read the token: {error}")))?;
        read.trim()
    } else {
        arguments.token.trim()
    };
    let keys = config::load_keys(&arguments.keys)?;
    let report = Report::new(token, keys.as_ref(), SystemClock::new().now())?;
    print(&if arguments.json { report.json().to_string() } else { report.words() });
    match report.refusal {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

impl<'a> Report<'a> {
    fn new(text: &'a str, keys: Option<&KeyRing>, now: Timestamp) -> Result<Self, Error> {
        let token = Token::read(text)?;
        let (signature, refusal) = match keys.map(|keys| (keys, token.check_signature(keys))) {
            None | Some((_, SignatureCheck::UnknownKey)) => {
                (Signature::NotChecked, token.ensure_timely(now).err())
            }
            Some((keys, SignatureCheck::Wrong)) => {
                (Signature::Wrong, auth::verify(keys, text, now).err())
            }
            Some((keys, SignatureCheck::Right | SignatureCheck::OtherAudience)) => {
                (Signature::Right, auth::verify(keys, text, now).err())
            }
        };
        Ok(Self { token, signature, refusal, now })
    }

    fn words(&self) -> String {
        let claims = self.token.claims();
        let mut lines = vec![
            format!("room       {}", shown(claims.room.as_str())),
            format!("name       {}", shown(claims.name.as_str())),
            format!("role       {}", shown(&claims.role)),
        ];
        lines.extend(grant_words(&claims.grants));
        if let Some(from) = claims.not_before {
            lines.push(format!("from       {}", moment(from, self.now)));
        }
        let end = claims.expires_at.map_or_else(|| "never".to_owned(), |end| moment(end, self.now));
        lines.push(format!("expires    {end}"));
        let key = self
            .token
            .key_id()
            .map_or_else(|| "the default secret".to_owned(), |id| format!("key {id}"));
        lines.push(format!("signed by  {key}, {}", shown(self.token.algorithm())));
        if let Some(project) = &claims.project {
            lines.push(format!("project    {}", shown(project)));
        }
        lines.push(match self.signature {
            Signature::Right => "signature  right".to_owned(),
            Signature::Wrong => "signature  wrong".to_owned(),
            Signature::NotChecked => "signature  not checked: its key is not at hand".to_owned(),
        });
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let claims = self.token.claims();
        let names = |names: &Names| {
            if names.is_all() { json!("all") } else { json!(names.written()) }
        };
        let seconds = |moment: Timestamp| moment.as_secs();
        json!({
            "room": claims.room.as_str(),
            "name": claims.name.as_str(),
            "role": claims.role,
            "queues": claims.grants.queues.as_ref().map(|queues| json!({
                "list": queues.list,
                "send": names(&queues.send),
                "receive": names(&queues.receive),
                "manage": names(&queues.manage),
            })),
            "messaging": claims.grants.messaging.map(|messaging| json!({
                "broadcast": messaging.broadcast,
                "list": messaging.list,
                "send": messaging.send,
            })),
            "not_before": claims.not_before.map(utc),
            "expires_at": claims.expires_at.map(utc),
            "exp": claims.expires_at.map(seconds),
            "algorithm": self.token.algorithm(),
            "key_id": self.token.key_id(),
            "project": claims.project,
            "version": claims.version,
            "signature": match self.signature {
                Signature::Right => "right",
                Signature::Wrong => "wrong",
                Signature::NotChecked => "not_checked",
            },
            "refused": self.refusal.as_ref().map(|error| json!({
                "code": error.code.name(),
                "message": error.message,
            })),
        })
    }
}

fn grant_words(grants: &Grants) -> Vec<String> {
    let mut lines = Vec::new();
    let names = |names: &Names| {
        let written: Vec<_> = names.written().iter().map(|name| shown(name)).collect();
        match &*written {
            _ if names.is_all() => "every queue".to_owned(),
            [] => "no queue".to_owned(),
            _ => written.join(", "),
        }
    };
    match &grants.queues {
        None => lines.push("queues     nothing".to_owned()),
        Some(queues) => {
            lines.push(format!("send       to {}", names(&queues.send)));
            lines.push(format!("receive    from {}", names(&queues.receive)));
            lines.push(format!("manage     {}", names(&queues.manage)));
            let list = if queues.list { "names and sizes of the queues" } else { "no" };
            lines.push(format!("list       {list}"));
        }
    }
    let messaging = match grants.messaging {
        None => "nothing".to_owned(),
        Some(messaging) => {
            let allowed: Vec<_> = [
                (messaging.send, "send to a participant"),
                (messaging.broadcast, "broadcast"),
                (messaging.list, "see who is there"),
            ]
            .into_iter()
            .filter_map(|(is_allowed, words)| is_allowed.then_some(words))
            .collect();
            if allowed.is_empty() { "receive only".to_owned() } else { allowed.join(", ") }
        }
    };
    lines.push(format!("messaging  {messaging}"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{Claims, MessagingGrants, QueueGrants, Secret},
        types::Millis,
    };

    const NOW: Timestamp = Timestamp(1_900_000_000_000);

    fn ring(byte: u8) -> KeyRing {
        KeyRing::new(&Secret::generate([byte; 32]), None)
    }

    fn claims() -> Claims {
        let mut claims = Claims::full_access("ann".parse().unwrap(), "demo".parse().unwrap());
        claims.expires_at = Some(NOW.after(Millis(3_600_000)));
        claims
    }

    #[test]
    fn a_token_is_put_into_words() {
        let mut claims = claims();
        claims.role = "agent\u{202e}".to_owned();
        claims.project = Some("p\u{1b}[2J".to_owned());
        claims.grants = Grants {
            queues: Some(QueueGrants {
                list: false,
                send: Names::none(),
                receive: Names::of(["b", "a"]),
                manage: Names::of(["jobs:*", "a\u{202e}:*"]),
            }),
            messaging: Some(MessagingGrants { broadcast: false, ..MessagingGrants::default() }),
        };
        let token = claims.sign(&ring(1)).unwrap();
        let report = Report::new(&token, Some(&ring(1)), NOW).unwrap();
        let expected = "\
room       demo
name       ann
role       agent\\u{202e}
send       to no queue
receive    from a, b
manage     a\\u{202e}:*, jobs:*
list       no
messaging  send to a participant, see who is there
expires    2030-03-17T18:46:40Z, in 1 hour
signed by  the default secret, HS256
project    p\\u{1b}[2J
signature  right";
        assert_eq!(report.words(), expected);
        let json = report.json();
        assert_eq!(json["queues"]["receive"], json!(["a", "b"]));
        assert_eq!(json["queues"]["send"], json!([]));
        assert_eq!(json["queues"]["manage"], json!(["a\u{202e}:*", "jobs:*"]));
        assert_eq!(json["expires_at"], "2030-03-17T18:46:40Z");
        assert_eq!(json["refused"], Value::Null);
    }

    #[test]
    fn full_and_empty_grants_are_put_into_words() {
        assert_eq!(
            grant_words(&Grants::full()),
            [
                "send       to every queue",
                "receive    from every queue",
                "manage     every queue",
                "list       names and sizes of the queues",
                "messaging  send to a participant, broadcast, see who is there",
            ]
        );
        assert_eq!(grant_words(&Grants::none()), ["queues     nothing", "messaging  nothing"]);
    }

    #[test]
    fn signature_and_times_are_judged() {
        let token = claims().sign(&ring(1)).unwrap();
        let late = NOW.after(Millis(3_660_000));
        for (keys, now, signature, refusal) in [
            (None, NOW, "not_checked", None),
            (None, late, "not_checked", Some("token_expired")),
            (Some(ring(1)), NOW, "right", None),
            (Some(ring(1)), late, "right", Some("token_expired")),
            (Some(ring(2)), NOW, "wrong", Some("token_invalid")),
            (Some(ring(2)), late, "wrong", Some("token_invalid")),
            (Some(KeyRing::default()), NOW, "not_checked", None),
        ] {
            let report = Report::new(&token, keys.as_ref(), now).unwrap();
            let json = report.json();
            assert_eq!(json["signature"], signature);
            assert_eq!(json["refused"]["code"].as_str(), refusal);
        }
        assert!(Report::new("nonsense", None, NOW).is_err());
    }
}
