//! Which keys are taken, and what is shown of them.

use super::*;
use crate::auth::test_keys::{
    EC_P384_PUBLIC, EC_PRIVATE, EC_PUBLIC, ED_PUBLIC, OTHER_SECRET, RSA_1024_PUBLIC, RSA_PRIVATE,
    RSA_PUBLIC, RSA_PUBLIC_PKCS1, SECRET,
};

fn secret(text: &str) -> Secret {
    Secret::new(text, false).unwrap()
}

#[test]
fn a_secret_has_32_bytes_and_is_no_key_of_another_kind() {
    for (text, allow_short, expected) in [
        (SECRET, false, None),
        (&SECRET[1..], false, Some(KeyError::Short)),
        (&SECRET[1..], true, None),
        ("x", true, None),
        ("", true, Some(KeyError::Empty)),
        ("", false, Some(KeyError::Empty)),
        (RSA_PUBLIC, false, Some(KeyError::PemAsSecret)),
        (EC_PRIVATE, true, Some(KeyError::PemAsSecret)),
    ] {
        assert_eq!(Secret::new(text, allow_short).err(), expected, "{text}");
    }
    let made = Secret::generate([7; 32]);
    assert!(Secret::new(made.expose(), false).is_ok());
}

#[test]
fn only_public_keys_of_the_algorithm_are_taken() {
    use PublicAlgorithm::{Es256, Rs256};
    for (algorithm, pem, expected) in [
        (Rs256, RSA_PUBLIC, None),
        (Rs256, RSA_PUBLIC_PKCS1, None),
        (Es256, EC_PUBLIC, None),
        (Rs256, EC_PUBLIC, Some(KeyError::NotAPublicKey)),
        (Es256, RSA_PUBLIC, Some(KeyError::NotAPublicKey)),
        (Es256, EC_P384_PUBLIC, Some(KeyError::NotAPublicKey)),
        (Es256, ED_PUBLIC, Some(KeyError::NotAPublicKey)),
        (Rs256, RSA_1024_PUBLIC, Some(KeyError::SmallRsaKey)),
        (Rs256, RSA_PRIVATE, Some(KeyError::NotAPublicKey)),
        (Es256, EC_PRIVATE, Some(KeyError::NotAPublicKey)),
        (
            Rs256,
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            Some(KeyError::NotAPublicKey),
        ),
        (Rs256, "-----BEGIN PUBLIC KEY-----", Some(KeyError::NotAPublicKey)),
        (Rs256, "", Some(KeyError::NotAPublicKey)),
        (Es256, SECRET, Some(KeyError::NotAPublicKey)),
    ] {
        let result = KeyRing::default().add_public_key("id", algorithm, pem.as_bytes(), None);
        assert_eq!(result.err(), expected, "{algorithm:?} {pem}");
    }
}

#[test]
fn an_id_is_legal_and_there_once() {
    let long = "k".repeat(128);
    let mut keys = KeyRing::default();
    for good in ["a", "A-Z_0.9", long.as_str()] {
        keys.add_secret(good, &secret(SECRET), None).unwrap();
        assert_eq!(keys.add_secret(good, &secret(SECRET), None), Err(KeyError::SameId));
        let pem = RSA_PUBLIC.as_bytes();
        assert_eq!(
            keys.add_public_key(good, PublicAlgorithm::Rs256, pem, None),
            Err(KeyError::SameId)
        );
    }
    let too_long = "k".repeat(129);
    for bad in ["", " ", "a b", "a/b", "é", "a\n", too_long.as_str()] {
        assert_eq!(keys.add_secret(bad, &secret(SECRET), None), Err(KeyError::IllegalId), "{bad}");
    }
    let api_key = ApiKey::generate([1; 64]);
    keys.add_api_key(api_key.clone()).unwrap();
    assert_eq!(keys.add_api_key(api_key), Err(KeyError::SameId));
}

#[test]
fn only_the_whole_text_of_a_known_api_key_is_that_key() {
    let (first, second) = (ApiKey::generate([1; 64]), ApiKey::generate([2; 64]));
    let mut keys = KeyRing::new(&secret(SECRET), None);
    assert!(keys.api_key(&first.to_string()).is_none());
    keys.add_api_key(first.clone()).unwrap();
    keys.add_api_key(second.clone()).unwrap();
    for key in [&first, &second] {
        let text = key.to_string();
        assert_eq!(keys.api_key(&text).unwrap().project(), key.project());
        let padded = format!("{text} ");
        for near in [&text[..text.len() - 1], padded.as_str(), &text[1..], &text.to_uppercase(), ""]
        {
            assert!(keys.api_key(near).is_none(), "{near}");
        }
    }
    assert!(keys.api_key(&ApiKey::generate([3; 64]).to_string()).is_none());
}

#[test]
fn debug_output_holds_no_secret() {
    let mut keys = KeyRing::new(&secret(SECRET), Some(&secret(OTHER_SECRET)));
    keys.add_secret("own", &secret(OTHER_SECRET), None).unwrap();
    let api_key = ApiKey::generate([1; 64]);
    let text = api_key.to_string();
    keys.add_api_key(api_key.clone()).unwrap();
    let shown = format!("{keys:#?} {:?} {:?}", secret(SECRET), api_key);
    let (_, api_secret) = text.rsplit_once('-').unwrap();
    for hidden in [SECRET, OTHER_SECRET, api_secret] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(shown.contains("own"));
}
