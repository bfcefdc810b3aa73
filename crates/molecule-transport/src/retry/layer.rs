//! The transport that tries again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::RETRY_AFTER;

use super::{Budget, Decision, Outcome, Reason, RetryPolicy, decide};
use crate::{
    Body, BoxFuture, CallOptions, Clock, Request, Response, Target, Transport, TransportError,
};

/// Retries as [`decide`] says, within a [`Budget`] that all calls share. When there is no retry
/// left, the caller gets the last answer or error. A wait that would outlast the call's deadline
/// is not begun.
#[derive(Debug)]
pub struct Retry<T> {
    inner: T,
    policy: RetryPolicy,
    clock: Arc<dyn Clock>,
    budget: Mutex<Budget>,
}

impl<T: Transport> Retry<T> {
    /// Retries the calls of `inner`.
    pub fn new(inner: T, policy: RetryPolicy, clock: Arc<dyn Clock>) -> Self {
        let budget = Mutex::new(Budget::new(policy.budget, policy.budget_floor));
        Self {
            inner,
            policy,
            clock,
            budget,
        }
    }

    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let options = CallOptions::of(&request);
        let due = options.deadline.map(|deadline| self.clock.now() + deadline);
        self.with_budget(Budget::request);
        let mut attempt = 0;
        loop {
            let result = self.attempt(request.clone(), &options).await;
            let decision = self.decide(attempt, options.repeatable, &result);
            let Some(wait) = self.permitted(decision, due) else {
                return settle(result, decision, &request);
            };
            log_retry(&request, &result, attempt, wait);
            drop(result);
            self.clock.sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        request: Request,
        options: &CallOptions,
    ) -> Result<Response, TransportError> {
        let response = self.inner.send(request).await?;
        if !options.repeatable || options.streamed {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(
            head,
            Body::from(body.collect().await?),
        ))
    }

    fn decide(
        &self,
        attempt: u32,
        repeatable: bool,
        result: &Result<Response, TransportError>,
    ) -> Decision {
        let (now, jitter) = (self.clock.wall(), self.clock.jitter());
        decide(
            &self.policy,
            attempt,
            repeatable,
            &outcome(result),
            now,
            jitter,
        )
    }

    /// The wait before the next try, if time and budget allow one.
    fn permitted(&self, decision: Decision, due: Option<Duration>) -> Option<Duration> {
        let Decision::Retry { after } = decision else {
            return None;
        };
        let in_time = due.is_none_or(|due| self.clock.now() + after < due);
        let granted = in_time && self.with_budget(Budget::try_retry);
        granted.then_some(after)
    }

    fn with_budget<R>(&self, use_it: impl FnOnce(&mut Budget, Duration) -> R) -> R {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&mut budget, self.clock.now())
    }
}

impl<T: Transport> Transport for Retry<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.call(request))
    }
}

fn outcome(result: &Result<Response, TransportError>) -> Outcome<'_> {
    match result {
        Ok(response) => Outcome::Answered {
            status: response.status(),
            retry_after: response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()),
        },
        Err(error) => Outcome::Failed(error.kind()),
    }
}

/// What the caller gets when there is no further try.
fn settle(
    result: Result<Response, TransportError>,
    decision: Decision,
    request: &Request,
) -> Result<Response, TransportError> {
    match (result, decision) {
        (Ok(response), Decision::GiveUp(Reason::RetryAfterTooLong { after })) => {
            let (target, status) = (Target::of(request), response.status());
            Err(TransportError::RetryAfterTooLong {
                target,
                status,
                after,
            })
        }
        (result, _) => result,
    }
}

fn log_retry(
    request: &Request,
    result: &Result<Response, TransportError>,
    attempt: u32,
    wait: Duration,
) {
    let (target, outcome) = (Target::of(request), outcome(result));
    tracing::debug!(%target, ?outcome, attempt, ?wait, "trying again");
}
