//! Walks over JSON text without making anything of it: finds where a value ends, reads what is plain.
//!
//! It accepts exactly the values that `serde_json` does, unless they are nested too deeply. It never says why not:
//! whoever must say it reads the text again, with `serde_json`.

use super::json::DEPTH_MAX;

/// A member that an object may have once.
pub(super) fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// A place in a JSON text. What is not as expected is `None`, and then the place means nothing.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning.
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Whether nothing but space follows.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// An object: `member` is called at each name, and passes it and its value.
    #[inline]
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            self.peek();
            member(self)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// An array: `element` is called at each value.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.eat(b']') {
            return Some(());
        }
        loop {
            element(self)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Whether these very bytes stand here; then passes them. An array, because compilers compare one of a known
    /// length in an instruction or two.
    #[inline]
    pub(super) fn passes<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        let is_here = self.rest().first_chunk() == Some(bytes);
        if is_here {
            self.at += N;
        }
        is_here
    }

    /// A name of an object, which must have no escapes; its value is next.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        let name = self.text()?;
        self.expect(b':')?;
        Some(name)
    }

    /// A text without escapes.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = self.text.get(self.at..)?;
        let length = plain(rest.as_bytes());
        self.at += length;
        self.step().filter(|byte| *byte == b'"')?;
        rest.get(..length)
    }

    /// A whole number that is written with nothing but digits, at most 18.
    pub(super) fn number(&mut self) -> Option<u64> {
        self.peek();
        let from = self.at;
        let mut number = 0;
        while let Some(digit @ b'0'..=b'9') = self.here() {
            number = u64::wrapping_add(u64::wrapping_mul(number, 10), u64::from(digit - b'0'));
            self.at += 1;
        }
        let is_whole = !matches!(self.here(), Some(b'.' | b'e' | b'E'));
        let is_plain = match self.at - from {
            1 => true,
            2..=18 => self.text.as_bytes().get(from) != Some(&b'0'),
            _ => false,
        };
        if is_whole && is_plain { Some(number) } else { None }
    }

    /// Any value that is not nested too deeply: its text.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        self.peek();
        let from = self.at;
        // What the value stands in: a bit for each, the innermost lowest, 1 for an object.
        let (mut depth, mut objects) = (0, 0u128);
        loop {
            match self.next()? {
                b'"' => self.skip_text()?,
                open @ (b'{' | b'[') => {
                    if depth == DEPTH_MAX {
                        return None;
                    }
                    let is_object = open == b'{';
                    (depth, objects) = (depth + 1, objects << 1 | u128::from(is_object));
                    let close = open + 2;
                    if self.peek()? != close {
                        if is_object {
                            self.skip_name()?;
                        }
                        continue;
                    }
                }
                b't' => self.skip_word(b"rue")?,
                b'f' => self.skip_word(b"alse")?,
                b'n' => self.skip_word(b"ull")?,
                b'-' => {
                    let first = self.step()?;
                    self.skip_number(first)?;
                }
                first => self.skip_number(first)?,
            }
            loop {
                if depth == 0 {
                    return self.text.get(from..self.at);
                }
                let is_object = objects & 1 == 1;
                match self.next()? {
                    b',' if is_object => {
                        self.skip_name()?;
                        break;
                    }
                    b',' => break,
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return None,
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or(&[])
    }

    /// The byte that is here, be it space or not.
    #[inline]
    fn here(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The same, and passes it.
    #[inline]
    fn step(&mut self) -> Option<u8> {
        let byte = self.here()?;
        self.at += 1;
        Some(byte)
    }

    /// Passes space. The byte after it.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        // Nearly always there is no space.
        match self.here() {
            Some(byte) if byte > b' ' => Some(byte),
            _ => self.skip_space(),
        }
    }

    fn skip_space(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.here() {
            self.at += 1;
        }
        self.here()
    }

    /// The same, and passes it.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        self.at += usize::from(is_here);
        is_here
    }

    fn skip_name(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.skip_text()?;
        self.expect(b':')
    }

    /// The rest of a text.
    fn skip_text(&mut self) -> Option<()> {
        loop {
            self.at += plain(self.rest());
            match self.step()? {
                b'"' => return Some(()),
                b'\\' => match self.step()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = self.rest().first_chunk::<4>()?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        self.at += digits.len();
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    fn skip_word(&mut self, rest: &[u8]) -> Option<()> {
        self.rest().starts_with(rest).then(|| self.at += rest.len())
    }

    /// The rest of a number after its first digit.
    fn skip_number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' if self.here().is_some_and(|byte| byte.is_ascii_digit()) => return None,
            b'0'..=b'9' => self.skip_digits(),
            _ => return None,
        };
        if self.here() == Some(b'.') {
            self.at += 1;
            self.step().filter(u8::is_ascii_digit)?;
            self.skip_digits();
        }
        if let Some(b'e' | b'E') = self.here() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.here() {
                self.at += 1;
            }
            self.step().filter(u8::is_ascii_digit)?;
            self.skip_digits();
        }
        Some(())
    }

    fn skip_digits(&mut self) {
        while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

/// How many bytes stand before the first one that means something inside of a text: its end, an escape, or
/// a control character, which must not be there. Bodies are mostly such bytes, so many are looked at at a time.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    // Most texts are names, and end soon.
    match bytes.split_first_chunk() {
        None => plain_in_tail(bytes),
        Some((word, rest)) => {
            odd_in(*word).unwrap_or_else(|| size_of_val(word) + plain_in_long(rest))
        }
    }
}

#[inline(never)]
fn plain_in_long(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<64>();
    let passed = 64 * chunks.iter().take_while(|chunk| is_plain(chunk)).count();
    let (words, tail) = bytes.get(passed..).unwrap_or(&[]).as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        if let Some(at) = odd_in(*word) {
            return passed + 8 * number + at;
        }
    }
    passed + 8 * words.len() + plain_in_tail(tail)
}

/// Written so that compilers look at 16 bytes at a time.
fn is_plain(chunk: &[u8; 64]) -> bool {
    chunk.iter().fold(0, |odd, byte| odd | u8::from(is_odd(*byte))) == 0
}

/// `^ 2` puts the quote beside the control characters, so that one comparison finds them all.
fn is_odd(byte: u8) -> bool {
    (byte ^ 2).saturating_sub(b' ').min(byte ^ b'\\') == 0
}

fn plain_in_tail(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| !is_odd(**byte)).count()
}

/// Where in a word the first byte is that is not plain. The bits that are set above the lowest may be wrong: they may come
/// of what that byte borrowed.
fn odd_in(word: [u8; 8]) -> Option<usize> {
    const EACH: u64 = u64::MAX / 255;
    let word = u64::from_le_bytes(word);
    let (low, backslash) = (word ^ (EACH * 2), word ^ (EACH * 0x5c));
    let is_low = low.wrapping_sub(EACH * 0x21) & !low;
    let is_backslash = backslash.wrapping_sub(EACH) & !backslash;
    let found = (is_low | is_backslash) & (EACH << 7);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::value::RawValue;

    use super::*;
    use crate::wire::json::check_depth;

    fn scanned(text: &str) -> Option<&str> {
        let mut cursor = Cursor::new(text);
        let value = cursor.value()?;
        cursor.is_at_end().then_some(value)
    }

    /// What `serde_json` takes, and our own rule of depth.
    fn taken(text: &str) -> Option<&str> {
        let value = serde_json::from_str::<&RawValue>(text).ok()?.get();
        check_depth(value).is_ok().then_some(value)
    }

    fn same(text: &str) {
        assert_eq!(scanned(text), taken(text), "{text:?}");
    }

    /// All texts of at most `length` of these pieces.
    fn all_of(pieces: &[&str], length: usize, text: &mut String, see: &mut impl FnMut(&str)) {
        see(text);
        for piece in pieces.iter().filter(|_| length > 0) {
            text.push_str(piece);
            all_of(pieces, length - 1, text, see);
            text.truncate(text.len() - piece.len());
        }
    }

    #[test]
    fn every_short_text_is_a_value_or_not_as_serde_json_has_it() {
        let structure = ["{", "}", "[", "]", ",", ":", "\"\"", "0", "null", " "];
        all_of(&structure, 5, &mut String::new(), &mut same);
        all_of(&["0", "1", "-", ".", "e", "E", "+"], 6, &mut String::new(), &mut same);
        let escapes = ["\"", "\\", "u", "0", "d", "D8", "g", "n", "/", "\u{1f}", "\u{7f}", "é"];
        all_of(&escapes, 5, &mut "\"".to_owned(), &mut same);
        let words = ["t", "r", "u", "e", "fals", "nul", "l", "N", "\u{c}", "\u{feff}"];
        all_of(&words, 5, &mut String::new(), &mut same);
    }

    #[test]
    fn what_is_odd_is_found_wherever_it_stands() {
        for (before, odd) in (0..200).flat_map(|before| (0..=255u8).map(move |odd| (before, odd))) {
            let text = format!("{}{}{}", "x".repeat(before), char::from(odd), "\"y".repeat(50));
            let is_odd = odd < b' ' || odd == b'"' || odd == b'\\';
            let expected = if is_odd { before } else { before + char::from(odd).len_utf8() };
            assert_eq!(plain(text.as_bytes()), expected, "{odd} after {before}");
        }
        assert_eq!(plain(&[b'x'; 1000]), 1000);
    }

    #[test]
    fn nesting_has_the_limit_that_the_rest_has() {
        for (open, close) in [("[", "]"), ("{\"\":", "}"), ("[{\"a\":", "}]")] {
            for inner in ["", "0", "[]", "{}", "[1,{}]"] {
                for count in [63, 64, 65, 126, 127, 128, 129, 1000] {
                    same(&format!("{}{inner}{}", open.repeat(count), close.repeat(count)));
                    same(&format!("{}{inner}{}", open.repeat(count), close.repeat(count - 1)));
                }
            }
        }
    }

    #[test]
    fn a_plain_number_has_at_most_18_digits() {
        let number = |text: &str| Cursor::new(text).number();
        for text in ["0", "7", "10", "9007199254740991", "999999999999999999"] {
            assert_eq!(number(text), text.parse().ok());
            assert_eq!(number(&format!(" {text},")), text.parse().ok());
        }
        for text in ["", "-1", "01", "00", "1.0", "1e3", "1E3", "x", "1234567890123456789"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let space = || select(&["", "", "", " ", "\n\t\r "][..]);
        let leaf = select(
            &[
                "0",
                "-0",
                "17",
                "-1.5e+300",
                "0.1",
                "1E5",
                "1e-2",
                "true",
                "false",
                "null",
                "\"\"",
                "\"a\\n\\u00e9\"",
                "\"\\ud83d\\ude00 \\ud83d\"",
                "\"日本 { [ ] } \\\\ \\\"\"",
                "\"\u{7f}\"",
                "\"a text that is longer than one of the words that are looked at at a time, and than a chunk\"",
            ][..],
        );
        leaf.prop_map(str::to_owned).prop_recursive(6, 60, 5, move |inner| {
            let spaced =
                (space(), inner, space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
            let member =
                ("[a-z\"]{0,2}", space(), spaced.clone()).prop_map(|(name, space, value)| {
                    format!("{}{space}:{value}", serde_json::to_string(&name).unwrap())
                });
            prop_oneof![
                vec(spaced, 0..5).prop_map(|all| format!("[{}]", all.join(","))),
                vec(member, 0..5).prop_map(|all| format!("{{{}}}", all.join(", "))),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_is_passed_if_serde_json_takes_it_however_it_was_damaged(
            text in json(),
            damages in vec((any::<prop::sample::Index>(), select(&b"{}[],:\"\\ 0-.eu\n\x01x"[..]), any::<bool>()), 0..3),
            keep in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            same(&text);
            prop_assert!(scanned(&text).is_some());
            let mut characters: Vec<char> = text.chars().collect();
            for (at, byte, is_inserted) in damages {
                let at = at.index(characters.len());
                match is_inserted {
                    true => characters.insert(at, byte.into()),
                    false => characters[at] = byte.into(),
                }
            }
            if cut {
                characters.truncate(keep.index(characters.len()));
            }
            same(&characters.into_iter().collect::<String>());
        }
    }
}
