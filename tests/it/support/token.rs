//! Tokens as the SDKs make them, and as nobody should.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::SECRET;

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Signs any claims with the tests' secret.
pub fn sign(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A token for `room` whose `api` grant has this scope.
pub fn token(room: &str, name: &str, api: Value) -> String {
    sign(&json!({
        "name": name,
        "version": "0.56.0",
        "exp": now() + 3600,
        "grants": [{"name": "room", "scope": room}, {"name": "api", "scope": api}],
    }))
}

/// A token that may do everything in `room`.
pub fn full(room: &str) -> String {
    token(room, "tester", json!({"queues": {}, "messaging": {}}))
}
