//! Agents that have run away: one that makes the same call with the same arguments again and again,
//! or spends faster than its own past by a factor.
//!
//! What is remembered of a session is its last few calls, as fingerprints, and its tokens by the
//! minute: some 400 bytes, for as long as it lives. It is a habit that is recognised, not a limit
//! that is kept, so it is not journaled: a restart forgets suspicion, and no usage.
//! When it is wrong: an agent that polls for something to happen makes the same call again and
//! again on purpose; its operator reports, and neither slows nor stops.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tollgate_policy::{Caller, OnRunaway, RunawaySettings, Session};
use tollgate_units::{Span, Timestamp, Tokens};
use tollgate_wire::{ToolCall, ToolCalls};

use crate::gate::Gateway;

/// What is remembered of sessions.
#[derive(Debug, Default)]
pub(crate) struct Runaways {
    sessions: Mutex<HashMap<u128, Habits>>,
}

/// What is remembered of one session.
#[derive(Debug)]
struct Habits {
    /// The fingerprints of its last calls, the oldest first.
    calls: Vec<u64>,
    began: Timestamp,
    /// Tokens by the minute since it began: all before this one, and this one.
    minute: u64,
    before: Tokens,
    this: Tokens,
    suspicion: Option<Suspicion>,
    ends: Timestamp,
}

/// Why a session is thought to have run away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Suspicion {
    /// It asked for the same call with the same arguments so often among its last ones.
    SameCall {
        /// The tool.
        name: String,
        /// How often.
        times: usize,
    },
    /// It spends so many times as much a minute as before.
    Faster {
        /// How many times.
        factor: u64,
    },
}

/// What an answer says of the agent that asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    pub(crate) calls: &'a ToolCalls,
    pub(crate) tokens: Tokens,
    pub(crate) now: Timestamp,
    /// How long a session lives.
    pub(crate) idle: Span,
}

/// Slows or stops the caller if its session has run away and the policy says so.
pub(crate) async fn steady(gate: &Gateway, caller: &Caller) -> Result<(), Suspicion> {
    let Some((suspicion, then)) = suspected(gate, caller) else {
        return Ok(());
    };
    match then {
        OnRunaway::Report => Ok(()),
        OnRunaway::Slow => {
            tokio::time::sleep(SLOWED_BY).await;
            Ok(())
        }
        OnRunaway::Stop => Err(suspicion),
    }
}

/// Why the caller's session is thought to have run away, and what is done about it.
pub(crate) fn suspected(gate: &Gateway, caller: &Caller) -> Option<(Suspicion, OnRunaway)> {
    let (session, settings) = (caller.in_session()?, caller.policy().runaway()?);
    Some((gate.runaways.suspicion(session, gate.clock().now())?, settings.then))
}

impl Runaways {
    /// Why the session is thought to have run away, if it is.
    fn suspicion(&self, session: &Session, now: Timestamp) -> Option<Suspicion> {
        let sessions = self.lock();
        let habits = sessions.get(&session.id()).filter(|habits| habits.ends > now)?;
        habits.suspicion.clone()
    }

    /// Takes in what an answer used and asked for. Something is said when a suspicion is new.
    pub(crate) fn hear(
        &self,
        session: &Session,
        heard: Heard<'_>,
        settings: &RunawaySettings,
    ) -> Option<Suspicion> {
        let Heard { now, idle, .. } = heard;
        let mut sessions = self.lock();
        let is_known = sessions.get(&session.id()).is_some_and(|habits| habits.ends > now);
        if !is_known {
            if sessions.len() >= SESSIONS_MAX {
                sessions.retain(|_, habits| habits.ends > now);
            }
            if sessions.len() >= SESSIONS_MAX {
                return None;
            }
            sessions.insert(session.id(), Habits::new(now));
        }
        let habits = sessions.get_mut(&session.id())?;
        habits.ends = now.plus(idle);
        let before = habits.suspicion.take();
        habits.add(&heard);
        let times = |call: &ToolCall| habits.times(call.fingerprint);
        let often = heard.calls.kept.iter().max_by_key(|call| times(call));
        let same = often.and_then(|call| {
            let (name, times) = (call.name.clone(), times(call));
            (times >= settings.same_call).then_some(Suspicion::SameCall { name, times })
        });
        let faster = || {
            let factor = habits.factor();
            (factor >= settings.faster).then_some(Suspicion::Faster { factor })
        };
        let stays = settings.then == OnRunaway::Stop;
        habits.suspicion = same.or_else(faster).or_else(|| before.clone().filter(|_| stays));
        habits.suspicion.clone().filter(|_| before.is_none())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, Habits>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Habits {
    fn new(now: Timestamp) -> Self {
        Self {
            calls: Vec::new(),
            began: now,
            minute: 0,
            before: Tokens::ZERO,
            this: Tokens::ZERO,
            suspicion: None,
            ends: now,
        }
    }

    fn add(&mut self, heard: &Heard<'_>) {
        for call in &heard.calls.kept {
            if self.calls.len() >= CALLS_KEPT {
                self.calls.remove(0);
            }
            self.calls.push(call.fingerprint);
        }
        let minute = heard.now.since(self.began).as_millis() / MINUTE.as_millis();
        if minute != self.minute {
            self.before = self.before.plus(self.this);
            (self.minute, self.this) = (minute, Tokens::ZERO);
        }
        self.this = self.this.plus(heard.tokens);
    }

    /// How often this call is among the last ones.
    fn times(&self, fingerprint: u64) -> usize {
        self.calls.iter().filter(|call| **call == fingerprint).count()
    }

    /// How many times as much it spends in this minute as in a minute of its past, rounded down;
    /// zero while it has too little past to tell, or spends too little to matter.
    fn factor(&self) -> u64 {
        if self.minute < PAST_MINUTES_MIN || self.this < MATTERS {
            return 0;
        }
        let usual = (self.before.get() / self.minute).max(1);
        self.this.get() / usual
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameCall { name, times } => write!(
                f,
                "this session asked {times} times for the same call of \"{name}\" with the same \
                 arguments"
            ),
            Self::Faster { factor } => {
                write!(f, "this session spends {factor} times as much a minute as before")
            }
        }
    }
}

impl Suspicion {
    /// What the caller is told where a runaway is stopped.
    pub(crate) fn told(&self) -> String {
        format!("Stopped: {self}. Begin another session, or ask the operator.")
    }

    /// The kind in one word: a metric's label.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Faster { .. } => "faster",
            Self::SameCall { .. } => "same_call",
        }
    }
}

/// A person would notice, and a loop comes to a twelfth of its pace or less.
const SLOWED_BY: Duration = Duration::from_secs(5);
const MINUTE: Span = Span::from_secs(60);
/// Among so many calls the same one is looked for.
const CALLS_KEPT: usize = 32;
/// A session without a past has no habits.
const PAST_MINUTES_MIN: u64 = 5;
/// Less in a minute is nobody's runaway.
const MATTERS: Tokens = Tokens::new(10_000);
/// Some 25 megabytes.
const SESSIONS_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
