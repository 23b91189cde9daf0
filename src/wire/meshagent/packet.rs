//! Messages ⇄ packets.

use bytes::{Buf, Bytes, BytesMut};

use crate::wire::websocket::Frames;

/// Data bytes of one packet that we send. Clients cut at 1024 bytes but take any size below 4 MiB;
/// at 256 KiB a 5 MB message reaches the JavaScript client in 1.1 s instead of 7.2 s.
const PACKET_BYTES: usize = 256 * 1024;

/// What a packet completed.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// A whole message.
    Message {
        /// The sender's number for it.
        id: u64,
        /// What it is, in UTF-8.
        kind: Bytes,
        /// Its data.
        data: Bytes,
    },
    /// A message larger than the limit begins or goes on; the rest of it is passed over.
    TooLarge {
        /// The sender's number for it.
        id: u64,
    },
    /// A packet came that does not follow the one before; the message is given up.
    OutOfOrder {
        /// The number of the message that was given up.
        id: u64,
    },
}

#[derive(Debug)]
enum State {
    /// No message is under way, or what is left of one is passed over.
    Idle,
    /// Packet `next` of `last` is due.
    Joining { id: u64, kind: Bytes, next: u32, last: u32 },
}

/// Puts messages together from packets. Packets of two messages never interleave.
#[derive(Debug)]
pub struct Packets {
    message_bytes_max: usize,
    state: State,
    data: BytesMut,
}

/// A packet too short to be one: the peer does not speak this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPacket;

impl Packets {
    /// For one connection.
    #[must_use]
    pub fn new(message_bytes_max: usize) -> Self {
        Self { message_bytes_max, state: State::Idle, data: BytesMut::new() }
    }

    /// Takes the next packet; hands out what it completes.
    ///
    /// # Errors
    /// [`NotAPacket`] for a frame without the fixed part.
    pub fn next(
        &mut self,
        mut frame: Bytes,
        out: &mut impl FnMut(Joined),
    ) -> Result<(), NotAPacket> {
        if frame.len() < 12 {
            return Err(NotAPacket);
        }
        let id = frame.get_u64();
        match frame.get_u32() {
            0 => self.start(id, frame, out),
            number => {
                self.continued(id, number, &frame, out);
                Ok(())
            }
        }
    }

    fn start(
        &mut self,
        id: u64,
        mut frame: Bytes,
        out: &mut impl FnMut(Joined),
    ) -> Result<(), NotAPacket> {
        if frame.len() < 4 {
            return Err(NotAPacket);
        }
        if let State::Joining { id: unfinished, .. } = self.state {
            out(Joined::OutOfOrder { id: unfinished });
        }
        self.data.clear();
        let last = frame.get_u32();
        let kind = frame;
        if last == 0 {
            self.state = State::Idle;
            out(Joined::Message { id, kind, data: Bytes::new() });
        } else {
            // It may wait for long, and what the frame is a part of is larger than it.
            let kind = Bytes::copy_from_slice(&kind);
            self.state = State::Joining { id, kind, next: 1, last };
        }
        Ok(())
    }

    fn continued(&mut self, id: u64, number: u32, bytes: &Bytes, out: &mut impl FnMut(Joined)) {
        let State::Joining { id: expected, next, last, .. } = &mut self.state else {
            return; // The rest of a message that was given up.
        };
        if (id, number) != (*expected, *next) {
            let id = *expected;
            self.state = State::Idle;
            return out(Joined::OutOfOrder { id });
        }
        if self.data.len() + bytes.len() > self.message_bytes_max {
            self.state = State::Idle;
            self.data = BytesMut::new();
            return out(Joined::TooLarge { id });
        }
        let left = *last - *next;
        *next = next.wrapping_add(1);
        if left > 0 {
            self.make_room(bytes.len(), left);
            self.data.extend_from_slice(bytes);
            return;
        }
        let data = if self.data.is_empty() {
            bytes.clone() // The usual case: one data packet, nothing to join.
        } else {
            self.data.extend_from_slice(bytes);
            self.take_data()
        };
        if let State::Joining { kind, .. } = std::mem::replace(&mut self.state, State::Idle) {
            out(Joined::Message { id, kind, data });
        }
    }

    /// A small buffer is used again; a large one leaves with its bytes, or it would be held by a connection
    /// at rest.
    fn take_data(&mut self) -> Bytes {
        const KEEP: usize = 16 * 1024;
        match self.data.capacity() {
            ..=KEEP => self.data.split().freeze(),
            _ => std::mem::take(&mut self.data).freeze(),
        }
    }

    /// Grows by doubling, but never past what is announced to come: an announcement alone costs nothing,
    /// and an honest one ends with a buffer of the right size.
    fn make_room(&mut self, packet: usize, left: u32) {
        if self.data.capacity() - self.data.len() < packet {
            let announced = packet.saturating_mul(left as usize + 1);
            self.data.reserve(announced.min(self.data.len().max(8 * packet)).max(packet));
        }
    }
}

/// Cuts a message into packets as the clients do, each to be one binary WebSocket message.
#[must_use]
pub fn cut(id: u64, kind: &str, data: &Bytes) -> Vec<Bytes> {
    const CLIENT_PACKET_BYTES: usize = 1024;
    let parts = data.chunks(CLIENT_PACKET_BYTES);
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let id = id.to_be_bytes();
    let start = [&id[..], &0u32.to_be_bytes(), &count.to_be_bytes(), kind.as_bytes()].concat();
    let numbered = (1..=count).zip(parts);
    let data = numbered.map(|(number, part)| [&id[..], &number.to_be_bytes(), part].concat());
    std::iter::once(start).chain(data).map(Bytes::from).collect()
}

/// A piece of a message's data.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// Copied.
    Copied(&'a [u8]),
    /// Shared if it is large.
    Shared(&'a Bytes),
}

impl Piece<'_> {
    fn len(self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
        }
    }
}

/// Writes a message in the packed layout: header and attachment.
pub fn write_packed(
    frames: &mut Frames,
    id: u64,
    kind: &str,
    header: &[Piece<'_>; 3],
    attachment: &Bytes,
) {
    let length = header.iter().map(|piece| piece.len()).sum::<usize>() as u64;
    let [a, b, c] = *header;
    let length = length.to_be_bytes();
    write_message(frames, id, kind, &[Piece::Copied(&length), a, b, c, Piece::Shared(attachment)]);
}

/// Writes a message whose data is `pieces`, one after the other.
pub fn write_message(frames: &mut Frames, id: u64, kind: &str, pieces: &[Piece<'_>]) {
    let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
    let packets = left.div_ceil(PACKET_BYTES);
    frames.begin_binary(16 + kind.len());
    frames.put(&id.to_be_bytes());
    frames.put(&0u32.to_be_bytes());
    frames.put(&u32::try_from(packets).unwrap_or(u32::MAX).to_be_bytes());
    frames.put(kind.as_bytes());
    let mut pieces = pieces.iter().copied();
    let mut piece = pieces.next();
    let mut used = 0;
    for number in 1..=packets {
        let mut room = left.min(PACKET_BYTES);
        left -= room;
        frames.begin_binary(12 + room);
        frames.put(&id.to_be_bytes());
        frames.put(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
        while room > 0 {
            let Some(current) = piece else { return };
            let part = room.min(current.len() - used);
            match current {
                Piece::Copied(bytes) => frames.put(bytes.get(used..used + part).unwrap_or(&[])),
                Piece::Shared(bytes) => frames.share(&bytes.slice(used..used + part)),
            }
            room -= part;
            used += part;
            if used == current.len() {
                (piece, used) = (pieces.next(), 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The WebSocket messages in `frames`, which are small enough for short headers here.
    pub(crate) fn packets_of(mut frames: Frames) -> Vec<Bytes> {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = frames.next_chunk() {
            bytes.extend_from_slice(&chunk);
        }
        let mut bytes = bytes.freeze();
        let mut packets = Vec::new();
        while bytes.has_remaining() {
            assert_eq!(bytes.get_u8(), 0x82);
            let len = match bytes.get_u8() {
                126 => usize::from(bytes.get_u16()),
                127 => bytes.get_u64() as usize,
                len => usize::from(len),
            };
            packets.push(bytes.split_to(len));
        }
        packets
    }

    fn join(packets: &mut Packets, frames: impl IntoIterator<Item = Bytes>) -> Vec<Joined> {
        let mut joined = Vec::new();
        for frame in frames {
            packets.next(frame, &mut |message| joined.push(message)).unwrap();
        }
        joined
    }

    fn start(id: u64, last: u32) -> Bytes {
        [&id.to_be_bytes()[..], &[0; 4], &last.to_be_bytes(), b"queues.list"].concat().into()
    }

    fn data(id: u64, number: u32, bytes: &[u8]) -> Bytes {
        [&id.to_be_bytes()[..], &number.to_be_bytes(), bytes].concat().into()
    }

    fn message(id: u64, data: &'static [u8]) -> Joined {
        Joined::Message {
            id,
            kind: Bytes::from_static(b"queues.list"),
            data: Bytes::from_static(data),
        }
    }

    #[test]
    fn messages_are_joined_and_a_broken_one_does_not_harm_the_next() {
        let rows: [(&[Bytes], &[Joined]); 6] = [
            (&[start(1, 0)], &[message(1, b"")]),
            (&[start(1, 1), data(1, 1, b"ab")], &[message(1, b"ab")]),
            (&[start(1, 2), data(1, 1, b"a"), data(1, 2, b"b")], &[message(1, b"ab")]),
            (
                &[start(1, 2), data(1, 2, b"b"), data(1, 1, b"a"), start(2, 0)],
                &[Joined::OutOfOrder { id: 1 }, message(2, b"")],
            ),
            (&[start(1, 2), start(2, 0)], &[Joined::OutOfOrder { id: 1 }, message(2, b"")]),
            (
                &[
                    start(1, 3),
                    data(1, 1, b"1234"),
                    data(1, 2, b"5"),
                    data(1, 3, b"6"),
                    start(2, 0),
                ],
                &[Joined::TooLarge { id: 1 }, message(2, b"")],
            ),
        ];
        for (frames, expected) in rows {
            assert_eq!(join(&mut Packets::new(4), frames.to_vec()), expected, "{frames:?}");
        }
        let at_the_limit = [start(1, 2), data(1, 1, b"123"), data(1, 2, b"4")];
        assert_eq!(join(&mut Packets::new(4), at_the_limit), [message(1, b"1234")]);
    }

    #[test]
    fn short_frames_are_not_packets_and_announcements_cost_nothing() {
        let mut packets = Packets::new(1 << 30);
        for bytes in [&b""[..], &[0; 11], &[0; 15]] {
            let result = packets.next(Bytes::copy_from_slice(bytes), &mut |_| panic!());
            assert_eq!(result, Err(NotAPacket));
        }
        assert!(join(&mut packets, [start(1, u32::MAX), data(1, 1, b"x")]).is_empty());
        assert!(packets.data.capacity() < 1024);
    }

    #[test]
    fn large_data_is_cut_and_shared() {
        let body = Bytes::from(vec![b'1'; PACKET_BYTES * 2]);
        let mut frames = Frames::default();
        write_message(&mut frames, 7, "queues.list", &[Piece::Copied(b"<"), Piece::Shared(&body)]);
        let joined = join(&mut Packets::new(1 << 30), packets_of(frames));
        let [Joined::Message { id: 7, data, .. }] = &joined[..] else { panic!("{joined:?}") };
        assert_eq!((data.len(), data[0]), (body.len() + 1, b'<'));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(sizes in proptest::collection::vec(0usize..5000, 0..5), id: u64) {
            let parts: Vec<Bytes> = sizes.iter().map(|n| Bytes::from(vec![*n as u8; *n])).collect();
            let pieces: Vec<Piece<'_>> = parts.iter().map(Piece::Shared).collect();
            let mut frames = Frames::default();
            write_message(&mut frames, id, "queues.list", &pieces);
            let joined = join(&mut Packets::new(1 << 20), packets_of(frames));
            let whole = Bytes::from(parts.concat());
            let kind = Bytes::from_static(b"queues.list");
            prop_assert_eq!(joined, vec![Joined::Message { id, kind, data: whole }]);
        }

        #[test]
        fn no_bytes_break_the_joining(frames in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut packets = Packets::new(64);
            for frame in frames {
                let _ = packets.next(frame.into(), &mut |_| ());
            }
        }
    }
}
