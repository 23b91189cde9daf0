//! Which worker looks after a connection: the first ones of a room come together on the worker where the room lives.
//!
//! Sockets are handed to the workers in turn, and a room lives where the first of its connections was. What comes from another worker
//! goes between threads twice, which costs a lone message as much as all else together. So of those who hand each other messages in a
//! room, the first ones move to its worker before anything of them is read. Most of the work for who sends or gets much at a time is
//! reading and writing frames, in batches for which threads are nothing, and that should not all be one worker's: such a connection goes
//! back to where it came from, unless it is one of the first two. When there are many, those that come stay where they are.

use std::{
    io,
    sync::Arc,
    thread::{self, ThreadId},
    time::Duration,
};

use dashmap::DashMap;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::timeout,
};

use super::socket::{Moving, Socket};
use crate::types::RoomName;

/// So many WebSockets of a room move to its worker; more are left where they are.
const TOGETHER: usize = 64;

/// So many stay there, whatever they do. Requests over HTTP, which cannot go back, are no more than these.
const STAYING: usize = 2;

/// After so many turns it is seen whether a connection goes back:
const TURNS: usize = 64;

/// if it reads or writes so many bytes in each,
const LARGE_TURN: usize = 24 * 1024;

/// where each request counts for so many more,
const ASKED: usize = 256;

/// and each answer or message that is written for so many: who receives goes no later than who sends to it, and does not fall behind.
const SAID: usize = 512;

/// A peer has this long to say what it wants.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);

/// So much of a request is looked at for the name of its room.
const LOOKED_AT: usize = 1024;

/// Where a room lives, if it lives.
type Home = Box<dyn Fn(&RoomName) -> Option<ThreadId> + Send + Sync>;

/// Goes on with a connection; without it HTTP is spoken.
type Arrived = Box<dyn FnOnce(io::Result<Socket>) + Send>;

/// Connections for a worker.
pub(super) type Arriving = UnboundedReceiver<(Moving, Option<Arrived>)>;

/// Where connections come in to a worker.
#[derive(Clone)]
pub(super) struct Entrance(UnboundedSender<(Moving, Option<Arrived>)>);

impl Entrance {
    /// Lets a connection go on there with `arrived`; here, if that worker is gone.
    pub(super) fn send(
        &self,
        moving: Moving,
        arrived: impl FnOnce(io::Result<Socket>) + Send + 'static,
    ) {
        let sent = self.0.send((moving, Some(Box::new(arrived))));
        if let Err(mpsc::error::SendError((moving, Some(arrived)))) = sent {
            arrived(moving.arrive());
        }
    }
}

/// How much a connection reads, and writes, at a time.
#[derive(Default)]
pub(super) struct Load {
    read: Mean,
    written: Mean,
}

/// Over the turns in which there was something.
#[derive(Default)]
struct Mean {
    in_this_turn: usize,
    bytes: usize,
    turns: usize,
}

impl Mean {
    fn turn_ends(&mut self) {
        self.bytes += std::mem::take(&mut self.in_this_turn);
        self.turns += 1;
    }

    const fn is_large(&self) -> bool {
        self.bytes >= LARGE_TURN * self.turns && self.turns > 0
    }
}

impl Load {
    pub(super) const fn read(&mut self, bytes: usize) {
        self.read.in_this_turn += bytes;
    }

    pub(super) const fn asked(&mut self, requests: usize) {
        self.read.in_this_turn += ASKED * requests;
    }

    pub(super) const fn wrote(&mut self, bytes: usize) {
        self.written.in_this_turn += bytes;
    }

    pub(super) const fn said(&mut self, messages: usize) {
        self.written.in_this_turn += SAID * messages;
    }

    /// Whether it is much, now and then.
    pub(super) fn turn_ends(&mut self) -> bool {
        let means = [&mut self.read, &mut self.written];
        means.into_iter().filter(|mean| mean.in_this_turn > 0).for_each(Mean::turn_ends);
        if self.read.turns + self.written.turns < TURNS {
            return false;
        }
        let Self { read, written } = std::mem::take(self);
        read.is_large() || written.is_large()
    }
}

/// The workers of a server.
pub struct Workers {
    entrances: DashMap<ThreadId, Entrance>,
    gathered: DashMap<RoomName, Gathered>,
    home: Home,
}

/// The connections of a room that are together.
struct Gathered {
    worker: ThreadId,
    connections: usize,
}

/// One of the connections of a room that are together, as long as it is there.
pub(super) struct Member {
    workers: Arc<Workers>,
    room: RoomName,
    /// Where it goes back to.
    origin: Option<Entrance>,
}

impl Member {
    pub(super) const fn can_go_back(&self) -> bool {
        self.origin.is_some()
    }

    pub(super) fn origin(mut self) -> Option<Entrance> {
        self.origin.take()
    }
}

impl Workers {
    /// No workers yet. `home`: on which thread a room lives.
    #[must_use]
    pub fn new(home: impl Fn(&RoomName) -> Option<ThreadId> + Send + Sync + 'static) -> Arc<Self> {
        let home = Box::new(home);
        Arc::new(Self { entrances: DashMap::new(), gathered: DashMap::new(), home })
    }

    /// This thread is a worker. What comes out is to be looked after here.
    pub(super) fn enter(&self) -> Arriving {
        // What waits there are connections, and there is a limit on those.
        let (entrance, moving) = mpsc::unbounded_channel();
        self.entrances.insert(thread::current().id(), Entrance(entrance));
        moving
    }

    /// Waits for the first bytes of a connection. `None`: another worker has it.
    ///
    /// # Errors
    /// When the connection is gone, or silent.
    pub(super) async fn place(self: &Arc<Self>, mut socket: Socket) -> io::Result<Option<Socket>> {
        let mut buffer = [0; LOOKED_AT];
        let head = timeout(FIRST_BYTES_TIMEOUT, socket.peek(&mut buffer)).await??;
        let found = room_of(head).and_then(|(room, is_socket)| self.gather(room, is_socket));
        let Some((worker, member)) = found else {
            return Ok(Some(socket));
        };
        socket.join(member);
        let entrance = match worker == thread::current().id() {
            true => None,
            false => self.entrances.get(&worker).map(|entrance| entrance.clone()),
        };
        match entrance {
            None => Ok(Some(socket)),
            Some(Entrance(entrance)) => match entrance.send((socket.leave()?, None)) {
                Ok(()) => Ok(None),
                // That worker is gone.
                Err(mpsc::error::SendError((moving, _))) => moving.arrive().map(Some),
            },
        }
    }

    fn gather(self: &Arc<Self>, room: RoomName, is_socket: bool) -> Option<(ThreadId, Member)> {
        let mut gathered = self.gathered.entry(room.clone()).or_insert_with(|| Gathered {
            worker: (self.home)(&room).unwrap_or_else(|| thread::current().id()),
            connections: 0,
        });
        if gathered.connections >= if is_socket { TOGETHER } else { STAYING } {
            return None;
        }
        let here = thread::current().id();
        let may_go_back = gathered.connections >= STAYING && gathered.worker != here;
        let origin = may_go_back.then(|| self.entrances.get(&here).map(|it| it.clone())).flatten();
        gathered.connections += 1;
        Some((gathered.worker, Member { workers: Arc::clone(self), room, origin }))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut gathered) = self.workers.gathered.get_mut(&self.room) {
            gathered.connections -= 1;
        }
        self.workers.gathered.remove_if(&self.room, |_, gathered| gathered.connections == 0);
    }
}

/// The room that a request names in its path, and whether it is the path of a WebSocket. One that is escaped is not looked for: it is
/// only about speed.
fn room_of(head: &[u8]) -> Option<(RoomName, bool)> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let path = std::str::from_utf8(line).ok()?.split([' ', '?']).nth(1)?;
    let (_, from_name) = path.split_once("/rooms/")?;
    let (name, rest) = from_name.split_once('/').unwrap_or((from_name, ""));
    Some((name.parse().ok()?, matches!(rest, "" | "ws")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_request_is_in_its_path() {
        let room = |head: &str| room_of(head.as_bytes()).map(|(room, is)| (room.to_string(), is));
        for (head, name) in [
            ("GET /rooms/a-room?token=x HTTP/1.1\r\nhost: b\r\n", Some(("a-room", true))),
            ("GET /v1/rooms/demo/ws HTTP/1.1\r\n", Some(("demo", true))),
            ("POST /v1/rooms/demo/queues/jobs/messages HTTP/1.1\r\n", Some(("demo", false))),
            (
                "GET /rooms/demo/queen/api/v1/pop?queue=/rooms/other HTTP/1.1\r\n",
                Some(("demo", false)),
            ),
            ("GET /health/ready?a=/rooms/demo HTTP/1.1\r\n", None),
            ("GET / HTTP/1.1\r\nreferer: /rooms/demo\r\n", None),
            ("GET /rooms/ HTTP/1.1\r\n", None),
            ("\u{1}\u{2}", None),
            ("", None),
        ] {
            let name = name.map(|(name, is_socket)| (name.to_owned(), is_socket));
            assert_eq!(room(head), name, "{head}");
        }
    }

    #[test]
    fn a_few_connections_of_a_room_are_together_and_the_place_of_one_that_left_is_free() {
        let workers = Workers::new(|_| None);
        let gather = |is_socket| workers.gather("demo".parse().unwrap(), is_socket);
        let mut members: Vec<_> = (0..STAYING).map(|_| gather(false).unwrap()).collect();
        assert!(gather(false).is_none(), "no more requests");
        members.extend((STAYING..TOGETHER).map(|_| gather(true).unwrap()));
        assert!(members.iter().all(|(worker, _)| *worker == thread::current().id()));
        assert!(
            members.iter().all(|(_, member)| !member.can_go_back()),
            "they are where they came"
        );
        assert!(gather(true).is_none());
        members.pop();
        members.push(gather(true).unwrap());
        assert!(gather(true).is_none());
        members.clear();
        assert!(workers.gathered.is_empty(), "nothing is left of a room that nobody uses");
    }

    #[test]
    fn a_room_that_lives_somewhere_is_where_its_connections_go_and_most_may_go_back() {
        let elsewhere = thread::spawn(|| thread::current().id()).join().unwrap();
        let workers = Workers::new(move |_| Some(elsewhere));
        let _arriving = workers.enter();
        let members = (0..TOGETHER).map(|_| workers.gather("demo".parse().unwrap(), true).unwrap());
        let members: Vec<_> = members.collect();
        assert!(members.iter().all(|(worker, _)| *worker == elsewhere));
        let staying = members.iter().take_while(|(_, member)| !member.can_go_back()).count();
        let going = members.iter().filter(|(_, member)| member.can_go_back()).count();
        assert_eq!((staying, going), (STAYING, TOGETHER - STAYING));
    }

    #[test]
    fn much_at_a_time_is_noticed_whichever_way_it_goes_and_after_some_turns_only() {
        // Whether the last of some turns says so; in every second one something else happens.
        let seen = |turn: &dyn Fn(&mut Load), turns: usize| {
            let mut load = Load::default();
            let mut is_large = false;
            for number in 0..turns {
                assert!(!is_large, "{number}");
                match number % 2 {
                    0 => turn(&mut load),
                    _ => load.wrote(1),
                }
                is_large = load.turn_ends();
                assert!(!load.turn_ends(), "nothing was done");
            }
            is_large
        };
        assert!(seen(&|load| load.read(LARGE_TURN), TURNS));
        assert!(!seen(&|load| load.read(LARGE_TURN), TURNS - 1));
        assert!(!seen(&|load| load.read(LARGE_TURN - 1), TURNS));
        assert!(seen(&|load| load.asked(LARGE_TURN / ASKED), TURNS));
        assert!(!seen(&|load| load.said(LARGE_TURN / SAID), TURNS), "half of the turns");
        assert!(seen(&|load| load.said(2 * LARGE_TURN / SAID), TURNS));
    }
}
