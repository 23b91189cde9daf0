//! How results are printed: tables for people, JSON lines for programs.

use std::io::{BufRead, IsTerminal, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    cli::{
        Failure,
        text::{complain, print, shown},
    },
    client::{At, Body, Info, Labels, View},
    clock::{Clock, SystemClock},
    types::Timestamp,
};

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// Lined up, for people
    Table,
    /// One JSON object per line, bodies byte for byte
    Json,
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum MessageOutput {
    /// Nothing but the body, byte for byte, and an end of line
    Body,
    /// One JSON object per line, bodies byte for byte
    Json,
    /// Lined up, for people
    Table,
}

pub(super) fn now() -> Timestamp {
    SystemClock::new().now()
}

/// Prints a value as one line of JSON.
pub(super) fn print_json(value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    print(&json_line(value)?);
    Ok(())
}

pub(super) fn json_line(value: &(impl Serialize + ?Sized)) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Refused(error.to_string()))
}

/// A table with these columns; those whose name begins with `#` are numbers.
pub(super) fn table<const N: usize>(columns: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.map(|column| column.trim_start_matches('#').to_ascii_uppercase()));
    for row in rows {
        table.add_row(row.map(|text| Cell::new(shown(&text))));
    }
    for (index, name) in columns.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if name.starts_with('#') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Prints a table. That it has no rows is said aside, so that nobody wonders and no script reads it.
pub(super) fn print_table<const N: usize>(columns: [&str; N], rows: Vec<[String; N]>) {
    let is_empty = rows.is_empty();
    print(&table(columns, rows));
    if is_empty {
        complain("(none)");
    }
}

/// `5s`, `3m`, `2h`, `4d`: how long ago.
pub(super) fn age(at: Option<At>, now: Timestamp) -> String {
    let Some(At(at)) = at else { return "-".to_owned() };
    short(now.since(Timestamp(at)).0)
}

/// `5s`, `3m`, `2h`, `4d`.
pub(super) fn short(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis}ms"),
        1..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A moment, as how far away it is.
pub(super) fn moment(at: Option<At>, now: Timestamp) -> String {
    match at {
        None => "-".to_owned(),
        // To the nearest second: what is in 30 seconds is not in 29 because it took a moment to say so.
        Some(At(at)) if at >= now.0 => {
            let length = at - now.0;
            format!("in {}", short(if length < 1000 { length } else { length + 500 }))
        }
        Some(At(at)) => format!("{} ago", short(now.0 - at)),
    }
}

/// The beginning of a body, on one line.
pub(super) fn excerpt(body: &Body) -> String {
    const MOST: usize = 60;
    match body {
        Body::Json(text) => {
            let text = text.get();
            match text.char_indices().nth(MOST) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text.to_owned(),
            }
        }
        Body::Bytes { data, content_type } => format!("{} bytes of {content_type}", data.len()),
    }
}

/// A message as JSON, its body byte for byte.
#[derive(Serialize)]
pub(super) struct MessageJson<'a> {
    id: &'a str,
    position: &'a str,
    partition: &'a str,
    sent_at: At,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "is_zero")]
    priority: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &i32) -> bool {
    *number == 0
}

impl<'a> MessageJson<'a> {
    pub(super) fn of(info: &'a Info) -> Self {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let (body, base64, content_type) = match &info.body {
            Body::Json(json) => (Some(&**json), None, None),
            Body::Bytes { data, content_type } => {
                (None, Some(BASE64_STANDARD.encode(data)), Some(content_type.as_str()))
            }
        };
        Self {
            id: &info.id,
            position: &info.position,
            partition: &info.partition,
            sent_at: info.sent_at,
            attempt: info.attempt,
            body,
            base64,
            content_type,
            r#type: info.kind.as_deref(),
            labels: &info.labels,
            headers: info.headers.as_deref(),
            priority: info.priority,
            key: info.key.as_deref(),
            deadline: info.deadline,
            expires_at: info.expires_at,
            state: None,
            failures: None,
            until: info.until,
            ended_at: None,
            reason: None,
            result: None,
        }
    }

    pub(super) fn of_view(view: &'a View) -> Self {
        let result = match &view.result {
            Some(Body::Json(json)) => Some(&**json),
            Some(Body::Bytes { .. }) | None => None,
        };
        Self {
            attempt: view.attempts,
            state: Some(view.state.name()),
            failures: Some(view.failures),
            until: view.until,
            ended_at: view.ended_at,
            reason: view.reason.as_deref(),
            result,
            ..Self::of(&view.message)
        }
    }
}

/// Prints views as the option says.
pub(super) fn print_views(views: &[View], output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => views.iter().try_for_each(|view| print_json(&MessageJson::of_view(view))),
        Output::Table => {
            let now = now();
            let rows = views.iter().map(|view| {
                [
                    view.message.id.clone(),
                    view.state.name().to_owned(),
                    age(Some(view.message.sent_at), now),
                    view.attempts.to_string(),
                    view.reason.clone().unwrap_or_else(|| "-".to_owned()),
                    excerpt(&view.message.body),
                ]
            });
            let columns = ["id", "state", "#age", "#attempts", "reason", "body"];
            print_table(columns, rows.collect());
            Ok(())
        }
    }
}

/// Writes bytes and an end of line to standard output; says whether that worked.
pub(super) fn write_line(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Asks before something that cannot be undone, if there is somebody to ask.
pub(super) fn confirm(question: &str, is_sure: bool) -> Result<(), Failure> {
    if is_sure || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let mut answer = String::new();
    let _ = write!(std::io::stderr().lock(), "{} [y/N] ", shown(question));
    // What cannot be read is no yes.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::Refused("nothing was done".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_hold_what_is_from_outside() {
        let rows =
            vec![["jobs".to_owned(), "5".to_owned()], ["a\u{1b}[2J".to_owned(), "1234".to_owned()]];
        assert_eq!(
            table(["name", "#size"], rows),
            "NAME        SIZE\njobs           5\na\\u{1b}[2J  1234"
        );
    }

    #[test]
    fn ages_are_short() {
        let now = Timestamp(1_000_000_000);
        for (millis, expected) in [
            (0, "0ms"),
            (999, "999ms"),
            (61_000, "61s"),
            (150_000, "2m"),
            (7_200_000, "2h"),
            (200_000_000, "2d"),
        ] {
            assert_eq!(age(Some(At(now.0 - millis)), now), expected);
        }
        assert_eq!(age(None, now), "-");
        assert_eq!(moment(Some(At(now.0 + 5000)), now), "in 5s");
        assert_eq!(moment(Some(At(now.0 - 5000)), now), "5s ago");
    }
}
