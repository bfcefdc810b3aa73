//! Joining a platform that is to call: the port answers first, and only then is its address reported.

use std::sync::Arc;

use molecule_protocol::ApiError;
use molecule_protocol::endpoints::{Delivery, DeliveryMode};

use super::{PushDelivery, server};
use crate::agent_loop::Shift;
use crate::connect::Joined;
use crate::life::describe;
use crate::{AgentError, Connect, Handler, InboundDelivery, Registration, RemoteAgentClient};

impl RemoteAgentClient {
    /// Joins by push, if the agent is to be called; where the platform does not do that and there is a fallback, it is polled from
    /// now on.
    pub(crate) async fn join_pushed(
        &self,
        handler: &Arc<dyn Handler>,
        options: &mut Connect,
    ) -> Result<Option<Joined>, AgentError> {
        let Some(push) = &mut options.push else {
            return Ok(None);
        };
        let delivery = PushDelivery::bind(self, push)?;
        let (address, fallback) = (delivery.local_addr(), push.fallback);
        // After a pause it is the same port again.
        push.listen = address;
        let delivery: Box<dyn InboundDelivery> = Box::new(delivery);
        let shift = Shift::new(
            self,
            Arc::clone(handler),
            delivery,
            options.agent_loop.clone(),
        );
        server::answers(address, Arc::clone(self.clock())).await?;
        let refused = match self.register_now().await {
            Ok(registration) if fallback && is_polled(&registration) => None,
            Ok(mut registration) => {
                if is_polled(&registration) {
                    tracing::warn!(
                        "the platform keeps messages in its log, and does not call the agent"
                    );
                }
                registration.listening = Some(address);
                return Ok(Some(Joined {
                    registration,
                    shift,
                }));
            }
            Err(AgentError::UrlRefused { url, source }) if fallback => Some((url, source)),
            Err(error) => return Err(error),
        };
        self.join_polled_instead(handler, options, refused).await
    }

    /// Where neither is possible, it is the address that somebody can do something about.
    async fn join_polled_instead(
        &self,
        handler: &Arc<dyn Handler>,
        options: &mut Connect,
        refused: Option<(String, ApiError)>,
    ) -> Result<Option<Joined>, AgentError> {
        let before = self.delivery();
        self.poll_from_now_on(options);
        match (self.join_polled(handler, options).await, refused) {
            (Err(AgentError::PollModeUnsupported { .. }), Some((url, source))) => {
                self.deliver_by(before);
                Err(AgentError::NoWayIn { url, source })
            }
            (joined, refused) => {
                let joined = joined?;
                let url = refused.map(|(url, _)| url).unwrap_or_default();
                tracing::warn!(
                    url,
                    "the platform does not call the agent there; it is polled instead"
                );
                Ok(Some(joined))
            }
        }
    }

    /// Whether the run ended so that it goes on by polling, which it does from now on.
    pub(crate) fn falls_back<T>(
        &self,
        ended: &Result<T, AgentError>,
        options: &mut Connect,
    ) -> bool {
        match ended {
            Err(error @ AgentError::NotReached { .. }) => {
                tracing::warn!(error = describe(error), "polling from now on");
                self.poll_from_now_on(options);
                true
            }
            _ => false,
        }
    }

    fn poll_from_now_on(&self, options: &mut Connect) {
        self.deliver_by(Delivery::Poll);
        options.push = None;
    }
}

/// Whether the platform puts messages into the log, whatever it was asked.
fn is_polled(registration: &Registration) -> bool {
    registration.delivery_mode == Some(DeliveryMode::Poll)
}
