//! What the journal costs: records of 1 KiB, 1, 16 and 256 for each commit, beside a bare loop of `pwrite` and `fdatasync`
//! that writes as many bytes to a file which was written before.
//!
//! ```console
//! $ cargo run --release --example journal_cost -- /path/on/the/disk
//! ```

#![expect(clippy::disallowed_methods, reason = "it measures the time")]

use std::{
    fs::{File, OpenOptions as Open},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use anteroom::{
    engine::{Message, Position, Record, RecordNumber, Sequence, Standing},
    store::{Batch, DurableStore, Keys, OpenOptions, Store},
    types::{Payload, QueueName, RoomName, Timestamp},
};

type Error = Box<dyn std::error::Error>;

const LENGTH: Duration = Duration::from_secs(3);
const SEGMENT: u64 = 64 << 20;

/// Commits until the time is over; records per second, and half of the commits took no longer than this.
fn measure(
    records: u64,
    mut commit: impl FnMut(u64) -> Result<(), Error>,
) -> Result<(f64, Duration), Error> {
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < LENGTH {
        let at = Instant::now();
        commit(times.len() as u64)?;
        times.push(at.elapsed());
    }
    let rate = (records * times.len() as u64) as f64 / begin.elapsed().as_secs_f64();
    times.sort_unstable();
    Ok((rate, times.get(times.len() / 2).copied().unwrap_or_default()))
}

fn body() -> Payload {
    Payload::from(bytes::Bytes::from(vec![b'7'; 1024]))
}

fn records(first: u64, count: u64) -> Vec<Record> {
    let record = |number: u64| {
        let message = Message {
            sequence: Sequence(number),
            position: Position { partition: 0, offset: number },
            sent_at: Timestamp(1_800_000_000_000),
            sent_in: RecordNumber(number),
            expires_at: None,
            body: body(),
            options: None,
        };
        Record::Sent { message: Arc::new(message), standing: Standing::Ready }
    };
    (first..first + count).map(record).collect()
}

fn journal(directory: &Path, count: u64) -> Result<(f64, Duration), Error> {
    let options = OpenOptions {
        directory: directory.join(format!("journal-{count}")),
        segment_bytes: SEGMENT,
        journal_bytes: u64::MAX,
        keys: Keys::default(),
    };
    let store = DurableStore::open(options, &|_, _| {})?;
    let (room, queue): (RoomName, QueueName) = ("room".parse()?, "queue".parse()?);
    let result = measure(count, |number| {
        let first = RecordNumber(1 + number * count);
        let records = records(first.0, count);
        let batch = Batch { room: &room, queue: &queue, first, records: &records };
        let (done, told) = mpsc::channel();
        store.append(&[batch], Box::new(move |result| drop(done.send(result))))?;
        Ok(told.recv()??)
    })?;
    store.close()?;
    Ok(result)
}

fn bare(directory: &Path, count: u64) -> Result<(f64, Duration), Error> {
    let path = directory.join(format!("bare-{count}"));
    let mut file = File::create(&path)?;
    for _ in 0..SEGMENT >> 20 {
        file.write_all(&vec![0; 1 << 20])?;
    }
    file.sync_all()?;
    let file = Open::new().write(true).open(&path)?;
    let bytes = vec![b'7'; (1024 * count).next_multiple_of(64) as usize];
    let mut at = 0;
    measure(count, |_| {
        if at + bytes.len() as u64 > SEGMENT {
            at = 0;
        }
        file.write_all_at(&bytes, at)?;
        at += bytes.len() as u64;
        Ok(file.sync_data()?)
    })
}

fn main() -> Result<(), Error> {
    let place = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = place.join(format!("journal-cost-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    println!("records per commit   journal per second   p50   bare per second   p50");
    for count in [1, 16, 256] {
        let ((bare, bare_p50), (journal, journal_p50)) =
            (bare(&directory, count)?, journal(&directory, count)?);
        println!("{count:18}   {journal:18.0}   {journal_p50:?}   {bare:15.0}   {bare_p50:?}");
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
