//! The errors that cross `service`: one closed, numbered list.
//!
//! A number, once given, keeps its meaning for ever; a retired one is never used again.
//! 1xx the request, 2xx the grant, 3xx the state, 4xx a limit, 5xx the server.

use std::{borrow::Cow, fmt};

macro_rules! codes {
    ($($variant:ident = $number:literal $name:literal, http $http:literal, $retry:ident, $effect:ident, $session:ident, $meaning:literal;)*) => {
        /// What went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant = $number,)*
        }

        impl ErrorCode {
            /// All codes, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code's word on the wire and in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// HTTP status of an answer with this code.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $http,)* }
            }

            /// Whether the same request may succeed later.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$variant => codes!(@retry $retry),)* }
            }

            /// Whether the refused request may have changed something all the same.
            #[must_use]
            pub const fn may_have_happened(self) -> bool {
                match self { $(Self::$variant => codes!(@effect $effect),)* }
            }

            /// Whether the connection ends with it.
            #[must_use]
            pub const fn ends_session(self) -> bool {
                match self { $(Self::$variant => codes!(@session $session),)* }
            }
        }
    };
    (@retry retry) => { true };
    (@retry final) => { false };
    (@effect nothing) => { false };
    (@effect maybe) => { true };
    (@session stays) => { false };
    (@session ends) => { true };
}

codes! {
    InvalidRequest = 100 "invalid_request", http 400, final, nothing, stays, "the request is not understood";
    InvalidName = 101 "invalid_name", http 400, final, nothing, stays, "a name has 1 to 255 bytes of UTF-8 without control characters";
    InvalidJson = 102 "invalid_json", http 400, final, nothing, stays, "the text is not JSON";
    NotSupported = 103 "not_supported", http 501, final, nothing, stays, "this server does not offer that";
    ProtocolViolation = 104 "protocol_violation", http 400, final, nothing, ends, "the peer broke the framing of its protocol";
    InvalidSettings = 105 "invalid_settings", http 400, final, nothing, stays, "a setting has a value that it may not have";
    NotFound = 106 "not_found", http 404, final, nothing, stays, "there is nothing at this address";
    MethodNotAllowed = 107 "method_not_allowed", http 405, final, nothing, stays, "this address does not take that method";

    TokenMissing = 200 "token_missing", http 401, final, nothing, ends, "no token was given";
    TokenInvalid = 201 "token_invalid", http 401, final, nothing, ends, "the token is malformed or its signature is wrong";
    TokenExpired = 202 "token_expired", http 401, final, nothing, ends, "the token has expired";
    TokenNotYetValid = 203 "token_not_yet_valid", http 401, final, nothing, ends, "the token is not valid yet";
    WrongRoom = 204 "wrong_room", http 403, final, nothing, ends, "the token is for another room";
    OriginNotAllowed = 205 "origin_not_allowed", http 403, final, nothing, ends, "pages of this origin may not connect";
    PermissionDenied = 210 "permission_denied", http 403, final, nothing, stays, "the token does not allow this";

    QueueNotFound = 300 "queue_not_found", http 404, final, nothing, stays, "there is no such queue";
    QueueExists = 301 "queue_exists", http 409, final, nothing, stays, "the queue is open already";
    QueueClosed = 302 "queue_closed", http 409, retry, nothing, stays, "the queue is closed";
    ParticipantNotFound = 303 "participant_not_found", http 404, final, nothing, stays, "there is no such participant, or it takes no messages";

    QueuePaused = 304 "queue_paused", http 409, retry, nothing, stays, "the queue is paused";
    GroupNotFound = 305 "group_not_found", http 404, final, nothing, stays, "the queue has no such group";
    GroupRequired = 306 "group_required", http 409, final, nothing, stays, "the queue has no work group: name a group";
    MessageNotFound = 307 "message_not_found", http 404, final, nothing, stays, "the queue knows no such message";
    ScheduleNotFound = 308 "schedule_not_found", http 404, final, nothing, stays, "the queue has no such schedule";
    KeyConflict = 309 "key_conflict", http 409, final, nothing, stays, "the key was used with another body";
    Duplicate = 310 "duplicate", http 409, final, nothing, stays, "a message of the transaction was sent before";
    LeaseLost = 311 "lease_lost", http 409, final, nothing, stays, "a lease is no longer live";
    ReceiverNotFound = 312 "receiver_not_found", http 404, final, nothing, stays, "this session has no such receiver";
    GroupExists = 313 "group_exists", http 409, final, nothing, stays, "the group is there already";
    SessionLost = 314 "session_lost", http 404, final, nothing, ends, "there is no such session to resume";
    EncryptionUnavailable = 315 "encryption_unavailable", http 409, final, nothing, stays, "the queue requires encryption, and this server has no key";

    FrameTooLarge = 400 "frame_too_large", http 413, final, nothing, ends, "the frame is larger than the limit";
    MessageTooLarge = 401 "message_too_large", http 413, final, nothing, stays, "the message is larger than the limit";
    TooManyFragments = 402 "too_many_fragments", http 413, final, nothing, ends, "the message has too many fragments";
    TooManyPings = 403 "too_many_pings", http 429, final, nothing, ends, "the peer sends too many pings";
    TooManyConnections = 404 "too_many_connections", http 503, retry, nothing, ends, "the server has as many connections as it may have";
    TooManyRooms = 405 "too_many_rooms", http 503, retry, nothing, ends, "the server has as many rooms as it may have";
    TooManyParticipants = 406 "too_many_participants", http 503, retry, nothing, ends, "the room has as many participants as it may have";
    TooManyRequests = 407 "too_many_requests", http 429, retry, nothing, stays, "too many requests are unanswered";
    TooManyParkedOnConnection = 408 "too_many_parked_on_connection", http 429, retry, nothing, stays, "the connection has as many parked receivers as it may have";
    TooManyParkedOnQueue = 409 "too_many_parked_on_queue", http 429, retry, nothing, stays, "the queue has as many parked receivers as it may have";
    TooManyParkedInRoom = 410 "too_many_parked_in_room", http 429, retry, nothing, stays, "the room has as many parked receivers as it may have";
    TooManyQueues = 411 "too_many_queues", http 429, retry, nothing, stays, "the room has as many queues as it may have";
    QueueFull = 412 "queue_full", http 429, retry, nothing, stays, "the queue has as many messages as it may have";
    QueueBytesFull = 413 "queue_bytes_full", http 429, retry, nothing, stays, "the queue has as many bytes as it may have";
    SlowConsumer = 414 "slow_consumer", http 429, retry, nothing, ends, "the peer does not read what is sent to it";
    AttributesTooLarge = 415 "attributes_too_large", http 413, final, nothing, stays, "the participant's attributes are larger than the limit";
    TooManyGroups = 416 "too_many_groups", http 429, final, nothing, stays, "the queue has as many groups as it may have";
    TooManyPartitions = 417 "too_many_partitions", http 429, final, nothing, stays, "the queue has as many partitions as it may have";
    TooManySchedules = 418 "too_many_schedules", http 429, final, nothing, stays, "the queue has as many schedules as it may have";
    TooManyItems = 419 "too_many_items", http 413, final, nothing, stays, "the request names more things than one request may";

    Internal = 500 "internal", http 500, retry, maybe, stays, "the server failed";
    StoreFailed = 501 "store_failed", http 503, retry, maybe, stays, "the store did not take the change";
    ServerClosing = 502 "server_closing", http 503, retry, nothing, ends, "the server is shutting down";
    StorageFull = 503 "storage_full", http 507, retry, nothing, stays, "there is no room on the server's disk: receive, settle or drain first";
    ServerStarting = 504 "server_starting", http 503, retry, nothing, ends, "the server reads what it has stored";
}

impl ErrorCode {
    /// The code's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// A refusal: a code, and one sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub code: ErrorCode,
    /// The sentence. Never holds a token, a key or a body.
    pub message: Cow<'static, str>,
}

impl Error {
    /// A code with a sentence of its own.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: Cow::Borrowed(code.meaning()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code.name())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_in_their_range() {
        let mut names = std::collections::BTreeSet::new();
        let mut last = 0;
        for code in ErrorCode::ALL {
            assert!(names.insert(code.name()), "{} twice", code.name());
            assert!(code.number() > last, "{} out of order", code.name());
            last = code.number();
            assert!((100..600).contains(&code.number()));
            assert!((400..600).contains(&code.http_status()));
            // A refusal that is not the server's fault is made before anything is done.
            assert!(!code.may_have_happened() || code.number() >= 500, "{}", code.name());
        }
    }
}
