//! Before the server is ready: it listens, says how far it is, and lets nobody in.

use std::{
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_server::ServerHandle;
use actix_web::{HttpResponse, web};
use serde_json::json;

use super::{listener::listen, switch::Switchboard, workers::Workers};
use crate::{clock::Clock, error::ErrorCode};

/// Bytes of the journal that are read, and that are to be read.
#[derive(Default)]
pub(super) struct Progress {
    read: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    pub(super) fn tell(&self, read: u64, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.read.store(read, Ordering::Relaxed);
    }

    fn percent(&self) -> u64 {
        let total = self.total.load(Ordering::Relaxed).max(1);
        self.read.load(Ordering::Relaxed).saturating_mul(100) / total
    }
}

/// Serves the health of a server that starts; on a listener that another server takes over.
pub(super) fn serve(
    listener: TcpListener,
    progress: &Arc<Progress>,
    clock: &Arc<dyn Clock>,
) -> io::Result<ServerHandle> {
    let board = Arc::new(Switchboard::new(CONNECTIONS_MAX));
    let progress = Arc::clone(progress);
    let configure = move |config: &mut web::ServiceConfig| {
        let progress = Arc::clone(&progress);
        let ready = move || {
            let text = format!("replaying, {} %", progress.percent());
            async move { HttpResponse::ServiceUnavailable().json(json!({"status": text})) }
        };
        config
            .route("/health/live", web::get().to(live))
            .route("/health/ready", web::get().to(ready))
            .default_service(web::to(refuse));
    };
    let (server, _) = listen(listener, 1, &Workers::new(|_| None), &board, clock, configure)?;
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok(handle)
}

const CONNECTIONS_MAX: usize = 1024;

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

async fn refuse() -> HttpResponse {
    let code = ErrorCode::ServerStarting;
    let problem = json!({
        "type": "about:blank", "title": code.meaning(), "status": code.http_status(), "code": code.name(), "number": code as u16,
        "detail": code.meaning(), "retryable": code.is_retryable(), "may_have_happened": code.may_have_happened(),
    });
    HttpResponse::ServiceUnavailable()
        .insert_header(("retry-after", "1"))
        .content_type("application/problem+json")
        .body(problem.to_string())
}
