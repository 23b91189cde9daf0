//! TCP and HTTP/1: from a listening socket to actix-web's routes, with an [`HttpSocket`] in between.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, KeepAlive, error::DispatchError};
use actix_server::Server;
use actix_service::{ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::{
    App,
    dev::{AppConfig, Service},
    rt,
    web::ServiceConfig,
};
use futures_util::{
    TryFutureExt,
    future::{Either, ready},
};
use socket2::{Domain, Protocol, Type};

use super::{
    handover::HttpSocket,
    socket::Socket,
    switch::{self, REQUEST_MAX, Switch, Switchboard},
    workers::Workers,
};
use crate::clock::Clock;

/// Connections that wait to be accepted; a restart brings many at once.
const BACKLOG: i32 = 4096;

/// A peer that connects has this long to send the head of its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves the routes that `configure` sets up, on `workers` threads.
///
/// # Errors
/// When the socket cannot be had.
pub fn listen<F>(
    listener: TcpListener,
    workers: usize,
    together: &Arc<Workers>,
    board: &Arc<Switchboard>,
    clock: &Arc<dyn Clock>,
    configure: F,
) -> io::Result<(Server, SocketAddr)>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let address = listener.local_addr()?;
    let (together, board, clock) = (Arc::clone(together), Arc::clone(board), Arc::clone(clock));
    let factory = move || {
        let clock_of_requests = Arc::clone(&clock);
        let app = App::new().configure(configure.clone()).wrap_fn(move |request, service| {
            let switch = request.conn_data::<Arc<Switch>>().cloned().unwrap_or_default();
            let clock = Arc::clone(&clock_of_requests);
            switch.expect_answer(clock.elapsed(), REQUEST_MAX);
            let answer = service.call(request);
            async move {
                let answer = answer.await;
                switch.rest(clock.elapsed());
                answer
            }
        });
        let http = HttpService::build()
            .keep_alive(KeepAlive::Timeout(switch::KEEP_ALIVE.into()))
            .client_request_timeout(REQUEST_TIMEOUT)
            // Zero ends a closed connection at once; actix measures anything below a second by a clock
            // that it reads twice a second, and some connections would never be closed.
            .client_disconnect_timeout(Duration::ZERO)
            .on_connect_ext(|http: &HttpSocket, extensions| {
                if let Some(socket) = http.socket() {
                    extensions.insert(Arc::clone(socket.switch()));
                }
                extensions.insert(http.handover());
            })
            .h1(map_config(app, |_| AppConfig::default()));
        let workers = Arc::clone(&together);
        let (board, clock) = (Arc::clone(&board), Arc::clone(&clock));
        fn_factory(move || {
            let http = http.new_service(());
            let (workers, board, clock) =
                (Arc::clone(&workers), Arc::clone(&board), Arc::clone(&clock));
            async move {
                let http = Rc::new(http.await?);
                let serve = move |socket: Socket| {
                    let peer = socket.peer_addr();
                    http.call((HttpSocket::new(socket), peer))
                };
                let mut moving = workers.enter();
                let serve_moved = serve.clone();
                rt::spawn(async move {
                    while let Some((moving, arrived)) = moving.recv().await {
                        match (moving.arrive(), arrived) {
                            (socket, Some(arrived)) => arrived(socket),
                            (Ok(socket), None) => drop(rt::spawn(serve_moved(socket))),
                            (Err(_), None) => {}
                        }
                    }
                });
                Ok::<_, ()>(fn_service(move |stream| {
                    let socket = Socket::new(stream, Arc::clone(&board), Arc::clone(&clock));
                    let (workers, serve) = (Arc::clone(&workers), serve.clone());
                    // Apart: it is over long before the connection is.
                    let placed = Box::pin(async move {
                        let socket = socket.ok_or(DispatchError::DisconnectTimeout)?;
                        Ok(workers.place(socket).await?)
                    });
                    placed.and_then(move |socket| match socket {
                        Some(socket) => Either::Left(serve(socket)),
                        None => Either::Right(ready(Ok(()))),
                    })
                }))
            }
        })
    };
    let server = Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(1)
        .max_concurrent_connections(1 << 20)
        .listen("anteroom", listener, factory)?
        .run();
    Ok((server, address))
}

/// Listens on `address`.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
