//! Tokens of Queen MQ's: they name roles instead of grants.
//!
//! | role | what it may do |
//! |---|---|
//! | `admin` | everything |
//! | `read-write` | send, receive, list, change settings; what is deleted is for `admin` |
//! | `read-only` | list |
//! | `write-only` | send |
//!
//! Several roles add up. Such a token is for the room that its claim `room` names, else for `queen`.

use serde_json::{Map, Value};

use super::{Grants, Names, QueueGrants};

/// The room of a token that names none.
pub const ROOM: &str = "queen";

/// What a token may do who is not to delete anything.
pub const READ_WRITE: &str = "read-write";

/// The roles of a token: role and grants of the strongest, or of all together. None: it names no roles.
///
/// # Errors
/// A sentence, when it names something else.
pub(super) fn read(claims: &Map<String, Value>) -> Result<Option<(String, Grants)>, &'static str> {
    let mut roles: Vec<&str> = Vec::new();
    for claim in ["role", "roles"] {
        match claims.get(claim) {
            None => {}
            Some(Value::String(role)) => roles.push(role),
            Some(Value::Array(all)) => {
                for role in all {
                    roles.push(role.as_str().ok_or("a role must be a text")?);
                }
            }
            Some(_) => return Err("the claim `roles` must be a text or a list of texts"),
        }
    }
    let has = |role: &str| roles.contains(&role);
    let names = |may: bool| if may { Names::all() } else { Names::none() };
    let strongest = ["admin", READ_WRITE, "write-only", "read-only"].into_iter().find(|it| has(it));
    let Some(strongest) = strongest else { return Ok(None) };
    if has("admin") {
        return Ok(Some((strongest.to_owned(), Grants::full())));
    }
    let both = has(READ_WRITE);
    let queues = QueueGrants {
        list: both || has("read-only"),
        send: names(both || has("write-only")),
        receive: names(both),
        manage: names(both),
    };
    Ok(Some((strongest.to_owned(), Grants { queues: Some(queues), messaging: None })))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: Value) -> Result<Option<(String, Grants)>, &'static str> {
        read(claims.as_object().unwrap())
    }

    #[test]
    fn roles_mean_grants_and_add_up() {
        let all = |claims| {
            let (role, grants) = of(claims).unwrap().unwrap();
            let queues = grants.queues.unwrap();
            let may = [&queues.send, &queues.receive, &queues.manage].map(|names| names.is_all());
            (role, queues.list, may)
        };
        let named = |role: &str, list, may| (role.to_owned(), list, may);
        assert_eq!(all(json!({"role": "admin"})), named("admin", true, [true; 3]));
        assert_eq!(all(json!({"roles": ["read-write"]})), named(READ_WRITE, true, [true; 3]));
        assert_eq!(all(json!({"roles": ["read-only"]})), named("read-only", true, [false; 3]));
        assert_eq!(
            all(json!({"roles": ["other", "read-only", "write-only"]})),
            named("write-only", true, [true, false, false])
        );
        assert_eq!(of(json!({"role": "user"})), Ok(None));
        assert_eq!(of(json!({})), Ok(None));
        assert!(of(json!({"roles": [1]})).is_err() && of(json!({"role": 1})).is_err());
    }
}
