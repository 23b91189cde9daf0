//! A queue comes from the store, is saved to it, and rests there.
//!
//! ```text
//!   begin ──► load ──► replay ──► at work ──► image ──(its records are durable)──► saved ──► may rest
//! ```
//!
//! An image is made at the end of a turn and handed to the store when everything in it is durable: what a power cut could
//! undo is in no image.

use actix::{
    ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture,
    WrapFuture,
};
use tokio::sync::oneshot;

use super::queue::QueueActor;
use crate::{
    engine::{Queue, QueueConfig, RecordNumber},
    store::{Save, Store, StoreError, Stored},
    types::{QueueName, RoomName, Timestamp},
};

/// How a queue stands to the store.
#[derive(Default)]
pub(super) struct Saving {
    /// What is stored of it is in memory.
    pub(super) is_loaded: bool,
    /// It is to be saved.
    is_wanted: bool,
    /// Waits until it is durable.
    made: Option<Save>,
    is_under_way: bool,
    /// The last record that is in a saved image, and when that wants to be woken.
    saved: Option<(RecordNumber, Option<Timestamp>)>,
    /// Who waits for this queue to be at rest.
    resting: Vec<oneshot::Sender<bool>>,
    /// Nothing happens here until somebody asks for something: what time does is done when it is loaded again.
    pub(super) is_at_rest: bool,
}

impl Saving {
    pub(super) fn new(is_loaded: bool) -> Self {
        Self { is_loaded, ..Self::default() }
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
pub(super) struct SaveNow;

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

/// To a queue: what became of its image.
#[derive(Message)]
#[rtype(result = "()")]
struct ImageSaved {
    through: RecordNumber,
    due: Option<Timestamp>,
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
        Some(image) => Queue::restore(config, image, saved.blocks)
            .map_err(|error| StoreError::Failed(error.to_string()))?,
    };
    records.into_iter().for_each(|record| engine.replay(record));
    Ok(engine)
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
            self.saving.is_wanted = true;
        }
        if !self.shared.store.lasts() {
            self.saving.is_wanted = false;
            if !self.engine.exists() {
                self.gauge.is_gone();
            }
            return;
        }
        let Saving { is_wanted, made, is_under_way, .. } = &self.saving;
        if *is_wanted && made.is_none() && !is_under_way && !self.joint_is_open {
            self.saving.is_wanted = false;
            let (last, due) = (self.engine.last_record(), self.engine.next_deadline());
            if self.saving.saved == Some((last, due)) {
                return self.image_is_saved(last, due, &Ok(()));
            }
            self.saving.made = Some(self.image());
        }
        let is_durable = |save: &Save| save.applied <= self.durable;
        if self.saving.made.as_ref().is_some_and(is_durable)
            && let Some(save) = self.saving.made.take()
        {
            self.saving.is_under_way = true;
            let (through, due, address) = (save.applied, save.due, ctx.address());
            let done = move |result| {
                #[expect(clippy::disallowed_methods, reason = "one per image; carries no message")]
                address.do_send(ImageSaved { through, due, result });
            };
            self.shared.store.save(save, Box::new(done));
        }
    }

    fn image(&mut self) -> Save {
        Save {
            room: self.room.clone(),
            queue: self.name.clone(),
            applied: self.engine.last_record(),
            blocks: self.engine.unsaved_blocks(),
            image: self.engine.image(),
            exists: self.engine.exists(),
            due: self.engine.next_deadline(),
        }
    }

    fn image_is_saved(
        &mut self,
        through: RecordNumber,
        due: Option<Timestamp>,
        result: &Result<(), StoreError>,
    ) {
        match result {
            Ok(()) => self.saving.saved = Some((through, due)),
            Err(error) => {
                tracing::warn!(room = %self.room, queue = %self.name, %error, "not saved");
                self.saving.saved = None;
                self.engine.forget_saved();
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

    fn handle(&mut self, SaveNow: SaveNow, _: &mut Self::Context) {
        self.saving.is_wanted = true;
    }
}

impl Handler<Rest> for QueueActor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, Rest: Rest, _: &mut Self::Context) -> Self::Result {
        if !self.is_idle() {
            return Box::pin(std::future::ready(false));
        }
        let (answer, told) = oneshot::channel();
        self.saving.is_wanted = true;
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

impl Handler<ImageSaved> for QueueActor {
    type Result = ();

    fn handle(&mut self, ImageSaved { through, due, result }: ImageSaved, _: &mut Self::Context) {
        self.saving.is_under_way = false;
        self.image_is_saved(through, due, &result);
    }
}
