//! Tokens: reading, checking, signing.
//!
//! ```text
//! base64url(header) . base64url(claims) . base64url(signature)
//!  alg, kid, crit      see claims.rs       over the first two parts, dot included
//! ```

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Algorithm, Claims, Grants, KeyRing, claims, json::parse_unique, key::CheckingKeys};
use crate::{
    error::{Error, ErrorCode},
    types::{Millis, ParticipantName, RoomName, Timestamp},
};

/// Longest token in bytes. A longer one is refused before it is read.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// By how much the clocks of issuer and server may differ.
pub const EXPIRY_LEEWAY: Millis = Millis::from_secs(60);

/// The header of every token that is signed here.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Who a checked token says it is, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub name: ParticipantName,
    /// What it takes part as: `user`, `agent`, `tool` or a word of its own.
    pub role: String,
    /// The one room it is for.
    pub room: RoomName,
    /// What it may do.
    pub grants: Grants,
    /// Until when; `None` is for ever. [`EXPIRY_LEEWAY`] is not included.
    pub expires_at: Option<Timestamp>,
}

/// What became of looking at a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// A known key made it.
    Right,
    /// The key that should have made it did not.
    Wrong,
    /// There is no key for the token's algorithm and key id.
    UnknownKey,
    /// The key made it, but for another service.
    OtherAudience,
}

/// A token that was taken apart. Nothing of it is to be believed before its signature is checked.
#[derive(Debug)]
pub struct Token<'a> {
    claims: Claims,
    algorithm: String,
    key_id: Option<String>,
    signed: &'a str,
    signature: &'a str,
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorCode::TokenInvalid, reason)
}

/// Checks a token: form, signature, times, in this order.
///
/// # Errors
/// [`ErrorCode::TokenInvalid`], [`ErrorCode::TokenExpired`] or [`ErrorCode::TokenNotYetValid`], with a
/// sentence that holds nothing of the token or of a key.
pub fn verify(keys: &KeyRing, token: &str, now: Timestamp) -> Result<Identity, Error> {
    verify_read(keys, Token::read(token)?, now)
}

/// The same of a token that may name [`roles`](super::roles) instead of grants.
///
/// # Errors
/// As above.
pub fn verify_with_roles(keys: &KeyRing, token: &str, now: Timestamp) -> Result<Identity, Error> {
    verify_read(keys, Token::read_with(token, Claims::read_roles)?, now)
}

fn verify_read(keys: &KeyRing, token: Token<'_>, now: Timestamp) -> Result<Identity, Error> {
    match token.check_signature(keys) {
        SignatureCheck::Right => {}
        SignatureCheck::Wrong => return Err(invalid("the token's signature is wrong")),
        SignatureCheck::UnknownKey => {
            return Err(invalid("there is no key for the token's algorithm and key id"));
        }
        SignatureCheck::OtherAudience => {
            return Err(invalid("the token is for another audience"));
        }
    }
    if token.claims.expires_at.is_none() && keys.require_exp() {
        return Err(invalid("the token has no expiry, and this server demands one"));
    }
    token.ensure_timely(now)?;
    let Claims { name, role, room, grants, expires_at, .. } = token.claims;
    Ok(Identity { name, role, room, grants, expires_at })
}

/// The first moment at which a token is refused: its expiry and the leeway.
fn refused_from(expires_at: Option<Timestamp>) -> Option<Timestamp> {
    expires_at.map(|expiry| expiry.after(EXPIRY_LEEWAY))
}

fn ensure_not_expired(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), Error> {
    match refused_from(expires_at) {
        Some(end) if now >= end => Err(ErrorCode::TokenExpired.into()),
        _ => Ok(()),
    }
}

impl Identity {
    /// Is the token for `room`? Names are compared byte for byte.
    ///
    /// # Errors
    /// [`ErrorCode::WrongRoom`].
    pub fn ensure_room(&self, room: &RoomName) -> Result<(), Error> {
        if self.room == *room { Ok(()) } else { Err(ErrorCode::WrongRoom.into()) }
    }

    /// Is it still valid? A connection may outlive its token.
    ///
    /// # Errors
    /// [`ErrorCode::TokenExpired`].
    pub fn ensure_not_expired(&self, now: Timestamp) -> Result<(), Error> {
        ensure_not_expired(self.expires_at, now)
    }

    /// The first moment at which it is refused: its expiry and the leeway.
    #[must_use]
    pub fn refused_from(&self) -> Option<Timestamp> {
        refused_from(self.expires_at)
    }
}

impl<'a> Token<'a> {
    /// Takes a token apart without checking its signature or its times.
    ///
    /// # Errors
    /// [`ErrorCode::TokenInvalid`].
    pub fn read(token: &'a str) -> Result<Self, Error> {
        Self::read_with(token, Claims::read)
    }

    fn read_with(
        token: &'a str,
        read: impl FnOnce(&[u8]) -> Result<Claims, Error>,
    ) -> Result<Self, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid("the token is longer than 8 KiB"));
        }
        let (signed, signature) =
            token.rsplit_once('.').ok_or_else(|| invalid("the token does not have three parts"))?;
        let (header, payload) =
            signed.split_once('.').ok_or_else(|| invalid("the token does not have three parts"))?;
        let decode = |part| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| invalid("a part of the token is not base64url without padding"))
        };
        let (algorithm, header_key_id) = read_header(&decode(header)?)?;
        let claims = read(&decode(payload)?)?;
        if let (Some(header), Some(claim)) = (&header_key_id, &claims.key_id)
            && header != claim
        {
            return Err(invalid("the token names two keys"));
        }
        let key_id = header_key_id.or_else(|| claims.key_id.clone());
        Ok(Self { claims, algorithm, key_id, signed, signature })
    }

    /// What it says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The algorithm that its header names, whatever that is.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The key that it names.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Is it valid at `now`, signature aside?
    ///
    /// # Errors
    /// [`ErrorCode::TokenNotYetValid`] or [`ErrorCode::TokenExpired`].
    pub fn ensure_timely(&self, now: Timestamp) -> Result<(), Error> {
        if self.claims.not_before.is_some_and(|from| now.after(EXPIRY_LEEWAY) < from) {
            return Err(ErrorCode::TokenNotYetValid.into());
        }
        ensure_not_expired(self.claims.expires_at, now)
    }

    /// Looks whether a known key made the signature.
    #[must_use]
    pub fn check_signature(&self, keys: &KeyRing) -> SignatureCheck {
        let Some(CheckingKeys { algorithm, keys, audience, .. }) =
            keys.checking(&self.algorithm, self.key_id())
        else {
            return SignatureCheck::UnknownKey;
        };
        let is_right = keys.iter().any(|key| {
            let signed = self.signed.as_bytes();
            jsonwebtoken::crypto::verify(self.signature, signed, key, algorithm.for_jsonwebtoken())
                .unwrap_or(false)
        });
        let is_for_us = match audience {
            Some(audience) => self.claims.audience.contains(audience),
            None => self.claims.audience.is_empty(),
        };
        match (is_right, is_for_us) {
            (false, _) => SignatureCheck::Wrong,
            (true, false) => SignatureCheck::OtherAudience,
            (true, true) => SignatureCheck::Right,
        }
    }
}

/// Algorithm and key id. What else a header holds, a key or where to fetch one, is not looked at.
fn read_header(header: &[u8]) -> Result<(String, Option<String>), Error> {
    let Ok(Value::Object(header)) = parse_unique(header) else {
        return Err(invalid("the token's header is not an object that names each key once"));
    };
    // By RFC 7515 whoever does not understand what is listed there must refuse; we understand nothing.
    if header.contains_key("crit") {
        return Err(invalid("the token's header has critical extensions"));
    }
    let Some(Value::String(algorithm)) = header.get("alg") else {
        return Err(invalid("the token's header names no algorithm"));
    };
    Ok((algorithm.clone(), claims::key_id(&header)?))
}

impl Claims {
    /// Makes a token, signed by the secret of [`Claims::key_id`] or by the default one.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] if the ring has no such secret, or the token would be too long.
    pub fn sign(&self, keys: &KeyRing) -> Result<String, Error> {
        let refuse = |reason| Error::new(ErrorCode::InvalidRequest, reason);
        let key = keys.signing(self.key_id.as_deref()).ok_or_else(|| match self.key_id {
            Some(_) => refuse("there is no secret with that key id to sign with"),
            None => refuse("there is no default secret to sign with"),
        })?;
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(self.write()));
        let algorithm = Algorithm::Hs256.for_jsonwebtoken();
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm)
            .map_err(|_| Error::from(ErrorCode::Internal))?;
        let token = format!("{signed}.{signature}");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(refuse("the token would be longer than 8 KiB: name fewer queues"));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
