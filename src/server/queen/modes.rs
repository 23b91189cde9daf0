//! Maintenance: rooms whose pops get nothing for a while, and rooms whose pushes say that they may take a while. As
//! long as the process lives.

use dashmap::DashSet;

use crate::{
    error::{Error, ErrorCode},
    facade::queen::system::Maintenance,
    types::RoomName,
};

/// A room switches for itself; no more rooms than this may at the same time.
const ROOMS_MAX: usize = 10_000;

/// See the module.
#[derive(Default)]
pub(in crate::server) struct Modes {
    pushes: DashSet<RoomName>,
    pops: DashSet<RoomName>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Pushes,
    Pops,
}

impl Modes {
    const fn rooms(&self, mode: Mode) -> &DashSet<RoomName> {
        match mode {
            Mode::Pushes => &self.pushes,
            Mode::Pops => &self.pops,
        }
    }

    pub(super) fn is_on(&self, mode: Mode, room: &RoomName) -> bool {
        // Nearly always nobody has switched anything.
        !self.rooms(mode).is_empty() && self.rooms(mode).contains(room)
    }

    pub(super) fn set(&self, mode: Mode, room: &RoomName, is_on: bool) -> Result<(), Error> {
        let rooms = self.rooms(mode);
        if !is_on {
            rooms.remove(room);
            return Ok(());
        }
        if rooms.len() >= ROOMS_MAX {
            return Err(Error::new(ErrorCode::TooManyRooms, "too many rooms are in maintenance"));
        }
        rooms.insert(room.clone());
        Ok(())
    }

    pub(super) fn show(&self, room: &RoomName) -> Maintenance {
        let is_on = |mode| self.is_on(mode, room);
        Maintenance { pushes: is_on(Mode::Pushes), pops: is_on(Mode::Pops) }
    }
}
