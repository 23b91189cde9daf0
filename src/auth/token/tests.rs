//! Every attack on a token that we know of, as a row; and tokens of the published clients.

use serde_json::json;

use super::*;
use crate::auth::{
    ApiKey, MessagingGrants, Names, PublicAlgorithm, QueueGrants, Secret,
    test_keys::{
        EC_PRIVATE, EC_PUBLIC, OTHER_SECRET, RSA_PRIVATE, RSA_PUBLIC, RSA_PUBLIC_PKCS1, SECRET,
    },
};

mod published;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn secret(text: &str) -> Secret {
    Secret::new(text, true).unwrap()
}

/// Every kind of key; `OTHER_SECRET` is the previous default and the secret of `own`.
fn ring() -> KeyRing {
    let mut keys = KeyRing::new(&secret(SECRET), Some(&secret(OTHER_SECRET)));
    keys.add_secret("own", &secret(OTHER_SECRET), None).unwrap();
    keys.add_public_key("rsa", PublicAlgorithm::Rs256, RSA_PUBLIC.as_bytes(), None).unwrap();
    let pkcs1 = RSA_PUBLIC_PKCS1.as_bytes();
    keys.add_public_key("rsa1", PublicAlgorithm::Rs256, pkcs1, None).unwrap();
    keys.add_public_key("ec", PublicAlgorithm::Es256, EC_PUBLIC.as_bytes(), None).unwrap();
    let audience = Some("anteroom".to_owned());
    keys.add_public_key("aud", PublicAlgorithm::Es256, EC_PUBLIC.as_bytes(), audience).unwrap();
    keys.add_api_key(published::API_KEY.parse().unwrap()).unwrap();
    keys
}

/// Puts a token together from any texts, signed by any key with any algorithm of the library.
fn forge(
    header: &str,
    claims: &str,
    algorithm: jsonwebtoken::Algorithm,
    key: &jsonwebtoken::EncodingKey,
) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

fn hs256(header: &str, claims: &str, secret: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    forge(header, claims, jsonwebtoken::Algorithm::HS256, &key)
}

/// Claims with these members added.
fn claims(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"name":"ann","grants":[{{"name":"room","scope":"demo"}}]{comma}{more}}}"#)
}

fn code(keys: &KeyRing, token: &str) -> Option<ErrorCode> {
    match verify(keys, token, NOW) {
        Ok(_) => None,
        Err(error) => {
            let is_quoted = token.split('.').any(|p| p.len() > 4 && error.message.contains(p));
            assert!(!is_quoted && !error.message.contains(SECRET), "{error}");
            Some(error.code)
        }
    }
}

const OK: Option<ErrorCode> = None;
const INVALID: Option<ErrorCode> = Some(ErrorCode::TokenInvalid);
const EXPIRED: Option<ErrorCode> = Some(ErrorCode::TokenExpired);
const EARLY: Option<ErrorCode> = Some(ErrorCode::TokenNotYetValid);

#[test]
fn tokens_of_the_published_clients_are_read_as_they_were_meant() {
    let messaging = Some(MessagingGrants::default());
    let end = Some(Timestamp(4_102_444_800_000));
    let (jobs, none) = (|| Names::of(["jobs"]), Names::none);
    let sends = QueueGrants { send: jobs(), receive: none(), manage: none(), list: false };
    let receives = QueueGrants { receive: jobs(), manage: none(), ..QueueGrants::default() };
    for (token, role, grants, expires_at) in [
        (published::PYTHON_56_FULL, "agent", Grants::full(), end),
        (
            published::PYTHON_56_QUEUES,
            "user",
            Grants { queues: Some(sends), messaging: None },
            None,
        ),
        (published::PYTHON_56_NO_API_GRANT, "user", Grants::none(), None),
        (published::PYTHON_56_API_KEY, "user", Grants::full(), None),
        (published::PYTHON_21, "tool", Grants::full(), None),
        (published::JAVASCRIPT_39, "user", Grants { queues: Some(receives), messaging }, end),
    ] {
        let identity = verify(&ring(), token, NOW).unwrap();
        let expected = Identity {
            name: "ann".parse().unwrap(),
            room: "demo".parse().unwrap(),
            role: role.to_owned(),
            grants,
            expires_at,
        };
        assert_eq!(identity, expected);
    }
}

/// alg none, HS/RS confusion, swaps inside a family: whatever key, only its own algorithm passes.
#[test]
fn every_algorithm_is_tried_on_every_key_and_only_the_keys_own_passes() {
    use jsonwebtoken::{Algorithm as A, EncodingKey};
    let rsa = EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap();
    let ec = EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap();
    let hmac = |text: &str| EncodingKey::from_secret(text.as_bytes());
    // Who signs, how, and which key ids and names of the algorithm make that right.
    type Signer<'a> = (&'a str, A, EncodingKey, &'a [(&'a str, &'a str)]);
    let signers: [Signer<'_>; 14] = [
        ("secret", A::HS256, hmac(SECRET), &[("", "HS256"), ("unknown", "HS256")]),
        ("secret", A::HS384, hmac(SECRET), &[]),
        ("secret", A::HS512, hmac(SECRET), &[]),
        (
            "other",
            A::HS256,
            hmac(OTHER_SECRET),
            &[("", "HS256"), ("unknown", "HS256"), ("own", "HS256")],
        ),
        ("stranger", A::HS256, hmac("x"), &[]),
        ("empty", A::HS256, hmac(""), &[]),
        ("public RSA key as secret", A::HS256, hmac(RSA_PUBLIC), &[]),
        ("public RSA key as secret", A::HS256, hmac(RSA_PUBLIC.trim()), &[]),
        ("public EC key as secret", A::HS256, hmac(EC_PUBLIC), &[]),
        ("public EC key as secret", A::HS256, hmac(EC_PUBLIC.trim()), &[]),
        ("rsa", A::RS256, rsa.clone(), &[("rsa", "RS256"), ("rsa1", "RS256")]),
        ("rsa", A::RS384, rsa.clone(), &[]),
        ("rsa", A::PS256, rsa, &[]),
        ("ec", A::ES256, ec, &[("ec", "ES256")]),
    ];
    let all = [
        "HS256", "hs256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
        "ES256", "ES384", "ES512", "EdDSA", "none", "None", "NONE", "",
    ];
    let all_ids = ["", "unknown", "own", "rsa", "ec"];
    // RSA signatures take their time without optimisation.
    let few = ["HS256", "RS256", "RS384", "PS256", "none"];
    let few_ids = ["own", "rsa", "rsa1"];
    let keys = ring();
    for (signer, algorithm, key, right) in &signers {
        let is_slow = *signer == "rsa";
        let (names, ids) =
            if is_slow { (&few[..], &few_ids[..]) } else { (&all[..], &all_ids[..]) };
        for id in ids {
            for name in names {
                let expected = if right.contains(&(id, name)) { OK } else { INVALID };
                let in_claim =
                    if id.is_empty() { String::new() } else { format!(r#""kid":"{id}""#) };
                let in_header = if id.is_empty() { String::new() } else { format!(",{in_claim}") };
                let plain = format!(r#"{{"alg":"{name}"}}"#);
                let by_claim = forge(&plain, &claims(&in_claim), *algorithm, key);
                assert_eq!(code(&keys, &by_claim), expected, "{signer} {algorithm:?} {id} {name}");
                let header = format!(r#"{{"alg":"{name}"{in_header}}}"#);
                let by_header = forge(&header, &claims(""), *algorithm, key);
                assert_eq!(code(&keys, &by_header), expected, "{signer} {algorithm:?} {id} {name}");
                let unsigned = &by_claim[..=by_claim.rfind('.').unwrap()];
                assert_eq!(code(&keys, unsigned), INVALID, "unsigned {id} {name}");
            }
        }
    }
}

#[test]
fn attacks_on_the_header_are_refused_or_without_effect() {
    let long = "k".repeat(128);
    let too_long = "k".repeat(129);
    let huge = "k".repeat(64 * 1024);
    for (header, expected) in [
        (r#"{"alg":"HS256","typ":"JWT"}"#, OK),
        // Where a key could be read from is not read.
        (r#"{"alg":"HS256","jku":"http://127.0.0.1:1/k","x5u":"http://127.0.0.1:1/x"}"#, OK),
        (r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#, OK),
        (r#"{"alg":"HS256","crit":["exp"]}"#, INVALID),
        (r#"{"alg":"HS256","crit":[]}"#, INVALID),
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, INVALID),
        (r#"{"alg":"none","alg":"HS256"}"#, INVALID),
        (r#"{"alg":"HS256","a\u006cg":"HS256"}"#, INVALID),
        (r#"{"alg":["HS256"]}"#, INVALID),
        (r#"{"alg":null}"#, INVALID),
        (r#"{"typ":"JWT"}"#, INVALID),
        (r#"["HS256"]"#, INVALID),
        (r#""HS256""#, INVALID),
        ("", INVALID),
        (r#"{"alg":"HS256","kid":null}"#, OK),
        (r#"{"alg":"HS256","kid":7}"#, INVALID),
        (r#"{"alg":"HS256","kid":""}"#, INVALID),
        (r#"{"alg":"HS256","kid":"../../dev/null"}"#, INVALID),
        (r#"{"alg":"HS256","kid":"' UNION SELECT 'x"}"#, INVALID),
        (r#"{"alg":"HS256","kid":"http://127.0.0.1:1/k"}"#, INVALID),
        (r#"{"alg":"HS256","kid":"a\u0000b"}"#, INVALID),
        (&format!(r#"{{"alg":"HS256","kid":"{long}"}}"#), OK),
        (&format!(r#"{{"alg":"HS256","kid":"{too_long}"}}"#), INVALID),
        (&format!(r#"{{"alg":"HS256","kid":"{huge}"}}"#), INVALID),
    ] {
        assert_eq!(code(&ring(), &hs256(header, &claims(""), SECRET)), expected, "{header:.60}");
    }
    let two = hs256(r#"{"alg":"HS256","kid":"own"}"#, &claims(r#""kid":"other""#), OTHER_SECRET);
    assert_eq!(code(&ring(), &two), INVALID);
    let same = hs256(r#"{"alg":"HS256","kid":"own"}"#, &claims(r#""kid":"own""#), OTHER_SECRET);
    assert_eq!(code(&ring(), &same), OK);
    // A known id is that key and no other.
    let claim_own = hs256(HEADER, &claims(r#""kid":"own""#), SECRET);
    assert_eq!(code(&ring(), &claim_own), INVALID);
}

#[test]
fn times_are_checked_with_a_minute_of_leeway() {
    let now = NOW.as_secs();
    for (more, expected) in [
        (String::new(), OK),
        (format!(r#""exp":{}"#, now + 1), OK),
        (format!(r#""exp":{}"#, now - 59), OK),
        (format!(r#""exp":{}"#, now - 60), EXPIRED),
        (format!(r#""exp":{}.0"#, now - 59), OK),
        (format!(r#""exp":{}.0"#, now - 60), EXPIRED),
        (format!(r#""exp":{}.5"#, now + 60), OK),
        (format!(r#""exp":{}.5"#, now - 61), EXPIRED),
        (r#""exp":1.9e9"#.to_owned(), OK),
        (r#""exp":0"#.to_owned(), EXPIRED),
        (r#""exp":-1"#.to_owned(), INVALID),
        (r#""exp":-1e300"#.to_owned(), INVALID),
        (r#""exp":1e300"#.to_owned(), INVALID),
        (r#""exp":1e400"#.to_owned(), INVALID),
        (r#""exp":NaN"#.to_owned(), INVALID),
        (r#""exp":253402300799"#.to_owned(), OK),
        (r#""exp":253402300800"#.to_owned(), INVALID),
        (r#""exp":18446744073709551615"#.to_owned(), INVALID),
        (format!(r#""exp":"{}""#, now + 60), INVALID),
        (r#""exp":null"#.to_owned(), INVALID),
        (r#""exp":true"#.to_owned(), INVALID),
        (r#""exp":[4102444800]"#.to_owned(), INVALID),
        (format!(r#""exp":1,"exp":{}"#, now + 60), INVALID),
        (format!(r#""nbf":{}"#, now + 60), OK),
        (format!(r#""nbf":{}"#, now + 61), EARLY),
        (format!(r#""nbf":{}"#, now + 3600), EARLY),
        (format!(r#""nbf":"{}""#, now - 1), INVALID),
        (r#""nbf":null"#.to_owned(), INVALID),
        (format!(r#""iat":{}"#, now + 3600), OK),
    ] {
        assert_eq!(code(&ring(), &hs256(HEADER, &claims(&more), SECRET)), expected, "{more}");
    }
    // Of a wrong signature one is not told more.
    let expired = claims(r#""exp":1"#);
    assert_eq!(code(&ring(), &hs256(HEADER, &expired, "wrong")), INVALID);

    let mut strict = ring();
    strict.set_require_exp(true);
    assert_eq!(code(&strict, &hs256(HEADER, &claims(""), SECRET)), INVALID);
    assert_eq!(code(&strict, &hs256(HEADER, &claims(r#""exp":1900000000"#), SECRET)), OK);
}

#[test]
fn an_identity_is_for_one_room_and_ends() {
    let token = hs256(HEADER, &claims(r#""exp":1900000000"#), SECRET);
    let identity = verify(&ring(), &token, NOW).unwrap();
    for (room, fits) in [("demo", true), ("Demo", false), ("demo ", false), ("x/../demo", false)] {
        let result = identity.ensure_room(&room.parse().unwrap());
        assert_eq!(
            result.map_err(|error| error.code).err(),
            (!fits).then_some(ErrorCode::WrongRoom)
        );
    }
    let end = identity.refused_from().unwrap();
    assert_eq!(end, Timestamp(1_900_000_060_000));
    assert!(identity.ensure_not_expired(Timestamp(end.0 - 1)).is_ok());
    assert_eq!(identity.ensure_not_expired(end).unwrap_err().code, ErrorCode::TokenExpired);
}

#[test]
fn an_audience_must_be_ours_and_is_demanded_where_one_is_set() {
    let key = jsonwebtoken::EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap();
    for (kid, more, expected) in [
        ("ec", r#""iss":"anyone""#, OK),
        ("ec", r#""aud":"anteroom""#, INVALID),
        ("aud", r#""aud":"anteroom""#, OK),
        ("aud", r#""aud":["other","anteroom"]"#, OK),
        ("aud", r#""aud":"other""#, INVALID),
        ("aud", r#""aud":[]"#, INVALID),
        ("aud", r#""aud":["anteroom",1]"#, INVALID),
        ("aud", r#""aud":null"#, INVALID),
        ("aud", r#""iss":"anyone""#, INVALID),
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
        let token = forge(&header, &claims(more), jsonwebtoken::Algorithm::ES256, &key);
        assert_eq!(code(&ring(), &token), expected, "{kid} {more}");
    }
}

#[test]
fn what_has_not_the_form_of_a_token_is_refused() {
    let good = hs256(HEADER, &claims(""), SECRET);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let filled = |length: usize| {
        // Three bytes of claims are four of token.
        (length * 3 / 4 - 200..length)
            .map(|n| hs256(HEADER, &claims(&format!(r#""x":"{}""#, "x".repeat(n))), SECRET))
            .find(|token| token.len() >= length)
            .unwrap()
    };
    for (token, expected) in [
        (good.clone(), OK),
        (String::new(), INVALID),
        ("..".to_owned(), INVALID),
        (signed.to_owned(), INVALID),
        (format!("{good}.x"), INVALID),
        (format!(" {good}"), INVALID),
        (format!("{good}\n"), INVALID),
        (format!("{good}="), INVALID),
        (format!("{signed}."), INVALID),
        (format!("{signed}.{}", &signature[..10]), INVALID),
        (format!("{signed}.{signature}AAAA"), INVALID),
        (
            good.replace(signature, &signature.replace(|c: char| c.is_ascii_lowercase(), "é")),
            INVALID,
        ),
        (filled(8191), OK),
        (filled(8193), INVALID),
        ("x".repeat(8193), INVALID),
        ("eyJ".repeat(400_000), INVALID),
    ] {
        assert_eq!(code(&ring(), &token), expected, "{token:.80}");
    }
}

#[test]
fn a_signed_token_says_what_its_claims_said() {
    let keys = ring();
    let api_key: ApiKey = published::API_KEY.parse().unwrap();
    let mut all = Claims::full_access("ann".parse().unwrap(), "demo".parse().unwrap());
    let mut some = all.clone();
    some.role = "agent".to_owned();
    some.grants = Grants {
        queues: Some(QueueGrants {
            list: false,
            send: Names::of(["b", "a*"]),
            receive: Names::none(),
            manage: Names::of(["m"]),
        }),
        messaging: Some(MessagingGrants { broadcast: false, ..MessagingGrants::default() }),
    };
    some.expires_at = Some(Timestamp(1_900_000_000_000));
    some.not_before = Some(Timestamp(1_700_000_000_000));
    some.key_id = Some(api_key.key_id());
    some.project = Some(api_key.project());
    for claims in [&all, &some] {
        let token = claims.sign(&keys).unwrap();
        assert_eq!(Token::read(&token).unwrap().claims(), claims);
        assert_eq!(code(&keys, &token), OK);
        assert_eq!(code(&KeyRing::new(&secret("x"), None), &token), INVALID);
    }
    let payload: Value = serde_json::from_slice(&all.write()).unwrap();
    let expected = json!({
        "name": "ann",
        "grants": [
            { "name": "room", "scope": "demo" },
            { "name": "api", "scope": { "queues": {}, "messaging": {} } },
        ],
        "version": "0.56.0",
    });
    assert_eq!(payload, expected);

    for id in ["rsa", "unknown"] {
        all.key_id = Some(id.to_owned());
        assert_eq!(all.sign(&keys).unwrap_err().code, ErrorCode::InvalidRequest, "{id}");
    }
    let names = Names::of((0..2000).map(|n| n.to_string()));
    let queues = QueueGrants { send: names, ..QueueGrants::default() };
    some.grants.queues = Some(queues);
    assert_eq!(some.sign(&keys).unwrap_err().code, ErrorCode::InvalidRequest);
}
