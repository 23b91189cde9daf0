//! A request of the protocol → an operation.

use std::{str::FromStr, sync::Arc};

use bytes::Bytes;

use super::{
    message::{SortedLabels, labels, new_message},
    settings::settings_patch,
};
use crate::{
    error::{Error, ErrorCode},
    service::{
        Action, CatchUp, Command, Filter, LeaseId, NewMessage, Operation, Park, Position,
        QueueSettings, ScheduleSpec, SeekTo, Select, Start, State, States, Take, Term, Timing,
        Transaction, TransactionPart, Unit, Verdict,
    },
    types::{Millis, NameError, Payload, QueueName, RequestId, Timestamp},
    wire::native::{self as wire, Json, Labels, Request, Sending, Text, request},
};

/// Longest text of a sender's own: an id, a key, a type, the name or the value of a label.
const TEXT_MAX: usize = 255;

/// Longest reason of a failure.
const REASON_MAX: usize = 4096;

/// A browse without a limit shows so many messages.
const PAGE: u32 = 100;

/// A subscription without a credit has this one.
const CREDIT: u32 = 100;

pub(super) fn invalid(sentence: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidRequest, sentence)
}

/// The refusal of something that stands inside something else: it names the field from the outermost one on.
fn inside(path: &str, error: &Error) -> Error {
    let sentence = match error.message.strip_prefix('`') {
        Some(field) => format!("`{path}.{field}"),
        None => format!("`{path}`: {}", error.message),
    };
    Error::new(error.code, sentence)
}

/// Reads a name; the refusal says where it stands.
pub(super) fn name<N: FromStr<Err = NameError>>(field: &str, text: &str) -> Result<N, Error> {
    text.parse().map_err(|error| Error::new(ErrorCode::InvalidName, format!("`{field}`: {error}")))
}

fn maybe_name<N: FromStr<Err = NameError>>(
    field: &str,
    text: Option<Text<'_>>,
) -> Result<Option<N>, Error> {
    text.map(|text| name(field, text.as_str())).transpose()
}

/// A text of 1 to 255 bytes without control characters.
pub(super) fn text(field: &str, text: &Text<'_>) -> Result<Arc<str>, Error> {
    if text.as_str().chars().any(char::is_control) {
        return Err(invalid(format!("`{field}` must not hold control characters")));
    }
    bounded(field, text, TEXT_MAX)
}

/// A sender's own id of a message.
pub(super) fn own_id(field: &str, id: &Text<'_>) -> Result<Arc<str>, Error> {
    if id.as_str().parse::<Position>().is_ok() {
        return Err(invalid(format!("`{field}` must not look like a position: {}", id.as_str())));
    }
    text(field, id)
}

fn bounded(field: &str, text: &Text<'_>, max: usize) -> Result<Arc<str>, Error> {
    let text = text.as_str();
    match text.len() {
        0 => Err(invalid(format!("`{field}` must not be empty"))),
        len if len > max => Err(invalid(format!("`{field}` has at most {max} bytes"))),
        _ => Ok(Arc::from(text)),
    }
}

/// What must be known to understand a request.
pub(super) struct Reader<'b> {
    /// The time.
    pub(super) now: Timestamp,
    /// Things in one request.
    pub(super) items_max: usize,
    /// No session outlives the request.
    pub(super) is_http: bool,
    /// What the request's values are borrowed from.
    pub(super) buffer: &'b Bytes,
}

impl Reader<'_> {
    /// The operation; `queue` is the one that the request names.
    pub(super) fn operation(
        &self,
        queue: Option<QueueName>,
        request: Request<'_>,
    ) -> Result<Operation, Error> {
        if let Request::Watch(_) = request {
            return Ok(Operation::Watch { queue });
        }
        let asks = |create: bool, command| match queue {
            Some(queue) => Ok(Operation::Queue { queue, create: create.into(), command }),
            None => Err(invalid("missing field `queue`")),
        };
        match request {
            Request::List(_) => Ok(Operation::ListQueues),
            Request::Open(request::Open { settings }) => {
                let settings = settings.map(|settings| settings_patch(&settings)).transpose()?;
                asks(true, Command::Open { settings: settings.map(Box::new), idempotent: true })
            }
            Request::Configure(request::Configure { settings, replace }) => {
                let settings = Box::new(settings_patch(&settings)?);
                asks(true, Command::Configure { settings, replace })
            }
            Request::Inspect(_) => asks(false, Command::Inspect),
            Request::Explain(request::InGroup { group }) => {
                asks(false, Command::Explain { group: maybe_name("group", group)? })
            }
            Request::Close(_) => asks(false, Command::Close),
            Request::Pause(_) => asks(false, Command::Pause),
            Request::Resume(_) => asks(false, Command::Resume),
            Request::Drain(_) => asks(false, Command::Purge { group: None, states: States::READY }),
            Request::Purge(request::Purge { states, group }) => {
                let states = states.into_iter().map(state).collect();
                asks(false, Command::Purge { group: maybe_name("group", group)?, states })
            }
            Request::Delete(_) => asks(false, Command::Delete),
            Request::Send(Sending::Body(body)) => {
                let message = Payload::from_slice_of(self.buffer, body.get()).into();
                asks(true, Command::Send { message })
            }
            Request::Send(Sending::Full(mut send)) => {
                let (create, several) = (send.create.unwrap_or(true), send.messages.take());
                let alone = send.into_message();
                let Some(several) = several else {
                    let message = new_message(self.buffer, alone)?;
                    return asks(create, Command::Send { message });
                };
                if alone != wire::NewMessage::default() {
                    return Err(invalid("`messages`: no field of a message may stand beside it"));
                }
                let messages = self.messages("messages", several)?;
                asks(create, Command::SendBatch { messages })
            }
            Request::Receive(receive) => {
                let create = receive.create;
                asks(create, Command::Take(Box::new(self.take(*receive)?)))
            }
            Request::Subscribe(subscribe) => {
                let (create, credit) = (subscribe.create, subscribe.credit.unwrap_or(CREDIT));
                let request::Subscribe { lease_ms, lease, group, from, partition, labels, .. } =
                    *subscribe;
                let receive = request::Receive {
                    lease_ms,
                    lease,
                    group,
                    from,
                    partition,
                    labels,
                    ..Default::default()
                };
                let take = Take { park: Park::Standing { credit }, ..self.take(receive)? };
                asks(create, Command::Take(Box::new(take)))
            }
            Request::Credit(request::Credit { receiver, credit }) => {
                asks(false, Command::Credit { receiver: RequestId(receiver), credit })
            }
            Request::Cancel(request::Cancel { receiver }) => {
                asks(false, Command::Cancel { receiver: RequestId(receiver) })
            }
            Request::Settle(mut settle) => {
                let items = match settle.items.take() {
                    None => {
                        let item = settle.into_item();
                        let item =
                            item.ok_or_else(|| invalid("missing field `lease` or `items`"))?;
                        vec![self.item(item)?]
                    }
                    Some(_) if *settle != request::Settle::default() => {
                        return Err(invalid("`items`: no other field may stand beside it"));
                    }
                    Some(items) => self.items("items", items)?,
                };
                asks(false, Command::Settle { items })
            }
            Request::Extend(request::Extend { leases, by_ms }) => {
                self.count("leases", leases.len())?;
                let by = by_ms.map(|by| length("by_ms", by)).transpose()?;
                let leases =
                    leases.iter().map(|text| lease("leases", text)).collect::<Result<_, _>>()?;
                asks(false, Command::Extend { leases, by })
            }
            Request::Transaction(transact) => self.transact(transact),
            Request::Browse(mut browse) => {
                let after = browse.after.take().map(|after| {
                    let wrong = |()| invalid("`after` is not a position: write 0-17");
                    after.as_str().parse::<Position>().map_err(wrong)
                });
                let after = after.transpose()?;
                let limit = self.at_most("limit", browse.limit.unwrap_or(PAGE))?;
                let group = maybe_name("group", browse.group.take())?;
                let filter = filter(browse.into_filter())?;
                asks(false, Command::Browse { group, filter: Box::new(filter), after, limit })
            }
            Request::Find(request::Find { message, group }) => {
                let (id, group) = (text("message", &message)?, maybe_name("group", group)?);
                asks(false, Command::Find { group, id })
            }
            Request::Await(request::Await { message, wait_ms }) => {
                let until = self.until(wait_ms)?;
                asks(false, Command::Await { id: text("message", &message)?, until })
            }
            Request::Change(change) => asks(false, self.change(*change)?),
            Request::GroupOpen(request::GroupOpen { group, from }) => {
                let (group, start) = (name("group", group.as_str())?, start(from));
                asks(true, Command::OpenGroup { group, start })
            }
            Request::GroupDelete(request::GroupDelete { group }) => {
                asks(false, Command::DeleteGroup { group: name("group", group.as_str())? })
            }
            Request::Seek(request::Seek { group, partition, to }) => {
                let to = match to {
                    wire::SeekTo::Start => SeekTo::Start,
                    wire::SeekTo::End => SeekTo::End,
                    wire::SeekTo::Time(at) => SeekTo::Time(Timestamp(at)),
                };
                let group = maybe_name("group", group)?;
                asks(
                    false,
                    Command::Seek { group, partition: maybe_name("partition", partition)?, to },
                )
            }
            Request::SchedulePut(schedule) => asks(true, self.schedule(*schedule)?),
            Request::ScheduleDelete(request::ScheduleName { name: text }) => {
                asks(false, Command::DeleteSchedule { name: name("name", text.as_str())? })
            }
            Request::SchedulePause(request::ScheduleName { name: text }) => {
                let name = name("name", text.as_str())?;
                asks(false, Command::PauseSchedule { name, paused: true })
            }
            Request::ScheduleResume(request::ScheduleName { name: text }) => {
                let name = name("name", text.as_str())?;
                asks(false, Command::PauseSchedule { name, paused: false })
            }
            Request::ScheduleFire(request::ScheduleName { name: text }) => {
                asks(false, Command::FireSchedule { name: name("name", text.as_str())? })
            }
            Request::Unwatch(request::Unwatch { watch }) => {
                Ok(Operation::Unwatch { watch: RequestId(watch) })
            }
            Request::Participants(_) => Ok(Operation::ListParticipants),
            Request::Message(say) => self.say(say),
            Request::Messaging(request::Messaging { enabled: true }) => {
                Ok(Operation::EnableMessaging)
            }
            Request::Messaging(request::Messaging { enabled: false }) => {
                Ok(Operation::DisableMessaging)
            }
            Request::Attributes(request::SetAttributes { attributes }) => {
                let kept = |(name, value): (Text<'_>, Json<'_>)| {
                    (name.0.into_owned(), Payload::from_slice_of(self.buffer, value.get()))
                };
                Ok(Operation::SetAttributes { changed: attributes.into_iter().map(kept).collect() })
            }
            // See above; and what is answered by the protocol itself.
            Request::Watch(_) | Request::Ping(_) => Err(ErrorCode::NotSupported.into()),
        }
    }

    /// A list of things that has a limit.
    fn count(&self, field: &str, len: usize) -> Result<(), Error> {
        let max = self.items_max;
        match len {
            0 => Err(invalid(format!("`{field}` must not be empty"))),
            len if len > max => {
                let sentence = format!("`{field}`: {len} things, and one request may name {max}");
                Err(Error::new(ErrorCode::TooManyItems, sentence))
            }
            _ => Ok(()),
        }
    }

    /// The number of things that are asked for.
    fn at_most(&self, field: &str, number: u32) -> Result<u32, Error> {
        if number == 0 {
            return Err(invalid(format!("`{field}` must be at least 1")));
        }
        self.count(field, number as usize)?;
        Ok(number)
    }

    /// When a wait is over; none: there is no wait.
    fn until(&self, wait_ms: Option<u64>) -> Result<Option<Timestamp>, Error> {
        let wait = wait_ms.unwrap_or(0);
        if self.is_http && wait > super::WAIT_MAX.0 {
            return Err(invalid(format!(
                "`wait_ms` must be at most {} over HTTP",
                super::WAIT_MAX.0
            )));
        }
        Ok((wait > 0).then(|| self.now.after(Millis(wait))))
    }

    fn messages(
        &self,
        field: &str,
        messages: Vec<wire::NewMessage<'_>>,
    ) -> Result<Vec<NewMessage>, Error> {
        self.count(field, messages.len())?;
        let read = |(at, message)| {
            new_message(self.buffer, message)
                .map_err(|error| inside(&format!("{field}[{at}]"), &error))
        };
        messages.into_iter().enumerate().map(read).collect()
    }

    fn take(&self, receive: request::Receive<'_>) -> Result<Take, Error> {
        let request::Receive { max, wait_ms, lease_ms, lease, group, from, partition, .. } =
            receive;
        let unit = match (receive.partitions, &receive.labels) {
            (None, _) => Unit::Message,
            (Some(0), _) => return Err(invalid("`partitions` must be at least 1")),
            (Some(_), Some(_)) => return Err(invalid("`labels`: not with `partitions`")),
            (Some(max), None) => Unit::Partition { max },
        };
        let length = lease_ms.map(|length_ms| length("lease_ms", length_ms)).transpose()?;
        let term = match (lease, length) {
            (None, length) => Term::Timed { length, bound: !self.is_http },
            (Some(request::Lease::Timed), length) => Term::Timed { length, bound: false },
            (Some(request::Lease::Bound | request::Lease::Session), _) if self.is_http => {
                return Err(invalid(
                    "`lease`: over HTTP only `timed` and `none`: no session goes on",
                ));
            }
            (Some(request::Lease::Bound), length) => Term::Timed { length, bound: true },
            (Some(_), Some(_)) => return Err(invalid("`lease_ms`: only with `timed` and `bound`")),
            (Some(request::Lease::Session), None) => Term::Session,
            (Some(request::Lease::None), None) => Term::Auto,
        };
        Ok(Take {
            group: maybe_name("group", group)?,
            start: start(from),
            partition: maybe_name("partition", partition)?,
            unit,
            max: self.at_most("max", max.unwrap_or(1))?,
            term,
            labels: maybe_labels("labels", receive.labels)?,
            park: self.until(wait_ms)?.map_or(Park::No, |until| Park::Until(Some(until))),
        })
    }

    fn items(
        &self,
        field: &str,
        items: Vec<request::Item<'_>>,
    ) -> Result<Vec<(LeaseId, Verdict)>, Error> {
        self.count(field, items.len())?;
        let mut read = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            match self.item(item) {
                Ok(item) => read.push(item),
                Err(error) => return Err(inside(&format!("{field}[{at}]"), &error)),
            }
        }
        Ok(read)
    }

    fn item(&self, item: request::Item<'_>) -> Result<(LeaseId, Verdict), Error> {
        let request::Item { lease: id, outcome, result, delay_ms, reason } = item;
        let id = lease("lease", &id)?;
        let (wants_result, wants_delay, wants_reason) = match outcome.unwrap_or_default() {
            request::Verdict::Done => (true, false, false),
            request::Verdict::Retry => (false, true, true),
            request::Verdict::Dead => (false, false, true),
            request::Verdict::Release => (false, true, false),
            request::Verdict::Cancel => (false, false, false),
        };
        for (is_wrong, sentence) in [
            (result.is_some() && !wants_result, "`result`: only with `done`"),
            (delay_ms.is_some() && !wants_delay, "`delay_ms`: only with `retry` and `release`"),
            (reason.is_some() && !wants_reason, "`reason`: only with `retry` and `dead`"),
        ] {
            if is_wrong {
                return Err(invalid(sentence));
            }
        }
        let delay = delay_ms.map(Millis);
        let reason = reason.map(|reason| bounded("reason", &reason, REASON_MAX)).transpose()?;
        let verdict = match outcome.unwrap_or_default() {
            request::Verdict::Done => {
                let result = result.map(|json| Payload::from_slice_of(self.buffer, json.get()));
                Verdict::Done { result }
            }
            request::Verdict::Retry => Verdict::Retry { delay, reason },
            request::Verdict::Dead => Verdict::Dead { reason },
            request::Verdict::Release => Verdict::Release { delay },
            request::Verdict::Cancel => Verdict::Cancel,
        };
        Ok((id, verdict))
    }

    fn transact(&self, transact: request::Transact<'_>) -> Result<Operation, Error> {
        let things = |part: &request::Part<'_>| part.settle.len() + part.send.len();
        self.count("parts", transact.parts.len())?;
        self.count("parts", transact.parts.iter().map(things).sum())?;
        let mut parts: Vec<TransactionPart> = Vec::with_capacity(transact.parts.len());
        for (at, part) in transact.parts.into_iter().enumerate() {
            let queue: QueueName = name(&format!("parts[{at}].queue"), part.queue.as_str())?;
            if parts.iter().any(|other| other.queue == queue) {
                return Err(invalid(format!("`parts[{at}].queue`: a queue may come once only")));
            }
            let (mut settles, mut sends) = (Vec::new(), Vec::new());
            if !part.settle.is_empty() {
                settles = self.items(&format!("parts[{at}].settle"), part.settle)?;
            }
            if !part.send.is_empty() {
                sends = self.messages(&format!("parts[{at}].send"), part.send)?;
            }
            let transaction = Transaction { settles, named: Vec::new(), sends };
            parts.push(TransactionPart { queue, transaction, founding: None });
        }
        Ok(Operation::Transact { parts })
    }

    fn change(&self, change: request::Change<'_>) -> Result<Command, Error> {
        let request::Change { ids, limit, per_second, reason, dry_run, .. } = change;
        let select = match (ids, change.filter) {
            (Some(ids), None) => {
                self.count("ids", ids.len())?;
                if limit.is_some() {
                    return Err(invalid("`limit`: only with `filter`"));
                }
                Select::Ids(ids.iter().map(|id| text("ids", id)).collect::<Result<_, _>>()?)
            }
            (None, Some(conditions)) => {
                let all = u32::try_from(self.items_max).unwrap_or(u32::MAX);
                let limit = self.at_most("limit", limit.unwrap_or(all))?;
                Select::Matching { filter: filter(conditions)?, limit }
            }
            _ => return Err(invalid("exactly one of `ids` and `filter` must be there")),
        };
        let reason = reason.map(|reason| bounded("reason", &reason, REASON_MAX)).transpose()?;
        if per_second.is_some() && change.action != request::Action::Redrive {
            return Err(invalid("`per_second`: only with `redrive`"));
        }
        if reason.is_some() && change.action != request::Action::Bury {
            return Err(invalid("`reason`: only with `bury`"));
        }
        let action = match change.action {
            request::Action::Cancel => Action::Cancel,
            request::Action::Promote => Action::Promote,
            request::Action::Redrive if per_second == Some(0) => {
                return Err(invalid("`per_second` must be at least 1"));
            }
            request::Action::Redrive => Action::Redrive { per_second },
            request::Action::Bury => Action::Bury { reason },
        };
        Ok(Command::Change {
            group: maybe_name("group", change.group)?,
            select: Box::new(select),
            action: Box::new(action),
            dry_run,
        })
    }

    fn schedule(&self, schedule: request::SchedulePut<'_>) -> Result<Command, Error> {
        let request::SchedulePut { name: text, every_ms, cron, zone, at, message, .. } = schedule;
        if zone.is_some() && cron.is_none() {
            return Err(invalid("`zone`: only with `cron`"));
        }
        let timing = match (every_ms, cron, at) {
            (Some(every), None, None) => Timing::Every(Millis(every)),
            (None, Some(cron), None) => Timing::Cron {
                expression: cron.0.into_owned(),
                zone: zone.map_or_else(|| "UTC".to_owned(), |zone| zone.0.into_owned()),
            },
            (None, None, Some(at)) => Timing::At(Timestamp(at)),
            _ => return Err(invalid("exactly one of `every_ms`, `cron` and `at` must be there")),
        };
        timing.check().map_err(invalid)?;
        let spec = ScheduleSpec {
            timing,
            message: new_message(self.buffer, *message)
                .map_err(|error| inside("message", &error))?,
            catch_up: match schedule.catch_up {
                request::CatchUp::Skip => CatchUp::Skip,
                request::CatchUp::Once => CatchUp::Once,
            },
            paused: schedule.paused,
            since: self.now,
        };
        Ok(Command::PutSchedule { name: name("name", text.as_str())?, spec: Box::new(spec) })
    }

    fn say(&self, say: request::Say<'_>) -> Result<Operation, Error> {
        let request::Say { to, kind, message } = say;
        if kind.as_str().len() > TEXT_MAX {
            return Err(invalid("`type` has at most 255 bytes"));
        }
        let (kind, attachment) = (kind.0.into_owned(), Bytes::new());
        let message = Payload::from_slice_of(self.buffer, message.get());
        Ok(match to {
            Some(to) => Operation::SendMessage { to: to.0.into_owned(), kind, message, attachment },
            None => Operation::Broadcast { kind, message, attachment },
        })
    }
}

fn lease(field: &str, text: &Text<'_>) -> Result<LeaseId, Error> {
    text.as_str().parse().map_err(|()| invalid(format!("`{field}` is not a lease")))
}

/// The length of a lease; the rule is that of the setting.
fn length(field: &str, ms: u64) -> Result<Millis, Error> {
    let settings = QueueSettings { lease: Millis(ms), ..QueueSettings::default() };
    match settings.check() {
        Ok(()) => Ok(settings.lease),
        Err(rule) => Err(invalid(rule.replacen("lease_ms", &format!("`{field}`"), 1))),
    }
}

fn maybe_labels(field: &str, all: Option<Labels<'_>>) -> Result<SortedLabels, Error> {
    all.map_or(Ok(Vec::new()), |all| labels(field, all))
}

const fn start(from: Option<wire::Begin>) -> Start {
    match from {
        None | Some(wire::Begin::All) => Start::All,
        Some(wire::Begin::New) => Start::New,
        Some(wire::Begin::Time(at)) => Start::From(Timestamp(at)),
    }
}

const fn state(state: wire::State) -> State {
    match state {
        wire::State::Blocked => State::Blocked,
        wire::State::Delayed => State::Delayed,
        wire::State::Ready => State::Ready,
        wire::State::Leased => State::Leased,
        wire::State::Dead => State::Dead,
        wire::State::Done => State::Done,
    }
}

fn filter(filter: request::Filter<'_>) -> Result<Filter, Error> {
    let request::Filter { states, partition, sent_before, kind, labels, reason } = filter;
    Ok(Filter {
        states: states.map_or(States::ALL, |states| states.into_iter().map(state).collect()),
        partition: maybe_name("partition", partition)?,
        sent_from: None,
        sent_before: sent_before.map(Timestamp),
        kind: kind.map(|kind| text("type", &kind)).transpose()?,
        labels: maybe_labels("labels", labels)?,
        reason: reason.map(|reason| bounded("reason", &reason, REASON_MAX)).transpose()?,
    })
}
