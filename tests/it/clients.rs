//! The published MeshAgent and Queen MQ clients, unmodified, against the real server: see `tests/clients/`.
//!
//! The environments are made on first use, under `target/tmp/clients`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anteroom::auth::ApiKey;

use crate::support::{SECRET, Server, skip};

/// Scenarios that run at once, per client.
const AT_ONCE: usize = 3;

/// The folder of the system that this client belongs to.
fn drivers(client: &str) -> PathBuf {
    let system = if client.starts_with("queen-") { "queen" } else { "meshagent" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(system)
}

/// Makes the environment of a client, or says why this machine cannot.
pub fn environment(name: &str) -> Result<PathBuf, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(name);
    std::fs::create_dir_all(directory.parent().unwrap()).unwrap();
    let setup = Command::new("sh")
        .arg(drivers(name).join("setup.sh"))
        .arg(name)
        .arg(&directory)
        .output()
        .unwrap();
    match setup.status.code() {
        Some(0) => Ok(directory),
        Some(3) => Err(text(&setup.stderr)),
        code => panic!(
            "setup of {name} ended with {code:?}:\n{}{}",
            text(&setup.stdout),
            text(&setup.stderr)
        ),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

struct Driver {
    program: PathBuf,
    script: PathBuf,
    server: Server,
    /// Set for the scenarios.
    variables: Vec<(&'static str, String)>,
}

impl Driver {
    fn run(&self, argument: &str, room: &str) -> Output {
        Command::new(&self.program)
            .arg(&self.script)
            .arg(argument)
            .env("ANTEROOM_URL", &self.server.url)
            .env("ANTEROOM_SECRET", SECRET)
            .env("ROOM", room)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap()
    }

    fn run_all(&self) {
        let list = self.run("--list", "none");
        assert!(list.status.success(), "{}", text(&list.stderr));
        let list = text(&list.stdout);
        let scenarios: Vec<&str> = list.lines().collect();
        assert!(scenarios.len() > 5, "the list of scenarios: {list}");
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let began = Instant::now();
                        let output =
                            self.run(scenario, &format!("room-{scenario}").replace('_', "-"));
                        let seconds = began.elapsed().as_secs_f32();
                        match output.status.code() {
                            Some(0) => println!("ok   {seconds:4.1} s {scenario}"),
                            Some(3) => skip(&format!("{scenario}: {}", text(&output.stderr))),
                            _ => {
                                println!("FAIL {seconds:4.1} s {scenario}");
                                let reason = format!("{scenario}:\n{}", text(&output.stderr));
                                failures.lock().unwrap().push(reason);
                            }
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap();
        println!("{} scenarios, {} failed", scenarios.len(), failures.len());
        assert!(failures.is_empty(), "{}\n\nserver:\n{}", failures.join("\n\n"), self.server.log());
    }
}

/// Runs all scenarios of one driver; `others` are the environments of clients that it meets.
fn scenarios_pass(client: &str, script: &str, others: &[(&'static str, &str)]) {
    let made: Result<Vec<PathBuf>, String> = std::iter::once(client)
        .chain(others.iter().map(|(_, name)| *name))
        .map(environment)
        .collect();
    let environments = match made {
        Ok(environments) => environments,
        Err(reason) => return skip(&reason),
    };
    let key = ApiKey::generate(std::array::from_fn(|n| n as u8)).to_string();
    let server = Server::start(&[&format!("ANTEROOM_API_KEYS={key}")]);
    let program = match script.ends_with(".mjs") {
        true => PathBuf::from("node"),
        false => environments[0].join("venv/bin/python"),
    };
    let mut variables =
        vec![("ANTEROOM_API_KEY", key), ("PYTHONDONTWRITEBYTECODE", "1".to_owned())];
    let paths = environments[1..].iter().map(|path| path.display().to_string());
    variables.extend(others.iter().map(|(variable, _)| *variable).zip(paths));
    if script.ends_with(".mjs") {
        variables.push(("ANTEROOM_JS_ENV", environments[0].display().to_string()));
    }
    Driver { program, script: drivers(client).join(script), server, variables }.run_all();
}

const JAVASCRIPT: (&str, &str) = ("ANTEROOM_JS_ENV", "javascript-0.39.9");
const PYTHON_OLD: (&str, &str) = ("ANTEROOM_PY_0_0_21_ENV", "python-0.0.21");

const PYTHON: (&str, &str) = ("ANTEROOM_PY_0_56_0_ENV", "python-0.56.0");

#[test]
fn queen_2_6_0() {
    scenarios_pass("queen-2.6.0", "python/driver_2_6_0.py", &[PYTHON]);
}

#[test]
fn queen_0_13_0() {
    scenarios_pass("queen-0.13.0", "python/driver_0_13_0.py", &[PYTHON]);
}

#[test]
fn python_0_56_0() {
    scenarios_pass("python-0.56.0", "python/driver_0_56_0.py", &[JAVASCRIPT, PYTHON_OLD]);
}

#[test]
fn python_0_0_21() {
    scenarios_pass("python-0.0.21", "python/driver_0_0_21.py", &[JAVASCRIPT]);
}

#[test]
fn javascript_0_39_9() {
    scenarios_pass("javascript-0.39.9", "javascript/driver.mjs", &[]);
}

#[test]
fn command_line_0_56_0() {
    scenarios_pass("python-0.56.0", "python/cli.py", &[]);
}
