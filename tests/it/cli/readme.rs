//! Every command of the README does what the README says, in its order.

use std::path::Path;

use super::Shell;
use crate::support::SECRET;

/// What the README only mentions: it starts servers, builds, installs, or is another's program.
const NOT_RUN: [&str; 6] = ["cargo", "export", "alias", "pip", "meshagent", "openssl"];

/// A line after `$ ` and the lines below it.
struct Command {
    line: String,
    says: Vec<String>,
}

/// The commands in the `console` blocks.
fn commands(text: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut is_console = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if let (true, Some(line)) = (is_console, line.strip_prefix("$ ")) {
            commands.push(Command { line: line.to_owned(), says: Vec::new() });
        } else if is_console {
            commands.last_mut().unwrap().says.push(line.to_owned());
        }
    }
    commands
}

/// The words of a text, with lengths of time, which differ from run to run, as `TIME`.
fn words(text: &str) -> Vec<&str> {
    let is_time = |word: &str| {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < word.len() && ["ms", "s", "m", "h", "d"].contains(&unit)
    };
    text.split_whitespace().map(|word| if is_time(word) { "TIME" } else { word }).collect()
}

#[test]
fn the_commands_of_the_readme_say_what_it_says() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let is_run =
        |command: &Command| !NOT_RUN.contains(&command.line.split(' ').next().unwrap_or_default());
    let commands: Vec<Command> = commands(&readme).into_iter().filter(is_run).collect();
    assert!(commands.len() > 30, "{} commands", commands.len());

    // One shell for all: later lines use what earlier ones set.
    let script: String =
        commands.iter().map(|command| format!("{}\necho \"@@ $?\"\n", command.line)).collect();
    // What a server has left behind.
    let serve = "timeout -s TERM 1 anteroom serve --listen 127.0.0.1:0 --data anteroom-data";
    let said = Shell::new()
        .run(&format!(
            "exec 2>&1; export ANTEROOM_SECRET='{SECRET}'; {serve} >/dev/null 2>&1\n{script}"
        ))
        .out;
    let mut rest = said.as_str();
    for Command { line, says } in &commands {
        let (output, after) = rest.split_once("@@ ").unwrap_or_else(|| panic!("{line}: {said}"));
        let (code, after) = after.split_once('\n').unwrap();
        rest = after;
        if says.is_empty() {
            assert_eq!(code, "0", "{line}\n{output}");
        } else {
            assert_eq!(words(output), words(&says.join("\n")), "{line}\n{output}");
        }
    }
    assert_eq!(rest, "");
}
