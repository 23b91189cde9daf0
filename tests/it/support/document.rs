//! `/v1/openapi.json`, as somebody reads it who writes a client from nothing else: what is asked and answered is
//! compared with it.

use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Server, exchange, http::HttpAnswer};

pub struct Document(pub Value);

impl Document {
    pub fn of(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        Self(exchange(&mut stream, "GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").ok())
    }

    /// The operation at a path below a room, without its query.
    fn operation(&self, method: &str, path: &str) -> &Value {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let template = template.strip_prefix("/v1/rooms/{room}");
            let template: Vec<&str> = template.unwrap_or("-").split('/').collect();
            let is_it = |(one, part): (&&str, &&str)| one.starts_with('{') || one == part;
            template.len() == parts.len() && template.iter().zip(&parts).all(is_it)
        };
        let paths = self.0["paths"].as_object().unwrap();
        let mut fitting: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
        fitting.sort_by_key(|(template, _)| template.matches('{').count());
        let (_, item) = fitting.first().unwrap_or_else(|| panic!("no path {path}"));
        let operation = &item[method.to_lowercase()];
        assert!(operation.is_object(), "no {method} {path}");
        operation
    }

    /// An exchange is as the document says: a request that is granted is in it, and so is every answer.
    pub fn check(&self, method: &str, path: &str, body: &str, answer: &HttpAnswer) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let operation = self.operation(method, path);
        let told = &operation["responses"][answer.status.to_string()];
        assert!(told.is_object(), "{method} {path}: no answer {}: {answer:?}", answer.status);
        if answer.status == 200 {
            let request = &operation["requestBody"]["content"]["application/json"]["schema"];
            if !body.is_empty() {
                let body = serde_json::from_str(body).unwrap();
                self.holds(request, &body, &format!("{method} {path} asked"));
            } else {
                assert_ne!(operation["requestBody"]["required"], true, "{method} {path}");
            }
            let known = operation["parameters"].as_array().unwrap();
            for name in query.split('&').filter_map(|pair| pair.split('=').next()) {
                let is_known = known.iter().any(|one| one["name"] == name && one["in"] == "query");
                assert!(name.is_empty() || is_known, "{method} {path}: {name}");
            }
            let schema = &told["content"]["application/json"]["schema"];
            self.holds(schema, &answer.json(), &format!("{method} {path} answered"));
        } else {
            let code = format!("`{}`", answer.code());
            let named = told["description"].as_str().unwrap();
            assert!(named.contains(&code), "{method} {path}: {code} is not among {named}");
            let schema = &told["content"]["application/problem+json"]["schema"];
            self.holds(schema, &answer.json(), &format!("{method} {path} refused"));
        }
    }

    fn holds(&self, schema: &Value, value: &Value, place: &str) {
        if let Err(why) = self.validate(schema, value) {
            panic!("{place}: {why}\n{value}\n{schema}");
        }
    }

    /// The little of JSON Schema that the document uses, strictly: what it does not name must not be there.
    pub fn validate(&self, schema: &Value, value: &Value) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.0.pointer(reference.trim_start_matches('#'));
            return self
                .validate(target.ok_or_else(|| format!("{reference} leads nowhere"))?, value);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let tried: Vec<_> = choices.iter().map(|one| self.validate(one, value)).collect();
            let fitting = tried.iter().filter(|one| one.is_ok()).count();
            return if fitting == 1 {
                Ok(())
            } else {
                Err(format!("{fitting} of oneOf fit: {tried:?}"))
            };
        }
        for name in schema.as_object().ok_or("no schema")?.keys() {
            let known = [
                "type",
                "format",
                "enum",
                "minimum",
                "items",
                "properties",
                "required",
                "description",
                "example",
                "additionalProperties",
                "propertyNames",
                "default",
                "maximum",
            ];
            if !known.contains(&name.as_str()) {
                return Err(format!("{name} is not looked at"));
            }
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().map(|one| one.as_str().unwrap()).collect(),
            _ => return Ok(()),
        };
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.contains(&found) {
            return Err(format!("{found} where {types:?} is expected"));
        }
        if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
            return Err(format!("{value} is none of {}", schema["enum"]));
        }
        if let (Some(least), Some(number)) = (schema["minimum"].as_i64(), value.as_i64())
            && number < least
        {
            return Err(format!("{number} is less than {least}"));
        }
        if let Some(items) = value.as_array() {
            for (at, item) in items.iter().enumerate() {
                self.validate(&schema["items"], item).map_err(|why| format!("[{at}] {why}"))?;
            }
        }
        let Some(fields) = value.as_object() else { return Ok(()) };
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                return Err(format!("{name} is missing"));
            }
        }
        for (name, field) in fields {
            let schema = match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, more @ Value::Object(_)) => more,
                (Value::Null, _) => return Err(format!("`{name}` is not named")),
                (schema, _) => schema,
            };
            self.validate(schema, field).map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(())
    }

    /// The example of a schema, as the page finds it.
    pub fn example_of(&self, schema: &Value) -> Option<Value> {
        if let Some(example) = schema.get("example") {
            return Some(example.clone());
        }
        if let Some(reference) = schema.get("$ref") {
            return self
                .example_of(self.0.pointer(reference.as_str().unwrap().trim_start_matches('#'))?);
        }
        schema.get("oneOf")?.as_array()?.iter().find_map(|one| self.example_of(one))
    }

    /// Everything at `key`, wherever it stands, with its place.
    pub fn all(&self, key: &str) -> Vec<(String, &Value)> {
        fn find<'a>(
            value: &'a Value,
            key: &str,
            place: &str,
            found: &mut Vec<(String, &'a Value)>,
        ) {
            match value {
                Value::Object(map) => {
                    for (name, inner) in map {
                        if name == key {
                            found.push((place.to_owned(), inner));
                        }
                        find(inner, key, &format!("{place}/{}", name.replace('/', "~1")), found);
                    }
                }
                Value::Array(items) => {
                    let items = items.iter().enumerate();
                    items.for_each(|(at, inner)| find(inner, key, &format!("{place}/{at}"), found));
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        find(&self.0, key, "", &mut found);
        found
    }
}

#[test]
fn the_validator_refuses() {
    let document = Document(
        json!({"a": {"type": "object", "required": ["x"], "properties": {"x": {"type": ["integer", "null"], "minimum": 0}}}}),
    );
    let schema = json!({"$ref": "#/a"});
    assert_eq!(document.validate(&schema, &json!({"x": 1})), Ok(()));
    for wrong in [
        json!({}),
        json!({"x": "1"}),
        json!({"x": -1}),
        json!({"x": 1, "y": 1}),
        json!([]),
        json!(null),
    ] {
        assert!(document.validate(&schema, &wrong).is_err(), "{wrong}");
    }
    assert!(document.validate(&json!({"$ref": "#/b"}), &json!({})).is_err());
}
