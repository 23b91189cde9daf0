//! Claims that can be read, and claims that can be read in two ways.

use super::*;
use crate::types::QueueName;

fn read(text: &str) -> Result<Claims, Error> {
    let result = Claims::read(text.as_bytes());
    if let Err(error) = &result {
        assert_eq!(error.code, ErrorCode::TokenInvalid);
    }
    result
}

/// Claims with these grants and members.
fn with(grants: &str, more: &str) -> String {
    format!(r#"{{"name":"ann","grants":[{grants}]{more}}}"#)
}

const ROOM: &str = r#"{"name":"room","scope":"demo"}"#;

#[test]
fn claims_that_can_be_read_in_two_ways_are_refused() {
    let room_and = |grant: &str| with(&format!("{ROOM},{grant}"), "");
    let claims = [
        "".to_owned(),
        "null".to_owned(),
        r#"["ann",[{"name":"room","scope":"demo"}]]"#.to_owned(),
        format!("{} ", with(ROOM, "")) + "{}",
        format!(r#"{{"grants":[{ROOM}]}}"#),
        format!(r#"{{"name":"","grants":[{ROOM}]}}"#),
        format!(r#"{{"name":null,"grants":[{ROOM}]}}"#),
        format!(r#"{{"name":7,"grants":[{ROOM}]}}"#),
        format!(r#"{{"name":["ann"],"grants":[{ROOM}]}}"#),
        format!(r#"{{"name":"a\nb","grants":[{ROOM}]}}"#),
        format!(r#"{{"name":"{}","grants":[{ROOM}]}}"#, "x".repeat(256)),
        format!(r#"{{"name":"ann","name":"ann","grants":[{ROOM}]}}"#),
        format!(r#"{{"name":"ann","n\u0061me":"bob","grants":[{ROOM}]}}"#),
        r#"{"name":"ann"}"#.to_owned(),
        r#"{"name":"ann","grants":null}"#.to_owned(),
        format!(r#"{{"name":"ann","grants":{ROOM}}}"#),
        format!(r#"{{"name":"ann","grants":[{ROOM}],"grants":[{ROOM}]}}"#),
        with("", ""),
        with(r#""room""#, ""),
        with(r#"["room","demo"]"#, ""),
        with(r#"{"scope":"demo"}"#, ""),
        with(r#"{"name":1,"scope":"demo"}"#, ""),
        with(r#"{"name":"room"}"#, ""),
        with(r#"{"name":"room","scope":null}"#, ""),
        with(r#"{"name":"room","scope":""}"#, ""),
        with(r#"{"name":"room","scope":["demo"]}"#, ""),
        with(r#"{"name":"room","scope":"demo","scope":"other"}"#, ""),
        with(r#"{"name":"Room","scope":"demo"}"#, ""),
        room_and(r#"{"name":"room","scope":"other"}"#),
        room_and(r#"{"name":"role"}"#),
        room_and(r#"{"name":"role","scope":""}"#),
        room_and(r#"{"name":"role","scope":7}"#),
        room_and(r#"{"name":"role","scope":"a\u0007"}"#),
        room_and(r#"{"name":"api"}"#),
        room_and(r#"{"name":"api","scope":null}"#),
        room_and(r#"{"name":"api","scope":"queues"}"#),
        room_and(r#"{"name":"api","scope":[]}"#),
        room_and(r#"{"name":"api","scope":{}},{"name":"api","scope":{}}"#),
        room_and(r#"{"name":"api","scope":{"queues":{"send":"a"}}}"#),
        room_and(r#"{"name":"api","scope":{"queues":{},"queues":{}}}"#),
        room_and(r#"{"name":"api","scope":{"queues":{"send":[],"send":["a"]}}}"#),
        with(ROOM, r#","version":1"#),
        with(ROOM, r#","version":null"#),
        with(ROOM, r#","kid":5"#),
        with(ROOM, r#","kid":"a/b""#),
        with(ROOM, r#","sub":5"#),
        with(ROOM, r#","x":{"a":1,"a":2}"#),
    ];
    for claims in claims {
        assert!(read(&claims).is_err(), "{claims}");
    }
}

#[test]
fn what_is_not_for_this_server_is_ignored() {
    let more = r#","jti":1,"iat":"yesterday","x":[null],"sub":null,"kid":null"#;
    let other = r#"{"name":"site","scope":{"a":[1]}},{"name":"tunnel_ports"}"#;
    let claims = read(&with(&format!("{other},{ROOM},{ROOM}"), more)).unwrap();
    assert_eq!(claims.room.as_str(), "demo");
    assert_eq!((claims.key_id, claims.project, claims.expires_at), (None, None, None));
}

#[test]
fn the_first_role_that_is_not_user_counts() {
    for (roles, role) in [
        (&[][..], "user"),
        (&["user"], "user"),
        (&["agent"], "agent"),
        (&["user", "tool", "agent"], "tool"),
        (&["Besucher"], "Besucher"),
    ] {
        let mut grants = ROOM.to_owned();
        for role in roles {
            grants += &format!(r#",{{"name":"role","scope":"{role}"}}"#);
        }
        assert_eq!(read(&with(&grants, "")).unwrap().role, role);
    }
}

#[test]
fn without_an_api_grant_only_tokens_of_before_version_0_6_0_may_do_everything() {
    for (version, full) in [
        (None, true),
        (Some("0.0.21"), true),
        (Some("0.5.99"), true),
        (Some("0.5"), true),
        (Some("0"), true),
        (Some("0.5.9rc1"), true),
        (Some("0.6.0"), false),
        (Some("0.6.0rc1"), false),
        (Some("0.6"), false),
        // As texts these would be before 0.6.0.
        (Some("0.10.0"), false),
        (Some("0.56.0"), false),
        (Some("1"), false),
        (Some("10.0.0"), false),
        // Not versions.
        (Some(""), false),
        (Some("v0.5.0"), false),
        (Some("-1.0"), false),
        (Some("0..5"), false),
        (Some("0.5.x"), false),
        (Some("0.99999999999999999999"), false),
    ] {
        let more = version.map_or_else(String::new, |version| format!(r#","version":"{version}""#));
        let expected = if full { Grants::full() } else { Grants::none() };
        assert_eq!(read(&with(ROOM, &more)).unwrap().grants, expected, "{version:?}");
        // With the grant, the version says nothing.
        let api = format!(r#"{ROOM},{{"name":"api","scope":{{"queues":{{"send":["a"]}}}}}}"#);
        let grants = read(&with(&api, &more)).unwrap().grants;
        assert!(grants.ensure_send(&"a".parse::<QueueName>().unwrap()).is_ok());
        assert!(grants.ensure_send(&"b".parse::<QueueName>().unwrap()).is_err());
        assert!(grants.ensure_messaging().is_err());
    }
}
