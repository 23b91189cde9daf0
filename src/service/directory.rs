//! Which rooms there are. One for the whole process: one per worker would silently split a room in two.
//!
//! An address is handed out only together with a seat, and a room retires only when no seat is taken, both
//! under the lock of its entry. So nobody can hold the address of a room that is gone.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread::{self, ThreadId},
};

use actix::Addr;
use dashmap::{DashMap, mapref::entry::Entry};

use crate::{actor::RoomActor, error::ErrorCode, types::RoomName};

struct Room {
    address: Addr<RoomActor>,
    seats: usize,
    /// Where its actors run.
    thread: ThreadId,
}

/// The rooms of a process.
pub(crate) struct Directory {
    rooms: DashMap<RoomName, Room>,
    count: AtomicUsize,
    rooms_max: usize,
    seats_max: usize,
}

impl Directory {
    pub(crate) fn new(rooms_max: usize, seats_max: usize) -> Self {
        Self { rooms: DashMap::new(), count: AtomicUsize::new(0), rooms_max, seats_max }
    }

    /// Takes a seat in a room, which `begin` makes, on this thread, if there is none.
    pub(crate) fn take_seat(
        &self,
        name: &RoomName,
        begin: impl FnOnce() -> Addr<RoomActor>,
    ) -> Result<Addr<RoomActor>, ErrorCode> {
        match self.rooms.entry(name.clone()) {
            Entry::Occupied(mut entry) => {
                let room = entry.get_mut();
                if room.seats >= self.seats_max {
                    return Err(ErrorCode::TooManyParticipants);
                }
                room.seats += 1;
                Ok(room.address.clone())
            }
            Entry::Vacant(entry) => {
                if self.count.fetch_add(1, Ordering::Relaxed) >= self.rooms_max {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    return Err(ErrorCode::TooManyRooms);
                }
                let address = begin();
                let thread = thread::current().id();
                entry.insert(Room { address: address.clone(), seats: 1, thread });
                Ok(address)
            }
        }
    }

    pub(crate) fn give_back_seat(&self, name: &RoomName) {
        if let Some(mut room) = self.rooms.get_mut(name) {
            room.seats = room.seats.saturating_sub(1);
        }
    }

    /// The thread on which a room lives, if it does.
    pub(crate) fn home(&self, name: &RoomName) -> Option<ThreadId> {
        self.rooms.get(name).map(|room| room.thread)
    }

    /// Removes a room if no seat in it is taken.
    pub(crate) fn retire(&self, name: &RoomName) -> bool {
        let retired = self.rooms.remove_if(name, |_, room| room.seats == 0).is_some();
        if retired {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        retired
    }

    /// All rooms, at some moment.
    pub(crate) fn rooms(&self) -> Vec<Addr<RoomActor>> {
        self.rooms.iter().map(|room| room.address.clone()).collect()
    }
}
