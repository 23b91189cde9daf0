//! Several changes together or not at all: of one queue at once, of several in two steps.
//!
//! `Prepare` checks everything and keeps what is needed: leases do not end, and there is room. So `Commit`
//! cannot fail. In between the queue serves everybody else.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    command::Transaction,
    effect::{LeaseId, Outcome, Settled},
    queue::Queue,
    view::Status,
};
use crate::error::ErrorCode;

/// A transaction that is prepared.
#[derive(Debug)]
pub(super) struct Prepared {
    transaction: Transaction,
    /// What it keeps from ending.
    leases: Vec<LeaseId>,
    bytes: usize,
}

impl Queue {
    pub(super) fn transact(&mut self, transaction: Transaction) -> Result<Outcome, ErrorCode> {
        self.check_transaction(&transaction)?;
        self.carry_out(transaction)
    }

    pub(super) fn prepare(
        &mut self,
        ticket: u64,
        mut transaction: Transaction,
    ) -> Result<Outcome, ErrorCode> {
        if self.prepared.contains_key(&ticket) {
            return Err(ErrorCode::InvalidRequest);
        }
        self.check_transaction(&transaction)?;
        let mut leases: Vec<LeaseId> = transaction.settles.iter().map(|(id, _)| *id).collect();
        for part in &mut transaction.named {
            if let Some(lease) = self.lease_of_named(part) {
                // It is this lease, whoever has the partition later.
                part.lease = Some(lease.generation);
                leases.push(lease);
            }
        }
        self.pin(&leases, Some(ticket));
        let bytes = transaction.sends.iter().map(|message| message.body.len()).sum();
        self.reserved_messages += transaction.sends.len();
        self.reserved_bytes += bytes;
        self.prepared.insert(ticket, Prepared { transaction, leases, bytes });
        Ok(Outcome::Prepared)
    }

    fn take_prepared(&mut self, ticket: u64) -> Option<(Transaction, Vec<LeaseId>)> {
        let Prepared { transaction, leases, bytes } = self.prepared.remove(&ticket)?;
        self.reserved_messages -= transaction.sends.len();
        self.reserved_bytes -= bytes;
        self.pin(&leases, None);
        Some((transaction, leases))
    }

    pub(super) fn commit(&mut self, ticket: u64) -> Result<Outcome, ErrorCode> {
        let (transaction, leases) = self.take_prepared(ticket).ok_or(ErrorCode::NotFound)?;
        let outcome = self.carry_out(transaction);
        // Of a partition it may have left some to be settled later.
        self.end_overdue(&leases);
        outcome
    }

    pub(super) fn abort(&mut self, ticket: u64) -> Result<Outcome, ErrorCode> {
        let (_, leases) = self.take_prepared(ticket).ok_or(ErrorCode::NotFound)?;
        self.end_overdue(&leases);
        Ok(Outcome::Done)
    }

    fn check_transaction(&mut self, transaction: &Transaction) -> Result<(), ErrorCode> {
        let Transaction { settles, named, sends } = transaction;
        if !sends.is_empty() && self.status == Status::Closed {
            return Err(ErrorCode::QueueClosed);
        }
        let mut seen = BTreeSet::new();
        let mut of_runs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for (lease, _) in settles {
            let live = self.named_lease(*lease).filter(|live| live.pinned.is_none());
            if live.is_none() || !seen.insert(*lease) {
                return Err(ErrorCode::LeaseLost);
            }
            *of_runs.entry((lease.group, lease.position.partition)).or_default() += 1;
        }
        for ((group, partition), count) in &of_runs {
            let run = self.lane_of(*group, *partition).and_then(|lane| lane.run.as_ref());
            if run.is_some_and(|run| run.members.len() != *count) {
                return Err(ErrorCode::LeaseLost);
            }
        }
        let mut seen = BTreeSet::new();
        for part in named {
            let place = self.check_named(part)?;
            if of_runs.contains_key(&place) || !seen.insert(place) {
                return Err(ErrorCode::LeaseLost);
            }
        }
        if sends.is_empty() {
            return Ok(());
        }
        self.check_send(sends)?;
        let bytes = sends.iter().map(|message| message.body.len()).sum();
        self.admit(sends.len(), bytes)
    }

    fn carry_out(&mut self, transaction: Transaction) -> Result<Outcome, ErrorCode> {
        let Transaction { settles, named, sends } = transaction;
        let mut settled = vec![Settled::Lost; settles.len()];
        self.settle_items(settles, |at, result| {
            if let Some(place) = settled.get_mut(at) {
                *place = result;
            }
        });
        let named = named.into_iter().map(|part| self.settle_named(part)).collect();
        let sent = self.send_admitted(sends)?;
        Ok(Outcome::Transacted { settled, named, sent })
    }
}
