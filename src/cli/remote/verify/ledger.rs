//! What the workers of `verify` write down: every call with its times, and what came of it.

use std::{cell::RefCell, fs::File, io::Write};

use serde::Serialize;

use crate::{
    client::Outcome,
    clock::{Clock, SystemClock},
};

/// What is known of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// No answer came: it may have happened.
    Unknown,
    /// The server said that the message is in the queue.
    Acknowledged,
    /// The server said that it is not.
    Refused,
}

/// A message, called by its place in [`Book::sends`].
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) sender: usize,
    pub(super) queue: usize,
    pub(super) called: u64,
    pub(super) answered: u64,
    pub(super) fate: Fate,
    /// The id that the answer named.
    pub(super) id: Option<String>,
}

/// A message that came.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    /// None: it is none of ours.
    pub(super) send: Option<usize>,
    pub(super) queue: usize,
    pub(super) position: String,
    pub(super) receiver: usize,
    pub(super) called: u64,
    pub(super) answered: u64,
    pub(super) attempt: u32,
    /// Whether it is ours until it is settled; else it was done when it came.
    pub(super) is_leased: bool,
}

/// The end of a lease, asked for once.
#[derive(Debug, Clone)]
pub(super) struct Settle {
    /// Place in [`Book::receipts`].
    pub(super) receipt: usize,
    pub(super) outcome: Outcome,
    pub(super) called: u64,
    /// When, and what the server said became of it; none: no answer came.
    pub(super) answer: Option<(u64, String)>,
}

/// A receive that no answer came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Broken {
    pub(super) queue: usize,
    pub(super) is_leased: bool,
    pub(super) called: u64,
    pub(super) ended: u64,
}

/// All that was written down.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) sends: Vec<Sent>,
    pub(super) receipts: Vec<Receipt>,
    pub(super) settles: Vec<Settle>,
    pub(super) broken: Vec<Broken>,
    /// What was not answered although the connection was there.
    pub(super) silent: Vec<String>,
    /// Calls that were answered or ended with their connection.
    pub(super) calls: u64,
    pub(super) acknowledged: u64,
    /// When a connection was found to be lost: the server may have been started anew before.
    pub(super) breaks: Vec<u64>,
    pub(super) connections_lost: u64,
    pub(super) refusals: std::collections::BTreeMap<String, u64>,
}

/// The book, a clock, and a file in which the same is written at once.
pub(super) struct Ledger {
    clock: SystemClock,
    book: RefCell<Book>,
    file: RefCell<Option<File>>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Send {
        send: usize,
        sender: usize,
        queue: usize,
        called: u64,
        answered: u64,
        fate: Fate,
        id: Option<&'a str>,
    },
    Receive {
        send: Option<usize>,
        receiver: usize,
        queue: usize,
        position: &'a str,
        called: u64,
        answered: u64,
        attempt: u32,
        leased: bool,
    },
    Settle {
        send: Option<usize>,
        attempt: u32,
        outcome: Outcome,
        called: u64,
        answered: Option<u64>,
        status: Option<&'a str>,
    },
    Broken {
        queue: usize,
        leased: bool,
        called: u64,
        ended: u64,
    },
}

impl Ledger {
    pub(super) fn new(file: Option<File>) -> Self {
        Self { clock: SystemClock::new(), book: RefCell::default(), file: RefCell::new(file) }
    }

    /// Milliseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        self.clock.elapsed().0
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Book) -> T) -> T {
        read(&self.book.borrow())
    }

    pub(super) fn into_book(self) -> Book {
        self.book.into_inner()
    }

    fn write(&self, line: &Line<'_>) {
        let mut file = self.file.borrow_mut();
        let Some(open) = file.as_mut() else { return };
        let written =
            serde_json::to_vec(line).map_err(std::io::Error::other).and_then(|mut bytes| {
                bytes.push(b'\n');
                open.write_all(&bytes)
            });
        if let Err(error) = written {
            crate::cli::text::complain(&format!("the log is not written any more: {error}"));
            *file = None;
        }
    }

    /// A message is about to be sent; which one it is.
    pub(super) fn begins(&self, sender: usize, queue: usize) -> usize {
        let now = self.now();
        let mut book = self.book.borrow_mut();
        book.sends.push(Sent {
            sender,
            queue,
            called: now,
            answered: now,
            fate: Fate::Unknown,
            id: None,
        });
        book.sends.len() - 1
    }

    pub(super) fn sent(&self, send: usize, fate: Fate, id: Option<String>) {
        let now = self.now();
        let mut book = self.book.borrow_mut();
        book.acknowledged += u64::from(fate == Fate::Acknowledged);
        let Some(sent) = book.sends.get_mut(send) else { return };
        (sent.answered, sent.fate, sent.id) = (now, fate, id);
        let Sent { sender, queue, called, answered, fate, ref id } = *sent;
        self.write(&Line::Send { send, sender, queue, called, answered, fate, id: id.as_deref() });
    }

    /// Its place.
    pub(super) fn received(&self, receipt: Receipt) -> usize {
        let Receipt { send, receiver, queue, ref position, called, answered, attempt, is_leased } =
            receipt;
        self.write(&Line::Receive {
            send,
            receiver,
            queue,
            position,
            called,
            answered,
            attempt,
            leased: is_leased,
        });
        let mut book = self.book.borrow_mut();
        book.receipts.push(receipt);
        book.receipts.len() - 1
    }

    pub(super) fn settled(&self, settle: Settle) {
        let mut book = self.book.borrow_mut();
        let receipt = book.receipts.get(settle.receipt);
        let (send, attempt) = receipt.map_or((None, 0), |receipt| (receipt.send, receipt.attempt));
        let (answered, status) =
            settle.answer.as_ref().map(|(at, status)| (*at, status.as_str())).unzip();
        let (outcome, called) = (settle.outcome, settle.called);
        self.write(&Line::Settle { send, attempt, outcome, called, answered, status });
        book.settles.push(settle);
    }

    pub(super) fn broken(&self, broken: Broken) {
        let Broken { queue, is_leased, called, ended } = broken;
        self.write(&Line::Broken { queue, leased: is_leased, called, ended });
        self.book.borrow_mut().broken.push(broken);
    }

    /// A call ended, well or not.
    pub(super) fn ended(&self) {
        self.book.borrow_mut().calls += 1;
    }

    pub(super) fn silent(&self, what: String) {
        self.book.borrow_mut().silent.push(what);
    }

    pub(super) fn refused(&self, code: &str) {
        *self.book.borrow_mut().refusals.entry(code.to_owned()).or_default() += 1;
    }

    pub(super) fn connection_broke(&self) {
        let now = self.now();
        self.book.borrow_mut().breaks.push(now);
    }

    pub(super) fn connection_lost(&self) {
        self.connection_broke();
        self.book.borrow_mut().connections_lost += 1;
    }
}
