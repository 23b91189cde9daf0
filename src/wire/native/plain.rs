//! Plain requests: those that are asked all the time, written as every client writes them. They are read
//! in one pass, without serde, whose maps and errors cost several times what there is to read.
//!
//! A request with anything else in it (a field that is rare, an escape in a name, a mistake) is none: whoever asks
//! reads it again. So there is one place that knows all that may be said, and what is said of mistakes.

use serde::{
    Deserialize,
    de::value::{BorrowedStrDeserializer, Error},
};

use super::{
    Frame, ID_MAX, NewMessage, Request, SendRequest, Sending,
    request::{Credit, Item, Receive, Settle},
    value::{Json, Text},
};
use crate::wire::scan::{Cursor, once};

/// A frame that holds one plain request.
pub(super) fn read(text: &str) -> Option<Frame<'_>> {
    let mut cursor = Cursor::new(text);
    let frame = request(&mut cursor);
    if cursor.is_at_end() { frame } else { None }
}

/// An element of a batch.
pub(super) enum Element<'a> {
    /// A plain request.
    Plain(Frame<'a>),
    /// Some JSON value.
    Other(&'a str),
}

/// The elements of an array, but for those after the first `max` and one.
pub(super) fn elements(text: &str, max: usize) -> Option<Vec<Element<'_>>> {
    let (mut cursor, mut elements) = (Cursor::new(text), Vec::new());
    let read = cursor.array(|cursor| {
        let from = cursor.clone();
        elements.push(match request(cursor) {
            Some(frame) => Element::Plain(frame),
            None => {
                *cursor = from;
                Element::Other(cursor.value()?)
            }
        });
        (elements.len() <= max).then_some(())
    });
    let is_whole = read.is_some() && cursor.is_at_end();
    (is_whole || elements.len() > max).then_some(elements)
}

fn request<'a>(cursor: &mut Cursor<'a>) -> Option<Frame<'a>> {
    let (mut fields, mut items, mut messages) = (Fields::default(), None, None);
    cursor.object(|cursor| match () {
        () if cursor.passes(br#""items":"#) => once(&mut items, list(cursor, item)?),
        () if cursor.passes(br#""messages":"#) => once(&mut messages, list(cursor, new_message)?),
        () => fields.read(cursor),
    })?;
    let (id, queue) = (fields.id(), fields.queue()?);
    if id.is_some_and(|id| id > ID_MAX) {
        return None;
    }
    let request = match fields.op()? {
        "send" => Request::Send(send(&mut fields, messages.take())),
        "settle" => Request::Settle(Box::new(settle(&mut fields, items.take())?)),
        "receive" => Request::Receive(Box::new(receive(&mut fields)?)),
        "credit" => Request::Credit(Credit {
            receiver: fields.receiver()?,
            credit: fields.credit()?.try_into().ok()?,
        }),
        _ => return None,
    };
    let is_plain = items.is_none() && messages.is_none() && fields.left == 0;
    if !is_plain {
        return None;
    }
    Some(Frame { id, queue: Some(queue.into()), request })
}

fn send<'a>(fields: &mut Fields<'a>, messages: Option<Vec<NewMessage<'a>>>) -> Sending<'a> {
    let body = fields.body();
    match (body, messages) {
        (Some(body), None) if fields.left == 0 => Sending::Body(body),
        (body, messages) => {
            let message = NewMessage { body, ..message(fields) };
            Sending::Full(Box::new(SendRequest { messages, ..message.into() }))
        }
    }
}

fn settle<'a>(fields: &mut Fields<'a>, items: Option<Vec<Item<'a>>>) -> Option<Settle<'a>> {
    Some(Settle {
        items,
        lease: fields.lease().map(Text::from),
        outcome: word(fields.outcome())?,
        result: fields.result(),
        delay_ms: fields.delay_ms(),
        reason: fields.reason().map(Text::from),
    })
}

/// There may be many of them, and most have nothing but a lease: so they are not read into all [`Fields`].
fn item<'a>(cursor: &mut Cursor<'a>) -> Option<Item<'a>> {
    let (mut lease, mut outcome, mut result, mut delay_ms, mut reason) =
        (None, None, None, None, None);
    cursor.object(|cursor| match () {
        () if cursor.passes(br#""lease":"#) => once(&mut lease, text(cursor)?),
        () if cursor.passes(br#""outcome":"#) => once(&mut outcome, text(cursor)?),
        () if cursor.passes(br#""result":"#) => once(&mut result, json(cursor)?),
        () if cursor.passes(br#""delay_ms":"#) => once(&mut delay_ms, number(cursor)?),
        () if cursor.passes(br#""reason":"#) => once(&mut reason, text(cursor)?),
        () => None,
    })?;
    let (lease, reason) = (Text::from(lease?), reason.map(Text::from));
    Some(Item { lease, outcome: word(outcome)?, result, delay_ms, reason })
}

fn new_message<'a>(cursor: &mut Cursor<'a>) -> Option<NewMessage<'a>> {
    let mut fields = Fields::default();
    cursor.object(|cursor| fields.read(cursor))?;
    let message = message(&mut fields);
    (fields.left == 0).then_some(message)
}

fn message<'a>(fields: &mut Fields<'a>) -> NewMessage<'a> {
    NewMessage {
        body: fields.body(),
        partition: fields.partition().map(Text::from),
        message_id: fields.message_id().map(Text::from),
        key: fields.key().map(Text::from),
        kind: fields.kind().map(Text::from),
        delay_ms: fields.delay_ms(),
        ..NewMessage::default()
    }
}

fn receive<'a>(fields: &mut Fields<'a>) -> Option<Receive<'a>> {
    Some(Receive {
        max: fields.max().map(u32::try_from).transpose().ok()?,
        wait_ms: fields.wait_ms(),
        lease_ms: fields.lease_ms(),
        lease: word(fields.lease())?,
        group: fields.group().map(Text::from),
        partition: fields.partition().map(Text::from),
        create: true,
        ..Receive::default()
    })
}

fn list<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut list = Vec::new();
    cursor.array(|cursor| {
        list.push(read(cursor)?);
        Some(())
    })?;
    Some(list)
}

/// One of the words of an enum.
fn word<'a, T: Deserialize<'a>>(text: Option<&'a str>) -> Option<Option<T>> {
    let read = |text| T::deserialize(BorrowedStrDeserializer::<Error>::new(text));
    text.map(read).transpose().ok()
}

macro_rules! fields {
    ($($field:ident: $type:ty = $read:ident $name:literal;)*) => {
        /// Fields of a request, or of something in one. Each has one meaning wherever it may stand.
        #[derive(Default)]
        struct Fields<'a> {
            /// So many are there that nobody has taken.
            left: usize,
            $($field: Option<$type>,)*
        }

        impl<'a> Fields<'a> {
            $(
                fn $field(&mut self) -> Option<$type> {
                    let taken = self.$field.take();
                    self.left -= usize::from(taken.is_some());
                    taken
                }
            )*

            /// One member.
            fn read(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
                self.left += 1;
                $(
                    if cursor.passes($name) {
                        return once(&mut self.$field, $read(cursor)?);
                    }
                )*
                None
            }
        }
    };
}

fields! {
    id: u64 = number br#""id":"#;
    op: &'a str = text br#""op":"#;
    queue: &'a str = text br#""queue":"#;
    body: Json<'a> = json br#""body":"#;
    lease: &'a str = text br#""lease":"#;
    outcome: &'a str = text br#""outcome":"#;
    result: Json<'a> = json br#""result":"#;
    reason: &'a str = text br#""reason":"#;
    max: u64 = number br#""max":"#;
    wait_ms: u64 = number br#""wait_ms":"#;
    lease_ms: u64 = number br#""lease_ms":"#;
    receiver: u64 = number br#""receiver":"#;
    credit: u64 = number br#""credit":"#;
    group: &'a str = text br#""group":"#;
    partition: &'a str = text br#""partition":"#;
    message_id: &'a str = text br#""message_id":"#;
    key: &'a str = text br#""key":"#;
    kind: &'a str = text br#""type":"#;
    delay_ms: u64 = number br#""delay_ms":"#;
}

fn text<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    cursor.text()
}

fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    cursor.number()
}

fn json<'a>(cursor: &mut Cursor<'a>) -> Option<Json<'a>> {
    cursor.value().map(Json::scanned)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::value::RawValue;

    use super::*;
    use crate::wire::native::{Taken, read::read as understood, read_frames};

    /// What serde says of it.
    fn by_serde(text: &str) -> Frame<'_> {
        understood(text).unwrap()
    }

    const HOT: &[&str] = &[
        r#"{"id":1,"op":"send","queue":"jobs","body":{"page":[1,"\n"]}}"#,
        r#"{"body": null, "queue": "jobs", "op": "send"}"#,
        r#"{"id":1,"op":"send","queue":"q","body":1,"partition":"p","key":"k","message_id":"m","type":"t","delay_ms":5}"#,
        r#"{"id":1,"op":"send","queue":"q","messages":[{"body":"a"},{"body":{},"partition":"p"}]}"#,
        r#"{"id":9007199254740991,"op":"settle","queue":"é","items":[{"lease":"0-0-1-2"},{"lease":"0-0-2-3"}]}"#,
        r#"{"op":"settle","queue":"q","items":[{"lease":"a","outcome":"retry","delay_ms":1,"reason":"why"}]}"#,
        r#"{"op":"settle","queue":"q","lease":"a","outcome":"done","result":{"x":1.0}}"#,
        r#"{"id":3,"op":"receive","queue":"q"}"#,
        r#"{"id":3,"op":"receive","queue":"q","max":10,"wait_ms":1000,"lease_ms":1,"lease":"none","group":"g"}"#,
        r#" {"id": 4, "op": "credit", "queue": "q", "receiver": 5, "credit": 100} "#,
    ];

    #[test]
    fn what_is_asked_all_the_time_is_read_and_read_as_serde_reads_it() {
        for text in HOT {
            assert_eq!(read(text), Some(by_serde(text)), "{text}");
        }
        let batch = format!("[{}, {{\"op\":\"list\"}} ,1]", HOT[0]);
        let elements = elements(&batch, 3).unwrap();
        assert!(matches!(
            &elements[..],
            [Element::Plain(_), Element::Other(r#"{"op":"list"}"#), Element::Other("1")]
        ));
    }

    #[test]
    fn what_is_odd_is_left_to_serde() {
        for text in [
            "",
            "{}",
            r#"{"op" :"send","queue":"q","body":1}"#,
            r#"{"op":"list"}"#,
            r#"{"op":"send","queue":"q","body":1}x"#,
            r#"{"op":"send","queue":"q","body":1,"body":2}"#,
            r#"{"op":"send","queue":"q","body":1,"max":2}"#,
            r#"{"op":"send","queue":"q","body":1,"items":[]}"#,
            r#"{"op":"send","queue":"\u0071","body":1}"#,
            r#"{"op":"send","body":1}"#,
            r#"{"id":null,"op":"send","queue":"q","body":1}"#,
            r#"{"id":9007199254740992,"op":"send","queue":"q","body":1}"#,
            r#"{"id":-1,"op":"send","queue":"q","body":1}"#,
            r#"{"op":"settle","queue":"q","items":[{"outcome":"done"}]}"#,
            r#"{"op":"settle","queue":"q","items":[{"lease":"a","outcome":"odd"}]}"#,
            r#"{"op":"settle","queue":"q","items":[{"lease":"a","body":1}]}"#,
            r#"{"op":"receive","queue":"q","max":4294967296}"#,
            r#"{"op":"credit","queue":"q","receiver":1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    /// Frames one by one, as serde reads them.
    fn all_by_serde(text: &str) -> Option<Vec<Result<Frame<'_>, ()>>> {
        let all = serde_json::from_str::<Vec<&RawValue>>(text).ok()?;
        Some(all.into_iter().map(|one| understood(one.get()).map_err(|_| ())).collect())
    }

    fn member() -> impl Strategy<Value = String> {
        let names = select(
            &[
                "id",
                "op",
                "queue",
                "body",
                "lease",
                "outcome",
                "result",
                "reason",
                "max",
                "wait_ms",
                "lease_ms",
                "receiver",
                "credit",
                "group",
                "partition",
                "message_id",
                "key",
                "type",
                "delay_ms",
                "items",
                "messages",
                "create",
                "leases",
                "x",
                "\\u0069d",
            ][..],
        );
        let values = select(
            &[
                "0",
                "7",
                "-1",
                "1.0",
                "01",
                "4294967296",
                "9007199254740992",
                "null",
                "true",
                "\"q\"",
                "\"done\"",
                "\"none\"",
                "\"a\\tb\"",
                "[]",
                "[{\"lease\":\"a\"}]",
                "[{\"lease\":\"a\",\"outcome\":\"dead\"},{\"lease\":\"b\"}]",
                "[{\"body\":{}}]",
                "[{\"body\":1,\"key\":\"k\"},{\"body\":2,\"type\":\"t\",\"x\":1}]",
                "{\"a\":[1]}",
            ][..],
        );
        (names, values).prop_map(|(name, value)| format!("\"{name}\":{value}"))
    }

    fn frame() -> impl Strategy<Value = String> {
        let beginning = select(
            &[
                r#""id":1,"op":"send","queue":"q","body":1"#,
                r#""op":"send","queue":"q""#,
                r#""queue":"q","op":"settle""#,
                r#""op":"settle","queue":"q","items":[{"lease":"a"}]"#,
                r#""id":7,"op":"receive","queue":"q""#,
                r#""op":"credit","receiver":1,"credit":2,"queue":"q""#,
                r#""op":"list""#,
            ][..],
        );
        let with = (beginning, vec(member(), 0..4)).prop_map(|(beginning, mut members)| {
            members.push(beginning.to_owned());
            members.rotate_right(1);
            members
        });
        (with, any::<bool>()).prop_map(|(mut members, is_turned)| {
            if is_turned {
                members.reverse();
            }
            format!("{{{}}}", members.join(","))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_plain_request_is_what_serde_makes_of_it(
            text in frame(),
            damage in (any::<prop::sample::Index>(), select(&b"{}[],:\"\\ 0-.eu\n\x01x"[..]), 0..4),
        ) {
            if let Some(frame) = read(&text) {
                prop_assert_eq!(Ok(frame), understood(&text), "{}", text);
            }
            let (at, byte, how) = damage;
            let mut text = text;
            let at = at.index(text.len());
            match how {
                0 => {}
                1 => text.insert(at, byte.into()),
                2 => text.replace_range(at..=at, &char::from(byte).to_string()),
                _ => text.truncate(at),
            }
            if let Some(frame) = read(&text) {
                prop_assert_eq!(Ok(frame), understood(&text), "{}", text);
            }
        }

        #[test]
        fn a_batch_is_what_serde_makes_of_it(
            frames in vec(frame(), 0..5),
            damage in any::<Option<(prop::sample::Index, u8)>>(),
        ) {
            let mut text = format!("[{}]", frames.join(" ,"));
            if let Some((at, byte)) = damage {
                let at = at.index(text.len());
                text.replace_range(at..=at, &char::from(byte & 0x7f).to_string());
            }
            let mut taken = Vec::new();
            read_frames(&text, 3, &mut |frame: Taken<'_>| taken.push(frame.map_err(|_| ())));
            match all_by_serde(&text) {
                Some(all) if all.len() > 3 => prop_assert_eq!(taken, vec![Err(())]),
                Some(all) => prop_assert_eq!(taken, all),
                None => prop_assert!(taken.len() == 1 && taken[0].is_err()),
            }
        }
    }
}
