//! What holds for JSON values in every protocol.

use crate::error::{Error, ErrorCode};

/// The deepest nesting of arrays and objects that a value may have. Most readers, Python's among them,
/// give up somewhere; one message must not stop every receiver that meets it.
pub(super) const DEPTH_MAX: usize = 128;

/// How many `[` and `{` there are. They differ in one bit, and sums of bytes are what compilers can do
/// many at a time: this looks at every body.
fn opening_brackets(json: &[u8]) -> usize {
    let in_chunk =
        |chunk: &[u8]| chunk.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    json.chunks(usize::from(u8::MAX)).map(|chunk| usize::from(in_chunk(chunk))).sum()
}

/// # Errors
/// `InvalidJson` for JSON text that is nested deeper.
pub(super) fn check_depth(json: &str) -> Result<(), Error> {
    if opening_brackets(json.as_bytes()) <= DEPTH_MAX {
        return Ok(()); // It cannot be deeper than it has brackets.
    }
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Error::new(ErrorCode::InvalidJson, "the message is nested too deeply"));
        }
    }
    Ok(())
}
