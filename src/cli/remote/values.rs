//! Values on the command line: durations, moments, labels, settings.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    clock::{Clock, SystemClock},
    config::parse_duration,
    types::{Millis, nearest},
};

/// The settings of a queue, as the wire names them.
const SETTINGS: [&str; 26] = [
    "ordering",
    "ageing",
    "lease_ms",
    "attempts_max",
    "backoff",
    "expiry_is_failure",
    "dead_letter",
    "dead_letter_expired",
    "delay_ms",
    "ttl_ms",
    "window",
    "dedup_window_ms",
    "dedup_content",
    "messages_max",
    "bytes_max",
    "overflow",
    "retain_open_ms",
    "retain_settled_ms",
    "retain_dead_ms",
    "rate",
    "concurrency",
    "work_group",
    "durability",
    "encryption",
    "labels",
    "priority",
];

/// Address of a server.
pub(super) fn url(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("http" | "ws", rest)) if !rest.is_empty() => Ok(text.to_owned()),
        Some(("https" | "wss", _)) => {
            Err("this program speaks no TLS: write http://, by a tunnel if need be".to_owned())
        }
        Some(_) | None => Err("write http://ADDRESS:PORT".to_owned()),
    }
}

/// `500ms`, `10s`, `5m`, `2h`, `3d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map(Duration::from)
}

/// Milliseconds since the Unix epoch, `2030-01-31T09:00:00Z`, or `+10m` from now.
pub(super) fn moment(text: &str) -> Result<u64, String> {
    if let Some(length) = text.strip_prefix('+') {
        let Millis(length) = parse_duration(length)?;
        return Ok(SystemClock::new().now().after(Millis(length)).0);
    }
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .and_then(|time| u64::try_from(time.timestamp_millis()).ok())
        .ok_or_else(|| {
            format!(
                "`{text}` is no time: write 2030-01-31T09:00:00Z, +10m, or milliseconds since 1970"
            )
        })
}

/// `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

/// `50/s`, `50`: so many per second. `600/m`, `3600/h`.
pub(super) fn per_second(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no rate: write 50/s, 600/m or 3600/h");
    let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
    let count: u32 = count.parse().map_err(|_| wrong())?;
    let per = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    match count / per {
        0 => Err(format!("`{text}` is less than one per second")),
        rate => Ok(rate),
    }
}

/// Settings from `NAME=VALUE` words. A value is JSON if it can be read as such, else a text; `lease=30s` is
/// `lease_ms=30000`; `backoff.base=1s` sets a part; `NAME=` or `NAME=null` puts back the default. Names are
/// checked here, because the server can only say that one is wrong; values are the server's to check.
pub(super) fn settings(pairs: &[(String, String)]) -> Result<Map<String, Value>, String> {
    let mut settings = Map::new();
    for (name, value) in pairs {
        let (name, part) = match name.split_once('.') {
            Some((name, part)) => (name, Some(part)),
            None => (name.as_str(), None),
        };
        if !SETTINGS.contains(&name) && !SETTINGS.contains(&format!("{name}_ms").as_str()) {
            let near = nearest(name, SETTINGS.into_iter());
            return Err(format!("there is no setting `{name}`; did you mean `{near}`?"));
        }
        let (last, value) = setting(part.unwrap_or(name), value)?;
        match part {
            None => drop(settings.insert(last, value)),
            Some(_) => {
                let whole = settings.entry(name).or_insert_with(|| Value::Object(Map::new()));
                let Some(whole) = whole.as_object_mut() else {
                    return Err(format!("`{name}` is set as a whole and in parts"));
                };
                whole.insert(last, value);
            }
        }
    }
    Ok(settings)
}

fn setting(name: &str, value: &str) -> Result<(String, Value), String> {
    // `lease=` and `lease=30s` are `lease_ms`; parts of a setting are known to the server alone.
    let in_millis = format!("{name}_ms");
    let is_length = SETTINGS.contains(&in_millis.as_str());
    let name = if is_length { &in_millis } else { name };
    if value.is_empty() {
        return Ok((name.to_owned(), Value::Null));
    }
    match (serde_json::from_str(value), parse_duration(value)) {
        (Ok(Value::Number(_)), _) if is_length => {
            Err(format!("`{value}` has no unit: write 500ms, 30s, 5m, 1h or 2d"))
        }
        (Ok(json), _) => Ok((name.to_owned(), json)),
        (Err(_), Ok(Millis(length))) => {
            let suffix = if name.ends_with("_ms") { "" } else { "_ms" };
            Ok((format!("{name}{suffix}"), length.into()))
        }
        (Err(_), Err(_)) if name.ends_with("_ms") && value != "forever" => {
            Err(format!("`{value}` is no length: write 500ms, 30s, 5m, 1h, 2d or forever"))
        }
        (Err(_), Err(_)) => Ok((name.to_owned(), value.into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_written_as_people_write_them() {
        let pairs: Vec<_> = [
            "lease=30s",
            "attempts_max=3",
            "ordering=priority",
            "dead_letter=true",
            "backoff.kind=fixed",
            "backoff.base=1m",
            "retain_dead_ms=2h",
            "ttl_ms=",
            "rate={\"count\":5,\"per_ms\":1000}",
        ]
        .into_iter()
        .map(|text| pair(text).unwrap())
        .collect();
        assert_eq!(
            Value::Object(settings(&pairs).unwrap()),
            json!({"lease_ms": 30_000, "attempts_max": 3, "ordering": "priority",
                "dead_letter": true, "backoff": {"kind": "fixed", "base_ms": 60_000},
                "retain_dead_ms": 7_200_000, "ttl_ms": null,
                "rate": {"count": 5, "per_ms": 1000}})
        );
        let both = [pair("rate=5").unwrap(), pair("rate.count=5").unwrap()];
        assert!(settings(&both).is_err());
        for (text, expected) in [
            ("retain_open=forever", json!({"retain_open_ms": "forever"})),
            ("lease=", json!({"lease_ms": null})),
            ("lease=null", json!({"lease_ms": null})),
            ("lease_ms=5", json!({"lease_ms": 5})),
        ] {
            assert_eq!(Value::Object(settings(&[pair(text).unwrap()]).unwrap()), expected);
        }
        for (text, part) in [
            ("leas=3s", "did you mean `lease_ms`?"),
            ("Concurrency=3", "did you mean `concurrency`?"),
            ("lease=30", "`30` has no unit"),
            ("lease=5x", "`5x` is no length: write 500ms"),
        ] {
            let said = settings(&[pair(text).unwrap()]).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
        assert!(pair("=x").is_err() && pair("x").is_err());
    }

    #[test]
    fn moments_and_rates() {
        assert_eq!(moment("1900000000000"), Ok(1_900_000_000_000));
        assert_eq!(moment("2030-03-17T17:46:40Z"), Ok(1_900_000_000_000));
        assert_eq!(moment("2030-03-17T18:46:40+01:00"), Ok(1_900_000_000_000));
        assert!(moment("+1h").unwrap() > moment("+1m").unwrap());
        assert!(moment("tomorrow").is_err());
        for (text, rate) in [("50/s", 50), ("50", 50), ("600/m", 10), ("7200/h", 2)] {
            assert_eq!(per_second(text), Ok(rate));
        }
        for wrong in ["0/s", "1/m", "x", "5/d", "-1"] {
            assert!(per_second(wrong).is_err(), "{wrong}");
        }
    }
}
