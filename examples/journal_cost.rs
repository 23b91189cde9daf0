//! What the journal costs: records of 1 KiB, 1, 16 and 256 for each commit, beside a bare loop of `pwrite` and `fdatasync`
//! that writes as many bytes to a file which was written before. So does the journal: what it has written is saved all the
//! time, so that it uses its files again.
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
    engine::{Message, Position, Queue, QueueConfig, Record, RecordNumber, Sequence, Standing},
    store::{Appended, Batch, DurableStore, Keys, OpenOptions, Requests, Save, Store},
    types::{Payload, QueueName, RoomName, Timestamp},
};

type Error = Box<dyn std::error::Error>;

const LENGTH: Duration = Duration::from_secs(3);
const SEGMENT: u64 = 64 << 20;

const CONFIG: QueueConfig = QueueConfig {
    messages_max: 0,
    bytes_max: 0,
    parked_max: 0,
    groups_max: 1,
    partitions_max: 1,
    schedules_max: 0,
    open_is_idempotent: true,
    encrypts: false,
    first_generation: 0,
};

/// What was measured.
struct Cost {
    /// Records per second.
    rate: f64,
    /// Half of the commits took no longer than this.
    p50: Duration,
    /// Microseconds of processor time for each record, of all threads.
    cpu: f64,
}

/// Processor time of this process so far, in clock ticks of 10 ms.
fn ticks() -> Result<u64, Error> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    Ok(fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?)
}

/// Commits until the time is over. `make` makes what is to be committed; that, and its end, is not measured.
fn measure<T>(
    records: u64,
    mut make: impl FnMut(u64) -> T,
    mut commit: impl FnMut(u64, &T) -> Result<(), Error>,
) -> Result<Cost, Error> {
    let mut number = 0;
    let warm = Instant::now();
    while warm.elapsed() < LENGTH / 2 {
        commit(number, &make(number))?;
        number += 1;
    }
    let (mut times, before) = (Vec::new(), ticks()?);
    let (begin, mut left) = (Instant::now(), LENGTH);
    while !left.is_zero() && begin.elapsed() < LENGTH * 2 {
        let made = make(number);
        let at = Instant::now();
        commit(number, &made)?;
        let took = at.elapsed();
        left = left.saturating_sub(took);
        times.push(took);
        number += 1;
    }
    let count = (records * times.len() as u64) as f64;
    let rate = count / times.iter().sum::<Duration>().as_secs_f64();
    let cpu = (ticks()? - before) as f64 * 10_000.0 / count;
    times.sort_unstable();
    Ok(Cost { rate, p50: times.get(times.len() / 2).copied().unwrap_or_default(), cpu })
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

/// Commits of some senders that do not wait for each other.
fn journal(directory: &Path, count: u64, senders: usize) -> Result<Cost, Error> {
    let options = OpenOptions {
        directory: directory.join(format!("journal-{count}-{senders}")),
        segment_bytes: SEGMENT,
        journal_bytes: u64::MAX,
        keys: Keys::default(),
    };
    let store = DurableStore::open(options, &|_, _| {})?;
    let costs = std::thread::scope(|scope| {
        let store = &store;
        let threads: Vec<_> = (0..senders)
            .map(|sender| {
                scope.spawn(move || send(store, sender, count).map_err(|error| error.to_string()))
            })
            .collect();
        let costs = threads.into_iter().map(|one| Ok(one.join().map_err(|_| "a panic")??));
        costs.collect::<Result<Vec<_>, Error>>()
    })?;
    store.close()?;
    Ok(Cost {
        rate: costs.iter().map(|cost| cost.rate).sum(),
        p50: costs.iter().map(|cost| cost.p50).max().unwrap_or_default(),
        // Each has counted what all of them took.
        cpu: costs.iter().map(|cost| cost.cpu).sum::<f64>() / (senders * senders) as f64,
    })
}

fn send(store: &DurableStore, sender: usize, count: u64) -> Result<Cost, Error> {
    let (room, queue): (RoomName, QueueName) = ("room".parse()?, sender.to_string().parse()?);
    let empty = Queue::new(CONFIG).image();
    let mut since = 0;
    measure(
        count,
        |number| records(1 + number * count, count),
        |number, records| {
            let first = RecordNumber(1 + number * count);
            let batch = Batch { room: &room, queue: &queue, first, records };
            let (done, told) = mpsc::channel();
            let done = Box::new(move |result| drop(done.send(result)));
            if store.append(&[batch], Requests::One, done)? == Appended::Pending {
                told.recv()??;
            }
            since += 1024 * count;
            if since > SEGMENT / 4 {
                since = 0;
                let save = Save {
                    room: room.clone(),
                    queue: queue.clone(),
                    applied: RecordNumber(first.0 + count - 1),
                    image: Some(empty.clone()),
                    blocks: Vec::new(),
                    wanted: Vec::new(),
                    exists: true,
                    due: None,
                };
                store.save(save, Box::new(|_| ()));
            }
            Ok(())
        },
    )
}

fn bare(directory: &Path, count: u64) -> Result<Cost, Error> {
    let path = directory.join(format!("bare-{count}"));
    let mut file = File::create(&path)?;
    for _ in 0..SEGMENT >> 16 {
        file.write_all(&vec![0; 1 << 16])?;
    }
    file.sync_all()?;
    let file = Open::new().write(true).open(&path)?;
    let bytes = vec![b'7'; (1024 * count).next_multiple_of(64) as usize];
    let mut at = 0;
    measure(
        count,
        |_| (),
        |_, ()| {
            if at + bytes.len() as u64 > SEGMENT {
                at = 0;
            }
            file.write_all_at(&bytes, at)?;
            at += bytes.len() as u64;
            Ok(file.sync_data()?)
        },
    )
}

fn main() -> Result<(), Error> {
    let place = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = place.join(format!("journal-cost-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    println!("Records per commit: rate, p50, microseconds of processor time for each record");
    println!("of one sender, of two, and of a bare loop.");
    for count in [1, 16, 256] {
        let bare = bare(&directory, count)?;
        let (journal, two) = (journal(&directory, count, 1)?, journal(&directory, count, 2)?);
        let side = |cost: &Cost| format!("{:12.0}/s   {:?}, {:.2}", cost.rate, cost.p50, cost.cpu);
        println!("{count:8} {}   {}   {}", side(&journal), side(&two), side(&bare));
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
