//! The last that a connection says, after whoever spoke on it is gone.

use std::{future::poll_fn, io, task::Poll, time::Duration};

use actix_web::{rt::time::timeout, web::BytesMut};

use super::{outbox::Outbox, socket::Socket};

/// The peer has this long to go as well.
const LINGER: Duration = Duration::from_secs(1);

/// So much is read and thrown away at a time.
const AT_A_TIME: usize = 4096;

/// Writes what is left, says that nothing more comes, and waits for the peer to do the same: TCP would take back what it has not
/// read yet if the connection were closed with something unread of its own. Ends early when the switch is thrown.
pub(super) async fn part(mut socket: Socket, mut outbox: Outbox) {
    let written = poll_fn(|cx| {
        socket.switch().check(cx)?;
        while !outbox.is_empty() {
            match outbox.write(|slices| socket.poll_write(cx, slices)) {
                Poll::Ready(Ok(_)) => {}
                refused => return refused.map_ok(|_| ()),
            }
        }
        socket.poll_shutdown(cx)
    });
    if written.await.is_err() {
        return;
    }
    let mut unheard = BytesMut::new();
    let gone = poll_fn(|cx| {
        loop {
            socket.switch().check(cx)?;
            unheard.clear();
            match socket.poll_read(cx, &mut unheard, AT_A_TIME) {
                Poll::Ready(Ok(1..)) => {}
                over => return over.map_ok(|_| ()),
            }
        }
    });
    let _: Result<io::Result<()>, _> = timeout(LINGER, gone).await;
}
