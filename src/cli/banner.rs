//! What a server with `--dev` says when it starts: all one needs to talk to it, as commands to paste.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Failure, text::quoted};
use crate::{
    auth::{ApiKey, Claims, KeyRing},
    types::{Millis, Timestamp},
};

const TOKEN_LIFE: Millis = Millis::from_secs(24 * 60 * 60);

/// The parts that are known before the address is.
pub(super) struct Banner {
    token: String,
    api_key: String,
}

impl Banner {
    pub(super) fn new(keys: &KeyRing, api_key: &ApiKey, now: Timestamp) -> Result<Self, Failure> {
        let legal = |_| Failure::Refused("a name is not legal".to_owned());
        let mut claims =
            Claims::full_access("dev".parse().map_err(legal)?, "demo".parse().map_err(legal)?);
        claims.expires_at = Some(now.after(TOKEN_LIFE));
        Ok(Self { token: claims.sign(keys)?, api_key: api_key.to_string() })
    }

    pub(super) fn text(&self, address: SocketAddr) -> String {
        let Self { token, api_key } = self;
        let api_key_word = quoted(api_key);
        let (http, ws) = (base_url("http", address), base_url("ws", address));
        let version = env!("CARGO_PKG_VERSION");
        let program = std::env::args_os()
            .next()
            .map_or_else(|| "anteroom".to_owned(), |program| quoted(&program.to_string_lossy()));
        format!(
            r#"
anteroom {version} with --dev: to try things out, not for others to use

  HTTP       {http}/v1
  docs       {http}/v1/docs
  WebSocket  {ws}/v1/rooms/demo/ws   (anteroom.v1)
             {ws}/rooms/demo         (MeshAgent)
  Queen MQ   {http}   (without a token: room queen, and anybody who gets here may do everything in it)
  API key    {api_key}
  token      {token}
             (room demo, name dev, may do everything, for 24 hours)

To paste:

  # for all that follows
  export ANTEROOM_URL={http} ANTEROOM_TOKEN={token}

  # command line
  {program} send demo/jobs '{{"hello":0}}'
  {program} receive demo/jobs --wait

  # HTTP
  curl -fsS -H "Authorization: Bearer $ANTEROOM_TOKEN" $ANTEROOM_URL/v1/rooms/demo/queues/jobs/messages -d '{{"body":{{"hello":1}}}}'
  curl -fsS -H "Authorization: Bearer $ANTEROOM_TOKEN" $ANTEROOM_URL/v1/rooms/demo/queues/jobs/receive -d '{{"max":10}}'

  # browser
  new WebSocket("{ws}/v1/rooms/demo/ws", ["anteroom.v1", "bearer.TOKEN"])

  # a token of your own
  ANTEROOM_API_KEYS={api_key_word} \
    {program} token create --room demo --name ann

  # for the MeshAgent clients
  export MESHAGENT_API_URL=$ANTEROOM_URL MESHAGENT_PROJECT_ID=dev MESHAGENT_ROOM=demo MESHAGENT_TOKEN=$ANTEROOM_TOKEN

  # MeshAgent command line: pip install meshagent-cli
  meshagent room queue send --room demo --queue jobs --json '{{"hello":1}}'
  meshagent room queue receive --room demo --queue jobs

  # Python: pip install meshagent-api
  python3 -c '
import asyncio
from meshagent.api import RoomClient
async def main():
    async with RoomClient() as room:
        await room.queues.send(name="jobs", message={{"hello": 2}})
        print(await room.queues.receive(name="jobs"))
asyncio.run(main())'
"#
        )
    }
}

/// Where a program on this machine finds the server.
pub(super) fn base_url(scheme: &str, address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(host, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{self, Secret};

    #[test]
    fn the_base_url_can_be_connected_to() {
        for (address, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:1", "http://127.0.0.1:1"),
            ("[::]:1", "http://[::1]:1"),
            ("[::1]:1", "http://[::1]:1"),
            ("192.0.2.7:80", "http://192.0.2.7:80"),
        ] {
            assert_eq!(base_url("http", address.parse().unwrap()), url);
        }
    }

    #[test]
    fn the_banner_holds_a_valid_token_and_the_api_key() {
        let now = Timestamp(1_900_000_000_000);
        let mut keys = KeyRing::new(&Secret::generate([1; 32]), None);
        let api_key = ApiKey::generate([2; 64]);
        keys.add_api_key(api_key.clone()).unwrap();
        let banner = Banner::new(&keys, &api_key, now).unwrap();
        let identity = auth::verify(&keys, &banner.token, now).unwrap();
        assert_eq!((identity.room.as_str(), identity.name.as_str()), ("demo", "dev"));
        assert_eq!(identity.expires_at, Some(now.after(TOKEN_LIFE)));
        let text = banner.text("0.0.0.0:1".parse().unwrap());
        for part in [
            &banner.token,
            &api_key.to_string(),
            "ws://127.0.0.1:1/rooms/demo",
            "ws://127.0.0.1:1/v1/rooms/demo/ws",
            "http://127.0.0.1:1/v1/docs",
            "Queen MQ   http://127.0.0.1:1 ",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.contains(r#"--json '{"hello":1}'"#), "{text}");
    }
}
