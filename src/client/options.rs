//! How a client connects, and how it behaves when the connection is lost.

use std::time::Duration;

use super::{Client, Error};

/// How a lost connection is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// The wait before the second attempt; the first one is made at once. It doubles with each attempt.
    pub first: Duration,
    /// It grows no longer than this.
    pub longest: Duration,
    /// After so long without a connection the client gives up; none: never.
    pub give_up_after: Option<Duration>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(15),
            give_up_after: None,
        }
    }
}

impl Reconnect {
    /// The wait before attempt number `attempt` (0, 1, …): between half of it and all of it, by `random`,
    /// so that not all clients of a server that went away come back at the same moment.
    #[must_use]
    pub fn wait(&self, attempt: u32, random: u16) -> Duration {
        let Some(doublings) = attempt.checked_sub(1) else { return Duration::ZERO };
        let grown = self.first.saturating_mul(1 << doublings.min(20)).min(self.longest);
        grown.mul_f64(0.5 + f64::from(random) / f64::from(u16::MAX) / 2.0)
    }
}

/// Says how to connect. Made by [`Client::builder`].
#[derive(Clone)]
pub struct Builder {
    pub(super) url: String,
    pub(super) room: String,
    pub(super) token: String,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) is_resuming: bool,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) ping_interval: Duration,
    pub(super) in_flight: usize,
    pub(super) waiting: usize,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the token.
        f.debug_struct("Builder").field("url", &self.url).field("room", &self.room).finish()
    }
}

impl Builder {
    pub(super) fn new(url: &str, room: &str, token: &str) -> Self {
        Self {
            url: url.to_owned(),
            room: room.to_owned(),
            token: token.to_owned(),
            reconnect: Some(Reconnect::default()),
            is_resuming: true,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(20),
            in_flight: 256,
            waiting: 10_000,
        }
    }

    /// How a lost connection is made anew.
    #[must_use]
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = Some(policy);
        self
    }

    /// A lost connection ends the client.
    #[must_use]
    pub fn no_reconnect(mut self) -> Self {
        self.reconnect = None;
        self
    }

    /// Whether a new connection goes on with the old session, so that nothing is lost and nothing is done
    /// twice (the default), or begins a new one.
    #[must_use]
    pub fn resume(mut self, is_resuming: bool) -> Self {
        self.is_resuming = is_resuming;
        self
    }

    /// How long one attempt to connect may take. Default: 10 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call may take, the time not counted that it is told to wait. Default: 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a quiet server is asked whether it is there; one that says nothing for twice as long is
    /// taken to be gone. Default: 20 seconds.
    #[must_use]
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval.max(Duration::from_millis(10));
        self
    }

    /// Calls that may be unanswered; one more waits. Default: 256. A server allows 1,024 unless told
    /// otherwise.
    #[must_use]
    pub fn in_flight(mut self, calls: usize) -> Self {
        self.in_flight = calls.clamp(1, 1 << 20);
        self
    }

    /// Receives and other calls that may wait on the server at the same time; one more waits here.
    /// Default: 10,000.
    #[must_use]
    pub fn waiting(mut self, calls: usize) -> Self {
        self.waiting = calls.clamp(1, 1 << 20);
        self
    }

    /// Connects. This first attempt is made once; [`Reconnect`] is for connections that were there.
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Refused`].
    pub async fn connect(self) -> Result<Client, Error> {
        Client::open(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ() {
        let policy = Reconnect::default();
        let longest = |attempt| policy.wait(attempt, u16::MAX).as_millis();
        assert_eq!([0, 1, 2, 3, 20, u32::MAX].map(longest), [0, 100, 200, 400, 15_000, 15_000]);
        assert_eq!(policy.wait(1, 0).as_millis(), 50);
    }

    #[test]
    fn the_token_is_not_shown() {
        let shown = format!("{:?}", Builder::new("http://x", "r", "secret-token"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
