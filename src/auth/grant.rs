//! What a token allows: compiled once from its claims, looked up at every call.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::{
    error::{Error, ErrorCode},
    types::QueueName,
};

/// What a token allows. A grant is there or it is not; nothing is guessed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// The queues; `None` allows nothing of them.
    pub queues: Option<QueueGrants>,
    /// The messages between participants; `None` allows nothing of them.
    pub messaging: Option<MessagingGrants>,
}

/// What a token allows on queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueGrants {
    /// Whether the names and sizes of the room's queues may be read.
    pub list: bool,
    /// Queues that may be sent to.
    pub send: Names,
    /// Queues that may be received from, and drained.
    pub receive: Names,
}

/// What a token allows on messages between participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagingGrants {
    /// Whether it may send to all participants at once.
    pub broadcast: bool,
    /// Whether it may see who is there.
    pub list: bool,
    /// Whether it may send to one participant.
    pub send: bool,
}

/// A set of queues: all, or the named ones, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Every queue.
    All,
    /// These and no other; empty is none.
    Only(HashSet<QueueName>),
}

impl Default for QueueGrants {
    fn default() -> Self {
        Self { list: true, send: Names::All, receive: Names::All }
    }
}

impl Default for MessagingGrants {
    fn default() -> Self {
        Self { broadcast: true, list: true, send: true }
    }
}

impl Names {
    /// No queue.
    #[must_use]
    pub fn none() -> Self {
        Self::Only(HashSet::new())
    }

    /// Whether `queue` is one of them.
    #[must_use]
    pub fn contains(&self, queue: &QueueName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(queue),
        }
    }

    /// The named queues in order; `None` when it is all of them.
    #[must_use]
    pub fn sorted(&self) -> Option<Vec<&QueueName>> {
        match self {
            Self::All => None,
            Self::Only(names) => {
                let mut names: Vec<_> = names.iter().collect();
                names.sort();
                Some(names)
            }
        }
    }
}

fn denied(what: &'static str) -> Error {
    Error::new(ErrorCode::PermissionDenied, format!("the token does not allow {what}"))
}

fn denied_on(what: &'static str, queue: &QueueName) -> Error {
    Error::new(
        ErrorCode::PermissionDenied,
        format!("the token does not allow {what} on queue {queue}"),
    )
}

impl Grants {
    /// Everything this server has.
    #[must_use]
    pub fn full() -> Self {
        Self { queues: Some(QueueGrants::default()), messaging: Some(MessagingGrants::default()) }
    }

    /// Nothing at all.
    #[must_use]
    pub const fn none() -> Self {
        Self { queues: None, messaging: None }
    }

    fn may_send(&self, queue: &QueueName) -> bool {
        self.queues.as_ref().is_some_and(|queues| queues.send.contains(queue))
    }

    fn may_receive(&self, queue: &QueueName) -> bool {
        self.queues.as_ref().is_some_and(|queues| queues.receive.contains(queue))
    }

    /// May it read the names and sizes of the room's queues?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_list(&self) -> Result<(), Error> {
        let allowed = self.queues.as_ref().is_some_and(|queues| queues.list);
        if allowed { Ok(()) } else { Err(denied("list of queues")) }
    }

    /// May it put messages in `queue`?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_send(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_send(queue) { Ok(()) } else { Err(denied_on("send", queue)) }
    }

    /// May it take messages from `queue`?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_receive(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_receive(queue) { Ok(()) } else { Err(denied_on("receive", queue)) }
    }

    /// May it throw the messages of `queue` away? That takes them, so it needs receive.
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_drain(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_receive(queue) {
            Ok(())
        } else {
            Err(denied_on("receive, which drain needs,", queue))
        }
    }

    /// May it change the settings of `queue`, and what is in it by hand?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_manage(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_send(queue) && self.may_receive(queue) {
            Ok(())
        } else {
            Err(denied_on("manage", queue))
        }
    }

    /// May it open `queue`? Who may send or receive there may.
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_open(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_send(queue) || self.may_receive(queue) {
            Ok(())
        } else {
            Err(denied_on("send or receive, one of which open needs,", queue))
        }
    }

    /// May it close `queue`? Who may send or receive there may.
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_close(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_send(queue) || self.may_receive(queue) {
            Ok(())
        } else {
            Err(denied_on("send or receive, one of which close needs,", queue))
        }
    }

    /// May it turn messaging on and off for itself?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_messaging(&self) -> Result<(), Error> {
        if self.messaging.is_some() { Ok(()) } else { Err(denied("messaging")) }
    }

    /// May it send to one participant?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_message_send(&self) -> Result<(), Error> {
        let allowed = self.messaging.is_some_and(|messaging| messaging.send);
        if allowed { Ok(()) } else { Err(denied("send of messages to participants")) }
    }

    /// May it send to all participants at once?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_message_broadcast(&self) -> Result<(), Error> {
        let allowed = self.messaging.is_some_and(|messaging| messaging.broadcast);
        if allowed { Ok(()) } else { Err(denied("broadcast of messages to participants")) }
    }

    /// May it see who is there?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_message_list(&self) -> Result<(), Error> {
        let allowed = self.messaging.is_some_and(|messaging| messaging.list);
        if allowed { Ok(()) } else { Err(denied("list of participants")) }
    }

    /// Reads the scope of an `api` grant. The error is the reason.
    pub(super) fn from_scope(scope: &Value) -> Result<Self, &'static str> {
        let scope = scope.as_object().ok_or("the scope of the `api` grant must be an object")?;
        let queues = match scope.get("queues") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let keys = value.as_object().ok_or("the grant `queues` must be an object")?;
                Some(QueueGrants {
                    list: flag(keys, "list")?,
                    send: names(keys, "send")?,
                    receive: names(keys, "receive")?,
                })
            }
        };
        let messaging = match scope.get("messaging") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let keys = value.as_object().ok_or("the grant `messaging` must be an object")?;
                Some(MessagingGrants {
                    broadcast: flag(keys, "broadcast")?,
                    list: flag(keys, "list")?,
                    send: flag(keys, "send")?,
                })
            }
        };
        Ok(Self { queues, messaging })
    }

    /// Writes the scope of an `api` grant as the published clients do: what has its default is left out.
    pub(super) fn to_scope(&self) -> Value {
        let mut scope = Map::new();
        if let Some(queues) = &self.queues {
            let mut keys = Map::new();
            for (key, names) in [("send", &queues.send), ("receive", &queues.receive)] {
                if let Some(names) = names.sorted() {
                    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
                    keys.insert(key.to_owned(), json!(names));
                }
            }
            insert_denied(&mut keys, "list", queues.list);
            scope.insert("queues".to_owned(), Value::Object(keys));
        }
        if let Some(messaging) = &self.messaging {
            let mut keys = Map::new();
            insert_denied(&mut keys, "broadcast", messaging.broadcast);
            insert_denied(&mut keys, "list", messaging.list);
            insert_denied(&mut keys, "send", messaging.send);
            scope.insert("messaging".to_owned(), Value::Object(keys));
        }
        Value::Object(scope)
    }
}

fn insert_denied(keys: &mut Map<String, Value>, key: &str, allowed: bool) {
    if !allowed {
        keys.insert(key.to_owned(), Value::Bool(false));
    }
}

fn flag(keys: &Map<String, Value>, key: &str) -> Result<bool, &'static str> {
    match keys.get(key) {
        None => Ok(true),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err("`list`, `send` and `broadcast` of a grant must be true or false"),
    }
}

/// Absent or null is all. A text that is no legal name is skipped: it can match no queue.
fn names(keys: &Map<String, Value>, key: &str) -> Result<Names, &'static str> {
    const WRONG: &str = "`send` and `receive` of the grant `queues` must be lists of names";
    match keys.get(key) {
        None | Some(Value::Null) => Ok(Names::All),
        Some(Value::Array(items)) => {
            let mut names = HashSet::with_capacity(items.len());
            for item in items {
                if let Ok(name) = item.as_str().ok_or(WRONG)?.parse() {
                    names.insert(name);
                }
            }
            Ok(Names::Only(names))
        }
        Some(_) => Err(WRONG),
    }
}

#[cfg(test)]
mod tests;
