//! Every capability against every kind of grant.

use super::*;

type Check = fn(&Grants) -> Result<(), Error>;

fn queue(name: &str) -> QueueName {
    name.parse().unwrap()
}

/// Every capability, on queue `a` where it needs one, and a word its refusal must hold.
const CHECKS: [(&str, Check, &str); 11] = [
    ("list", Grants::ensure_list, "list of queues"),
    ("send", |g| g.ensure_send(&queue("a")), "send on queue a"),
    ("receive", |g| g.ensure_receive(&queue("a")), "receive on queue a"),
    ("drain", |g| g.ensure_drain(&queue("a")), "drain needs, on queue a"),
    ("open", |g| g.ensure_open(&queue("a")), "open needs, on queue a"),
    ("close", |g| g.ensure_close(&queue("a")), "close needs, on queue a"),
    ("manage", |g| g.ensure_manage(&queue("a")), "manage on queue a"),
    ("messaging", Grants::ensure_messaging, "messaging"),
    ("message_send", Grants::ensure_message_send, "send of messages"),
    ("message_broadcast", Grants::ensure_message_broadcast, "broadcast of messages"),
    ("message_list", Grants::ensure_message_list, "list of participants"),
];

#[test]
fn each_capability_is_allowed_by_exactly_the_grant_sets_that_name_it() {
    const QUEUES: &str = "list send receive drain open close manage";
    const MESSAGING: &str = "messaging message_send message_broadcast message_list";
    let all = format!("{QUEUES} {MESSAGING}");
    for (scope, allowed) in [
        (r#"{}"#, ""),
        (r#"{"storage":{},"admin":5}"#, ""),
        (r#"{"queues":null,"messaging":null}"#, ""),
        (r#"{"queues":{},"messaging":{}}"#, all.as_str()),
        (r#"{"queues":{}}"#, QUEUES),
        (r#"{"queues":{"other":1}}"#, QUEUES),
        (r#"{"queues":{"send":null,"receive":null,"list":true}}"#, QUEUES),
        (r#"{"queues":{"list":false}}"#, "send receive drain open close manage"),
        (r#"{"queues":{"send":[]}}"#, "list receive drain open close"),
        (r#"{"queues":{"receive":[]}}"#, "list send open close"),
        (r#"{"queues":{"send":[],"receive":[]}}"#, "list"),
        (r#"{"queues":{"send":[],"receive":[],"list":false}}"#, ""),
        (r#"{"queues":{"send":["a"],"receive":[]}}"#, "list send open close"),
        (r#"{"queues":{"send":["b"],"receive":["a"]}}"#, "list receive drain open close"),
        (r#"{"queues":{"send":["b"],"receive":["b","a"]}}"#, "list receive drain open close"),
        // Nothing but the same bytes is the same name, and only `:*` stands for others.
        (
            r#"{"queues":{"send":["A","*a","","a ","../a","a/../a","\u0430"],"receive":["a?","a**"]}}"#,
            "list",
        ),
        (r#"{"queues":{"send":["*"]}}"#, "list receive drain open close"),
        (r#"{"queues":{"send":["*","a*"],"receive":[":*"]}}"#, "list"),
        // To manage is to open, to close and to drain, but neither to send nor to receive.
        (r#"{"queues":{"manage":null}}"#, QUEUES),
        (r#"{"queues":{"manage":true}}"#, QUEUES),
        (r#"{"queues":{"manage":false}}"#, "list send receive drain open close"),
        (r#"{"queues":{"manage":["a"]}}"#, QUEUES),
        (r#"{"queues":{"manage":[]}}"#, "list send receive drain open close"),
        (r#"{"queues":{"manage":["b*","A"]}}"#, "list send receive drain open close"),
        (r#"{"queues":{"manage":null,"send":["a"],"receive":[]}}"#, "list send open close"),
        (
            r#"{"queues":{"manage":["a"],"send":[],"receive":[],"list":false}}"#,
            "drain open close manage",
        ),
        (
            r#"{"queues":{"manage":["a"],"send":["a"],"receive":["b"]}}"#,
            "list send drain open close manage",
        ),
        (r#"{"queues":{"manage":true,"send":["b"],"receive":[]}}"#, "list drain open close manage"),
        (r#"{"queues":{"send":["a\n","a"],"receive":[]}}"#, "list send open close"),
        (r#"{"messaging":{}}"#, MESSAGING),
        (r#"{"messaging":{"send":false}}"#, "messaging message_broadcast message_list"),
        (r#"{"messaging":{"broadcast":false}}"#, "messaging message_send message_list"),
        (r#"{"messaging":{"list":false}}"#, "messaging message_send message_broadcast"),
        (r#"{"messaging":{"list":false,"send":false,"broadcast":false}}"#, "messaging"),
    ] {
        let grants = Grants::from_scope(&serde_json::from_str(scope).unwrap()).unwrap();
        for (name, check, word) in CHECKS {
            let expected = allowed.split(' ').any(|allowed| allowed == name);
            match check(&grants) {
                Ok(()) => assert!(expected, "{scope} allows {name}"),
                Err(error) => {
                    assert!(!expected, "{scope} refuses {name}");
                    assert_eq!(error.code, ErrorCode::PermissionDenied);
                    assert!(error.message.starts_with("the token does not allow "), "{error}");
                    assert!(error.message.contains(word), "{error} / {word}");
                }
            }
        }
        let written = grants.to_scope();
        assert_eq!(Grants::from_scope(&written).unwrap(), grants, "{scope} became {written}");
    }
}

#[test]
fn a_scope_of_the_wrong_type_is_refused() {
    for scope in [
        r#"null"#,
        r#""queues""#,
        r#"[]"#,
        r#"true"#,
        r#"{"queues":[]}"#,
        r#"{"queues":true}"#,
        r#"{"queues":[["a"],["a"],true]}"#,
        r#"{"queues":{"send":"a"}}"#,
        r#"{"queues":{"send":true}}"#,
        r#"{"queues":{"send":{}}}"#,
        r#"{"queues":{"send":[1]}}"#,
        r#"{"queues":{"send":["a",null]}}"#,
        r#"{"queues":{"receive":"*"}}"#,
        r#"{"queues":{"manage":"*"}}"#,
        r#"{"queues":{"receive":true}}"#,
        r#"{"queues":{"manage":1}}"#,
        r#"{"queues":{"manage":["a",1]}}"#,
        r#"{"queues":{"list":1}}"#,
        r#"{"queues":{"list":null}}"#,
        r#"{"queues":{"list":"true"}}"#,
        r#"{"messaging":[]}"#,
        r#"{"messaging":{"send":"yes"}}"#,
        r#"{"messaging":{"broadcast":["a"]}}"#,
    ] {
        assert!(Grants::from_scope(&serde_json::from_str(scope).unwrap()).is_err(), "{scope}");
    }
}

#[test]
fn unrestricted_grants_are_written_without_their_defaults() {
    assert_eq!(Grants::full().to_scope().to_string(), r#"{"messaging":{},"queues":{}}"#);
    assert_eq!(Grants::none().to_scope().to_string(), "{}");
}

/// `manage` is left out exactly where its absence says the same: the published clients do not know it.
#[test]
fn manage_is_written_where_its_absence_would_say_something_else() {
    for (read, written) in [
        (r#"{"manage":null}"#, r#"{}"#),
        (r#"{"manage":true}"#, r#"{}"#),
        (r#"{"manage":false}"#, r#"{"manage":[]}"#),
        (r#"{"manage":[]}"#, r#"{"manage":[]}"#),
        (r#"{"manage":["b:*","a","b:c"]}"#, r#"{"manage":["a","b:*"]}"#),
        (r#"{"send":["a"]}"#, r#"{"send":["a"]}"#),
        (r#"{"send":["a"],"manage":[]}"#, r#"{"send":["a"]}"#),
        (r#"{"send":["a"],"manage":true}"#, r#"{"manage":true,"send":["a"]}"#),
        (r#"{"receive":[],"manage":["a"]}"#, r#"{"manage":["a"],"receive":[]}"#),
    ] {
        let scope = format!(r#"{{"queues":{read}}}"#);
        let grants = Grants::from_scope(&serde_json::from_str(&scope).unwrap()).unwrap();
        assert_eq!(grants.to_scope()["queues"].to_string(), written, "{read}");
        assert_eq!(Grants::from_scope(&grants.to_scope()).unwrap(), grants, "{read}");
    }
}
