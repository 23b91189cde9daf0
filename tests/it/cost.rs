//! What a message costs, in instructions: a change that makes a part of its way much dearer is noticed here, on
//! however noisy a machine. Never in time.

use std::process::Command;

use crate::support::skip;

/// Rounds of a run; few, because the program under the microscope runs fifty times slower.
const ROUNDS: u64 = 480;

/// Parts of the way, and the instructions that each may take for a message of 1 KiB. About half as many again as
/// they took when this was written, in the profile that tests are built in; optimised it is less than a tenth.
const MOST: [(&str, u64); 4] = [
    ("read_frames", 200_000),
    ("decide", 44_000),
    ("write_records", 5_200),
    ("write_answers", 38_000),
];

#[test]
fn no_part_of_a_messages_way_takes_more_instructions_than_it_may() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return skip("there is no valgrind to count instructions with");
    }
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/path_cost");
    let counted: Vec<(&str, u64, u64)> = std::thread::scope(|scope| {
        let count = |part: &'static str| {
            let program = &program;
            scope.spawn(move || {
                let output = Command::new("valgrind")
                    .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
                    .arg(format!("--toggle-collect=path_cost::{part}"))
                    .arg(program)
                    .args(["1000", &ROUNDS.to_string()])
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(said.contains(&format!("{ROUNDS} settled")), "{output:?}");
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                let refs = told.lines().find_map(|line| line.split_once("refs:"));
                let (_, number) = refs.unwrap_or_else(|| panic!("{told}"));
                number.replace(',', "").trim().parse::<u64>().unwrap() / ROUNDS
            })
        };
        let running: Vec<_> = MOST.iter().map(|(part, most)| (*part, *most, count(part))).collect();
        running.into_iter().map(|(part, most, run)| (part, most, run.join().unwrap())).collect()
    });
    for (part, most, count) in &counted {
        assert!(*count > 500, "{part}: {count} instructions: that is not counted");
        assert!(count <= most, "{part}: {count} instructions for a message, of at most {most}");
    }
}
