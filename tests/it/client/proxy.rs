//! A TCP proxy that cuts connections, so that a client must come back.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

pub struct Proxy {
    pub url: String,
    upstream: Arc<Mutex<String>>,
    cuts: watch::Sender<u64>,
    budgets: Arc<Budgets>,
    connections: Arc<AtomicU64>,
}

/// How many bytes connections may carry before they are cut, in the middle of a frame most likely.
struct Budgets {
    most: AtomicU64,
    random: AtomicU64,
}

impl Budgets {
    fn next(&self) -> u64 {
        match self.most.load(Ordering::SeqCst) {
            0 => u64::MAX,
            most => {
                // Numerical Recipes' generator: the same cuts in every run, as far as the bytes are.
                let next = |x: u64| x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let random =
                    self.random.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |x| Some(next(x)));
                300 + (random.unwrap() >> 33) % most
            }
        }
    }
}

impl Proxy {
    pub async fn start(upstream: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = Arc::new(Mutex::new(upstream.to_owned()));
        let (cuts, is_cut) = watch::channel(0);
        let budgets = Arc::new(Budgets { most: AtomicU64::new(0), random: AtomicU64::new(seed) });
        let connections = Arc::new(AtomicU64::new(0));
        tokio::spawn({
            let (upstream, budgets, connections) =
                (Arc::clone(&upstream), Arc::clone(&budgets), Arc::clone(&connections));
            async move {
                while let Ok((socket, _)) = listener.accept().await {
                    let address = upstream.lock().unwrap().clone();
                    let Ok(server) = TcpStream::connect(address).await else { continue };
                    connections.fetch_add(1, Ordering::SeqCst);
                    let mut cut = is_cut.clone();
                    cut.mark_unchanged();
                    let (there, back) = (budgets.next(), budgets.next());
                    tokio::spawn(async move {
                        let (client_read, client_write) = socket.into_split();
                        let (server_read, server_write) = server.into_split();
                        tokio::select! {
                            () = carry(client_read, server_write, there) => {}
                            () = carry(server_read, client_write, back) => {}
                            _ = cut.changed() => {}
                        }
                    });
                }
            }
        });
        Self { url, upstream, cuts, budgets, connections }
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// From now on connections end by themselves after up to so many bytes; 0: no more.
    pub fn cut_after(&self, bytes: u64) {
        self.budgets.most.store(bytes, Ordering::SeqCst);
    }

    /// New connections go there.
    pub fn lead_to(&self, upstream: &str) {
        upstream.clone_into(&mut self.upstream.lock().unwrap());
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Carries bytes until one side ends or so many were carried.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut budget: u64) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer).await {
        let count = count.min(usize::try_from(budget).unwrap_or(usize::MAX));
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        budget -= count as u64;
        if budget == 0 {
            return;
        }
    }
}
