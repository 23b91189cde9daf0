//! HTTP assembly: where the server listens, which path leads where, how it stops. No protocol logic.

mod api;
mod connections;
mod guard;
mod handover;
mod inbox;
mod listener;
mod origin;
mod outbox;
mod parting;
mod queen;
mod resume;
mod room;
mod routes;
mod shutdown;
mod socket;
mod starting;
mod switch;
mod turn;
mod visit;
mod workers;
pub mod ws;

use std::{
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{Either, select};

pub use listener::{bind, listen};
pub use switch::{KEEP_ALIVE, REQUEST_MAX, Switch, Switchboard};
pub use workers::Workers;

use connections::Connections;
use resume::Sessions;

use crate::{
    actor::SessionTimes,
    auth::KeyRing,
    clock::{Clock, SystemClock},
    config::{Config, EncryptionKeys},
    service::{Health, Rules, Service},
    store::{DurableStore, Keys, MemoryStore, OpenError, OpenOptions, Store, StoreError},
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
    /// Whether one may ask without a token: in a trial.
    is_open: bool,
    modes: queen::Modes,
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
    /// What is stored cannot be read.
    #[error("{directory}: {source}")]
    Open {
        /// Where it is.
        directory: String,
        /// Why.
        source: OpenError,
    },
    /// The store failed under way.
    #[error("{0}")]
    Failed(StoreError),
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
    encryption: EncryptionKeys,
    announce: impl FnOnce(SocketAddr) + 'static,
) -> Result<(), StartError> {
    raise_file_limit();
    actix_web::rt::System::new().block_on(serve(config, keys, encryption, announce))
}

async fn serve(
    config: Config,
    keys: KeyRing,
    encryption: EncryptionKeys,
    announce: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let listener = bind(config.listen)
        .map_err(|source| StartError::Listen { address: config.listen, source })?;
    let durable = match config.memory {
        true => None,
        false => Some(open_store(&config, encryption, &listener, &clock).await?),
    };
    let store: Arc<dyn Store> = match &durable {
        Some(store) => Arc::clone(store) as _,
        None => Arc::new(MemoryStore::forgetful()),
    };
    let rules = Rules {
        limits: config.limits.clone(),
        open_is_idempotent: config.open_is_idempotent,
        idle_timeout: config.idle_timeout,
        body_cache: usize::try_from(config.body_cache.0).unwrap_or(usize::MAX),
    };
    let service = Service::new(rules, store, Arc::clone(&clock));
    let context = Arc::new(Context {
        service,
        keys: Arc::new(keys),
        connections: Connections::new(config.limits.connections),
        sessions: Sessions::new(config.resume_timeout, &config.limits),
        clock: Arc::clone(&clock),
        origins: config.origins.clone(),
        is_open: config.dev,
        modes: queen::Modes::default(),
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
    let rooms = context.service.clone();
    let workers = Workers::new(move |room| rooms.home(room));
    let (server, address) = listen(listener, config.workers, &workers, &board, &clock, configure)?;
    let mut signals = shutdown::Signals::catch()?;
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let sessions = Arc::clone(&context.sessions);
    actix_web::rt::spawn(watch(Arc::clone(&board), sessions, clock, config.write_timeout));
    announce(address);

    let failed = match select(pin!(signals.either()), pin!(look_after_store(&context))).await {
        Either::Left(_) => None,
        Either::Right((error, _)) => Some(error),
    };
    let stopped = shutdown::stop(&context, &board, &handle, config.grace).await;
    running.await.map_err(std::io::Error::other)??;
    match failed {
        Some(error) => return Err(StartError::Failed(error)),
        None => stopped?,
    }
    match durable {
        Some(store) => close_store(store).await,
        None => Ok(()),
    }
}

/// A start that takes longer says how far it is; who comes before then just waits for his answer.
const SILENT_START: Duration = Duration::from_millis(500);

/// Reads what is stored; if it takes long, a server for the time being says how far it is.
async fn open_store(
    config: &Config,
    EncryptionKeys(keys): EncryptionKeys,
    listener: &TcpListener,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<DurableStore>, StartError> {
    let options = OpenOptions {
        directory: config.data.clone(),
        segment_bytes: config.journal_segment.0,
        journal_bytes: config.journal_size.0,
        keys: Keys::new(keys),
    };
    let progress = Arc::new(starting::Progress::default());
    let told = Arc::clone(&progress);
    let mut opening = actix_web::rt::task::spawn_blocking(move || {
        DurableStore::open(options, &|read, total| told.tell(read, total))
    });
    let opened = match actix_web::rt::time::timeout(SILENT_START, &mut opening).await {
        Ok(opened) => opened,
        Err(_) => {
            let handle = starting::serve(listener.try_clone()?, &progress, clock)?;
            let opened = opening.await;
            handle.stop(false).await;
            opened
        }
    };
    let opened = opened.map_err(std::io::Error::other)?;
    let directory = || config.data.display().to_string();
    opened.map(Arc::new).map_err(|source| StartError::Open { directory: directory(), source })
}

/// Everything is written and said to be.
async fn close_store(store: Arc<DurableStore>) -> Result<(), StartError> {
    let closed = actix_web::rt::task::spawn_blocking(move || store.close()).await;
    closed.map_err(std::io::Error::other)?.map_err(StartError::Failed)
}

/// Does now and then what the store needs. Ends when the store has failed.
async fn look_after_store(context: &Context) -> StoreError {
    loop {
        actix_web::rt::time::sleep(STORE_INTERVAL).await;
        if let Health::Failed(error) = context.service.health() {
            context.connections.finish_all();
            tracing::error!(%error, "the store has failed: the server stops");
            return error;
        }
        context.service.look_after_store();
    }
}

/// How often the store is looked after.
const STORE_INTERVAL: Duration = Duration::from_millis(100);

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
