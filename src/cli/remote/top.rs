//! `top`: the queues of a room, live.

use std::{collections::HashMap, io::IsTerminal, time::Duration};

use futures_util::{StreamExt, stream};
use ratatui::{
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Style, Stylize},
    text::Line,
    widgets::{Row, Table},
};
use tokio::sync::mpsc;

use super::{
    connect::ServerArgs,
    output::{Output, age, now, print_json, print_table},
    target::RoomArgs,
    values::duration,
};
use crate::{
    cli::{
        Failure,
        help::help,
        text::{counted, shown},
    },
    client::{At, Client, Inspection},
    clock::{Clock, SystemClock},
    types::Timestamp,
};

/// Queues that are looked at; the largest ones of a room with more.
const QUEUES_MAX: usize = 200;

/// Inspections under way at the same time.
const AT_ONCE: usize = 16;

const HELP: &str = help!(
    "  anteroom top demo",
    "  anteroom top demo --every 5s --sort dead",
    "  anteroom top demo --output json",
    "",
    "Keys: q ends it, s sorts by the next column, r turns the order around. When standard output is no terminal,
one table is printed."
);

/// `top`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Top {
    #[command(flatten)]
    room: RoomArgs,

    /// How often it looks
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1s")]
    every: Duration,

    /// Column to sort by
    #[arg(long, value_name = "COLUMN", default_value = "ready")]
    sort: Column,

    /// Print as: json prints once
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

/// What the queues can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Column {
    Name,
    Ready,
    Leased,
    Delayed,
    Dead,
    In,
    Out,
    Oldest,
    Receivers,
}

const COLUMNS: [Column; 9] = [
    Column::Name,
    Column::Ready,
    Column::Leased,
    Column::Delayed,
    Column::Dead,
    Column::In,
    Column::Out,
    Column::Oldest,
    Column::Receivers,
];

const HEADER: [&str; 10] = [
    "queue",
    "#ready",
    "#leased",
    "#delayed",
    "#dead",
    "#in/s",
    "#out/s",
    "#oldest",
    "#receivers",
    "state",
];

/// One queue at one moment.
#[derive(Debug, Clone, serde::Serialize)]
struct Seen {
    queue: String,
    ready: u64,
    leased: u64,
    delayed: u64,
    dead: u64,
    receivers: u64,
    oldest_ready_at: Option<At>,
    status: String,
    paused: bool,
    #[serde(skip)]
    sent: u64,
    #[serde(skip)]
    done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_per_second: Option<f64>,
}

impl Seen {
    fn new(name: &str, inspection: &Inspection) -> Self {
        let sum = |count: fn(&crate::client::Counts) -> u64| {
            inspection.groups.iter().map(|group| count(&group.counts)).sum()
        };
        Self {
            queue: name.to_owned(),
            ready: sum(|counts| counts.ready),
            leased: sum(|counts| counts.leased),
            delayed: sum(|counts| counts.delayed + counts.blocked),
            dead: sum(|counts| counts.dead),
            receivers: inspection.groups.iter().map(|group| group.receivers).sum(),
            oldest_ready_at: inspection.groups.iter().filter_map(|g| g.oldest_ready_at).min(),
            status: inspection.status.clone(),
            paused: inspection.paused,
            sent: inspection.totals.sent,
            done: inspection.totals.done,
            sent_per_second: None,
            done_per_second: None,
        }
    }

    fn cells(&self, now: Timestamp) -> [String; 10] {
        let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |n| format!("{n:.1}"));
        let state = if self.paused { "paused" } else { &self.status };
        [
            self.queue.clone(),
            self.ready.to_string(),
            self.leased.to_string(),
            self.delayed.to_string(),
            self.dead.to_string(),
            rate(self.sent_per_second),
            rate(self.done_per_second),
            age(self.oldest_ready_at, now),
            self.receivers.to_string(),
            state.to_owned(),
        ]
    }
}

/// All queues, the largest first.
async fn look(client: &Client) -> Result<Vec<Seen>, Failure> {
    let mut queues = client.list().await?;
    queues.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
    queues.truncate(QUEUES_MAX);
    let looks = stream::iter(queues.into_iter().map(|info| async move {
        // One that was deleted meanwhile is left out.
        let inspection = client.queue(&info.name).inspect().await.ok()?;
        Some(Seen::new(&info.name, &inspection))
    }));
    Ok(looks.buffered(AT_ONCE).filter_map(std::future::ready).collect().await)
}

/// Fills in what happened per second since an earlier look.
fn rates(seen: &mut [Seen], before: &HashMap<String, (u64, u64)>, seconds: f64) {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds.max(0.001);
    for queue in seen {
        if let Some((sent, done)) = before.get(&queue.queue) {
            queue.sent_per_second = Some(rate(queue.sent, *sent));
            queue.done_per_second = Some(rate(queue.done, *done));
        }
    }
}

fn sort(seen: &mut [Seen], column: Column, is_turned: bool) {
    let rate = |a: Option<f64>, b: Option<f64>| b.unwrap_or(0.0).total_cmp(&a.unwrap_or(0.0));
    seen.sort_by(|a, b| {
        let order = match column {
            Column::Name => std::cmp::Ordering::Equal,
            Column::Ready => b.ready.cmp(&a.ready),
            Column::Leased => b.leased.cmp(&a.leased),
            Column::Delayed => b.delayed.cmp(&a.delayed),
            Column::Dead => b.dead.cmp(&a.dead),
            Column::In => rate(a.sent_per_second, b.sent_per_second),
            Column::Out => rate(a.done_per_second, b.done_per_second),
            // None is the youngest.
            Column::Oldest => a
                .oldest_ready_at
                .map_or(u64::MAX, |at| at.0)
                .cmp(&b.oldest_ready_at.map_or(u64::MAX, |at| at.0)),
            Column::Receivers => b.receivers.cmp(&a.receivers),
        };
        let order = if is_turned { order.reverse() } else { order };
        order.then_with(|| a.queue.cmp(&b.queue))
    });
}

impl Top {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let room = self.room.room()?;
        let is_live = std::io::stdout().is_terminal() && self.output == Output::Table;
        if !is_live {
            let client = self.server.connect(&room).await?;
            let mut seen = look(&client).await?;
            sort(&mut seen, self.sort, false);
            match self.output {
                Output::Json => seen.iter().try_for_each(print_json)?,
                Output::Table => {
                    let now = now();
                    print_table(HEADER, seen.iter().map(|queue| queue.cells(now)).collect());
                }
            }
            client.close().await;
            return Ok(());
        }
        let client = self.server.connect_for_long(&room).await?;
        let mut terminal = ratatui::init();
        let result = self.live(&client, room.as_str(), &mut terminal).await;
        ratatui::restore();
        client.close().await;
        result
    }

    async fn live(
        &self,
        client: &Client,
        room: &str,
        terminal: &mut ratatui::DefaultTerminal,
    ) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::Refused(format!("the terminal: {error}"));
        let mut keys = keys();
        let clock = SystemClock::new();
        let (mut column, mut is_turned) = (self.sort, false);
        let mut seen = Vec::new();
        let mut note = String::new();
        let mut before = HashMap::new();
        let mut last = clock.elapsed();
        let mut ticks = tokio::time::interval(self.every.max(Duration::from_millis(100)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => match look(client).await {
                    Ok(found) => {
                        let elapsed = clock.elapsed();
                        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
                        let seconds = (elapsed.0 - last.0) as f64 / 1000.0;
                        last = elapsed;
                        seen = found;
                        rates(&mut seen, &before, seconds);
                        before = seen.iter().map(|q: &Seen| (q.queue.clone(), (q.sent, q.done))).collect();
                        note.clear();
                    }
                    Err(_) if client.is_open() => "the connection is lost, connecting again".clone_into(&mut note),
                    Err(failure) => return Err(failure),
                },
                key = keys.recv() => match key {
                    None | Some(Key::Quit) => return Ok(()),
                    Some(Key::Sort) => {
                        let at = COLUMNS.iter().position(|known| *known == column).unwrap_or(0);
                        column = COLUMNS[(at + 1) % COLUMNS.len()];
                    }
                    Some(Key::Turn) => is_turned = !is_turned,
                    Some(Key::Redraw) => {}
                },
            }
            sort(&mut seen, column, is_turned);
            terminal.draw(|frame| draw(frame, room, &seen, column, &note)).map_err(failed)?;
        }
    }
}

enum Key {
    Quit,
    Sort,
    Turn,
    Redraw,
}

/// Keys as they are pressed, read by a thread of its own: the terminal has no other way.
fn keys() -> mpsc::Receiver<Key> {
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    let (sender, keys) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(LOOK_EVERY) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(_) => return,
            }
            let key = match event::read() {
                Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => match key.code {
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        Key::Quit
                    }
                    KeyCode::Char('q') | KeyCode::Esc => Key::Quit,
                    KeyCode::Char('s') => Key::Sort,
                    KeyCode::Char('r') => Key::Turn,
                    _ => continue,
                },
                Ok(Event::Resize(..)) => Key::Redraw,
                Ok(_) => continue,
                Err(_) => return,
            };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}

/// Numbers stand at the right of their columns.
fn aligned(cells: [String; 10]) -> impl Iterator<Item = Line<'static>> {
    HEADER.into_iter().zip(cells).map(|(name, cell)| {
        let line = Line::from(cell);
        if name.starts_with('#') { line.right_aligned() } else { line }
    })
}

fn draw(frame: &mut ratatui::Frame<'_>, room: &str, seen: &[Seen], column: Column, note: &str) {
    let now = now();
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    let queues = counted(seen.len() as u64, "queue", "queues");
    let title = format!("anteroom: room {}, {queues}  {note}", shown(room));
    frame.render_widget(Line::from(title).bold(), top);
    let rows = seen.iter().map(|queue| {
        let row = Row::new(aligned(queue.cells(now).map(|cell| shown(&cell))));
        if queue.dead > 0 { row.style(Style::new().red()) } else { row }
    });
    let widths = HEADER.iter().enumerate().map(|(index, name)| {
        if index == 0 { Constraint::Min(20) } else { Constraint::Length(name.len() as u16 + 2) }
    });
    let header = HEADER.map(|name| name.trim_start_matches('#').to_ascii_uppercase());
    let header = Row::new(aligned(header));
    let list = Table::new(rows, widths).header(header.style(Style::new().reversed()));
    frame.render_widget(list, middle);
    let help = format!("q quit   s sort (now by {column:?})   r reverse");
    frame.render_widget(Line::from(help).dim(), bottom);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(queue: &str, ready: u64, oldest: Option<u64>) -> Seen {
        let json = serde_json::json!({
            "status": "open",
            "groups": [{"name": null, "counts": {"ready": ready}, "receivers": 1, "oldest_ready_at": oldest}],
            "totals": {"sent": ready, "done": 1},
        });
        Seen::new(queue, &serde_json::from_value(json).unwrap())
    }

    fn names(seen: &[Seen]) -> String {
        seen.iter().map(|queue| queue.queue.as_str()).collect()
    }

    #[test]
    fn queues_are_sorted_and_rates_are_per_second() {
        let mut all = vec![seen("a", 1, Some(50)), seen("b", 9, None), seen("c", 5, Some(10))];
        for (column, is_turned, expected) in [
            (Column::Name, false, "abc"),
            (Column::Ready, false, "bca"),
            (Column::Ready, true, "acb"),
            (Column::Oldest, false, "cab"),
        ] {
            sort(&mut all, column, is_turned);
            assert_eq!(names(&all), expected, "{column:?}");
        }
        let before = HashMap::from([("b".to_owned(), (5, 0))]);
        rates(&mut all, &before, 2.0);
        sort(&mut all, Column::In, false);
        assert_eq!((all[0].queue.as_str(), all[0].sent_per_second), ("b", Some(2.0)));
        assert_eq!(all[0].cells(Timestamp(0))[5], "2.0");
    }

    #[test]
    fn the_live_view_is_drawn() {
        use ratatui::{Terminal, backend::TestBackend};
        let mut terminal = Terminal::new(TestBackend::new(110, 5)).unwrap();
        let all = [seen("jobs", 7, None)];
        terminal.draw(|frame| draw(frame, "demo", &all, Column::Ready, "")).unwrap();
        let text: String =
            terminal.backend().buffer().content().iter().map(|cell| cell.symbol()).collect();
        for part in ["room demo, 1 queue", "QUEUE", "READY", "jobs", "7", "q quit"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
