//! Pages in a real Chromium: the example, and the one that shows the document. See `tests/browser/`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use crate::support::{Server, full, skip};

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// A Chromium, and where playwright is; or why this machine has none.
fn environment() -> Result<(String, PathBuf), String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients/browser");
    let setup = Command::new("sh").arg(files().join("setup.sh")).arg(&directory).output().unwrap();
    match setup.status.code() {
        Some(0) => Ok((text(&setup.stdout), directory.join("node_modules"))),
        Some(3) => Err(text(&setup.stderr)),
        code => panic!("setup of the browser ended with {code:?}:\n{}", text(&setup.stderr)),
    }
}

fn passes(scenario: &str) {
    let (chromium, modules) = match environment() {
        Ok(found) => found,
        Err(reason) => return skip(&reason),
    };
    let server = Server::start(&[]);
    let output = Command::new("node")
        .arg(files().join("driver.mjs"))
        .arg(scenario)
        .env("CHROMIUM", chromium)
        .env("NODE_MODULES", modules)
        .env("ANTEROOM_URL", &server.url)
        .env("ROOM", "r")
        .env("TOKEN", full("r"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), server.log());
}

#[test]
fn a_page_joins_a_room_sends_receives_and_settles() {
    passes("example");
}

#[test]
fn the_page_of_the_document_works_and_asks_nobody_else() {
    passes("docs");
}
