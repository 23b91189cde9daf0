//! Messages whose leases end with a session. A lease is noted when it begins and struck off by count only, which costs next to nothing;
//! what the notes say is checked when it is needed, or when there are many that hold no longer.

use std::collections::BTreeMap;

use super::message::Position;
use crate::types::SessionId;

/// So many notes that hold no longer there may be, beside as many as hold.
const SLACK: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Bound {
    sessions: BTreeMap<SessionId, Notes>,
    /// Of a session that has none any more, for the next.
    spare: Vec<Position>,
}

#[derive(Debug)]
struct Notes {
    leases: usize,
    /// All of them, and some that have ended.
    noted: Vec<Position>,
}

impl Bound {
    /// A lease begins.
    pub(super) fn note(&mut self, session: SessionId, position: Position) {
        let notes = self
            .sessions
            .entry(session)
            .or_insert_with(|| Notes { leases: 0, noted: std::mem::take(&mut self.spare) });
        notes.leases += 1;
        notes.noted.push(position);
    }

    /// One of the session's leases has ended. `holds`: whether it has one of this message.
    pub(super) fn strike(&mut self, session: SessionId, holds: impl Fn(&Position) -> bool) {
        let Some(notes) = self.sessions.get_mut(&session) else { return };
        notes.leases -= 1;
        if notes.leases == 0 {
            if let Some(mut notes) = self.sessions.remove(&session) {
                notes.noted.clear();
                notes.noted.shrink_to(SLACK);
                self.spare = notes.noted;
            }
        } else if notes.noted.len() > 2 * notes.leases + SLACK {
            check(&mut notes.noted, holds);
        }
    }

    /// Those messages of a session, in order.
    pub(super) fn of(
        &self,
        session: SessionId,
        holds: impl Fn(&Position) -> bool,
    ) -> Vec<Position> {
        let mut noted = self.sessions.get(&session).map_or(Vec::new(), |notes| notes.noted.clone());
        check(&mut noted, holds);
        noted
    }

    /// How many leases each session has.
    #[cfg(test)]
    pub(super) fn counts(&self) -> BTreeMap<SessionId, usize> {
        self.sessions.iter().map(|(session, notes)| (*session, notes.leases)).collect()
    }

    /// How much is noted.
    #[cfg(test)]
    pub(super) fn notes(&self) -> usize {
        self.sessions.values().map(|notes| notes.noted.len()).sum()
    }
}

/// Only what holds, each once, in order.
fn check(noted: &mut Vec<Position>, holds: impl Fn(&Position) -> bool) {
    noted.retain(holds);
    noted.sort_unstable();
    noted.dedup();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SESSION: SessionId = SessionId(1);

    #[test]
    fn one_lease_that_stays_does_not_keep_the_notes_of_all_others() {
        let at = |offset| Position { partition: 0, offset };
        let mut bound = Bound::default();
        let mut leased = BTreeSet::new();
        for offset in 0..10_000 {
            bound.note(SESSION, at(offset));
            leased.insert(at(offset));
            if offset > 0 && leased.remove(&at(offset - 1)) && offset > 1 {
                bound.strike(SESSION, |position| leased.contains(position));
            } else if offset == 1 {
                leased.insert(at(0));
            }
        }
        assert!(bound.notes() <= 2 * leased.len() + SLACK + 1, "{}", bound.notes());
        let of = bound.of(SESSION, |position| leased.contains(position));
        assert_eq!(of, leased.iter().copied().collect::<Vec<_>>());
    }

    #[test]
    fn a_message_that_was_leased_again_is_there_once() {
        let at = Position { partition: 3, offset: 5 };
        let mut bound = Bound::default();
        bound.note(SESSION, Position { offset: 4, ..at });
        bound.note(SESSION, at);
        bound.strike(SESSION, |_| true);
        bound.note(SESSION, at);
        assert_eq!(bound.of(SESSION, |position| position.offset == 5), [at]);
        assert_eq!(bound.counts()[&SESSION], 2);
        bound.strike(SESSION, |_| true);
        bound.strike(SESSION, |_| true);
        assert!(bound.counts().is_empty() && bound.of(SESSION, |_| true).is_empty());
    }
}
