//! Plain calls of the queues, as the published clients write them: read in one pass, without serde. Anything else is
//! none, and is read again by those who can say what is wrong with it.

use std::borrow::Cow;

use super::request::{Arguments, QueueTool};
use crate::wire::scan::{Cursor, once};

/// The arguments of a direct call.
pub(super) fn arguments(header: &[u8]) -> Option<Arguments<'_>> {
    let mut cursor = Cursor::new(std::str::from_utf8(header).ok()?);
    let arguments = members(&mut cursor)?;
    cursor.is_at_end().then_some(arguments)
}

/// A call of the toolkit `queues`.
pub(super) fn invocation(header: &[u8]) -> Option<(QueueTool, Arguments<'_>)> {
    let mut cursor = Cursor::new(std::str::from_utf8(header).ok()?);
    let (mut toolkit, mut tool, mut content, mut arguments) = (None, None, None, None);
    cursor.object(|cursor| match cursor.name()? {
        "toolkit" => once(&mut toolkit, cursor.text()?),
        "tool" => once(&mut tool, cursor.text()?),
        "arguments" => {
            once(&mut content, ())?;
            cursor.object(|cursor| match cursor.name()? {
                "json" => once(&mut arguments, members(cursor)?),
                _ => cursor.value().map(|_| ()),
            })
        }
        _ => cursor.value().map(|_| ()),
    })?;
    let is_ours = toolkit == Some("queues") && cursor.is_at_end();
    let tool = QueueTool::read(tool.filter(|_| is_ours)?)?;
    Some((tool, arguments?))
}

fn members<'a>(cursor: &mut Cursor<'a>) -> Option<Arguments<'a>> {
    let mut arguments = Arguments::default();
    cursor.object(|cursor| match cursor.name()? {
        "name" => once(&mut arguments.name, Cow::Borrowed(cursor.text()?)),
        "create" => once(&mut arguments.create, flag(cursor)?),
        "wait" => once(&mut arguments.wait, flag(cursor)?),
        "message" => once(&mut arguments.message, cursor.value()?),
        // They have a meaning, but not for queues.
        "to_participant_id" | "type" | "message_json" | "attachment_base64" => None,
        _ => cursor.value().map(|_| ()),
    })?;
    Some(arguments)
}

fn flag(cursor: &mut Cursor<'_>) -> Option<bool> {
    cursor.value()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::wire::meshagent::request::{Invocation, parse};

    fn said(name: &str, create: Option<bool>, message: Option<&'static str>) -> Arguments<'static> {
        let mut said = Arguments::default();
        (said.name, said.create, said.message) = (Some(name.to_owned().into()), create, message);
        said
    }

    #[test]
    fn what_clients_write_is_plain() {
        for text in [
            r#"{"toolkit":"queues","tool":"send","arguments":{"type":"json","json":{"name":"q","create":true,"message":{"n":1}}}}"#,
            r#"{"toolkit": "queues", "tool": "send", "participant_id": null, "on_behalf_of_id": null, "arguments": {"type": "json",
                "json": {"name": "q", "create": true, "message": {"n":1}}}, "tool_call_id": "b9", "__meshagent__": {"v": 1, "otel": {}}}"#,
        ] {
            let expected = said("q", Some(true), Some(r#"{"n":1}"#));
            assert_eq!(invocation(text.as_bytes()), Some((QueueTool::Send, expected)), "{text}");
        }
        let direct = r#"{"name": "q", "message": [1.0], "__meshagent__": {"v": 1}}"#;
        assert_eq!(arguments(direct.as_bytes()), Some(said("q", None, Some("[1.0]"))));
    }

    #[test]
    fn what_is_odd_is_not() {
        for text in [
            r#"{"toolkit":"queues","tool":"fly","arguments":{"json":{"name":"q"}}}"#,
            r#"{"toolkit":"other","tool":"send","arguments":{"json":{"name":"q"}}}"#,
            r#"{"toolkit":"queues","tool":"send","arguments":{}}"#,
            r#"{"toolkit":"queues","tool":"send","arguments":{"json":{}},"arguments":{}}"#,
            r#"{"toolkit":"queues","tool":"send","arguments":{"json":{"name":"q","name":"q"}}}"#,
            r#"{"toolkit":"queues","tool":"send","arguments":{"json":{"name":"\u0071"}}}"#,
            r#"{"toolkit":"queues","tool":"send","arguments":{"json":{"wait":null}}}"#,
            r#"{"toolkit":"queues","tool":"send","arguments":{"json":{"type":1}}}"#,
            r#"{"toolkit":"queues","tool":"send","arguments":{"json":{}}} x"#,
            "[]",
        ] {
            assert_eq!(invocation(text.as_bytes()), None, "{text}");
        }
        assert_eq!(arguments(b"{\"name\":\"\xff\"}"), None);
    }

    fn object(members: &'static [&'static str]) -> impl Strategy<Value = String> {
        vec(select(members), 0..5).prop_map(|members| format!("{{{}}}", members.join(", ")))
    }

    fn call() -> impl Strategy<Value = String> {
        let json = object(&[
            r#""name":"q""#,
            r#""name":"q""#,
            r#""name":"\u0071""#,
            r#""create":true"#,
            r#""wait":false"#,
            r#""wait":null"#,
            r#""message":{"a":[1,"\ud800"]}"#,
            r#""message":[}"#,
            r#""type":"t""#,
            r#""type":1"#,
            r#""other":1"#,
            r#""n\u0061me":1"#,
        ]);
        let outer = vec(
            select(
                &[
                    r#""toolkit":"queues""#,
                    r#""tool":"send""#,
                    r#""tool":"receive""#,
                    r#""arguments":{}"#,
                    r#""arguments":{"json":{},"json":{}}"#,
                    r#""other":{"tool":1}"#,
                    r#""toolkit":1"#,
                ][..],
            ),
            0..2,
        );
        (json, outer, any::<bool>()).prop_map(|(json, more, is_whole)| {
            let mut members = vec![
                r#""toolkit":"queues""#.to_owned(),
                format!(r#""arguments":{{"type":"json","json":{json}}}"#),
                r#""tool":"send""#.to_owned(),
            ];
            members.truncate(if is_whole { 3 } else { 2 });
            members.extend(more.into_iter().map(str::to_owned));
            format!("{{{}}}", members.join(","))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_plain_call_is_what_serde_makes_of_it(
            text in call(),
            damage in any::<Option<(prop::sample::Index, u8)>>(),
        ) {
            let mut text = text.into_bytes();
            if let Some((at, byte)) = damage {
                let at = at.index(text.len());
                text[at] = byte;
            }
            if let Some((tool, plain)) = invocation(&text) {
                let Invocation { toolkit, tool: said, arguments } = parse(&text).unwrap();
                prop_assert_eq!((&*toolkit, QueueTool::read(&said)), ("queues", Some(tool)));
                prop_assert_eq!(arguments.json, Some(plain));
            }
            if let Some(plain) = arguments(&text) {
                prop_assert_eq!(parse(&text), Ok(plain));
            }
        }
    }
}
