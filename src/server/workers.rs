//! Which worker looks after a connection: the first ones of a room come together on the worker where the room lives.
//!
//! Sockets are handed to the workers in turn, and a room lives where the first of its connections was. What comes from another worker
//! goes between threads twice, which costs a lone message as much as all else together. So of those who hand each other messages in a
//! room, the first two move to its worker before anything of them is read. Further ones stay where they are: in a busy room most of the
//! work is reading and writing frames, in batches for which threads are nothing, and it should not all be one worker's.

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

/// So many connections of a room are on its worker; more are left where they are.
const TOGETHER: usize = 2;

/// A peer has this long to say what it wants.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);

/// So much of a request is looked at for the name of its room.
const LOOKED_AT: usize = 1024;

/// Where a room lives, if it lives.
type Home = Box<dyn Fn(&RoomName) -> Option<ThreadId> + Send + Sync>;

/// The workers of a server.
pub struct Workers {
    entrances: DashMap<ThreadId, UnboundedSender<Moving>>,
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
}

impl Workers {
    /// No workers yet. `home`: on which thread a room lives.
    #[must_use]
    pub fn new(home: impl Fn(&RoomName) -> Option<ThreadId> + Send + Sync + 'static) -> Arc<Self> {
        let home = Box::new(home);
        Arc::new(Self { entrances: DashMap::new(), gathered: DashMap::new(), home })
    }

    /// This thread is a worker. What comes out is to be looked after here.
    pub(super) fn enter(&self) -> UnboundedReceiver<Moving> {
        // What waits there are connections, and there is a limit on those.
        let (entrance, moving) = mpsc::unbounded_channel();
        self.entrances.insert(thread::current().id(), entrance);
        moving
    }

    /// Waits for the first bytes of a connection. `None`: another worker has it.
    ///
    /// # Errors
    /// When the connection is gone, or silent.
    pub(super) async fn place(self: &Arc<Self>, mut socket: Socket) -> io::Result<Option<Socket>> {
        let mut buffer = [0; LOOKED_AT];
        let head = timeout(FIRST_BYTES_TIMEOUT, socket.peek(&mut buffer)).await??;
        let Some((worker, member)) = room_of(head).and_then(|room| self.gather(room)) else {
            return Ok(Some(socket));
        };
        socket.join(member);
        let entrance = match worker == thread::current().id() {
            true => None,
            false => self.entrances.get(&worker).map(|entrance| entrance.clone()),
        };
        match entrance {
            None => Ok(Some(socket)),
            Some(entrance) => match entrance.send(socket.leave()?) {
                Ok(()) => Ok(None),
                // That worker is gone.
                Err(mpsc::error::SendError(moving)) => moving.arrive().map(Some),
            },
        }
    }

    fn gather(self: &Arc<Self>, room: RoomName) -> Option<(ThreadId, Member)> {
        let mut gathered = self.gathered.entry(room.clone()).or_insert_with(|| Gathered {
            worker: (self.home)(&room).unwrap_or_else(|| thread::current().id()),
            connections: 0,
        });
        if gathered.connections >= TOGETHER {
            return None;
        }
        gathered.connections += 1;
        Some((gathered.worker, Member { workers: Arc::clone(self), room }))
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

/// The room that a request names in its path. One that is escaped is not looked for: it is only about speed.
fn room_of(head: &[u8]) -> Option<RoomName> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let path = std::str::from_utf8(line).ok()?.split([' ', '?']).nth(1)?;
    let (_, from_name) = path.split_once("/rooms/")?;
    from_name.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_request_is_in_its_path() {
        let room = |head: &str| room_of(head.as_bytes()).map(|room| room.to_string());
        for (head, name) in [
            ("GET /rooms/a-room?token=x HTTP/1.1\r\nhost: b\r\n", Some("a-room")),
            ("GET /v1/rooms/demo HTTP/1.1\r\n", Some("demo")),
            ("POST /v1/rooms/demo/queues/jobs/messages HTTP/1.1\r\n", Some("demo")),
            ("GET /rooms/demo/queen/api/v1/pop?queue=/rooms/other HTTP/1.1\r\n", Some("demo")),
            ("GET /health/ready?a=/rooms/demo HTTP/1.1\r\n", None),
            ("GET / HTTP/1.1\r\nreferer: /rooms/demo\r\n", None),
            ("GET /rooms/ HTTP/1.1\r\n", None),
            ("\u{1}\u{2}", None),
            ("", None),
        ] {
            assert_eq!(room(head).as_deref(), name, "{head}");
        }
    }

    #[test]
    fn a_few_connections_of_a_room_are_together_and_the_place_of_one_that_left_is_free() {
        let workers = Workers::new(|_| None);
        let gather = || workers.gather("demo".parse().unwrap());
        let mut members: Vec<_> = (0..TOGETHER).map(|_| gather().unwrap()).collect();
        assert!(members.iter().all(|(worker, _)| *worker == thread::current().id()));
        assert!(gather().is_none());
        members.pop();
        members.push(gather().unwrap());
        assert!(gather().is_none());
        members.clear();
        assert!(workers.gathered.is_empty(), "nothing is left of a room that nobody uses");
    }

    #[test]
    fn a_room_that_lives_somewhere_is_where_its_connections_go() {
        let elsewhere = thread::spawn(|| thread::current().id()).join().unwrap();
        let workers = Workers::new(move |_| Some(elsewhere));
        assert_eq!(workers.gather("demo".parse().unwrap()).unwrap().0, elsewhere);
    }
}
