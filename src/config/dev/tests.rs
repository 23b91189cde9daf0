//! What `--dev` makes, keeps and uses.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::config::{
    KeyArgs,
    load::load_keys_from,
    test_place::{API_KEY, Place, accepts, ring_of, token},
};

#[test]
fn dev_makes_what_is_missing_and_keeps_it() {
    let place = Place::new(&[]);
    let first = place.dev(&[]);
    let path = place.data().join("dev.toml");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&path).unwrap();
    let second = place.dev(&[]);
    assert!(accepts(&second.keys, &token(&first.keys)), "tokens survive a restart");
    let api_key = first.dev_api_key.unwrap().to_string();
    assert_eq!(second.dev_api_key.unwrap().to_string(), api_key);
    assert!(second.keys.api_key(&api_key).is_some());
    assert_eq!(fs::read_to_string(&path).unwrap(), written);

    let args = KeyArgs { data: Some(place.data()), ..KeyArgs::default() };
    let keys = load_keys_from(&place, &args).unwrap().unwrap();
    assert!(accepts(&second.keys, &token(&keys)), "commands find the secret");
    assert_eq!(keys.api_keys().len(), 1);

    fs::write(&path, "secret = \"canary").unwrap();
    let error = load_keys_from(&place, &args).unwrap_err().to_string();
    assert!(error.contains("dev.toml: line 1: ") && !error.contains("canary"), "{error}");
}

#[test]
fn dev_in_memory_writes_nothing_and_makes_new_keys_each_time() {
    let place = Place::new(&[]);
    let (first, second) = (place.dev(&["--memory"]), place.dev(&["--memory"]));
    assert!(!accepts(&second.keys, &token(&first.keys)));
    assert!(!place.data().exists());
    let args = KeyArgs { data: Some(place.data()), ..KeyArgs::default() };
    assert!(load_keys_from(&place, &args).unwrap().is_none());
}

#[test]
fn dev_uses_what_is_given_however_short() {
    let mut place = Place::new(&[("ANTEROOM_SECRET", "short")]);
    let loaded = place.dev(&[]);
    assert!(accepts(&loaded.keys, &token(&ring_of("short"))));
    let kept = fs::read_to_string(place.data().join("dev.toml")).unwrap();
    assert!(!kept.contains("short") && !kept.contains("secret ="), "{kept}");

    // Without it one is made, and the API key stays.
    place.env.clear();
    let made = place.dev(&[]);
    assert!(!accepts(&made.keys, &token(&ring_of("short"))));
    assert_eq!(made.dev_api_key.unwrap().to_string(), loaded.dev_api_key.unwrap().to_string());

    place.env.insert("ANTEROOM_API_KEYS".to_owned(), API_KEY.to_owned());
    assert_eq!(place.dev(&[]).dev_api_key.unwrap().to_string(), API_KEY);
    let args = KeyArgs { data: Some(place.data()), ..KeyArgs::default() };
    let keys = load_keys_from(&place, &args).unwrap().unwrap();
    assert!(!keys.has_default(), "a given key is not for the server that left its secret here");
}

#[test]
fn dev_says_when_it_cannot_keep_its_keys() {
    let place = Place::new(&[]);
    fs::write(place.data(), "a file where the directory should be").unwrap();
    let data = place.data();
    let error = place.load(&["--dev", "--data", data.to_str().unwrap()]).unwrap_err();
    assert!(error.contains("data"), "{error}");
}
