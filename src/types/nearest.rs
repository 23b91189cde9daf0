//! "Did you mean …?"

/// The known word that shares most pairs of neighbouring letters with `word`.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let pairs = |text: &str| -> Vec<[u8; 2]> {
        // The ends count too, as pairs with a blank.
        let framed = format!(" {} ", text.to_ascii_lowercase());
        framed.as_bytes().windows(2).filter_map(|pair| pair.try_into().ok()).collect()
    };
    let wanted = pairs(word);
    known
        .max_by_key(|candidate| {
            let candidate = pairs(candidate);
            let shared = wanted.iter().filter(|pair| candidate.contains(pair)).count();
            // Shared pairs by all pairs, in thousandths.
            shared * 2000 / (wanted.len() + candidate.len())
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        let known =
            ["listen", "secret_file", "log", "origins", "workers", "ping_interval", "pong_timeout"];
        for (word, expected) in [
            ("listn", "listen"),
            ("Listen", "listen"),
            ("secret", "secret_file"),
            ("origin", "origins"),
            ("worker", "workers"),
            ("ping-interval", "ping_interval"),
        ] {
            assert_eq!(nearest(word, known.into_iter()), expected, "{word}");
        }
    }
}
