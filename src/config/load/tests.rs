//! Where settings and keys come from, and what is said when they are wrong.

use super::*;
use crate::{
    auth::Claims,
    config::test_place::{API_KEY, OTHER, Place, SECRET, accepts, ring_of, token, try_args},
    types::Millis,
};

#[test]
fn what_comes_later_wins_setting_by_setting() {
    let mut place = Place::new(&[("ANTEROOM_SECRET", SECRET)]);
    let default = place.load(&[]).unwrap().config;
    assert_eq!(default, Config::default());

    let file = place.file(
        "a.toml",
        r#"
        listen = "127.0.0.1:1"
        grace = "1s"
        workers = 1
        log = "error"
        ping_interval = "1s"
        origins = ["https://File.example"]
        open_is_idempotent = true
        require_exp = true
        [limits]
        rooms = 1
        frame_bytes = "1KiB"
        connections = 1
        "#,
    );
    let file = file.to_str().unwrap();
    let config = place.load(&["--config", file]).unwrap().config;
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.origins, ["https://file.example"]);
    assert!(config.open_is_idempotent && config.require_exp && !config.memory);
    assert_eq!((config.limits.rooms, config.limits.frame_bytes), (1, 1024));

    for (name, value) in [
        ("ANTEROOM_CONFIG", file),
        ("ANTEROOM_GRACE", "2s"),
        ("ANTEROOM_WORKERS", "2"),
        ("ANTEROOM_LOG", ""),
        ("ANTEROOM_ORIGINS", "https://env.example, https://two.example:443"),
        ("ANTEROOM_OPEN_IS_IDEMPOTENT", "false"),
        ("ANTEROOM_LIMIT_ROOMS", "2"),
        ("ANTEROOM_LIMIT_FRAME_BYTES", "2KiB"),
    ] {
        place.env.insert(name.to_owned(), value.to_owned());
    }
    let flags = ["--grace", "3s", "--origin", "*", "--limit", "rooms=3", "--memory"];
    let config = place.load(&flags).unwrap().config;
    assert_eq!(config.listen.port(), 1, "from the file");
    assert_eq!(config.ping_interval, Millis(1000), "from the file");
    assert_eq!(config.log, "error", "an empty variable is none");
    assert_eq!(config.limits.connections, 1, "from the file");
    assert_eq!(config.workers, 2, "from the environment");
    assert!(!config.open_is_idempotent, "from the environment");
    assert_eq!(config.limits.frame_bytes, 2048, "from the environment");
    assert_eq!(config.grace, Millis(3000), "from the flag");
    assert_eq!(config.origins, ["*"], "from the flag");
    assert_eq!(config.limits.rooms, 3, "from the flag");
    assert!(config.memory, "from the flag");
    assert_eq!(config.pong_timeout, Millis(60_000), "the default");
}

#[test]
fn every_setting_can_be_set_in_the_file_and_in_the_environment() {
    let value = |default: &str| match default {
        "none" => "x://y".to_owned(),
        "number of processors" => "1".to_owned(),
        other => other.to_owned(),
    };
    let mut text = String::new();
    for setting in Config::TABLE {
        let value = value(setting.default);
        let mut layer = Layer::default();
        layer.set(setting.name, Raw::Text(&value)).unwrap().unwrap();
        let is_bare = value.parse::<u64>().is_ok() || value == "false";
        match (setting.name, is_bare) {
            ("origins", _) => text += "origins = []\n",
            (name, true) => text += &format!("{name} = {value}\n"),
            (name, false) => text += &format!("{name} = \"{value}\"\n"),
        }
    }
    text += "[limits]\n";
    for limit in Limits::TABLE {
        text += &format!("{} = {}\n", limit.name, limit.default);
    }
    let place = Place::new(&[]);
    let path = place.file("all.toml", &text);
    let (layer, _) = read_file(&place, &path).unwrap();
    let mut config = Config::default();
    config.apply(layer).unwrap();
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn what_is_wrong_in_the_file_is_said_with_its_name() {
    for (text, words) in [
        ("listn = \"127.0.0.1:1\"", &["unknown key `listn`", "`listen`"][..]),
        ("secret = \"abc\"", &["unknown key `secret`", "`secret_file`"]),
        ("api_keys = []", &["unknown key `api_keys`", "`api_keys_file`"]),
        ("limit = 1", &["unknown key `limit`", "`limits`"]),
        ("listen = 8080", &["listen: must be a text"]),
        ("listen = \"8080\"", &["listen: `8080`", "127.0.0.1:8080"]),
        ("grace = 10", &["grace: must be a text"]),
        ("grace = \"10\"", &["grace: `10` is not a duration"]),
        ("dev = \"true\"", &["dev: must be true or false"]),
        ("workers = -1", &["workers: must be a whole number"]),
        ("origins = \"*\"", &["origins: must be a list"]),
        ("origins = [\"example.com\"]", &["origins: `example.com` is not an origin"]),
        ("[limits]\nframe_byte = 1", &["unknown limit `frame_byte`", "`frame_bytes`"]),
        ("[limits]\nframe_bytes = \"1kb\"", &["limits.frame_bytes: `1kb` is not a quantity"]),
        ("[limits]\nframe_bytes = 0", &["limit `frame_bytes` must be between"]),
        ("[limits]\nframe_bytes = -1", &["limits.frame_bytes: must not be negative"]),
        ("limits = 1", &["limits must be a table"]),
        ("log = \"x\"\nb = canary", &["line 2: "]),
        ("log = \"x\"\nb c\"canary", &["line 2: "]),
        ("secret = \"canary", &["line 1: "]),
        ("secret = \"\\canary\"", &["line 1: "]),
        ("secret = canary\"", &["line 1: "]),
        ("log = \"x\"\nlog = \"canary\"", &["line 2: duplicate key"]),
        ("[keys]\nid = \"a\"", &["keys must be a list"]),
        ("[[keys]]\nid = \"a\"", &["key 1: algorithm is missing"]),
        ("[[keys]]\nalgorithm = \"HS256\"", &["key 1: id is missing"]),
        ("[[keys]]\nid = \"a\"\nalgorithm = \"none\"", &["key 1: algorithm `none`"]),
        ("[[keys]]\nid = \"a\"\nalgorithm = \"HS256\"", &["key 1: secret_file is missing"]),
        ("[[keys]]\nid = \"a\"\nalgorithm = \"ES256\"", &["key 1: public_key_file is missing"]),
        (
            "[[keys]]\nid = \"a\"\nalgorithm = \"ES256\"\npublic_key_file = \"x\"\nsecret_file = \"y\"",
            &["key 1: secret_file does not go with algorithm ES256"],
        ),
        ("[[keys]]\nidd = \"a\"", &["key 1: unknown key `idd`", "`id`"]),
        ("[[keys]]\nid = 1", &["key 1: id must be a text"]),
    ] {
        let place = Place::new(&[("ANTEROOM_SECRET", SECRET)]);
        let path = place.file("a.toml", text);
        let error = place.load(&["--config", path.to_str().unwrap()]).unwrap_err();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        for word in words {
            assert!(error.contains(word), "{error} / {word}");
        }
        assert!(!error.contains("canary") && !error.contains("abc"), "{error}");
    }
}

#[test]
fn what_is_wrong_elsewhere_is_said_with_its_name() {
    for (name, value, word) in [
        ("ANTEROOM_LISTEN", "localhost", "ANTEROOM_LISTEN: `localhost`"),
        ("ANTEROOM_DEV", "yes", "ANTEROOM_DEV: `yes`"),
        ("ANTEROOM_WORKERS", "many", "ANTEROOM_WORKERS: `many`"),
        ("ANTEROOM_WORKERS", "0", "workers must be between"),
        ("ANTEROOM_PING_INTERVAL", "0s", "ping_interval must be longer"),
        ("ANTEROOM_PONG_TIMEOUT", "25s", "pong_timeout must be longer than ping_interval"),
        ("ANTEROOM_LIMIT_ROOMS", "x", "ANTEROOM_LIMIT_ROOMS: `x`"),
        ("ANTEROOM_LIMIT_ROOMS", "0", "ANTEROOM_LIMIT_ROOMS: limit `rooms`"),
        ("ANTEROOM_CONFIG", "/nowhere/a.toml", "cannot read /nowhere/a.toml"),
        ("ANTEROOM_PREVIOUS_SECRET", "canary", "ANTEROOM_PREVIOUS_SECRET: the secret is shorter"),
        ("ANTEROOM_API_KEYS", "canary", "ANTEROOM_API_KEYS: API key 1: the API key is not"),
        ("ANTEROOM_API_KEYS", ",ma-canary", "ANTEROOM_API_KEYS: API key 2: the API key is not"),
    ] {
        let error =
            Place::new(&[("ANTEROOM_SECRET", SECRET), (name, value)]).load(&[]).unwrap_err();
        assert!(error.contains(word), "{error} / {word}");
        assert!(!error.contains("canary"), "{error}");
    }
    for flags in [
        ["--listen", "8080"],
        ["--grace", "10"],
        ["--origin", "a.b"],
        ["--limit", "rooms"],
        ["--limit", "room=1"],
        ["--secret", "x"],
    ] {
        let error = try_args(&flags).unwrap_err();
        assert!(error.contains(flags[0]), "{error}");
    }
}

#[test]
fn a_server_without_a_good_secret_does_not_start_and_says_what_to_do() {
    let place = Place::new(&[]);
    let short = place.file("short", "0123456789abcdef0123456789abcde\n");
    let short = short.to_str().unwrap();
    let empty = place.file("empty", "\n");
    let empty = empty.to_str().unwrap();
    for (env, flags, word) in [
        ("", &[][..], "there is no secret"),
        ("short", &[], "ANTEROOM_SECRET: the secret is shorter than 32 bytes"),
        ("", &["--secret-file", short], "short: the secret is shorter than 32 bytes"),
        ("", &["--secret-file", empty], "empty: the secret is empty"),
    ] {
        let error = Place::new(&[("ANTEROOM_SECRET", env)]).load(flags).unwrap_err();
        assert!(error.contains(word), "{error}");
        for advice in ["openssl rand -base64 48 > secret", "--secret-file secret", "--dev"] {
            assert!(error.contains(advice), "{error}");
        }
    }
    let error = place.load(&["--secret-file", "/nowhere/secret"]).unwrap_err();
    assert!(error.starts_with("cannot read /nowhere/secret: "), "{error}");
}

#[test]
fn a_flag_beats_the_environment_for_secrets_too() {
    let mut place = Place::new(&[("ANTEROOM_SECRET", SECRET)]);
    // The line's end is not part of the secret.
    let file = place.file("secret", &format!("{OTHER}\r\n"));
    let file = file.to_str().unwrap().to_owned();
    let by_variable = place.load(&[]).unwrap().keys;
    let by_flag = place.load(&["--secret-file", &file]).unwrap().keys;
    assert!(accepts(&by_variable, &token(&ring_of(SECRET))));
    assert!(accepts(&by_flag, &token(&ring_of(OTHER))));
    assert!(!accepts(&by_flag, &token(&ring_of(SECRET))));

    place.env.insert("ANTEROOM_SECRET_FILE".to_owned(), file.clone());
    assert!(place.load(&[]).unwrap_err().contains("are both set"));
    place.env.remove("ANTEROOM_SECRET");
    assert!(accepts(&place.load(&[]).unwrap().keys, &token(&ring_of(OTHER))));

    place.env.insert("ANTEROOM_PREVIOUS_SECRET".to_owned(), SECRET.to_owned());
    let rotated = place.load(&[]).unwrap().keys;
    assert!(accepts(&rotated, &token(&ring_of(OTHER))));
    assert!(accepts(&rotated, &token(&ring_of(SECRET))));
    assert!(
        !accepts(&ring_of(SECRET), &token(&rotated)),
        "new tokens are signed by the current one"
    );
}

#[test]
fn keys_of_the_file_and_api_keys_are_on_the_ring() {
    let mut place = Place::new(&[]);
    let secret = place.file("secret", SECRET);
    let api_keys = place.file("api_keys", &format!("\n{API_KEY}\r\n\n"));
    let key = |id: &str| {
        format!(
            "[[keys]]\nid = \"{id}\"\nalgorithm = \"HS256\"\nsecret_file = \"{}\"\n",
            secret.display()
        )
    };
    let file = place
        .file("a.toml", &format!("api_keys_file = \"{}\"\n{}", api_keys.display(), key("own")));
    let file = file.to_str().unwrap();
    let keys = place.load(&["--config", file]).unwrap().keys;
    assert_eq!(keys.api_key(API_KEY).unwrap().project(), "00000000-0000-0000-0000-000000000000");
    let mut claims = Claims::full_access("ann".parse().unwrap(), "demo".parse().unwrap());
    claims.key_id = Some("own".to_owned());
    assert!(accepts(&keys, &claims.sign(&keys).unwrap()));

    place.env.insert("ANTEROOM_API_KEYS".to_owned(), format!("{API_KEY},"));
    assert_eq!(place.load(&[]).unwrap().keys.api_keys().len(), 1);
    place.env.insert("ANTEROOM_API_KEYS".to_owned(), format!("{API_KEY},{API_KEY}"));
    assert!(place.load(&[]).unwrap_err().contains("two keys have the same id"));

    place.env.clear();
    let twice = place.file("b.toml", &(key("own") + &key("own")));
    let error = place.load(&["--config", twice.to_str().unwrap()]).unwrap_err();
    assert!(error.contains("two keys have the same id"), "{error}");
    let pem = place.file(
        "c.toml",
        "[[keys]]\nid = \"a\"\nalgorithm = \"RS256\"\npublic_key_file = \"/nowhere/x\"",
    );
    let error = place.load(&["--config", pem.to_str().unwrap()]).unwrap_err();
    assert!(error.contains("cannot read /nowhere/x"), "{error}");
}
