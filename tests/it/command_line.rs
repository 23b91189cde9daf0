//! The `anteroom` program as a person meets it: starting, refusing to start, tokens.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Peer, SECRET, Server, run};

fn anteroom(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_anteroom"))
        .args(arguments)
        .env_remove("ANTEROOM_SECRET")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[test]
fn without_a_secret_it_refuses_to_start_and_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    for environment in [&[][..], &[("ANTEROOM_SECRET", "short")]] {
        let output = anteroom(&["serve", "--data", empty.path().to_str().unwrap()], environment);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        for part in ["--secret-file", "ANTEROOM_SECRET", "--dev"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("short\""), "a secret is not repeated: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn wrong_settings_are_refused_with_a_sentence() {
    let good = [("ANTEROOM_SECRET", SECRET)];
    for (arguments, part) in [
        (&["serve", "--listen", "nowhere"][..], "nowhere"),
        (&["serve", "--limit", "frame_byte=1"], "frame_bytes"),
        (&["serve", "--limit", "frame_bytes=0"], "between 1 and"),
        (&["serve", "--grace", "soon"], "soon"),
        (&["serve", "--config", "/does/not/exist.toml"], "/does/not/exist.toml"),
        (&["serve", "--wat"], "--wat"),
    ] {
        let output = anteroom(arguments, &good);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(part), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let server = Server::start(&[]);
    let output = anteroom(
        &["serve", "--memory", "--listen", server.address()],
        &[("ANTEROOM_SECRET", SECRET)],
    );
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(server.address()) && said.contains("next: take another port"), "{said}");
}

#[test]
fn dev_prints_what_is_needed_and_it_works_as_printed() {
    run(async {
        let server = Server::start(&["ANTEROOM_SECRET=", "--dev"]);
        let said = server.log_with("meshagent room");
        let token = said.split_whitespace().find(|word| word.starts_with("eyJ")).expect(&said);
        assert!(said.split_whitespace().any(|word| word.contains("ma-")), "{said}");
        assert!(said.contains(&server.url) && said.contains("ws://"), "{said}");
        let mut peer = Peer::join(&server, "demo", token).await;
        peer.send("jobs", json!({"hello": 1})).await;
        assert_eq!(peer.size("jobs").await, Some(1));
    });
}

#[test]
fn dev_keeps_its_secret_so_that_tokens_survive_a_restart() {
    run(async {
        let data = tempfile::tempdir().unwrap();
        let data = data.path().to_str().unwrap();
        let start = || Server::start_durable(&["ANTEROOM_SECRET=", "--dev", "--data", data]);
        let first = start();
        let said = first.log_with("meshagent room");
        let token = said.split_whitespace().find(|word| word.starts_with("eyJ")).expect(&said);
        drop(first);
        Peer::join(&start(), "demo", token).await;
        let made =
            anteroom(&["token", "create", "--data", data, "--room", "x", "--name", "n"], &[]);
        assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
        Peer::join(&start(), "x", &text(&made.stdout)).await;
    });
}

#[test]
fn a_created_token_does_what_it_says_and_inspect_says_it_in_words() {
    run(async {
        let secret = [("ANTEROOM_SECRET", SECRET)];
        let server = Server::start(&[]);
        let made = anteroom(
            &[
                "token",
                "create",
                "--room",
                "r",
                "--name",
                "ann",
                "--send",
                "jobs:*",
                "--manage",
                "other",
                "--no-receive",
                "--no-list",
                "--for",
                "5m",
            ],
            &secret,
        );
        assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
        let token = text(&made.stdout);
        let mut peer = Peer::join(&server, "r", &token).await;
        assert_eq!(peer.send("jobs:a", json!(1)).await.code(), 0);
        assert_eq!(peer.send("other", json!(1)).await.code(), 1001);
        assert_eq!(peer.call("queues.open", json!({"name": "other"})).await.code(), 0);
        assert_eq!(peer.take("jobs:a").await.code(), 1001);
        assert_eq!(peer.call("queues.list", json!({})).await.code(), 1001);

        let words = text(&anteroom(&["token", "inspect", &token], &secret).stdout);
        for part in ["ann", "send       to jobs:*", "manage     other", "room", "r"] {
            assert!(words.contains(part), "{words}");
        }
        let machine = anteroom(&["token", "inspect", "--json", &token], &secret);
        let machine: Value = serde_json::from_slice(&machine.stdout).unwrap();
        assert_eq!(machine["name"], "ann");
        assert_eq!(machine["queues"]["send"], json!(["jobs:*"]));
        assert_eq!(machine["queues"]["manage"], json!(["other"]));
        let other = [("ANTEROOM_SECRET", "another secret that has 32 bytes!!")];
        assert_eq!(anteroom(&["token", "inspect", &token], &other).status.code(), Some(1));
    });
}

#[test]
fn settings_come_from_file_environment_and_flag_in_this_order() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("anteroom.toml");
        std::fs::write(
            &file,
            "open_is_idempotent = true\n[limits]\nqueues_per_room = 1\nrooms = 1\n",
        )
        .unwrap();
        let file = file.to_str().unwrap();
        let server = Server::start(&[
            "--config",
            file,
            "ANTEROOM_LIMIT_ROOMS=2",
            "--limit",
            "queues_per_room=2",
        ]);
        let token = crate::support::full("r");
        let mut peer = Peer::join(&server, "r", &token).await;
        for queue in ["a", "a", "b"] {
            assert_eq!(peer.call("queues.open", json!({"name": queue})).await.code(), 0, "{queue}");
        }
        assert_eq!(peer.call("queues.open", json!({"name": "c"})).await.code(), 1008);
        Peer::join(&server, "second", &crate::support::full("second")).await;
    });
}

#[test]
fn keys_by_id_rotate_and_public_keys_only_verify() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (new, old) =
            ("the new secret of key k1, 32 bytes!", "the old secret of key k1, 32 bytes!");
        std::fs::write(path("new"), new).unwrap();
        std::fs::write(path("old"), old).unwrap();
        let file = path("anteroom.toml");
        let keys = format!(
            "[[keys]]\nid = \"k1\"\nalgorithm = \"HS256\"\nsecret_file = {:?}\nprevious_secret_file = {:?}\n",
            path("new"),
            path("old")
        );
        std::fs::write(&file, keys).unwrap();
        let server = Server::start(&["--config", &file]);
        for (secret, expected) in
            [(new, true), (old, true), ("neither of the two, but 32 bytes...", false)]
        {
            let claims = json!({
                "name": "p", "kid": "k1", "exp": crate::support::now() + 60,
                "grants": [{"name": "room", "scope": "r"}],
            });
            let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
            let token =
                jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
            assert_eq!(Peer::try_join(&server, "r", &token).await.is_ok(), expected, "{secret}");
        }
    });
}

/// The lines that `--dev` prints are pasted into a shell, in their order.
#[test]
fn what_dev_prints_to_paste_for_the_command_line_and_http_works() {
    let server = Server::start(&["ANTEROOM_SECRET=", "--dev"]);
    let said = server.log_with("meshagent room");
    let part = |from: &str, to: &str| said.split(from).nth(1).unwrap().split(to).next().unwrap();
    let run = |lines: &str| {
        let export = part("# for all that follows\n", "\n\n");
        let script = format!("{export}\n{lines}");
        let output = Command::new("sh").args(["-ec", &script]).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(run(part("# command line\n", "\n\n")), "0-0\n{\"hello\":0}");
    if Command::new("curl").arg("--version").output().is_err() {
        return crate::support::skip("curl is not installed");
    }
    let answers = run(part("# HTTP\n", "\n\n"));
    assert!(
        answers.starts_with(r#"{"id":"0-1","duplicate":false}{"messages":[{"id":"0-1","#),
        "{answers}"
    );
    assert!(run(&format!("curl -fsS {}/v1/docs", server.url)).contains("<!doctype html>"));
    let token = run(part("# a token of your own\n", "\n\n"));
    assert_eq!(token.split('.').count(), 3, "{token}");
    assert!(
        said.contains(&format!(
            "{}/v1/rooms/demo/ws\", [\"anteroom.v1\", \"bearer.TOKEN\"]",
            server.url.replace("http", "ws")
        )),
        "{said}"
    );
}
