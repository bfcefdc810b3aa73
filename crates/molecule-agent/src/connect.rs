//! From a workspace id to a running agent.

use std::fmt;
use std::sync::Arc;

use molecule_protocol::WorkspaceStatus;
use molecule_protocol::endpoints::Lookup;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "push")]
use crate::PushOptions;
use crate::agent_loop::Shift;
use crate::life::{describe, pause};
use crate::vitals::{Phase, Work};
use crate::{
    AgentError, AgentLoop, Handler, InboundDelivery, PollOptions, RegisterOptions, Registration,
    RemoteAgentClient, StopReason,
};

pub(crate) type OnRegistered = Arc<dyn Fn(&Registration) + Send + Sync>;

/// Options of [`RemoteAgentClient::connect`].
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Connect {
    /// What registering may do besides joining.
    pub register: RegisterOptions,
    /// Wait while the workspace is paused, instead of ending.
    pub stay: bool,
    /// How the agent runs.
    pub agent_loop: AgentLoop,
    /// How it polls for messages.
    pub poll: PollOptions,
    /// How it is called, if messages are pushed to it. Default: it polls.
    #[cfg(feature = "push")]
    pub push: Option<PushOptions>,
    pub(crate) on_registered: Option<OnRegistered>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Connect");
        f.field("register", &self.register)
            .field("stay", &self.stay)
            .field("agent_loop", &self.agent_loop)
            .field("poll", &self.poll);
        #[cfg(feature = "push")]
        f.field("push", &self.push);
        f.finish_non_exhaustive()
    }
}

impl Connect {
    /// The defaults: a paused workspace ends the agent, an unknown one is an error.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what registering may do besides joining.
    #[must_use]
    pub const fn with_register(mut self, register: RegisterOptions) -> Self {
        self.register = register;
        self
    }

    /// Says whether to wait while the workspace is paused.
    #[must_use]
    pub const fn with_stay(mut self, stay: bool) -> Self {
        self.stay = stay;
        self
    }

    /// Sets how the agent runs.
    #[must_use]
    pub fn with_agent_loop(mut self, agent_loop: AgentLoop) -> Self {
        self.agent_loop = agent_loop;
        self
    }

    /// Sets how it polls for messages.
    #[must_use]
    pub fn with_poll(mut self, poll: PollOptions) -> Self {
        self.poll = poll;
        self
    }

    /// Lets messages be pushed to the agent, which listens for them itself.
    #[cfg(feature = "push")]
    #[must_use]
    pub fn with_push(mut self, push: PushOptions) -> Self {
        self.push = Some(push);
        self
    }

    const fn is_pushed(&self) -> bool {
        #[cfg(feature = "push")]
        return self.push.is_some();
        #[cfg(not(feature = "push"))]
        false
    }

    /// Called each time the agent has joined: at first, and after a pause that it waited out.
    #[must_use]
    pub fn with_on_registered(
        mut self,
        on_registered: impl Fn(&Registration) + Send + Sync + 'static,
    ) -> Self {
        self.on_registered = Some(Arc::new(on_registered));
        self
    }
}

/// An agent that has joined, and is to begin.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) registration: Registration,
    pub(crate) shift: Shift<Box<dyn InboundDelivery>>,
}

impl RemoteAgentClient {
    /// Joins the platform, polls for messages or has them pushed, and runs the agent. A paused workspace is not joined: that would
    /// un-pause it. An agent that is called answers at its port before its address is reported.
    ///
    /// # Errors
    /// As for [`register`](Self::register), [`run_agent_loop`](Self::run_agent_loop) and, with `push`, `PushDelivery::bind`;
    /// [`AgentError::NoWayIn`] where there should be a fallback and is none.
    pub async fn connect(
        &self,
        handler: impl Handler,
        options: Connect,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        if !options.is_pushed() {
            self.require_polling()?;
        }
        let run = self.vitals().begin();
        let ended = self
            .stay_connected(Arc::new(handler), options, cancel)
            .await;
        run.ended(&ended);
        ended
    }

    async fn stay_connected(
        &self,
        handler: Arc<dyn Handler>,
        mut options: Connect,
        cancel: &CancellationToken,
    ) -> Result<StopReason, AgentError> {
        self.check_journal(&options.agent_loop).await?;
        let (mut register, mut has_run) = (options.register, false);
        loop {
            // Only the look may be cut short: a registration may bring a token, which is shown once.
            let registrable = tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(StopReason::Cancelled),
                registrable = self.check_registrable(register) => registrable,
            };
            let registered = match registrable {
                Ok(()) => self.join(&handler, &mut options).await,
                Err(error) => Err(error),
            };
            let reason = match registered {
                Ok(Joined {
                    registration,
                    shift,
                }) => {
                    tracing::info!(workspace = %self.workspace_id(), ?registration.delivery_mode, "online");
                    if let Some(on_registered) = &options.on_registered {
                        on_registered(&registration);
                    }
                    let ended = self.live(shift, cancel).await;
                    #[cfg(feature = "push")]
                    if self.falls_back(&ended, &mut options) {
                        has_run = true;
                        register = RegisterOptions::new();
                        self.vitals().phase(Phase::Running);
                        continue;
                    }
                    ended?
                }
                Err(AgentError::Paused(_)) => StopReason::Paused,
                Err(error) if has_run && error.may_pass() => {
                    self.vitals().failed(Work::State, &error);
                    tracing::warn!(error = describe(&error), "coming back failed; trying again");
                    tokio::select! {
                        biased;
                        () = cancel.cancelled() => return Ok(StopReason::Cancelled),
                        () = pause(self.clock().as_ref(), self.settings().state_poll_interval) => continue,
                    }
                }
                Err(error) => return Err(error),
            };
            has_run = true;
            // Once it runs, nothing but its user may resume it.
            register = RegisterOptions::new();
            if reason != StopReason::Paused || !options.stay {
                return Ok(reason);
            }
            tracing::info!(workspace = %self.workspace_id(), "paused; waiting to be resumed");
            self.vitals().phase(Phase::Paused);
            if let Some(reason) = self.wait_while_paused(cancel).await {
                return Ok(reason);
            }
            self.vitals().phase(Phase::Running);
        }
    }

    /// Registers, with what brings messages ready before.
    async fn join(
        &self,
        handler: &Arc<dyn Handler>,
        options: &mut Connect,
    ) -> Result<Joined, AgentError> {
        #[cfg(feature = "push")]
        if let Some(joined) = self.join_pushed(handler, options).await? {
            return Ok(joined);
        }
        self.join_polled(handler, options).await
    }

    pub(crate) async fn join_polled(
        &self,
        handler: &Arc<dyn Handler>,
        options: &Connect,
    ) -> Result<Joined, AgentError> {
        let registration = self.register_now().await?;
        let delivery: Box<dyn InboundDelivery> = Box::new(self.poll_delivery(options.poll.clone()));
        let agent_loop = options.agent_loop.clone();
        let shift = Shift::new(self, Arc::clone(handler), delivery, agent_loop);
        Ok(Joined {
            registration,
            shift,
        })
    }

    /// An agent that can take no messages does not say that it is there. A disk that is full is waited out later.
    async fn check_journal(&self, agent_loop: &AgentLoop) -> Result<(), AgentError> {
        let journal = agent_loop.journal.clone();
        let journal = journal.unwrap_or_else(|| self.journal());
        match journal.with_files(self.files()).check().await {
            Err(AgentError::Journal { .. }) => Ok(()),
            checked => checked,
        }
    }

    /// Ends without a reason when the workspace is no longer paused.
    async fn wait_while_paused(&self, cancel: &CancellationToken) -> Option<StopReason> {
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Some(StopReason::Cancelled),
                () = pause(self.clock().as_ref(), self.settings().state_poll_interval) => {}
            }
            match self.look().await {
                Ok(Lookup::Found(info)) if info.status == WorkspaceStatus::Paused => {
                    self.vitals().succeeded(Work::State);
                }
                Ok(Lookup::Found(_)) => return None,
                Ok(_) => return Some(StopReason::Removed),
                Err(error) => {
                    self.vitals().failed(Work::State, &error);
                    tracing::warn!(error = describe(&error), "asking for the state failed");
                }
            }
        }
    }
}
