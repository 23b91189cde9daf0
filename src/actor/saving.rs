//! A queue comes from the store, is saved to it, and rests there.
//!
//! ```text
//!   begin ──► load ──► replay ──► at work ──► image ──(its records are durable)──► saved ──► may rest
//! ```
//!
//! An image is made at the end of a turn and handed to the store when everything in it is durable: what a power cut could
//! undo is in no image. Blocks of messages go ahead of it, some megabytes at a time.

use actix::{
    ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture,
    WrapFuture,
};
use tokio::sync::oneshot;

use super::queue::QueueActor;
use crate::{
    engine::{BlockImage, Queue, QueueConfig, RecordNumber},
    store::{Save, Store, StoreError, Stored, Urgency},
    types::{QueueName, RoomName, Timestamp},
};

/// How a queue stands to the store.
#[derive(Default)]
pub(super) struct Saving {
    /// What is stored of it is in memory.
    pub(super) is_loaded: bool,
    /// An image is to be made.
    wanted: Option<Wanted>,
    /// Waits until it is durable.
    made: Option<Save>,
    /// These blocks, and perhaps an image, are with the store.
    under_way: Option<Vec<(u32, u64)>>,
    /// The last record that is in a saved image, and when that wants to be woken.
    saved: Option<(RecordNumber, Option<Timestamp>)>,
    /// Who waits for this queue to be at rest.
    resting: Vec<oneshot::Sender<bool>>,
    /// Nothing happens here until somebody asks for something: what time does is done when it is loaded again.
    pub(super) is_at_rest: bool,
}

/// An image is made when the blocks that were there are saved, and then once more those that came meanwhile: who sends faster
/// than blocks are saved would otherwise put it off, and with it the end of the journal, for ever.
const ROUNDS: u8 = 2;

/// What goes ahead of an image.
struct Wanted {
    /// Still to come, see [`ROUNDS`].
    rounds: u8,
    /// Blocks of this round that are not saved yet.
    left: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { rounds: ROUNDS, left: 0 }
    }
}

/// Bytes of blocks that are saved at a time: for so much there is room to be had even on a full disk.
const PIECE: usize = 4 << 20;

impl Saving {
    pub(super) fn new(is_loaded: bool) -> Self {
        Self { is_loaded, ..Self::default() }
    }

    /// Nothing is on its way to the store.
    pub(super) const fn is_still(&self) -> bool {
        self.made.is_none() && self.under_way.is_none()
    }

    fn want(&mut self) {
        self.wanted.get_or_insert_default();
    }

    /// Tells who waits whether the queue is at rest.
    fn answer(&mut self, is_at_rest: bool) {
        for waiting in self.resting.drain(..) {
            let _ = waiting.send(is_at_rest);
        }
    }
}

/// To a queue: be saved, so that the journal need not keep its records.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SaveNow(pub(super) Urgency);

/// To a queue: whether it is saved, and nobody would miss it if it were not in memory.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct Rest;

/// To a queue: go on.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake;

/// To a queue: end. Its pump would keep it alive though nobody has its address any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Retire;

/// To a queue: what became of what was to be saved.
#[derive(Message)]
#[rtype(result = "()")]
struct SaveEnded {
    /// The last record of the image, and when it wants to be woken; none: it was only blocks.
    image: Option<(RecordNumber, Option<Timestamp>)>,
    result: Result<(), StoreError>,
}

/// Makes a queue from what is stored of it. Blocks.
fn restore(
    store: &dyn Store,
    room: &RoomName,
    queue: &QueueName,
    config: QueueConfig,
) -> Result<Queue, StoreError> {
    let Stored { saved, records } = store.load(room, queue)?;
    let mut engine = match saved.image {
        None => Queue::new(config),
        Some(image) => {
            let mut failed = None;
            let restored = Queue::restore(config, image, blocks(store, room, queue, &mut failed));
            if let Some(error) = failed {
                return Err(error);
            }
            restored.map_err(|error| StoreError::Failed(error.to_string()))?
        }
    };
    records.into_iter().for_each(|record| engine.replay(record));
    Ok(engine)
}

/// The saved blocks of a queue, some at a time. They end where one cannot be read.
fn blocks<'a>(
    store: &'a dyn Store,
    room: &'a RoomName,
    queue: &'a QueueName,
    failed: &'a mut Option<StoreError>,
) -> impl Iterator<Item = BlockImage> + 'a {
    let mut after = None;
    std::iter::from_fn(move || {
        let blocks = store.blocks(room, queue, after).unwrap_or_else(|error| {
            *failed = Some(error);
            Vec::new()
        });
        after = blocks.last().map(|last| (last.partition, last.block));
        (!blocks.is_empty()).then_some(blocks)
    })
    .flatten()
}

impl QueueActor {
    /// Loads the queue; until then nothing else happens here.
    pub(super) fn load(&mut self, config: QueueConfig, ctx: &mut Context<Self>) {
        let (store, room, queue) =
            (self.shared.store.clone(), self.room.clone(), self.name.clone());
        let loading =
            tokio::task::spawn_blocking(move || restore(store.as_ref(), &room, &queue, config));
        ctx.wait(loading.into_actor(self).map(|loaded, queue, ctx| {
            let panicked =
                |_| StoreError::Failed("the queue could not be made from its records".into());
            match loaded.map_err(panicked).and_then(|loaded| loaded) {
                Ok(engine) => queue.loaded(engine),
                Err(error) => queue.fail(error),
            }
            queue.expire();
            queue.end_turn(ctx);
        }));
    }

    /// Makes an image if one is wanted, and hands it over as soon as it is durable.
    pub(super) fn save(&mut self, ctx: &mut Context<Self>) {
        if self.failed.is_some() {
            // What it has in memory is not what is stored.
            self.saving.answer(false);
            return;
        }
        if !self.engine.exists() && !self.gauge.says_gone() {
            self.saving.want();
        }
        if !self.shared.store.lasts() {
            self.saving.wanted = None;
            if !self.engine.exists() {
                self.gauge.is_gone();
            }
            return;
        }
        let is_ahead_wanted = self.limit_bodies();
        if self.saving.is_still() && !self.joint_is_open {
            if self.saving.wanted.is_some() {
                let image = (self.engine.last_record(), self.engine.next_deadline());
                if self.saving.saved == Some(image) {
                    self.saving.wanted = None;
                    return self.image_is_saved(image, &Ok(()));
                }
                self.saving.made = Some(self.make_save(false));
            } else if is_ahead_wanted {
                self.saving.made = Some(self.make_save(true));
            }
        }
        let is_durable = |save: &Save| save.applied <= self.durable;
        if self.saving.made.as_ref().is_some_and(is_durable)
            && let Some(save) = self.saving.made.take()
        {
            let blocks = save.blocks.iter().map(|block| (block.partition, block.block)).collect();
            self.saving.under_way = Some(blocks);
            let image = save.image.is_some().then_some((save.applied, save.due));
            let address = ctx.address();
            let done = move |result| {
                #[expect(clippy::disallowed_methods, reason = "one per save; carries no message")]
                address.do_send(SaveEnded { image, result });
            };
            self.shared.store.save(save, Box::new(done));
        }
    }

    /// A piece of what is to be saved; the last one has the image. `is_ahead`: no image is wanted.
    fn make_save(&mut self, is_ahead: bool) -> Save {
        let is_last = !is_ahead && !self.goes_ahead();
        let blocks = if is_last {
            self.saving.wanted = None;
            self.engine.unsaved_blocks(usize::MAX, false)
        } else {
            self.engine.unsaved_blocks(PIECE, true)
        };
        if let Some(wanted) = &mut self.saving.wanted {
            wanted.left = wanted.left.saturating_sub(blocks.len());
        }
        Save {
            room: self.room.clone(),
            queue: self.name.clone(),
            applied: self.engine.last_record(),
            blocks,
            image: is_last.then(|| self.engine.image()),
            wanted: self.bodies.blocks_wanted(),
            exists: self.engine.exists(),
            due: self.engine.next_deadline(),
        }
    }

    /// Whether there are blocks that are to be saved before the image that is wanted.
    fn goes_ahead(&mut self) -> bool {
        let Some(wanted) = &mut self.saving.wanted else { return false };
        while wanted.left == 0 && wanted.rounds > 0 {
            wanted.rounds -= 1;
            wanted.left = self.engine.blocks_ahead();
        }
        wanted.left > 0 && self.engine.has_unsaved_blocks(true)
    }

    fn save_ended(
        &mut self,
        image: Option<(RecordNumber, Option<Timestamp>)>,
        result: &Result<(), StoreError>,
    ) {
        let blocks = self.saving.under_way.take().unwrap_or_default();
        if result.is_err() {
            self.engine.not_saved(&blocks);
        }
        self.look_again_at_bodies();
        match (image, result) {
            (Some(image), result) => self.image_is_saved(image, result),
            (None, Ok(())) => {}
            // Whoever waits for the image must not wait for ever.
            (None, Err(_)) => {
                self.saving.wanted = None;
                self.image_is_saved((RecordNumber(0), None), result);
            }
        }
    }

    fn image_is_saved(
        &mut self,
        (through, due): (RecordNumber, Option<Timestamp>),
        result: &Result<(), StoreError>,
    ) {
        match result {
            Ok(()) => self.saving.saved = Some((through, due)),
            Err(error) => {
                tracing::warn!(room = %self.room, queue = %self.name, %error, "not saved");
                self.saving.saved = None;
            }
        }
        let may_rest = result.is_ok() && through == self.engine.last_record() && self.is_idle();
        if !self.saving.resting.is_empty() {
            self.saving.is_at_rest = may_rest;
        }
        if result.is_ok() && !self.engine.exists() && through == self.engine.last_record() {
            self.gauge.is_gone();
        }
        self.saving.answer(may_rest);
    }

    /// Nobody waits for it or has anything of it.
    fn is_idle(&self) -> bool {
        self.failed.is_none()
            && self.engine.parked() == 0
            && self.engine.leased() == 0
            && self.watchers.is_empty()
            && self.held.is_empty()
    }
}

impl Handler<SaveNow> for QueueActor {
    type Result = ();

    fn handle(&mut self, SaveNow(urgency): SaveNow, _: &mut Self::Context) {
        let is_wanted = match urgency {
            Urgency::Must => true,
            Urgency::IfCheap => self.engine.is_small(),
        };
        if is_wanted {
            self.saving.want();
        }
    }
}

impl Handler<Rest> for QueueActor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, Rest: Rest, _: &mut Self::Context) -> Self::Result {
        if !self.is_idle() {
            return Box::pin(std::future::ready(false));
        }
        let (answer, told) = oneshot::channel();
        self.saving.want();
        self.saving.resting.push(answer);
        Box::pin(async move { told.await.unwrap_or(false) })
    }
}

impl Handler<Wake> for QueueActor {
    type Result = ();

    fn handle(&mut self, Wake: Wake, _: &mut Self::Context) {
        self.saving.is_at_rest = false;
    }
}

impl Handler<Retire> for QueueActor {
    type Result = ();

    fn handle(&mut self, Retire: Retire, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<SaveEnded> for QueueActor {
    type Result = ();

    fn handle(&mut self, SaveEnded { image, result }: SaveEnded, _: &mut Self::Context) {
        self.save_ended(image, &result);
    }
}
