//! MeshAgent rooms: both generations of clients on one endpoint.

mod connect;
mod dialect;
mod handshake;

pub(crate) use connect::refusal;
pub use connect::{config, connect};
pub use dialect::MeshagentDialect;
pub use handshake::{Handshake, room_url};

use crate::error::ErrorCode;

/// The clients' number for an error. Their list is in the published `RoomException` codes.
const fn client_code(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::PermissionDenied
        | ErrorCode::TokenMissing
        | ErrorCode::TokenInvalid
        | ErrorCode::TokenExpired
        | ErrorCode::TokenNotYetValid
        | ErrorCode::WrongRoom
        | ErrorCode::OriginNotAllowed => 1001, // permission denied
        ErrorCode::InvalidRequest
        | ErrorCode::InvalidName
        | ErrorCode::InvalidJson
        | ErrorCode::NotSupported
        | ErrorCode::ProtocolViolation
        | ErrorCode::InvalidSettings
        | ErrorCode::MethodNotAllowed
        | ErrorCode::MessageTooLarge
        | ErrorCode::AttributesTooLarge => 1002, // invalid request
        ErrorCode::ParticipantNotFound
        | ErrorCode::NotFound
        | ErrorCode::GroupNotFound
        | ErrorCode::MessageNotFound
        | ErrorCode::ScheduleNotFound
        | ErrorCode::ReceiverNotFound
        | ErrorCode::SessionLost => 1003, // not found
        ErrorCode::QueueClosed
        | ErrorCode::QueuePaused
        | ErrorCode::GroupRequired
        | ErrorCode::GroupExists
        | ErrorCode::KeyConflict
        | ErrorCode::Duplicate
        | ErrorCode::LeaseLost
        | ErrorCode::EncryptionUnavailable => 1006, // invalid state
        ErrorCode::QueueNotFound => 5001, // queue not found
        ErrorCode::QueueExists => 5002,   // queue already exists
        ErrorCode::FrameTooLarge
        | ErrorCode::TooManyFragments
        | ErrorCode::TooManyPings
        | ErrorCode::TooManyConnections
        | ErrorCode::TooManyRooms
        | ErrorCode::TooManyParticipants
        | ErrorCode::TooManyRequests
        | ErrorCode::TooManyParkedOnConnection
        | ErrorCode::TooManyParkedOnQueue
        | ErrorCode::TooManyParkedInRoom
        | ErrorCode::TooManyQueues
        | ErrorCode::TooManyGroups
        | ErrorCode::TooManyPartitions
        | ErrorCode::TooManySchedules
        | ErrorCode::TooManyItems
        | ErrorCode::QueueFull
        | ErrorCode::QueueBytesFull
        | ErrorCode::SlowConsumer
        | ErrorCode::Internal
        | ErrorCode::StoreFailed
        | ErrorCode::ServerClosing
        | ErrorCode::StorageFull
        | ErrorCode::ServerStarting => 1008, // operation failed
    }
}
