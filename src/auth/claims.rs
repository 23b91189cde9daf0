//! The claims of a participant token: read without generosity, written as the published clients do.

use serde_json::{Map, Value, json};

use super::{Grants, json::parse_unique, key::is_key_id, roles};
use crate::{
    error::{Error, ErrorCode},
    types::{ParticipantName, RoomName, Timestamp},
};

/// Version of the client library that our tokens claim: its readers choose the meaning of a missing
/// `api` grant by it.
pub const SDK_VERSION: &str = "0.56.0";

/// Tokens of this version and later mean "nothing" when they have no `api` grant, earlier ones "all".
const FIRST_VERSION_WITH_API_GRANT: [u64; 3] = [0, 6, 0];

/// End of the year 9999. A later moment is milliseconds taken for seconds, or an attack.
const LAST_SECOND: u64 = 253_402_300_799;

/// Role of a token that names no other.
pub const DEFAULT_ROLE: &str = "user";

/// What a token says. Made by reading one, or by hand to sign one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who it is.
    pub name: ParticipantName,
    /// The one room it is for.
    pub room: RoomName,
    /// What it takes part as: `user`, `agent`, `tool` or a word of its own.
    pub role: String,
    /// What it may do.
    pub grants: Grants,
    /// Valid until then; `None` is for ever.
    pub expires_at: Option<Timestamp>,
    /// Valid from then on.
    pub not_before: Option<Timestamp>,
    /// Id of the key that signed it; `None` is the default secret.
    pub key_id: Option<String>,
    /// Project the token was made for.
    pub project: Option<String>,
    /// Version of the library that made it.
    pub version: Option<String>,
    /// Services the token was made for, when it names some.
    pub audience: Vec<String>,
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorCode::TokenInvalid, reason)
}

impl Claims {
    /// The claims of a token that may do everything in `room`, for ever, signed by the default secret.
    #[must_use]
    pub fn full_access(name: ParticipantName, room: RoomName) -> Self {
        Self {
            name,
            room,
            role: DEFAULT_ROLE.to_owned(),
            grants: Grants::full(),
            expires_at: None,
            not_before: None,
            key_id: None,
            project: None,
            version: Some(SDK_VERSION.to_owned()),
            audience: Vec::new(),
        }
    }

    /// Reads the decoded second part of a token.
    pub(super) fn read(payload: &[u8]) -> Result<Self, Error> {
        let Ok(Value::Object(claims)) = parse_unique(payload) else {
            return Err(invalid("the token's claims are not an object that names each claim once"));
        };
        let name = match claims.get("name") {
            // Not blank either: the published SDKs cannot read such a token.
            Some(Value::String(name)) if !name.trim().is_empty() => {
                name.parse().map_err(|_| invalid("the claim `name` is not a legal name"))?
            }
            _ => return Err(invalid("the claim `name` is missing, blank or not a text")),
        };
        let version = match claims.get("version") {
            None => None,
            Some(Value::String(version)) => Some(version.clone()),
            Some(_) => return Err(invalid("the claim `version` must be a text")),
        };
        let Some(Value::Array(list)) = claims.get("grants") else {
            return Err(invalid("the claim `grants` is missing or not a list"));
        };
        let GrantList { room, role, api } = GrantList::read(list)?;
        let grants = api.unwrap_or_else(|| match &version {
            Some(version) if !is_before_api_grant(version) => Grants::none(),
            _ => Grants::full(),
        });
        Ok(Self {
            name,
            room: room.ok_or_else(|| invalid("the token has no `room` grant"))?,
            role: role.unwrap_or_else(|| DEFAULT_ROLE.to_owned()),
            grants,
            expires_at: moment(
                &claims,
                "exp",
                "the claim `exp` must be a whole number of seconds",
            )?,
            not_before: moment(
                &claims,
                "nbf",
                "the claim `nbf` must be a whole number of seconds",
            )?,
            key_id: key_id(&claims)?,
            project: optional_text(&claims, "sub", "the claim `sub` must be a text")?,
            version,
            audience: audience(&claims)?,
        })
    }

    /// Reads the claims of a token that may name roles instead of grants: who it is stands in `sub`.
    pub(super) fn read_roles(payload: &[u8]) -> Result<Self, Error> {
        let Ok(Value::Object(claims)) = parse_unique(payload) else { return Self::read(payload) };
        if claims.contains_key("grants") {
            return Self::read(payload);
        }
        let claims = &claims;
        let Some((role, grants)) = roles::read(claims).map_err(invalid)? else {
            return Self::read(payload);
        };
        const NAME: &str = "the claim `sub` is missing or not a legal name";
        let text = |claim, reason| optional_text(claims, claim, reason);
        let name = text("sub", NAME)?.and_then(|name| name.parse().ok()).ok_or(NAME);
        let room = text("room", "the claim `room` must be a text")?;
        let room = room.as_deref().unwrap_or(roles::ROOM).parse();
        let whole = "the claims `exp` and `nbf` must be whole numbers of seconds";
        Ok(Self {
            name: name.map_err(invalid)?,
            room: room.map_err(|_| invalid("the claim `room` is not a legal name"))?,
            role,
            grants,
            expires_at: moment(claims, "exp", whole)?,
            not_before: moment(claims, "nbf", whole)?,
            key_id: key_id(claims)?,
            project: None,
            version: None,
            audience: audience(claims)?,
        })
    }

    /// Writes what [`Claims::read`] reads.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut claims = Map::new();
        let mut grants = vec![json!({ "name": "room", "scope": self.room.as_str() })];
        if self.role != DEFAULT_ROLE {
            grants.push(json!({ "name": "role", "scope": self.role }));
        }
        grants.push(json!({ "name": "api", "scope": self.grants.to_scope() }));
        claims.insert("name".to_owned(), self.name.as_str().into());
        claims.insert("grants".to_owned(), Value::Array(grants));
        for (claim, text) in
            [("kid", &self.key_id), ("sub", &self.project), ("version", &self.version)]
        {
            if let Some(text) = text {
                claims.insert(claim.to_owned(), text.as_str().into());
            }
        }
        for (claim, moment) in [("exp", self.expires_at), ("nbf", self.not_before)] {
            if let Some(moment) = moment {
                claims.insert(claim.to_owned(), moment.as_secs().into());
            }
        }
        if !self.audience.is_empty() {
            claims.insert("aud".to_owned(), json!(self.audience));
        }
        Value::Object(claims).to_string().into_bytes()
    }
}

#[derive(Default)]
struct GrantList {
    room: Option<RoomName>,
    role: Option<String>,
    api: Option<Grants>,
}

impl GrantList {
    fn read(list: &[Value]) -> Result<Self, Error> {
        let mut read = Self::default();
        for grant in list {
            let grant = grant.as_object().ok_or_else(|| invalid("a grant must be an object"))?;
            let Some(Value::String(name)) = grant.get("name") else {
                return Err(invalid("a grant has no name"));
            };
            let scope = grant.get("scope").unwrap_or(&Value::Null);
            match name.as_str() {
                "room" => read.add_room(scope)?,
                "role" => read.add_role(scope)?,
                "api" => read.add_api(scope)?,
                // What else the issuer grants is for other services.
                _ => {}
            }
        }
        Ok(read)
    }

    fn add_room(&mut self, scope: &Value) -> Result<(), Error> {
        let room: RoomName = scope
            .as_str()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| invalid("the scope of the `room` grant is not a legal name"))?;
        match &self.room {
            Some(first) if *first != room => Err(invalid("the token has two `room` grants")),
            _ => {
                self.room = Some(room);
                Ok(())
            }
        }
    }

    /// The first role that is not `user` counts, as in the published clients.
    fn add_role(&mut self, scope: &Value) -> Result<(), Error> {
        // A role is shown to others, so it obeys the rules of names.
        let role = scope
            .as_str()
            .filter(|role| role.parse::<ParticipantName>().is_ok())
            .ok_or_else(|| invalid("the scope of the `role` grant is not a legal name"))?;
        if role != DEFAULT_ROLE && self.role.is_none() {
            self.role = Some(role.to_owned());
        }
        Ok(())
    }

    fn add_api(&mut self, scope: &Value) -> Result<(), Error> {
        if self.api.is_some() {
            return Err(invalid("the token has two `api` grants"));
        }
        self.api = Some(Grants::from_scope(scope).map_err(invalid)?);
        Ok(())
    }
}

/// A moment in whole seconds; libraries that count in floats write `1.0` for 1.
fn moment(
    claims: &Map<String, Value>,
    claim: &str,
    reason: &'static str,
) -> Result<Option<Timestamp>, Error> {
    let Some(value) = claims.get(claim) else {
        return Ok(None);
    };
    // Some issuers write milliseconds as fractions (RFC 7519 allows it); whole seconds will do.
    let seconds = value.as_u64().or_else(|| {
        value.as_f64().filter(|s| (0.0..=LAST_SECOND as f64).contains(s)).map(|s| s as u64)
    });
    match seconds {
        Some(seconds) if seconds <= LAST_SECOND => Ok(Some(Timestamp(seconds * 1000))),
        _ => Err(invalid(reason)),
    }
}

/// Absent and null are the same: JavaScript issuers write either.
fn optional_text(
    claims: &Map<String, Value>,
    claim: &str,
    reason: &'static str,
) -> Result<Option<String>, Error> {
    match claims.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(reason)),
    }
}

/// The key id of a header or of claims.
pub(super) fn key_id(object: &Map<String, Value>) -> Result<Option<String>, Error> {
    const REASON: &str = "the key id `kid` must be a text of at most 128 of A-Z a-z 0-9 . _ -";
    match optional_text(object, "kid", REASON)? {
        Some(id) if !is_key_id(&id) => Err(invalid(REASON)),
        id => Ok(id),
    }
}

fn audience(claims: &Map<String, Value>) -> Result<Vec<String>, Error> {
    const REASON: &str = "the claim `aud` must be a text or a list of texts";
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(all)) if !all.is_empty() => all
            .iter()
            .map(|one| one.as_str().map(str::to_owned).ok_or_else(|| invalid(REASON)))
            .collect(),
        Some(_) => Err(invalid(REASON)),
    }
}

/// Compares as numbers: 0.10.0 is after 0.6.0. What is no version is not before anything.
fn is_before_api_grant(version: &str) -> bool {
    let mut numbers = [0_u64; 3];
    for (index, part) in version.split('.').enumerate() {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let Some(number) = part.get(..digits).and_then(|digits| digits.parse().ok()) else {
            return false;
        };
        if let Some(slot) = numbers.get_mut(index) {
            *slot = number;
        }
    }
    numbers < FIRST_VERSION_WITH_API_GRANT
}

#[cfg(test)]
mod tests;
