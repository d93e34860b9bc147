//! Calls: admitted, attempted, and attempted again while that is safe, wanted and paid for.
//!
//! ```text
//! admit ──▶ attempt ──ok──────────────────────────────▶ the answer
//!   ▲          └──failed── retryable? attempts, budget, told wait ──no──▶ the failure
//!   └──────────── wait ◀── yes
//! ```
//!
//! Every attempt is charged, because the provider counts every attempt. Nothing is held during the
//! wait between two.

use std::future::Future;

use tollgate_routing::Outcome;
use tollgate_units::{Amount, Span};

use crate::client::Tollgate;
use crate::error::{CallError, Stopped};
use crate::failure::{Failure, FailureKind};

impl Tollgate {
    /// Calls `attempt` with the number of the attempt, from 1 on, until it succeeds or another try
    /// is of no use; each attempt costs `cost`.
    ///
    /// The wait between two attempts is what the provider said, or the backoff where that is
    /// longer. Dropping the future ends everything; an attempt that was under way stays charged,
    /// and is not held against the provider.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tollgate_client::{Amount, Config, Failure, Tollgate};
    ///
    /// let gate = Tollgate::new(Config::default())?;
    /// let answer = gate
    ///     .call(Amount::ONE, |attempt| async move {
    ///         // Here the provider would be asked.
    ///         if attempt < 3 { Err(Failure::failed("connection reset")) } else { Ok("hello") }
    ///     })
    ///     .await;
    /// assert_eq!(answer, Ok("hello"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When nothing was sent, and why; or the last failure, and why there was no other attempt.
    pub async fn call<T, E, F, Sent>(&self, cost: Amount, mut attempt: F) -> Result<T, CallError<E>>
    where
        F: FnMut(u32) -> Sent,
        Sent: Future<Output = Result<T, Failure<E>>>,
    {
        let mut pass = self.admit(cost).await?;
        self.deposit();
        let mut attempts = 1;
        loop {
            let failure = match attempt(attempts).await {
                Ok(answer) => {
                    pass.ended(Outcome::Success);
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            pass.ended(failure.kind.outcome());
            let wait = match self.wait_after(attempts, failure.kind) {
                Ok(wait) => wait,
                Err(stopped) => return Err(CallError::Failed { failure, attempts, stopped }),
            };
            let until = self.shared.clock.now().plus(wait);
            self.shared.clock.sleep_until(until).await;
            pass = match self.admit(cost).await {
                Ok(pass) => pass,
                Err(refusal) => {
                    let stopped = Stopped::Refused(refusal);
                    return Err(CallError::Failed { failure, attempts, stopped });
                }
            };
            attempts += 1;
        }
    }

    fn deposit(&self) {
        let now = self.shared.clock.now();
        self.shared.state().budget.deposit(now);
    }

    /// How long to wait before the next attempt; a retry is taken out of the budget.
    fn wait_after(&self, attempts: u32, kind: FailureKind) -> Result<Span, Stopped> {
        let retry = &self.shared.config.retry;
        if !kind.is_retryable() {
            return Err(Stopped::NotRetryable);
        }
        if attempts >= retry.attempts {
            return Err(Stopped::Attempts);
        }
        let told = kind.retry_after().unwrap_or(Span::ZERO);
        if told > retry.retry_after_max {
            return Err(Stopped::TooLong { retry_after: told });
        }
        let now = self.shared.clock.now();
        if !self.shared.state().budget.withdraw(now) {
            return Err(Stopped::Budget);
        }
        Ok(told.max(retry.backoff().wait(attempts, self.shared.dice.roll())))
    }
}
