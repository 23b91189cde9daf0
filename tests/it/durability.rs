//! What is on disk is worth: the real binary is killed, stopped, starved and lied to, and loses nothing it acknowledged.

mod checker;
mod daemon;
mod deep;
mod exported;
mod full;
mod golden;
mod internal;
mod kept;
mod killed;
mod lying;
mod saved;
mod starting;
mod stopped;

/// So many rounds, or as many as the environment says.
fn rounds(name: &str, short: usize) -> usize {
    std::env::var(name).map_or(short, |count| count.parse().expect("a count"))
}

/// A seed, printed so that a run can be had again with `ANTEROOM_SEED`.
fn seed() -> u64 {
    let random = || u64::from(std::process::id()) ^ crate::support::now().wrapping_mul(0x9E37_79B9);
    let seed = std::env::var("ANTEROOM_SEED")
        .map_or_else(|_| random(), |seed| seed.parse().expect("a number"));
    eprintln!("ANTEROOM_SEED={seed}");
    seed
}

/// The next of a row of numbers that look random.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut x = *seed;
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
