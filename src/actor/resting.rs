//! A room that nobody uses rests: its queues are saved, and nothing of it stays in memory.

use actix::{ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use futures_util::future::join_all;

use super::{
    room::RoomActor,
    saving::{Rest, Retire, SaveNow, Wake},
};
use crate::{store::Urgency, types::QueueName};

/// To a room, with a seat in it that is given back: something is due here.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Rouse {
    /// A queue that is to be saved.
    pub(crate) save: Option<(QueueName, Urgency)>,
}

impl RoomActor {
    /// Looks after a while whether the room is still of no use to anybody.
    pub(super) fn rest_later(&mut self, ctx: &mut Context<Self>) {
        if self.idle_check.is_none() && self.is_idle() {
            let wait = self.shared.idle_timeout.into();
            self.idle_check = Some(ctx.run_later(wait, |room, ctx| {
                room.idle_check = None;
                room.rest(ctx);
            }));
        }
    }

    pub(super) fn rest_no_more(&mut self, ctx: &mut Context<Self>) {
        if let Some(check) = self.idle_check.take() {
            ctx.cancel_future(check);
        }
        if std::mem::take(&mut self.is_resting) {
            for slot in &self.slots {
                slot.post(Wake);
            }
        }
    }

    /// Retires at once when nothing is kept, else when all of it is stored.
    pub(super) fn rest(&mut self, ctx: &mut Context<Self>) {
        if !self.is_idle() {
            return;
        }
        if self.slots.is_empty() {
            self.retire(ctx);
            return;
        }
        if !self.shared.store.lasts() {
            return;
        }
        self.is_resting = true;
        let version = self.version;
        let asked = join_all(self.slots.iter().map(|slot| slot.address.send(Rest)));
        ctx.spawn(asked.into_actor(self).map(move |answers, room, ctx| {
            let all_rest = answers.into_iter().all(|answer| answer == Ok(true));
            let may_retire =
                all_rest && room.version == version && room.is_resting && room.is_idle();
            if !may_retire || !room.retire(ctx) {
                // Somebody has just come, or a queue is needed.
                room.rest_no_more(ctx);
                room.rest_later(ctx);
            }
        }));
    }

    /// Whether it could.
    fn retire(&self, ctx: &mut Context<Self>) -> bool {
        let has_retired = self.shared.directory.retire(&self.name);
        if has_retired {
            tracing::debug!(room = %self.name, "the room rests");
            self.slots.iter().for_each(|slot| slot.post(Retire));
            ctx.stop();
        }
        has_retired
    }
}

impl Handler<Rouse> for RoomActor {
    type Result = ();

    fn handle(&mut self, Rouse { save }: Rouse, ctx: &mut Self::Context) {
        self.rest_no_more(ctx);
        if let Some((queue, urgency)) = save
            && let Some(slot) = self.queues.get(&queue).and_then(|at| self.slots.get(*at))
        {
            slot.post(SaveNow(urgency));
        }
        self.shared.directory.give_back_seat(&self.name);
        self.rest_later(ctx);
    }
}
