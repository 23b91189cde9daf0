//! `anteroom token create`.

use serde_json::json;

use super::{
    Failure,
    text::{complain, print, utc},
};
use crate::{
    auth::{Claims, DEFAULT_ROLE, Grants, KeyRing, MessagingGrants, Names, QueueGrants, Token},
    clock::{Clock, SystemClock},
    config::{self, KeyArgs, parse_duration},
    types::{Millis, ParticipantName, QueueName, RoomName, Timestamp},
};

/// What to do when there is nothing to sign with.
pub(super) const NO_KEY: &str = "there is no secret at hand: set ANTEROOM_SECRET or ANTEROOM_API_KEYS, or \
    give --secret-file, --config, or the --data of a server that was started with --dev";

const HELP: &str = "A QUEUE that ends in :* stands for all queues whose names begin with what is before the star. To manage a queue is to \
change its settings, its groups and schedules, and by hand the messages in it.

The token is signed with the secret that a server with the same --secret-file, --config \
or environment uses; or, when there is none, with the one that a server with --dev keeps in its --data \
directory. With an API key only (ANTEROOM_API_KEYS), it is signed with that.

Examples:
  anteroom token create --room demo --name ann
      everything in room demo, for one hour
  anteroom token create --room demo --name worker --role agent --receive jobs --no-send --for 30d
      may only take messages from queue jobs
  anteroom token create --room demo --name web --send jobs --send mails --no-receive --no-list --no-messaging
      may only put messages in two queues
  anteroom token create --room demo --name team --send 'jobs:*' --receive 'jobs:*' --manage 'jobs:*'
      may do everything with the queues whose names begin with jobs: and see the sizes of the others

Exit codes:
  0  made
  1  refused, with the reason on standard error
  2  wrong usage or configuration";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// Room that the token is for
    #[arg(long)]
    room: RoomName,

    /// Who it is
    #[arg(long)]
    name: ParticipantName,

    /// What it takes part as: user, agent, tool or a word of your own
    #[arg(long, default_value = DEFAULT_ROLE)]
    role: String,

    /// Queue that it may send to; may be repeated; without any, all
    #[arg(long, value_name = "QUEUE", conflicts_with = "no_send")]
    send: Vec<QueueName>,

    /// It may send to no queue
    #[arg(long)]
    no_send: bool,

    /// Queue that it may receive from and drain; may be repeated; without any, all
    #[arg(long, value_name = "QUEUE", conflicts_with = "no_receive")]
    receive: Vec<QueueName>,

    /// It may receive from no queue
    #[arg(long)]
    no_receive: bool,

    /// Queue that it may manage; may be repeated; without any, all if no queues are named for sending and
    /// receiving, else none
    #[arg(long, value_name = "QUEUE", conflicts_with = "no_manage")]
    manage: Vec<QueueName>,

    /// It may manage every queue, whatever it may send to and receive from
    #[arg(long, conflicts_with_all = ["manage", "no_manage"])]
    manage_all: bool,

    /// It may manage no queue
    #[arg(long)]
    no_manage: bool,

    #[command(flatten)]
    switches: Switches,

    /// How long it is valid, like 15m, 8h or 30d; or never, for no end
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = parse_life)]
    life: Life,

    /// Id of the key to sign with, instead of the default secret
    #[arg(long, value_name = "ID")]
    kid: Option<String>,

    /// Print JSON: the token and what it says
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    keys: KeyArgs,
}

/// Pairs of flags; the later one of a pair counts.
#[derive(Debug, clap::Args)]
struct Switches {
    /// It may see names and sizes of the queues (default)
    #[arg(long, overrides_with = "no_list")]
    list: bool,
    /// It may not see names and sizes of the queues
    #[arg(long, overrides_with = "list")]
    no_list: bool,
    /// It may exchange messages with participants (default)
    #[arg(long, overrides_with = "no_messaging")]
    messaging: bool,
    /// It may do nothing with messages between participants
    #[arg(long, overrides_with = "messaging")]
    no_messaging: bool,
    /// It may send to all participants at once (default)
    #[arg(long, overrides_with = "no_broadcast")]
    broadcast: bool,
    /// It may not send to all participants at once
    #[arg(long, overrides_with = "broadcast")]
    no_broadcast: bool,
    /// It may send to one participant (default)
    #[arg(long, overrides_with = "no_message_send")]
    message_send: bool,
    /// It may not send to one participant
    #[arg(long, overrides_with = "message_send")]
    no_message_send: bool,
    /// It may see who is there (default)
    #[arg(long, overrides_with = "no_message_list")]
    message_list: bool,
    /// It may not see who is there
    #[arg(long, overrides_with = "message_list")]
    no_message_list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    For(Millis),
    Ever,
}

fn parse_life(text: &str) -> Result<Life, String> {
    match text {
        "never" => Ok(Life::Ever),
        _ => match parse_duration(text)? {
            Millis(0) => Err("it must be longer than 0".to_owned()),
            life => Ok(Life::For(life)),
        },
    }
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let keys =
        config::load_keys(&arguments.keys)?.ok_or_else(|| Failure::Usage(NO_KEY.to_owned()))?;
    let as_json = arguments.json;
    let claims = claims(arguments, &keys, SystemClock::new().now());
    let token = claims.sign(&keys)?;
    // What could not be read back would be refused by every server.
    Token::read(&token)?;
    if claims.expires_at.is_none() {
        complain(
            "warning: this token never ends; whoever has it may use it until the secret is changed",
        );
    }
    if as_json {
        print(
            &json!({
                "token": token,
                "room": claims.room.as_str(),
                "name": claims.name.as_str(),
                "role": claims.role,
                "expires_at": claims.expires_at.map(utc),
            })
            .to_string(),
        );
    } else {
        print(&token);
    }
    Ok(())
}

fn claims(arguments: Arguments, keys: &KeyRing, now: Timestamp) -> Claims {
    let mut claims = Claims::full_access(arguments.name, arguments.room);
    claims.role = arguments.role;
    let switches = arguments.switches;
    let send = names(&arguments.send, arguments.no_send);
    let receive = names(&arguments.receive, arguments.no_receive);
    let manage = match arguments.manage_all {
        true => Some(Names::all()),
        false => names(&arguments.manage, arguments.no_manage),
    };
    let is_restricted = send.is_some() || receive.is_some();
    claims.grants = Grants {
        queues: Some(QueueGrants {
            list: !switches.no_list,
            send: send.unwrap_or_else(Names::all),
            receive: receive.unwrap_or_else(Names::all),
            manage: manage.unwrap_or_else(|| QueueGrants::manage_unless_said(is_restricted)),
        }),
        messaging: (!switches.no_messaging).then_some(MessagingGrants {
            broadcast: !switches.no_broadcast,
            list: !switches.no_message_list,
            send: !switches.no_message_send,
        }),
    };
    claims.expires_at = match arguments.life {
        Life::For(life) => Some(now.after(life)),
        Life::Ever => None,
    };
    let api_key = match &arguments.kid {
        Some(id) => keys.api_keys().iter().find(|key| key.key_id() == *id),
        None if keys.has_default() => None,
        None => keys.api_keys().first(),
    };
    claims.project = api_key.map(|key| key.project());
    claims.key_id = arguments.kid.or_else(|| api_key.map(|key| key.key_id()));
    claims
}

/// The claims of a token that may do everything in a room until `end`, for the key that is at hand.
pub(super) fn full_access(
    keys: &KeyRing,
    name: ParticipantName,
    room: RoomName,
    end: Timestamp,
) -> Claims {
    let mut claims = Claims::full_access(name, room);
    claims.expires_at = Some(end);
    let api_key = if keys.has_default() { None } else { keys.api_keys().first() };
    claims.project = api_key.map(|key| key.project());
    claims.key_id = api_key.map(|key| key.key_id());
    claims
}

/// `None`: nothing is said.
fn names(named: &[QueueName], is_none: bool) -> Option<Names> {
    (is_none || !named.is_empty()).then(|| Names::of(named.iter().map(QueueName::as_str)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::auth::{ApiKey, Secret};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    const NOW: Timestamp = Timestamp(1_900_000_000_000);

    fn parse(flags: &str) -> Result<Arguments, clap::Error> {
        let words = "create --room demo --name ann".split(' ').chain(flags.split_whitespace());
        Program::try_parse_from(words).map(|program| program.arguments)
    }

    fn make(flags: &str, keys: &KeyRing) -> Claims {
        claims(parse(flags).unwrap(), keys, NOW)
    }

    #[test]
    fn flags_become_grants() {
        let keys = KeyRing::new(&Secret::generate([1; 32]), None);
        let messaging = "messaging message_send broadcast message_list";
        for (flags, queues, others) in [
            ("", "list send:a send:b receive:a open:a manage:a manage:b", messaging),
            ("--no-list", "send:a send:b receive:a open:a manage:a manage:b", messaging),
            (
                "--no-list --list",
                "list send:a send:b receive:a open:a manage:a manage:b",
                messaging,
            ),
            ("--send a", "list send:a receive:a open:a", messaging),
            ("--send b* --receive *", "list", messaging),
            ("--send a --send b --no-receive --no-messaging", "list send:a send:b open:a", ""),
            ("--no-send --no-receive --no-list --no-messaging", "", ""),
            ("--no-send --receive b --no-list --no-messaging", "", ""),
            ("--no-manage", "list send:a send:b receive:a open:a", messaging),
            ("--manage a", "list send:a send:b receive:a open:a manage:a", messaging),
            ("--no-send --no-receive --manage a", "list open:a manage:a", messaging),
            (
                "--send b --no-receive --manage-all",
                "list send:b open:a manage:a manage:b",
                messaging,
            ),
            (
                "--no-send --no-receive --no-list --no-broadcast",
                "",
                "messaging message_send message_list",
            ),
            (
                "--no-send --no-receive --no-list --no-message-send",
                "",
                "messaging broadcast message_list",
            ),
            (
                "--no-send --no-receive --no-list --no-message-list",
                "",
                "messaging message_send broadcast",
            ),
        ] {
            let made = make(flags, &keys);
            let token = made.sign(&keys).unwrap();
            assert_eq!(Token::read(&token).unwrap().claims(), &made, "{flags}");
            let grants = made.grants;
            let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
            let found: Vec<_> = [
                ("list", grants.ensure_list()),
                ("send:a", grants.ensure_send(&a)),
                ("send:b", grants.ensure_send(&b)),
                ("receive:a", grants.ensure_receive(&a)),
                ("open:a", grants.ensure_open(&a)),
                ("manage:a", grants.ensure_manage(&a)),
                ("manage:b", grants.ensure_manage(&b)),
                ("messaging", grants.ensure_messaging()),
                ("message_send", grants.ensure_message_send()),
                ("broadcast", grants.ensure_message_broadcast()),
                ("message_list", grants.ensure_message_list()),
            ]
            .into_iter()
            .filter_map(|(name, result)| result.is_ok().then_some(name))
            .collect();
            assert_eq!(found.join(" "), format!("{queues} {others}").trim(), "{flags}");
        }
    }

    #[test]
    fn wrong_flags_are_refused() {
        for flags in [
            "--send a --no-send",
            "--receive a --no-receive",
            "--manage a --no-manage",
            "--manage a --manage-all",
            "--for 1",
            "--for 0s",
            "--for ever",
            "--room",
            "--unknown",
            "--secret x",
        ] {
            assert!(parse(flags).is_err(), "{flags}");
        }
        assert!(Program::try_parse_from(["create", "--room", "", "--name", "ann"]).is_err());
        assert!(Program::try_parse_from(["create", "--room", "a\nb", "--name", "ann"]).is_err());
    }

    #[test]
    fn life_and_key_are_as_asked_for() {
        let api_key = ApiKey::generate([2; 64]);
        let mut keys = KeyRing::new(&Secret::generate([1; 32]), None);
        keys.add_api_key(api_key.clone()).unwrap();
        let default = make("--role agent", &keys);
        assert_eq!((default.role.as_str(), &default.key_id), ("agent", &None));
        assert_eq!(default.expires_at, Some(NOW.after(Millis(3_600_000))));
        assert_eq!(make("--for never", &keys).expires_at, None);
        assert_eq!(make("--for 2d", &keys).expires_at, Some(NOW.after(Millis(172_800_000))));

        let mut only = KeyRing::default();
        only.add_api_key(api_key.clone()).unwrap();
        for claims in [make(&format!("--kid {}", api_key.key_id()), &keys), make("", &only)] {
            assert_eq!(claims.key_id, Some(api_key.key_id()));
            assert_eq!(claims.project, Some(api_key.project()));
            assert!(claims.sign(&only).is_ok());
        }
        assert!(make("--kid unknown", &keys).sign(&keys).is_err());
        let far = make("--for 9999999d", &keys).sign(&keys).unwrap();
        assert!(Token::read(&far).is_err(), "the year after 9999");
    }
}
