//! SIGTERM under load; and one directory for one process.

use std::{fs, os::unix::fs::FileExt};

use super::{checker::Checker, daemon::Home, rounds};

/// Stops under load and starts again; at the end it is stopped.
fn stopped_under_load(home: &Home) {
    let mut daemon = home.start();
    let load = ["--rate", "600/s", "--lease", "1s", "--size", "6000"];
    let mut checker = Checker::start(home, &load);
    for _ in 0..rounds("ANTEROOM_STOPS", 5) {
        checker.acknowledged();
        daemon.stop_well();
        assert!(home.data.join("journal/clean").exists());
        daemon = home.start();
        assert!(!home.data.join("journal/clean").exists(), "it is for one start");
    }
    checker.finish();
    daemon.stop_well();
}

/// Where the last byte of the last frame is that is not zero. What a file was used for before may still stand after it.
fn last_byte(home: &Home) -> (std::path::PathBuf, u64) {
    let files = home.segments().into_iter().rev();
    let mut found = files.filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let generation = u64::from_str_radix(name.split('-').next()?, 16).unwrap();
        let bytes = fs::read(&path).unwrap();
        let is_frame = |at: &usize| {
            bytes[*at..].starts_with(b"arf1") && bytes[at + 32..at + 40] == generation.to_le_bytes()
        };
        let start = (0..bytes.len()).step_by(64).rev().find(is_frame)?;
        let length = u32::from_le_bytes(bytes[start + 12..start + 16].try_into().unwrap());
        let frame = &bytes[start..start + 64 + length as usize];
        let last = frame.iter().rposition(|byte| *byte != 0)?;
        Some((path, (start + last) as u64))
    });
    found.next().expect("a journal")
}

#[test]
fn a_stop_in_order_loses_nothing_and_what_is_cut_off_afterwards_is_noticed() {
    let home = Home::new().with_small_journal();
    stopped_under_load(&home);
    let (path, at) = last_byte(&home);
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    for change in [
        |file: &fs::File, at, _| file.set_len(at).unwrap(),
        |file: &fs::File, at, byte: u8| {
            file.write_all_at(&[!byte], at).unwrap();
        },
    ] {
        let length = file.metadata().unwrap().len();
        change(&file, at, byte[0]);
        let Err(refused) = home.try_start(&[]) else {
            panic!("a frame is missing, and it started")
        };
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let name = path.file_name().unwrap().to_str().unwrap();
        let said = refused
            .log
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{refused:?}"));
        assert!(said.contains("byte "), "{said}");
        let offset: u64 = said
            .split("byte ")
            .nth(1)
            .unwrap()
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!(offset <= at && offset + 65_536 > at, "{offset} is not near {at}");
        file.set_len(length).unwrap();
        file.write_all_at(&byte, at).unwrap();
    }
    // Whole again, it starts.
    home.start().stop_well();
}

#[test]
fn a_second_process_is_refused() {
    let home = Home::new();
    let first = home.start();
    let (second, _) = home.spawn(0, &[]);
    let refused = second.wait();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.log.contains("another process uses this directory"), "{}", refused.log);
    assert!(refused.log.contains(home.data.to_str().unwrap()), "{}", refused.log);
    first.stop_well();
    home.start().stop_well();
}
