//! What the document says of all operations alike: parts of the path, tokens, refusals.
//!
//! Which codes refuse an operation stands in its description, in backticks, and nowhere else.

use serde_json::{Map, Value, json};

use crate::error::ErrorCode;

type Object = Map<String, Value>;

/// What may stand in a path.
const PARTS: [(&str, &str); 5] = [
    (
        "room",
        "Name of the room; the token must be for it. 1 to 255 bytes of UTF-8 without control characters, percent-encoded",
    ),
    (
        "queue",
        "Name of the queue: 1 to 255 bytes of UTF-8 without control characters, percent-encoded",
    ),
    ("group", "Name of the group, likewise"),
    ("name", "Name of the schedule, likewise"),
    ("message", "Id or position of the message, percent-encoded"),
];

/// What refuses any request.
const ANY: [ErrorCode; 13] = [
    ErrorCode::InvalidRequest,
    ErrorCode::InvalidName,
    ErrorCode::TokenMissing,
    ErrorCode::TokenInvalid,
    ErrorCode::TokenExpired,
    ErrorCode::TokenNotYetValid,
    ErrorCode::WrongRoom,
    ErrorCode::OriginNotAllowed,
    ErrorCode::PermissionDenied,
    ErrorCode::TooManyRooms,
    ErrorCode::Internal,
    ErrorCode::StoreFailed,
    ErrorCode::ServerClosing,
];

/// What refuses a request by its body.
const OF_BODIES: [ErrorCode; 2] = [ErrorCode::InvalidJson, ErrorCode::MessageTooLarge];

/// The whole document.
pub(super) fn complete(document: &mut Value, description: String, of_socket: &str) {
    if let Some(info) = object(document, "/info") {
        info.insert("description".to_owned(), description.into());
        info.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    }
    if let Some(document) = document.as_object_mut() {
        document.insert("servers".to_owned(), json!([{"url": "/", "description": "This server"}]));
    }
    if let Some(components) = object(document, "/components") {
        components.insert("securitySchemes".to_owned(), tokens());
    }
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    if let Some(code) = object(document, "/components/schemas/Problem/properties/code") {
        code.insert("enum".to_owned(), codes.into());
    }
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    for (path, item) in object(document, "/paths").into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Object::values_mut) {
            if let Some(operation) = operation.as_object_mut().filter(|_| path.contains("{room}")) {
                complete_operation(path, operation, &schemas);
            }
        }
    }
    if let Some(socket) = object(document, "/paths/~1v1~1rooms~1{room}~1ws/get") {
        socket.insert("description".to_owned(), of_socket.into());
    }
}

fn object<'a>(value: &'a mut Value, pointer: &str) -> Option<&'a mut Object> {
    value.pointer_mut(pointer)?.as_object_mut()
}

fn tokens() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The participant's token for this room",
        },
        "query": {
            "type": "apiKey", "in": "query", "name": "token",
            "description": "The same token, for those who cannot set headers",
        },
    })
}

fn complete_operation(path: &str, operation: &mut Object, schemas: &Value) {
    let mut parameters: Vec<Value> = PARTS
        .iter()
        .filter(|(name, _)| path.contains(&format!("{{{name}}}")))
        .map(|(name, description)| {
            let schema = json!({"type": "string"});
            json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
        })
        .collect();
    if let Some(Value::Array(others)) = operation.remove("parameters") {
        parameters.extend(others);
    }
    // A parameter, or a body, that may be missing is not therefore one that may be null.
    for schema in parameters.iter_mut().filter_map(|parameter| parameter.get_mut("schema")) {
        without_null(schema);
    }
    operation.insert("parameters".to_owned(), parameters.into());
    operation.insert("security".to_owned(), json!([{"bearer": []}, {"query": []}]));
    let has_body = operation.contains_key("requestBody");
    if let Some(body) = operation.get_mut("requestBody")
        && let Some(schema) = body.pointer_mut("/content/application~1json/schema")
        && without_null(schema)
        && let Some(body) = body.as_object_mut()
    {
        body.insert("required".to_owned(), false.into());
    }
    if let Some(content) =
        operation.get_mut("requestBody").and_then(|body| object(body, "/content"))
        && let Some(bytes) = content.get_mut("application/octet-stream")
    {
        *bytes = json!({"schema": {"type": "string", "format": "binary"}});
    }
    let refusals = refusals(operation, has_body);
    let Some(Value::Object(answers)) = operation.get_mut("responses") else { return };
    if let Some(answer) = answers.get_mut("200") {
        let schema = answer.pointer("/content/application~1json/schema/$ref");
        let name = schema.and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        let schema = name.and_then(|name| schemas.get(name));
        let description = schema.and_then(|schema| schema.get("description")).cloned();
        if let (Some(answer), Some(description)) = (answer.as_object_mut(), description) {
            answer.insert("description".to_owned(), description);
        }
    }
    answers.extend(refusals);
}

/// By status; the last one is for codes that are yet to come.
fn refusals(operation: &Object, has_body: bool) -> Object {
    let description = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let refuses = |code: &&ErrorCode| {
        ANY.contains(code)
            || has_body && OF_BODIES.contains(code)
            || description.contains(&format!("`{}`", code.name()))
    };
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let content = json!({"application/problem+json": {"schema": schema}});
    let mut answers = Object::new();
    for code in ErrorCode::ALL.iter().filter(refuses) {
        let sentence = format!("`{}`: {}", code.name(), code.meaning());
        let status = code.http_status().to_string();
        let answer = answers.entry(status).or_insert_with(|| json!({"content": content}));
        let description = match answer.get("description").and_then(Value::as_str) {
            Some(others) => format!("{others}. {sentence}"),
            None => sentence,
        };
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("description".to_owned(), description.into());
        }
    }
    let other = json!({"description": "Any other refusal", "content": content});
    answers.insert("default".to_owned(), other);
    answers
}

/// Takes `null` out of what a schema lets through; whether it was there.
fn without_null(schema: &mut Value) -> bool {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("type".to_owned(), one);
            }
        }
        return true;
    }
    let Some(Value::Array(choices)) = schema.get_mut("oneOf") else { return false };
    let before = choices.len();
    choices.retain(|choice| *choice != json!({"type": "null"}));
    let was_there = choices.len() < before;
    if let [one] = choices.as_slice() {
        *schema = one.clone();
    }
    was_there
}
