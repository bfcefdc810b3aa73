//! Asking again and again, for as long as there is patience.

use std::time::Duration;

use molecule_transport::{Clock, within};

use crate::life::{describe, pause};
use crate::{AgentError, ErrorKind};

/// How long to wait for an answer, and how often to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) timeout: Duration,
    pub(crate) interval: Duration,
}

/// What came of waiting.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    Answered(T),
    /// The time is over; why the last question failed, if it did.
    TimedOut(Option<AgentError>),
}

/// What is asked.
pub(crate) trait Question: Send {
    type Answer: Send;

    /// `None` is no answer yet.
    fn ask(&mut self) -> impl Future<Output = Result<Option<Self::Answer>, AgentError>> + Send;
}

/// A function that asks.
impl<F, Asking, T> Question for F
where
    F: FnMut() -> Asking + Send,
    Asking: Future<Output = Result<Option<T>, AgentError>> + Send,
    T: Send,
{
    type Answer = T;

    fn ask(&mut self) -> impl Future<Output = Result<Option<T>, AgentError>> + Send {
        self()
    }
}

impl Patience {
    /// Asks now, however short the time, and then every interval, until there is an answer. A failure that may pass is no answer; any
    /// other ends the wait.
    pub(crate) async fn wait_for<Q: Question>(
        self,
        clock: &dyn Clock,
        mut question: Q,
    ) -> Result<Waited<Q::Answer>, AgentError> {
        let (started, mut failure) = (clock.now(), None);
        if let Some(answer) = unless_it_passes(question.ask().await, &mut failure)? {
            return Ok(Waited::Answered(answer));
        }
        let waited = clock.now().saturating_sub(started);
        let again = async {
            loop {
                pause(clock, self.interval).await;
                if let Some(answer) = unless_it_passes(question.ask().await, &mut failure)? {
                    return Ok(answer);
                }
            }
        };
        match within(clock, self.timeout.saturating_sub(waited), again).await {
            Ok(answer) => answer.map(Waited::Answered),
            Err(_) => Ok(Waited::TimedOut(failure)),
        }
    }
}

fn unless_it_passes<T>(
    asked: Result<Option<T>, AgentError>,
    failure: &mut Option<AgentError>,
) -> Result<Option<T>, AgentError> {
    *failure = None;
    match asked {
        Err(error) if passes(&error) => {
            tracing::debug!(error = describe(&error), "asking failed; asking again");
            *failure = Some(error);
            Ok(None)
        }
        asked => asked,
    }
}

fn passes(error: &AgentError) -> bool {
    matches!(error.kind(), ErrorKind::Temporary | ErrorKind::Unreachable)
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use molecule_transport::testing::SimulatedClock;

    use super::*;

    const PATIENCE: Patience = Patience {
        timeout: Duration::from_secs(60),
        interval: Duration::from_secs(10),
    };

    fn lost() -> AgentError {
        let source = std::io::ErrorKind::WouldBlock.into();
        AgentError::DelegationJournal {
            action: "lock",
            path: "x".into(),
            source,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_question_comes_at_once_and_the_others_after_a_pause() {
        let clock = SimulatedClock::new();
        let mut asked = Vec::new();
        let waited = PATIENCE.wait_for(&clock, || {
            asked.push(clock.now());
            ready(Ok((asked.len() == 3).then_some("yes")))
        });
        assert!(matches!(waited.await.unwrap(), Waited::Answered("yes")));
        let pauses = [asked[1] - asked[0], asked[2] - asked[1]];
        let longest = PATIENCE.interval;
        let in_time = |pause: &Duration| (longest.mul_f64(0.9)..=longest).contains(pause);
        assert!(pauses.iter().all(in_time), "{asked:?}");
        assert_eq!(asked[0], Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_hangs_ends_with_the_time() {
        let clock = SimulatedClock::new();
        let mut asked = 0;
        let waited = PATIENCE.wait_for(&clock, || {
            asked += 1;
            let hangs = asked > 1;
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok(None::<()>)
            }
        });
        assert!(matches!(waited.await.unwrap(), Waited::TimedOut(None)));
        assert_eq!((clock.now(), asked), (PATIENCE.timeout, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_only_if_it_was_the_last_word() {
        let clock = SimulatedClock::new();
        let check = async |lost_at: fn(u32) -> bool, expect: bool| {
            let mut asked = 0;
            let waited = PATIENCE.wait_for(&clock, || {
                asked += 1;
                ready(if lost_at(asked) {
                    Err(lost())
                } else {
                    Ok(None::<()>)
                })
            });
            match waited.await.unwrap() {
                Waited::TimedOut(failure) => assert_eq!(failure.is_some(), expect),
                Waited::Answered(()) => panic!("nobody answered"),
            }
        };
        check(|_| true, true).await;
        check(|asked| asked == 1, false).await;
        check(|asked| asked > 1, true).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_stays_ends_the_wait() {
        let clock = SimulatedClock::new();
        let refused = || ready(Err::<Option<()>, _>(AgentError::NoHome));
        let waited = PATIENCE.wait_for(&clock, refused);
        assert!(matches!(waited.await.unwrap_err(), AgentError::NoHome));
        assert_eq!(clock.now(), Duration::ZERO);
    }
}
