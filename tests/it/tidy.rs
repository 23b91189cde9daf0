//! House rules, as a test: who may import whom, how large a file may be, what must not be said where.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What each module may import of our own crate. ARCHITECTURE.md says why.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("types", &["types", "error"]),
    ("error", &["types", "error"]),
    ("engine", &["types", "error"]),
    ("journal", &["types", "error", "engine"]),
    ("wire", &["types", "error"]),
    ("auth", &["types", "error"]),
    ("clock", &["types"]),
    ("store", &["types", "error", "journal", "clock"]),
    ("archive", &["types", "error", "engine", "journal", "store"]),
    ("service", &["types", "error", "engine", "journal", "auth", "store", "clock", "actor"]),
    ("actor", &["types", "error", "engine", "journal", "auth", "store", "clock", "service"]),
    ("facade", &["types", "error", "wire", "service", "auth"]),
    ("config", &["types", "error", "auth"]),
    (
        "server",
        &[
            "types", "error", "wire", "auth", "store", "clock", "service", "actor", "facade",
            "config",
        ],
    ),
    ("client", &["types", "error", "wire"]),
    ("cli", &["types", "error", "auth", "clock", "config", "server", "store", "archive", "client"]),
    ("main", &["cli"]),
];

/// Words that only these files may say, and why.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("actix_web_actors", &["server/ws.rs"], "deprecated upstream: the way out must be one file"),
    ("Instant::now", &["clock.rs"], "time is an argument"),
    ("SystemTime::now", &["clock.rs"], "time is an argument"),
    ("env::var", &["config/load.rs", "engine/simulation.rs"], "one reader of the environment"),
    (
        "std::fs",
        &[
            "config/load.rs",
            "config/dev.rs",
            "archive/mod.rs",
            "store/disk.rs",
            "store/admin.rs",
            "store/offline.rs",
            "store/reserve.rs",
            "store/durable/tests.rs",
            "store/state/tests.rs",
            "cli/remote/verify.rs",
        ],
        "files are opened by the store and the configuration",
    ),
    ("disable_recursion_limit", &[], "the depth of hostile JSON is limited"),
];

/// What the pure modules must not contain.
const PURE: &[&str] = &["engine", "journal", "wire", "auth", "types"];
const IMPURE: &[&str] = &[
    "actix",
    "tokio",
    "tracing",
    "async fn",
    "std::net",
    "std::thread",
    "getrandom",
    "HashMap::iter",
];

const LINES_MAX: usize = 800;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_under(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Path below `src` → text without line comments.
fn sources() -> BTreeMap<String, String> {
    let src = root().join("src");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files_under(&src, "rs").into_iter().map(read).collect()
}

fn without_comments(text: &str) -> String {
    let code = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    code.collect::<Vec<_>>().join("\n")
}

/// The module a file belongs to: the first part of its path.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Every first segment after `crate::`, those in braces included.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(group) => {
                let (mut depth, mut at_start) = (0, true);
                for (position, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_start = true,
                        c if at_start && c.is_alphanumeric() => {
                            found.push(word(&group[position..]));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn the_import_reader_sees_through_groups() {
    let code =
        "use crate::{\n    a::{B, c::D},\n    e,\n};\nuse crate::f::G;\nfn h() { crate::i::j() }";
    assert_eq!(imports(code), ["a", "e", "f", "i"]);
}

#[test]
fn modules_import_only_what_their_layer_may() {
    let table: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if file == "lib.rs" {
            continue;
        }
        let module = module_of(&file);
        let allowed = table.get(module).unwrap_or_else(|| panic!("{module} is not in the table"));
        for import in imports(&without_comments(&text)) {
            if import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{file} imports {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_of_the_table_exists_and_is_in_the_library() {
    let files = sources();
    let library = &files["lib.rs"];
    for (module, _) in MAY_IMPORT.iter().filter(|(module, _)| *module != "main") {
        assert!(library.contains(&format!("pub mod {module};")), "{module}");
    }
}

#[test]
fn some_words_stand_in_one_file_only() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let code = without_comments(&text);
        for (banned, allowed, why) in ONLY_IN {
            if code.contains(banned) && !allowed.contains(&file.as_str()) {
                wrong.push(format!("{file} says {banned}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_modules_have_no_actors_no_runtime_and_no_log() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if PURE.contains(&module_of(&file)) {
            let code = without_comments(&text);
            wrong.extend(
                IMPURE
                    .iter()
                    .filter(|word| code.contains(*word))
                    .map(|word| format!("{file}: {word}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_begin_with_what_they_are_and_stay_small() {
    let tests = files_under(&root().join("tests"), "rs");
    let examples = files_under(&root().join("examples"), "rs");
    let mut wrong = Vec::new();
    for path in files_under(&root().join("src"), "rs").into_iter().chain(tests).chain(examples) {
        let text = fs::read_to_string(&path).unwrap();
        let is_test_part = path.parent().is_some_and(|parent| parent.join("tests.rs") == path);
        if !text.starts_with("//!") && !is_test_part {
            wrong.push(format!("{}: does not begin with //!", path.display()));
        }
        if text.lines().count() > LINES_MAX {
            wrong.push(format!("{}: more than {LINES_MAX} lines", path.display()));
        }
        for mark in [
            concat!("FIX", "ME"),
            concat!("TO", "DO"),
            concat!("dbg", "!("),
            concat!("#[ign", "ore"),
        ] {
            if text.contains(mark) {
                wrong.push(format!("{}: {mark}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_top_level_holds_only_what_the_layout_names() {
    let known = [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "examples",
        "src",
        "static",
        "target",
        "tests",
    ];
    for entry in fs::read_dir(root()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let is_left_by_a_run = name == "anteroom-data"; // `serve --dev`, as the README says
        assert!(
            name.starts_with('.') || is_left_by_a_run || known.contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn every_dependency_is_used_and_says_why() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let all = manifest.split("[dependencies]").nth(1).unwrap().split("\n[profile").next().unwrap();
    let used: String = ["src", "tests/it"]
        .iter()
        .flat_map(|directory| files_under(&root().join(directory), "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for line in all.lines().filter(|line| line.contains(" = ")) {
        assert!(line.contains('#'), "no reason: {line}");
        let name = line.split(' ').next().unwrap().replace('-', "_");
        assert!(used.contains(&format!("{name}::")), "not used: {name}");
    }
}

#[test]
fn every_limit_and_setting_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for limit in anteroom::types::Limits::TABLE {
        assert!(readme.contains(&format!("`{}`", limit.name)), "limit {}", limit.name);
    }
    for setting in anteroom::config::Config::TABLE {
        assert!(readme.contains(&format!("`{}`", setting.name)), "setting {}", setting.name);
    }
}

/// The README's table of errors, as the code has it.
fn error_table() -> String {
    let mut table = "| number | name | HTTP | retry | happened | ends | meaning |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for code in anteroom::error::ErrorCode::ALL {
        let yes = |is_so: bool| if is_so { "yes" } else { "" };
        let happened = if code.may_have_happened() { "maybe" } else { "" };
        let cells = [
            &code.number().to_string(),
            &format!("`{}`", code.name()),
            &code.http_status().to_string(),
            yes(code.is_retryable()),
            happened,
            yes(code.ends_session()),
            code.meaning(),
        ];
        table += &format!("| {} |\n", cells.join(" | "));
    }
    table
}

/// `ANTEROOM_UPDATE=1` writes it.
#[test]
fn the_table_of_errors_in_the_readme_is_that_of_the_code() {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once("<!-- errors: ").expect("where the table begins");
    let (mark, rest) = rest.split_once("-->\n").expect("where the table begins");
    let (table, after) = rest.split_once("<!-- end of errors -->").expect("where it ends");
    let expected = format!("\n{}\n", error_table());
    if table == expected {
        return;
    }
    let update = std::env::var("ANTEROOM_UPDATE").is_ok_and(|value| value == "1");
    assert!(update, "README.md: run `ANTEROOM_UPDATE=1 cargo test --test it tidy`");
    let new = format!("{before}<!-- errors: {mark}-->\n{expected}<!-- end of errors -->{after}");
    fs::write(&path, new).unwrap();
}
