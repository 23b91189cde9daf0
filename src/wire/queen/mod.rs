//! What the bytes say that Queen MQ's clients send and read: JSON over HTTP.
//!
//! Fields are read generously, as those clients' own servers do: what is not known is passed over. Payloads are the
//! sender's bytes, and come out as they went in.
//!
//! Knows no grants, no engine, no sockets.

pub mod binary;
pub mod ids;
pub mod query;
pub mod request;
pub mod stream;
pub mod time;
pub mod trace;

pub use ids::{DeadName, LeaseName, MessageName, PartitionName};
pub use query::Query;
