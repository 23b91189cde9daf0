//! One exchange over HTTP: what a request says, and what an answer says.

use bytes::Bytes;
use serde::Deserialize;

use super::{
    message::message_with,
    operation::{Reader, invalid, name},
    outcome::write_outcome,
};
use crate::{
    error::{Error, ErrorCode},
    facade::Written,
    service::{Command, Operation, Outcome},
    types::{Millis, Payload, QueueName, Timestamp},
    wire::native::{
        Json, Request, SendRequest, Sending, Text, Writer, answer::Problem, read, read_query,
    },
};

/// No request waits longer for an answer than this.
pub const WAIT_MAX: Millis = Millis::from_secs(60);

/// What is needed to understand a request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The time.
    pub now: Timestamp,
    /// Things in one request.
    pub items_max: usize,
    /// Its body.
    pub body: Bytes,
    /// Its query, decoded, without the token.
    pub query: Vec<(String, String)>,
}

impl HttpRequest {
    /// Reads the body; none at all is an object without fields.
    ///
    /// # Errors
    /// `InvalidJson`, `InvalidRequest`.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        let text = std::str::from_utf8(&self.body)
            .map_err(|_| Error::new(ErrorCode::InvalidJson, "the body is not UTF-8"))?;
        read(if text.trim_ascii().is_empty() { "{}" } else { text })
    }

    /// Reads the query.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub fn query<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        read_query(&self.query)
    }

    /// What is asked.
    ///
    /// # Errors
    /// `InvalidRequest`, `InvalidName`, `InvalidSettings`, `TooManyItems`.
    pub fn operation(&self, queue: Option<&str>, request: Request<'_>) -> Result<Operation, Error> {
        let queue = queue.map(|queue| name("queue", queue)).transpose()?;
        let (now, items_max, buffer) = (self.now, self.items_max, &self.body);
        Reader { now, items_max, is_http: true, buffer }.operation(queue, request)
    }

    /// A send. `key` is the dedup key of messages that have none: of one message as it is, of several with
    /// `:` and their index.
    ///
    /// # Errors
    /// As above.
    pub fn send(&self, queue: Option<&str>, key: Option<&str>) -> Result<Operation, Error> {
        let mut send: SendRequest<'_> = self.json()?;
        if let Some(key) = key {
            match &mut send.messages {
                None => {
                    send.key.get_or_insert_with(|| Text::from(key));
                }
                Some(messages) => {
                    for (at, message) in messages.iter_mut().enumerate() {
                        message.key.get_or_insert_with(|| Text::from(format!("{key}:{at}")));
                    }
                }
            }
        }
        self.operation(queue, Request::Send(Sending::Full(Box::new(send))))
    }

    /// A send of the body as it is; what else is said of the message stands in the query.
    ///
    /// # Errors
    /// As above.
    pub fn send_raw(
        &self,
        queue: Option<&str>,
        content_type: Option<&str>,
        key: Option<&str>,
    ) -> Result<Operation, Error> {
        let mut send: SendRequest<'_> = self.query()?;
        for (is_there, field) in
            [(send.base64.is_some(), "base64"), (send.content_type.is_some(), "content_type")]
        {
            if is_there {
                return Err(invalid(format!("unknown field `{field}`")));
            }
        }
        if let Some(key) = key {
            send.key.get_or_insert_with(|| Text::from(key));
        }
        let kind = content_type.unwrap_or("application/octet-stream");
        let is_json = kind
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        let body = match is_json {
            true => Payload::from_slice_of(&self.body, self.json::<Json<'_>>()?.get()),
            false if kind.len() > 255 => {
                return Err(invalid("the content type has at most 255 bytes"));
            }
            false => Payload::binary(self.body.clone(), kind),
        };
        let queue: QueueName = name("queue", queue.unwrap_or_default())?;
        let create = send.create.unwrap_or(true).into();
        let message = message_with(&self.body, body, send.into_message())?;
        Ok(Operation::Queue { queue, create, command: Command::Send { message } })
    }
}

impl From<Result<Outcome, Error>> for Written {
    fn from(result: Result<Outcome, Error>) -> Self {
        match result {
            Ok(outcome) => {
                let mut out = Writer::default();
                write_outcome(&mut out, &outcome);
                Self { status: 200, content_type: "application/json", body: out.finish() }
            }
            Err(error) => problem(&error),
        }
    }
}

/// A refusal.
#[must_use]
pub fn problem(error: &Error) -> Written {
    let status = error.code.http_status();
    let mut out = Writer::default();
    out.value(&Problem {
        kind: "about:blank".to_owned(),
        title: error.code.meaning().to_owned(),
        status,
        detail: error.message.to_string(),
        code: error.code.name().to_owned(),
        number: error.code.number(),
        retryable: error.code.is_retryable(),
        may_have_happened: error.code.may_have_happened(),
    });
    Written { status, content_type: "application/problem+json", body: out.finish() }
}
