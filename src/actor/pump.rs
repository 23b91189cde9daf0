//! "At the end of this poll": once per turn of an actor, after everything that was there has been handled.
//!
//! This is what makes batches: an actor takes in all that waits, then writes once and replies once.

use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use actix::{Actor, ActorFuture};

/// An actor with something to do at the end of each turn.
pub trait Pumped: Actor + Sized {
    /// Called at the end of each turn. `context` may be used to be woken for another one.
    fn turn_ends(&mut self, ctx: &mut Self::Context, task: &mut Context<'_>);
}

/// Spawn it last into an actor's context: an actor's futures are polled in the order of spawning, after
/// its mailbox.
#[derive(Debug)]
pub struct Pump<A>(PhantomData<fn(A)>);

impl<A> Default for Pump<A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<A: Pumped> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut A::Context,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        actor.turn_ends(ctx, task);
        Poll::Pending
    }
}
