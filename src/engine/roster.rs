//! Who is in a room, and who is told what about whom. Pure, like the queue.
//!
//! A participant takes part in messaging from `enable` to `disable` or its leaving. Those who take part
//! hear of each other's coming, going and attributes, and can send each other messages, which are not kept.
//!
//! * **R1** a notice about a participant goes only to others who take part and may list participants.
//! * **R2** whoever was told of a participant's coming is told of its going.
//! * **R3** the attribute `name` is the token's name, whatever a participant sets.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    error::ErrorCode,
    types::{ParticipantName, Payload, SessionId},
};

/// Attributes by name, each a JSON value; `name` is not among them.
pub type Attributes = BTreeMap<String, Payload>;

/// A participant as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Unique in the room and in time.
    pub id: String,
    /// From the token.
    pub name: ParticipantName,
    /// From the token.
    pub role: String,
    /// Set by the participant.
    pub attributes: Attributes,
}

/// What one participant is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// You take part now; these do already.
    MessagingEnabled {
        /// The others.
        participants: Vec<Participant>,
    },
    /// Somebody takes part now.
    ParticipantEnabled {
        /// Who.
        participant: Participant,
    },
    /// Somebody no longer takes part.
    ParticipantDisabled {
        /// Who.
        id: String,
    },
    /// Somebody set attributes.
    AttributesChanged {
        /// Who.
        id: String,
        /// The changed ones only.
        changed: Attributes,
    },
    /// Somebody sent a message.
    Message {
        /// Who.
        from: String,
        /// The sender's word for what it is.
        kind: String,
        /// A JSON value.
        message: Payload,
        /// Bytes that came with it, or none.
        attachment: Bytes,
    },
}

impl Notice {
    /// Bytes that this notice keeps alive, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        // The notice itself and the names in it, which have a limit of their own.
        const BASE: usize = 512;
        let attributes = |attributes: &Attributes| -> usize {
            attributes.iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        BASE + match self {
            Self::MessagingEnabled { participants } => {
                participants.iter().map(|p| BASE + attributes(&p.attributes)).sum()
            }
            Self::ParticipantEnabled { participant } => attributes(&participant.attributes),
            Self::ParticipantDisabled { .. } => 0,
            Self::AttributesChanged { changed, .. } => attributes(changed),
            Self::Message { kind, message, attachment, .. } => {
                kind.len() + message.len() + attachment.len()
            }
        }
    }
}

#[derive(Debug)]
struct Member {
    participant: Participant,
    /// Of its attributes' names and values.
    bytes: usize,
    takes_part: bool,
    may_list: bool,
}

/// Notices and whom they go to.
pub type Notices = Vec<(SessionId, Notice)>;

/// The participants of a room.
#[derive(Debug, Default)]
pub struct Roster {
    members: BTreeMap<SessionId, Member>,
}

impl Roster {
    /// Adds a participant; nobody is told before it enables messaging.
    pub fn join(&mut self, session: SessionId, participant: Participant, may_list: bool) {
        self.members.insert(session, Member { participant, bytes: 0, takes_part: false, may_list });
    }

    /// All participants, in the order of their coming.
    #[must_use]
    pub fn participants(&self) -> Vec<Participant> {
        self.members.values().map(|member| member.participant.clone()).collect()
    }

    /// Removes a participant.
    pub fn leave(&mut self, session: SessionId) -> Notices {
        let notices = self.disable(session);
        self.members.remove(&session);
        notices
    }

    /// Participants in the room.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is in the room.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes part from now on. Said twice, it only lists the others again.
    pub fn enable(&mut self, session: SessionId) -> Notices {
        let Some(member) = self.members.get_mut(&session) else { return Vec::new() };
        let began = !std::mem::replace(&mut member.takes_part, true);
        let (may_list, participant) = (member.may_list, member.participant.clone());
        let participants = (self.members.iter())
            .filter(|(other, member)| may_list && **other != session && member.takes_part)
            .map(|(_, member)| member.participant.clone())
            .collect();
        let mut notices = vec![(session, Notice::MessagingEnabled { participants })];
        if began {
            notices.extend(self.to_watchers(session, &Notice::ParticipantEnabled { participant }));
        }
        notices
    }

    /// Takes part no longer.
    pub fn disable(&mut self, session: SessionId) -> Notices {
        let Some(member) = self.members.get_mut(&session) else { return Vec::new() };
        if !std::mem::replace(&mut member.takes_part, false) {
            return Vec::new();
        }
        let id = member.participant.id.clone();
        self.to_watchers(session, &Notice::ParticipantDisabled { id })
    }

    /// Sets attributes.
    ///
    /// # Errors
    /// `AttributesTooLarge` when names and values together would exceed `bytes_max`; nothing is set then.
    pub fn set_attributes(
        &mut self,
        session: SessionId,
        mut changed: Attributes,
        bytes_max: usize,
    ) -> Result<Notices, ErrorCode> {
        let Some(member) = self.members.get_mut(&session) else { return Ok(Vec::new()) };
        changed.remove("name"); // R3
        let attributes = &mut member.participant.attributes;
        let of = |name: &str, value: &Payload| name.len() + value.len();
        let coming: usize = changed.iter().map(|(name, value)| of(name, value)).sum();
        let going = changed.keys().filter_map(|name| Some(of(name, attributes.get(name)?)));
        let bytes = member.bytes + coming - going.sum::<usize>();
        if bytes > bytes_max {
            return Err(ErrorCode::AttributesTooLarge);
        }
        member.bytes = bytes;
        attributes.extend(changed.iter().map(|(name, value)| (name.clone(), value.clone())));
        if !member.takes_part || changed.is_empty() {
            return Ok(Vec::new());
        }
        let id = member.participant.id.clone();
        Ok(self.to_watchers(session, &Notice::AttributesChanged { id, changed }))
    }

    /// A message to one participant.
    ///
    /// # Errors
    /// `ParticipantNotFound` when there is no such participant or it does not take part.
    pub fn send(
        &self,
        session: SessionId,
        to: &str,
        kind: String,
        message: Payload,
        attachment: Bytes,
    ) -> Result<Notices, ErrorCode> {
        let (receiver, _) = (self.members.iter())
            .find(|(_, member)| member.takes_part && member.participant.id == to)
            .ok_or(ErrorCode::ParticipantNotFound)?;
        let Some(sender) = self.members.get(&session) else { return Ok(Vec::new()) };
        let from = sender.participant.id.clone();
        Ok(vec![(*receiver, Notice::Message { from, kind, message, attachment })])
    }

    /// A message to every other participant that takes part.
    #[must_use]
    pub fn broadcast(
        &self,
        session: SessionId,
        kind: String,
        message: Payload,
        attachment: Bytes,
    ) -> Notices {
        let Some(sender) = self.members.get(&session) else { return Vec::new() };
        let from = sender.participant.id.clone();
        let notice = Notice::Message { from, kind, message, attachment };
        (self.members.iter())
            .filter(|(other, member)| **other != session && member.takes_part)
            .map(|(other, _)| (*other, notice.clone()))
            .collect()
    }

    /// R1.
    fn to_watchers(&self, about: SessionId, notice: &Notice) -> Notices {
        (self.members.iter())
            .filter(|(other, member)| **other != about && member.takes_part && member.may_list)
            .map(|(other, _)| (*other, notice.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);
    const BLIND: SessionId = SessionId(3);

    fn participant(id: &str) -> Participant {
        Participant {
            id: id.into(),
            name: id.parse().unwrap(),
            role: "user".into(),
            attributes: Attributes::new(),
        }
    }

    fn roster() -> Roster {
        let mut roster = Roster::default();
        roster.join(A, participant("a"), true);
        roster.join(B, participant("b"), true);
        roster.join(BLIND, participant("blind"), false);
        roster
    }

    fn one(name: &str) -> Attributes {
        [(name.to_owned(), Payload::from("1"))].into()
    }

    #[test]
    fn those_who_take_part_hear_of_each_other() {
        let mut roster = roster();
        let enabled = |participants| Notice::MessagingEnabled { participants };
        assert_eq!(roster.enable(A), [(A, enabled(vec![]))]);
        let came = Notice::ParticipantEnabled { participant: participant("b") };
        assert_eq!(roster.enable(B), [(B, enabled(vec![participant("a")])), (A, came)]);
        assert_eq!(roster.enable(B), [(B, enabled(vec![participant("a")]))], "twice");
        let went = Notice::ParticipantDisabled { id: "b".into() };
        assert_eq!(roster.leave(B), [(A, went)]);
        assert_eq!(roster.leave(B), []);
        assert_eq!(roster.disable(A), []);
    }

    #[test]
    fn without_the_list_grant_one_sees_nobody_but_is_seen() {
        let mut roster = roster();
        roster.enable(A);
        let seen = roster.enable(BLIND);
        assert_eq!(seen[0], (BLIND, Notice::MessagingEnabled { participants: vec![] }));
        assert_eq!(seen[1].0, A);
        assert_eq!(roster.enable(B).iter().filter(|(to, _)| *to == BLIND).count(), 0);
    }

    #[test]
    fn attributes_are_told_to_others_and_the_name_cannot_be_set() {
        let mut roster = roster();
        assert_eq!(roster.set_attributes(A, one("early"), 100), Ok(vec![]));
        roster.enable(A);
        let Notice::MessagingEnabled { participants } = &roster.enable(B)[0].1 else { panic!() };
        assert_eq!(participants[0].attributes, one("early"));
        let mut changed = one("late");
        changed.extend(one("name"));
        let told = Notice::AttributesChanged { id: "a".into(), changed: one("late") };
        assert_eq!(roster.set_attributes(A, changed, 100), Ok(vec![(B, told)]));
        assert_eq!(roster.set_attributes(A, one("name"), 100), Ok(vec![]));
    }

    #[test]
    fn attributes_have_a_limit() {
        let mut roster = roster();
        assert!(roster.set_attributes(A, one("1234"), 5).is_ok(), "at the limit");
        assert!(roster.set_attributes(A, one("1234"), 5).is_ok(), "again the same");
        assert_eq!(roster.set_attributes(A, one("x"), 5), Err(ErrorCode::AttributesTooLarge));
    }

    #[test]
    fn messages_reach_one_or_all_others_who_take_part() {
        let mut roster = roster();
        roster.enable(A);
        let send = |roster: &Roster, to: &str| {
            roster.send(A, to, "k".into(), Payload::from("{}"), Bytes::new())
        };
        assert_eq!(send(&roster, "b"), Err(ErrorCode::ParticipantNotFound), "does not take part");
        roster.enable(B);
        roster.enable(BLIND);
        assert_eq!(send(&roster, "b").unwrap()[0].0, B);
        assert_eq!(send(&roster, "a").unwrap()[0].0, A, "to oneself");
        assert_eq!(send(&roster, "nobody"), Err(ErrorCode::ParticipantNotFound));
        let all = roster.broadcast(A, "k".into(), Payload::from("{}"), Bytes::new());
        assert_eq!(all.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [B, BLIND]);
    }
}
