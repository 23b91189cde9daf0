//! Who is it, and may they? Tokens, the keys that sign them, and what they allow.
//!
//! ```text
//! token ── verify(keys, token, now) ──▶ Identity { name, role, room, grants, expires_at }
//!                                            └─ grants.ensure_send(queue)? …one per capability
//! Claims { name, room, grants, … } ── sign(keys) ──▶ token
//! ```
//!
//! Tokens are `MeshAgent` participant tokens: JWTs whose claims hold a name and a list of grants.
//!
//! What this module refuses to know: HTTP (a token is a text), the time (`now` is an argument), files
//! and the environment (keys are handed in), randomness (bytes are handed in), rooms and queues beyond
//! their names.
//!
//! Invariants:
//! 1. The algorithm belongs to the key. What a token says of its algorithm can only make it refused.
//! 2. Nothing in a token makes the server read a key from elsewhere: `jku`, `jwk`, `x5u` are not read.
//! 3. Nothing is read generously. A claim of the wrong type, a key that is there twice, two grants that
//!    contradict each other: the whole token is refused.
//! 4. No error and no `Debug` output holds anything of a secret or a token.
//! 5. Checking a grant is a look-up; only a refusal allocates.

mod api_key;
mod claims;
mod grant;
mod json;
mod key;
mod names;
pub mod roles;
mod token;

pub use api_key::{API_KEY_RANDOM_BYTES, ApiKey};
pub use claims::{Claims, DEFAULT_ROLE, SDK_VERSION};
pub use grant::{Grants, MessagingGrants, QueueGrants};
pub use key::{Algorithm, KeyError, KeyRing, PublicAlgorithm, SECRET_BYTES_MIN, Secret};
pub use names::Names;
pub use token::{
    EXPIRY_LEEWAY, Identity, SignatureCheck, TOKEN_BYTES_MAX, Token, verify, verify_with_roles,
};

#[cfg(test)]
mod test_keys;
