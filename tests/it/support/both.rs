//! The same request over WebSocket and over HTTP, each in a room of its own: the answers must be the same, and as the
//! document says.

use serde_json::{Map, Value, json};

use super::{Document, Http, Native, Server, full, http::HttpAnswer};

pub struct Both<'a> {
    pub http: Http<'a>,
    pub peer: Native,
    document: Document,
    /// Leases in the order of their coming, over WebSocket and over HTTP: `$0`, `$1` … in requests and answers.
    leases: [Vec<String>; 2],
}

impl<'a> Both<'a> {
    pub async fn new(server: &'a Server) -> Self {
        let peer = Native::join(server, "ws", &full("ws")).await;
        let (http, document) = (Http::new(server, "http"), Document::of(server));
        Self { http, peer, document, leases: [Vec::new(), Vec::new()] }
    }

    /// Asks both ways for what must be granted; the one answer. In it a time is `T`.
    pub async fn ok(&mut self, request: Value) -> Value {
        let (ws, http) = self.ask(&request).await;
        assert!(ws["ok"].is_object(), "{request}: {ws}");
        assert_eq!(http.header("content-type"), Some("application/json"), "{request}");
        let [ws, http] = [(0, &ws["ok"]), (1, &http.ok())].map(|(way, answer)| {
            let mut answer = answer.clone();
            show(&mut answer, &mut self.leases[way]);
            answer
        });
        assert_eq!(ws, http, "{request}");
        ws
    }

    /// Asks both ways, and gets exactly this.
    pub async fn gets(&mut self, request: Value, expected: Value) {
        assert_eq!(self.ok(request.clone()).await, expected, "{request}");
    }

    /// Asks both ways for what must be refused; `CODE: SENTENCE`.
    pub async fn refused(&mut self, request: Value) -> String {
        let (ws, http) = self.ask(&request).await;
        let (ws, code) = (&ws["error"], http.code());
        assert_eq!(ws["code"], json!(code), "{request}: {ws} {http:?}");
        let problem = http.json();
        for same in ["number", "retryable", "may_have_happened"] {
            assert_eq!(ws[same], problem[same], "{request}");
        }
        assert_eq!(ws["message"], problem["detail"], "{request}");
        assert_eq!((ws.as_object().unwrap().len(), problem.as_object().unwrap().len()), (5, 8));
        let codes = anteroom::error::ErrorCode::ALL;
        let known = codes.iter().find(|known| known.name() == code).unwrap();
        assert_eq!(http.status, known.http_status(), "{request}");
        assert_eq!(
            (&problem["title"], &problem["type"]),
            (&json!(known.meaning()), &json!("about:blank"))
        );
        format!("{code}: {}", problem["detail"].as_str().unwrap())
    }

    async fn ask(&mut self, request: &Value) -> (Value, HttpAnswer) {
        let [asked, again] = [0, 1].map(|way| {
            let mut request = request.clone();
            fill_in(&mut request, &self.leases[way]);
            request
        });
        let ws = self.peer.call(asked).await;
        let Value::Object(fields) = again else { panic!("{again}") };
        let (method, path, body) = route(fields);
        let http = self.http.call(method, &path, &body);
        self.document.check(method, &path, &body, &http);
        (ws, http)
    }
}

/// Writes a lease for each `$n`.
fn fill_in(value: &mut Value, leases: &[String]) {
    match value {
        Value::String(text) => {
            if let Some(at) = text.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())
            {
                text.clone_from(&leases[at]);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, leases)),
        Value::Object(map) => map.values_mut().for_each(|item| fill_in(item, leases)),
        _ => {}
    }
}

/// Milliseconds since the epoch.
const OF_THIS_AGE: std::ops::Range<u64> = 1_700_000_000_000..2_000_000_000_000;

/// What differs from run to run is named: leases `$n`, times of this age `T`.
fn show(value: &mut Value, leases: &mut Vec<String>) {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|ms| OF_THIS_AGE.contains(&ms)) => {
            *value = json!("T");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| show(item, leases)),
        Value::Object(map) => {
            if let Some(Value::String(lease)) = map.get_mut("lease") {
                let at = leases.len();
                leases.push(std::mem::replace(lease, format!("${at}")));
            }
            map.values_mut().for_each(|item| show(item, leases));
        }
        _ => {}
    }
}

/// A frame's request as HTTP: method, path below the room, body.
fn route(mut fields: Map<String, Value>) -> (&'static str, String, String) {
    let mut take = |name: &str| {
        let text = fields.remove(name).map(|value| value.as_str().unwrap().to_owned());
        text.map(|text| encode(&text)).unwrap_or_default()
    };
    let (op, queue) = (take("op"), take("queue"));
    let below = format!("/queues/{queue}");
    let (method, path) = match op.as_str() {
        "list" => ("GET", "/queues".to_owned()),
        "participants" => ("GET", "/participants".to_owned()),
        "transaction" => ("POST", "/transaction".to_owned()),
        "open" => ("PUT", below),
        "configure" => ("PATCH", below),
        "inspect" => ("GET", below),
        "delete" => ("DELETE", below),
        "explain" => ("GET", below + "/explain"),
        "send" => ("POST", below + "/messages"),
        "browse" => ("GET", below + "/messages"),
        "find" => ("GET", below + "/messages/" + &take("message")),
        "await" => ("GET", below + "/messages/" + &take("message") + "/result"),
        "group_open" => ("PUT", below + "/groups/" + &take("group")),
        "group_delete" => ("DELETE", below + "/groups/" + &take("group")),
        "schedule_put" => ("PUT", below + "/schedules/" + &take("name")),
        "schedule_delete" => ("DELETE", below + "/schedules/" + &take("name")),
        "schedule_pause" => ("POST", below + "/schedules/" + &take("name") + "/pause"),
        "schedule_resume" => ("POST", below + "/schedules/" + &take("name") + "/resume"),
        "schedule_fire" => ("POST", below + "/schedules/" + &take("name") + "/fire"),
        op => ("POST", format!("{below}/{op}")),
    };
    match method {
        _ if fields.is_empty() => (method, path, String::new()),
        "GET" => (method, format!("{path}?{}", query(&fields)), String::new()),
        _ => (method, path, Value::Object(fields).to_string()),
    }
}

fn query(fields: &Map<String, Value>) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut pairs = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(plain).collect();
                pairs.push(format!("{name}={}", encode(&items.join(","))));
            }
            Value::Object(labels) => {
                let label = |(name, value)| {
                    format!("label={}", encode(&format!("{name}:{}", plain(value))))
                };
                pairs.extend(labels.iter().map(label));
            }
            other => pairs.push(format!("{name}={}", encode(&plain(other)))),
        }
    }
    pairs.join("&")
}

/// Percent-encoded for a path or a query.
pub fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
