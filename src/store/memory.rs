//! A store that is as safe as the process: for throw-away servers, and for tests, which can make it
//! keep what it is given, stall, fail, and save as they say.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::{
    Appended, Batch, Bodies, Done, Health, Requests, Save, Saved, Store, StoreError, Stored,
    Urgency, places::QueueKey,
};
use crate::{
    journal::{self, BlockImage, Record, RecordNumber},
    types::{QueueName, RoomName, Timestamp},
};

/// See the module.
#[derive(Default)]
pub struct MemoryStore {
    /// `None`: nothing is kept, and a batch is "durable" at once.
    kept: Option<Mutex<Kept>>,
    /// Gets what is to be saved.
    saver: Option<Box<Saver>>,
}

type Saver = dyn Fn(Save, Done) + Send + Sync;

#[derive(Default)]
struct Kept {
    logs: BTreeMap<QueueKey, Vec<u8>>,
    stalled: Option<VecDeque<Done>>,
    failed: bool,
}

impl MemoryStore {
    /// Keeps nothing: the live messages are in the engine, and the process is all there is.
    #[must_use]
    pub fn forgetful() -> Self {
        Self::default()
    }

    /// Keeps the bytes of all records.
    #[must_use]
    pub fn keeping() -> Self {
        Self { kept: Some(Mutex::default()), saver: None }
    }

    /// Keeps the bytes of all records, wants every queue saved, and leaves that to `saver`.
    #[must_use]
    pub fn saving(saver: impl Fn(Save, Done) + Send + Sync + 'static) -> Self {
        Self { saver: Some(Box::new(saver)), ..Self::keeping() }
    }

    fn kept(&self) -> Option<MutexGuard<'_, Kept>> {
        self.kept.as_ref().map(|kept| kept.lock())
    }

    /// From now on nothing becomes durable until [`Self::resume`].
    pub fn stall(&self) {
        if let Some(mut kept) = self.kept() {
            kept.stalled.get_or_insert_default();
        }
    }

    /// Everything that stalled becomes durable.
    pub fn resume(&self) {
        let stalled = self.kept().and_then(|mut kept| kept.stalled.take());
        stalled.into_iter().flatten().for_each(|done| done(Ok(())));
    }

    /// Everything that stalled, and everything to come, fails.
    pub fn fail(&self) {
        let stalled = self.kept().and_then(|mut kept| {
            kept.failed = true;
            kept.stalled.take()
        });
        stalled.into_iter().flatten().for_each(|done| done(Err(told())));
    }
}

fn told() -> StoreError {
    StoreError::Failed("told to fail".into())
}

impl Store for MemoryStore {
    fn append(
        &self,
        batches: &[Batch<'_>],
        _: Requests,
        done: Done,
    ) -> Result<Appended, StoreError> {
        let Some(mut kept) = self.kept() else { return Ok(Appended::Durable) };
        if kept.failed {
            return Err(told());
        }
        for batch in batches {
            let log = kept.logs.entry((batch.room.clone(), batch.queue.clone())).or_default();
            batch.records.iter().for_each(|record| journal::encode(record, log));
        }
        match &mut kept.stalled {
            None => Ok(Appended::Durable),
            Some(stalled) => {
                stalled.push_back(done);
                Ok(Appended::Pending)
            }
        }
    }

    fn knows(&self, room: &RoomName, queue: &QueueName) -> bool {
        self.kept().is_some_and(|kept| kept.logs.contains_key(&(room.clone(), queue.clone())))
    }

    fn encrypts(&self) -> bool {
        self.kept.is_none()
    }

    fn lasts(&self) -> bool {
        self.saver.is_some()
    }

    fn queues(&self, room: &RoomName) -> Result<Vec<QueueName>, StoreError> {
        let Some(kept) = self.kept() else { return Ok(Vec::new()) };
        Ok(kept.logs.keys().filter(|(of, _)| of == room).map(|(_, queue)| queue.clone()).collect())
    }

    fn load(&self, room: &RoomName, queue: &QueueName) -> Result<Stored, StoreError> {
        let Some(kept) = self.kept() else { return Ok(Stored::default()) };
        let log = kept.logs.get(&(room.clone(), queue.clone())).cloned().unwrap_or_default();
        let mut bytes = Bytes::from(log);
        let mut records: Vec<Record> = Vec::new();
        let mut number = RecordNumber(0);
        while !bytes.is_empty() {
            number.0 += 1;
            let record = journal::decode(&mut bytes, number);
            records.push(record.map_err(|error| StoreError::Failed(error.to_string()))?);
        }
        Ok(Stored { saved: Saved::default(), records })
    }

    fn blocks(
        &self,
        _: &RoomName,
        _: &QueueName,
        _: Option<(u32, u64)>,
    ) -> Result<Vec<BlockImage>, StoreError> {
        Ok(Vec::new())
    }

    fn bodies(
        &self,
        _: &RoomName,
        _: &QueueName,
        _: u32,
        _: (u64, u64),
        _: usize,
    ) -> Result<Bodies, StoreError> {
        Ok(Vec::new())
    }

    fn save(&self, save: Save, done: Done) {
        match &self.saver {
            None => done(Ok(())),
            Some(saver) => saver(save, done),
        }
    }

    fn overdue(&self) -> Vec<(QueueKey, Urgency)> {
        let Some(kept) = self.saver.as_ref().and_then(|_| self.kept()) else { return Vec::new() };
        kept.logs.keys().map(|queue| (queue.clone(), Urgency::Must)).collect()
    }

    fn due(&self, _: Timestamp, _: usize) -> Vec<RoomName> {
        Vec::new()
    }

    fn health(&self) -> Health {
        Health::Good
    }

    fn is_full(&self) -> bool {
        false
    }
}
