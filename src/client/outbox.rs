//! What was said to the server and is not known to have arrived. Pure.

use std::collections::VecDeque;

use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Frames of one session, in the order in which they are said.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<Utf8Bytes>,
    /// Number of the first of `frames` in the session; the first of all is 0.
    first: u64,
    /// Number of the next one to write.
    next: u64,
}

impl Outbox {
    /// Adds a frame; returns its number.
    pub(super) fn push(&mut self, frame: Utf8Bytes) -> u64 {
        self.frames.push_back(frame);
        self.first + self.frames.len() as u64 - 1
    }

    /// The next frame to write, which then counts as written.
    pub(super) fn write(&mut self) -> Option<Utf8Bytes> {
        let frame = self.frames.get(usize::try_from(self.next - self.first).ok()?)?.clone();
        self.next += 1;
        Some(frame)
    }

    /// Whether something waits to be written.
    pub(super) fn has_unwritten(&self) -> bool {
        self.next < self.first + self.frames.len() as u64
    }

    /// Whether the frame with this number was written, perhaps only to a buffer.
    pub(super) const fn is_written(&self, number: u64) -> bool {
        number < self.next
    }

    /// Frames that are kept.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The frame with this number has arrived, and with it all before.
    pub(super) fn arrived(&mut self, number: u64) {
        // A peer that answers what was not asked cannot make us forget what was not written.
        while self.first <= number && self.first < self.next && self.frames.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// The session goes on, and the server has got so many frames: the others are written again. False if
    /// that cannot be, and so the session cannot go on.
    pub(super) fn resume(&mut self, received: u64) -> bool {
        if received < self.first || received > self.next {
            return false;
        }
        if let Some(last) = received.checked_sub(1) {
            self.arrived(last);
        }
        self.next = self.first;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(frames: &[&'static str]) -> Outbox {
        let mut outbox = Outbox::default();
        for frame in frames {
            outbox.push(Utf8Bytes::from_static(frame));
        }
        outbox
    }

    fn written(outbox: &mut Outbox) -> String {
        let mut all = String::new();
        while let Some(frame) = outbox.write() {
            all += frame.as_str();
        }
        all
    }

    #[test]
    fn what_did_not_arrive_is_written_again() {
        let mut outbox = outbox(&["a", "b", "c"]);
        assert_eq!(written(&mut outbox), "abc");
        outbox.arrived(0);
        outbox.push("d".into());
        assert!(outbox.has_unwritten() && outbox.is_written(2) && !outbox.is_written(3));
        assert!(outbox.resume(2));
        assert_eq!(written(&mut outbox), "cd");
        assert!(outbox.resume(4));
        assert_eq!((written(&mut outbox).as_str(), outbox.len()), ("", 0));
    }

    #[test]
    fn a_server_that_counts_wrong_ends_the_session() {
        let mut outbox = outbox(&["a", "b"]);
        outbox.write();
        assert!(!outbox.resume(2), "it cannot have what was not written");
        outbox.arrived(9);
        assert_eq!(outbox.len(), 1, "nor can it have answered it");
        assert!(!outbox.resume(0), "it has had more");
        assert!(outbox.resume(1));
        assert_eq!(written(&mut outbox), "b");
    }
}
