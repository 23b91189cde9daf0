//! HTTP assembly: where the server listens, which path leads where, how it stops. No protocol logic.

mod api;
mod connections;
mod listener;
mod origin;
mod resume;
mod room;
mod routes;
mod shutdown;
mod switch;
mod turn;
pub mod ws;

use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use listener::listen;
pub use switch::{KEEP_ALIVE, REQUEST_MAX, Socket, Switch, Switchboard};

use connections::Connections;
use resume::Sessions;

use crate::{
    actor::SessionTimes,
    auth::KeyRing,
    clock::{Clock, SystemClock},
    config::Config,
    service::Service,
    store::MemoryStore,
    types::Millis,
};

/// What every worker shares.
pub(crate) struct Context {
    service: Service,
    keys: Arc<KeyRing>,
    connections: Arc<Connections>,
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    origins: Vec<String>,
    times: SessionTimes,
}

/// Why the server did not start, or did not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The process has no runtime.
    #[error("cannot run: {0}")]
    Run(#[from] std::io::Error),
    /// Something that was accepted is not safe.
    #[error("stopped with changes that are not stored: {0}")]
    Store(crate::error::Error),
}

/// How often connections whose peer does not read are looked for.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the server until it is told to stop. `announce` is called when it accepts connections.
///
/// # Errors
/// [`StartError`].
pub fn run(
    config: Config,
    keys: KeyRing,
    announce: impl FnOnce(SocketAddr) + 'static,
) -> Result<(), StartError> {
    raise_file_limit();
    actix_web::rt::System::new().block_on(serve(config, keys, announce))
}

async fn serve(
    config: Config,
    keys: KeyRing,
    announce: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Arc::new(MemoryStore::forgetful());
    let service =
        Service::new(config.limits.clone(), config.open_is_idempotent, store, Arc::clone(&clock));
    let context = Arc::new(Context {
        service,
        keys: Arc::new(keys),
        connections: Connections::new(config.limits.connections),
        sessions: Sessions::new(config.resume_timeout, &config.limits),
        clock: Arc::clone(&clock),
        origins: config.origins.clone(),
        times: SessionTimes {
            ping_interval: config.ping_interval,
            pong_timeout: config.pong_timeout,
            receipt_timeout: config.receipt_timeout,
        },
    });
    let board = Arc::new(Switchboard::new(config.limits.connections + PLAIN_CONNECTIONS_MAX));
    let routes = Arc::clone(&context);
    let configure = move |config: &mut actix_web::web::ServiceConfig| {
        routes::configure(&routes, config);
    };
    let (server, address) = listen(config.listen, config.workers, &board, &clock, configure)
        .map_err(|source| StartError::Listen { address: config.listen, source })?;
    let mut signals = shutdown::Signals::catch()?;
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let sessions = Arc::clone(&context.sessions);
    actix_web::rt::spawn(watch(Arc::clone(&board), sessions, clock, config.write_timeout));
    announce(address);

    signals.either().await;
    shutdown::stop(&context, &board, &handle, config.grace).await?;
    running.await.map_err(std::io::Error::other)??;
    Ok(())
}

/// Connections beside the WebSockets: requests that are being answered.
const PLAIN_CONNECTIONS_MAX: usize = 1024;

/// Cuts peers that do not read, from outside their actors, which are not polled any more; and those that
/// never finish their request.
async fn watch(
    board: Arc<Switchboard>,
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    write_timeout: Millis,
) {
    loop {
        actix_web::rt::time::sleep(WATCH_INTERVAL).await;
        board.cut_plain(clock.elapsed());
        sessions.sweep(clock.elapsed());
        let cut = board.cut_blocked(clock.elapsed(), write_timeout);
        if cut > 0 {
            tracing::warn!(connections = cut, "cut: the peer does not read");
        }
    }
}

/// A connection is a file: as many as the system lets us have.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
