//! The schedules of a queue: putting, pausing, firing.

use super::{
    effect::{Happened, Outcome, Receipt},
    queue::{Queue, Schedule, WORK},
    record::Record,
    schedule::{CatchUp, MISSED_AFTER, ScheduleSpec},
    send::check_options,
    timers::Timer,
};
use crate::{
    error::ErrorCode,
    types::{ScheduleName, Timestamp},
};

impl Queue {
    pub(super) fn put_schedule(
        &mut self,
        name: ScheduleName,
        mut spec: Box<ScheduleSpec>,
    ) -> Result<Outcome, ErrorCode> {
        spec.timing.check().map_err(|_| ErrorCode::InvalidRequest)?;
        spec.message.options.as_deref().map_or(Ok(()), check_options)?;
        let is_new = !self.schedules.contains_key(&name);
        if is_new && self.schedules.len() >= self.config.schedules_max {
            return Err(ErrorCode::TooManySchedules);
        }
        self.come_into_being();
        spec.since = self.now;
        let next = if spec.paused { None } else { spec.timing.next(self.now, self.now) };
        self.write_schedule(name, spec, next);
        Ok(Outcome::Scheduled { next })
    }

    fn write_schedule(
        &mut self,
        name: ScheduleName,
        spec: Box<ScheduleSpec>,
        next: Option<Timestamp>,
    ) {
        self.append(Record::Scheduled { name: name.clone(), spec: spec.clone(), next });
        self.set_schedule(name, spec, next);
    }

    /// Also for a replay.
    pub(super) fn set_schedule(
        &mut self,
        name: ScheduleName,
        spec: Box<ScheduleSpec>,
        next: Option<Timestamp>,
    ) {
        self.remove_schedule(&name);
        if let Some(at) = next {
            self.timers.set(at, Timer::Schedule { name: name.clone() });
        }
        self.schedules.insert(name, Schedule { spec, next });
    }

    /// Also for a replay.
    pub(super) fn remove_schedule(&mut self, name: &ScheduleName) -> bool {
        let Some(schedule) = self.schedules.remove(name) else { return false };
        if let Some(at) = schedule.next {
            self.timers.clear(at, Timer::Schedule { name: name.clone() });
        }
        true
    }

    pub(super) fn delete_schedule(&mut self, name: &ScheduleName) -> Result<Outcome, ErrorCode> {
        if !self.remove_schedule(name) {
            return Err(ErrorCode::ScheduleNotFound);
        }
        self.append(Record::Unscheduled { name: name.clone() });
        Ok(Outcome::Done)
    }

    pub(super) fn pause_schedule(
        &mut self,
        name: &ScheduleName,
        paused: bool,
    ) -> Result<Outcome, ErrorCode> {
        let schedule = self.schedules.get(name).ok_or(ErrorCode::ScheduleNotFound)?;
        if schedule.spec.paused == paused {
            return Ok(Outcome::Scheduled { next: schedule.next });
        }
        let mut spec = schedule.spec.clone();
        spec.paused = paused;
        let next = if paused { None } else { spec.timing.next(spec.since, self.now) };
        self.write_schedule(name.clone(), spec, next);
        Ok(Outcome::Scheduled { next })
    }

    pub(super) fn fire_schedule(&mut self, name: &ScheduleName) -> Result<Outcome, ErrorCode> {
        if !self.schedules.contains_key(name) {
            return Err(ErrorCode::ScheduleNotFound);
        }
        self.fire(name).map(Outcome::Sent)
    }

    fn fire(&mut self, name: &ScheduleName) -> Result<Receipt, ErrorCode> {
        let message = self.schedules.get(name).map(|schedule| schedule.spec.message.clone());
        let receipt = self.send_one(message.ok_or(ErrorCode::ScheduleNotFound)?)?;
        if !receipt.duplicate {
            self.notify(Happened::Fired, Some(receipt.position), WORK, 1);
        }
        Ok(receipt)
    }

    /// An occurrence is due. One that was missed is made up for only if that is asked for.
    pub(super) fn schedule_is_due(&mut self, name: &ScheduleName) {
        let Some(Schedule { spec, next }) = self.schedules.get(name).cloned() else { return };
        let Some(due) = next else { return };
        let is_missed = self.now.since(due) > MISSED_AFTER;
        if !is_missed || spec.catch_up == CatchUp::Once {
            // A queue that is closed or full gets nothing, and nobody can be told.
            let _ = self.fire(name);
        }
        let after =
            if is_missed { Timestamp(self.now.0.saturating_sub(MISSED_AFTER.0 + 1)) } else { due };
        let next = spec.timing.next(spec.since, after);
        self.write_schedule(name.clone(), spec, next);
    }
}
