//! What a token allows: compiled once from its claims, looked up at every call.

use serde_json::{Map, Value, json};

use super::Names;
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
    /// Queues whose settings may be changed, and by hand what is in them.
    pub manage: Names,
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

impl Default for QueueGrants {
    fn default() -> Self {
        Self { list: true, send: Names::all(), receive: Names::all(), manage: Names::all() }
    }
}

impl QueueGrants {
    /// What `manage` is when a token does not say: a token that names what it may send to or receive from was
    /// made to do no more than that; one that names neither may do everything.
    #[must_use]
    pub fn manage_unless_said(is_restricted: bool) -> Names {
        if is_restricted { Names::none() } else { Names::all() }
    }
}

impl Default for MessagingGrants {
    fn default() -> Self {
        Self { broadcast: true, list: true, send: true }
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

    fn may_manage(&self, queue: &QueueName) -> bool {
        self.queues.as_ref().is_some_and(|queues| queues.manage.contains(queue))
    }

    fn may_any(&self, queue: &QueueName) -> bool {
        self.may_send(queue) || self.may_receive(queue) || self.may_manage(queue)
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

    /// May it take messages from anywhere? From which queues.
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_receive_any(&self) -> Result<&Names, Error> {
        let queues = self.queues.as_ref().filter(|queues| queues.receive != Names::none());
        queues.map(|queues| &queues.receive).ok_or_else(|| denied("receive"))
    }

    /// May it change every queue of the room?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_manage_all(&self) -> Result<(), Error> {
        let may = self.queues.as_ref().is_some_and(|queues| queues.manage.is_all());
        if may { Ok(()) } else { Err(denied("manage on all queues")) }
    }

    /// May it throw the messages of `queue` away? That takes them, so who may receive may; who manages the
    /// queue may, too.
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_drain(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_receive(queue) || self.may_manage(queue) {
            Ok(())
        } else {
            Err(denied_on("receive or manage, one of which drain needs,", queue))
        }
    }

    /// May it change the settings of `queue`, and what is in it by hand?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_manage(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_manage(queue) { Ok(()) } else { Err(denied_on("manage", queue)) }
    }

    /// May it receive from every queue of the room?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_receive_everywhere(&self) -> Result<(), Error> {
        let allowed = self.queues.as_ref().is_some_and(|queues| queues.receive.is_all());
        if allowed { Ok(()) } else { Err(denied("receive on every queue")) }
    }

    /// May it do anything with queues?
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_queues(&self) -> Result<(), Error> {
        if self.queues.is_some() { Ok(()) } else { Err(denied("queues")) }
    }

    /// May it open `queue`? Who may send, receive or manage there may.
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_open(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_any(queue) {
            Ok(())
        } else {
            Err(denied_on("send, receive or manage, one of which open needs,", queue))
        }
    }

    /// May it close `queue`? Who may send, receive or manage there may.
    ///
    /// # Errors
    /// [`ErrorCode::PermissionDenied`].
    pub fn ensure_close(&self, queue: &QueueName) -> Result<(), Error> {
        if self.may_any(queue) {
            Ok(())
        } else {
            Err(denied_on("send, receive or manage, one of which close needs,", queue))
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
                let (send, receive) = (names(keys, "send")?, names(keys, "receive")?);
                let manage = names_or_flag(keys, "manage")?.unwrap_or_else(|| {
                    QueueGrants::manage_unless_said(send.is_some() || receive.is_some())
                });
                Some(QueueGrants {
                    list: flag(keys, "list")?,
                    send: send.unwrap_or_else(Names::all),
                    receive: receive.unwrap_or_else(Names::all),
                    manage,
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
                if !names.is_all() {
                    keys.insert(key.to_owned(), json!(names.written()));
                }
            }
            // What its absence would mean depends on what was written so far.
            if queues.manage != QueueGrants::manage_unless_said(!keys.is_empty()) {
                let manage = match queues.manage.is_all() {
                    true => Value::Bool(true),
                    false => json!(queues.manage.written()),
                };
                keys.insert("manage".to_owned(), manage);
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

/// Names, or true for every queue, or false for none. `None`: absent or null.
fn names_or_flag(keys: &Map<String, Value>, key: &str) -> Result<Option<Names>, &'static str> {
    match keys.get(key) {
        Some(Value::Bool(true)) => Ok(Some(Names::all())),
        Some(Value::Bool(false)) => Ok(Some(Names::none())),
        _ => names(keys, key),
    }
}

/// `None`: absent or null.
fn names(keys: &Map<String, Value>, key: &str) -> Result<Option<Names>, &'static str> {
    const WRONG: &str = "`send`, `receive` and `manage` of the grant `queues` must be lists of names, or `manage` true or false";
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            let names: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            names.map(Names::of).map(Some).ok_or(WRONG)
        }
        Some(_) => Err(WRONG),
    }
}

#[cfg(test)]
mod tests;
