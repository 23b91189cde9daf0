//! How the server stops: unready, nothing new, last receipts, connections dropped, changes safe.

use std::{sync::Arc, time::Duration};

use actix_server::ServerHandle;
use actix_web::rt::{
    signal::unix::{SignalKind, signal as unix_signal},
    time::{sleep, timeout},
};

use super::{Context, StartError, switch::Switchboard};
use crate::types::Millis;

/// Waits for SIGTERM or SIGINT.
pub(super) async fn signal() {
    let terminated = async {
        match unix_signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    let interrupted = actix_web::rt::signal::ctrl_c();
    futures_util::future::select(std::pin::pin!(terminated), std::pin::pin!(interrupted)).await;
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
    let gone = async {
        while context.connections.taken() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    // The rest of the time is for what is then still to be stored.
    let for_receipts = Duration::from_millis(grace.0.saturating_mul(7) / 10);
    if timeout(for_receipts, gone).await.is_err() {
        tracing::warn!(connections = context.connections.taken(), "cut: grace is over");
    }
    board.cut_all();
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
