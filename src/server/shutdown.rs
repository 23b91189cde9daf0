//! How the server stops: unready, nothing new, last receipts, connections dropped, changes safe.

use std::{io, pin::pin, sync::Arc, time::Duration};

use actix_server::ServerHandle;
use actix_web::rt::{
    signal::unix::{Signal, SignalKind, signal},
    time::{sleep, timeout},
};

use futures_util::future::select;

use super::{Context, StartError, switch::Switchboard};
use crate::types::Millis;

/// SIGTERM and SIGINT, caught from the moment this is made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// To be called before the server says that it is ready: whoever reads that may send one at once.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for either.
    pub(super) async fn either(&mut self) {
        let (terminate, interrupt) = (self.terminate.recv(), self.interrupt.recv());
        select(pin!(terminate), pin!(interrupt)).await;
    }
}

/// Stops within `grace`.
///
/// Parked receivers are served no more; messages whose receipt is under way get the time to be
/// settled, so that a clean stop repeats nothing. Then TCP is dropped.
pub(super) async fn stop(
    context: &Arc<Context>,
    board: &Switchboard,
    handle: &ServerHandle,
    grace: Millis,
) -> Result<(), StartError> {
    let began = context.clock.elapsed();
    tracing::info!(connections = context.connections.taken(), "stopping");
    context.connections.finish_all();
    context.sessions.clear();
    let gone = async {
        while context.connections.taken() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
        // The last answer is on its way from its handler to its socket.
        sleep(Duration::from_millis(5)).await;
    };
    // The rest of the time is for what is then still to be stored.
    let for_receipts = Duration::from_millis(grace.0.saturating_mul(7) / 10);
    if timeout(for_receipts, gone).await.is_err() {
        tracing::warn!(connections = context.connections.taken(), "cut: grace is over");
    }
    board.cut_all();
    context.sessions.clear();
    let used = context.clock.elapsed().0.saturating_sub(began.0);
    let left = Duration::from_millis(grace.0.saturating_sub(used));
    let quiesced = timeout(left, context.service.quiesce()).await;
    handle.stop(false).await;
    match quiesced {
        Ok(Err(error)) => Err(StartError::Store(error)),
        Ok(Ok(())) => Ok(()),
        Err(_) => {
            tracing::error!("some rooms did not come to rest");
            Ok(())
        }
    }
}
