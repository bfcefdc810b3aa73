//! The client: one method for each thing that an agent says to its platform.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_protocol::endpoints::{
    Attachment, Delivery, GetWorkspace, Heartbeat, ListSecrets, Lookup, Notify, PollState,
    PullSecrets, SecretInfo, UpdateCard, WorkspaceState,
};
use molecule_protocol::{AgentCard, ApiError, Endpoint, PlatformUrl, Secret, WorkspaceId};
use molecule_token_store::Token;
#[cfg(feature = "plugins")]
use molecule_transport::Body;
use molecule_transport::{CallOptions, Clock};
use tokio::sync::watch;

use crate::caller::Caller;
use crate::files::Files;
use crate::foreign::Foreign;
use crate::peers::Peers;
use crate::vitals::Vitals;
use crate::wake::Wakes;
use crate::{AgentError, AgentStatus, ClientBuilder, Journal};

/// A remote agent's connection to its platform. Cloning it is cheap; clones share everything.
#[derive(Debug, Clone)]
pub struct RemoteAgentClient {
    settings: Arc<Settings>,
}

/// What a client was built with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) agent_card: Mutex<AgentCard>,
    pub(crate) a2a_timeout: Duration,
    /// How messages come, which may change while the agent runs.
    pub(crate) delivery: Mutex<Delivery>,
    pub(crate) state_dir: PathBuf,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) state_poll_interval: Duration,
    pub(crate) poll_interval: Duration,
    pub(crate) started: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether the platform is known to have cursors.
    pub(crate) has_cursors: Arc<AtomicBool>,
    pub(crate) caller: Caller,
    pub(crate) peers: Peers,
    pub(crate) foreign: Foreign,
    pub(crate) files: Files,
    pub(crate) journal: Journal,
    pub(crate) vitals: Vitals,
    pub(crate) wakes: Wakes,
}

impl RemoteAgentClient {
    /// A client with default options.
    ///
    /// # Errors
    /// When there is no home directory to keep the token in.
    pub fn new_default(
        workspace_id: WorkspaceId,
        platform: PlatformUrl,
    ) -> Result<Self, AgentError> {
        Self::builder(workspace_id, platform).build()
    }

    /// A client with options.
    pub fn builder(workspace_id: WorkspaceId, platform: PlatformUrl) -> ClientBuilder {
        ClientBuilder::new(workspace_id, platform)
    }

    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.settings.clock
    }

    pub(crate) fn files(&self) -> Files {
        self.settings.files
    }

    pub(crate) fn vitals(&self) -> &Vitals {
        &self.settings.vitals
    }

    pub(crate) fn wakes(&self) -> &Wakes {
        &self.settings.wakes
    }

    /// How the agent is, now and whenever that changes. Only the loops of this client and of its clones report to it.
    ///
    /// ```no_run
    /// # async fn f(client: molecule_agent::RemoteAgentClient) {
    /// let mut status = client.watch_status();
    /// while status.changed().await.is_ok() {
    ///     println!("{}", status.borrow_and_update().state);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<AgentStatus> {
        self.vitals().watch()
    }

    /// The journal that the agent loop uses unless it is given another: with the feature `journal` the file `journal.redb` in the
    /// agent's directory, else one in memory.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.settings.journal.clone()
    }

    /// Ends the waits of the loops that run: a heartbeat goes out, and messages and state are asked for, at once. It is for those who know that
    /// time has passed unnoticed; that the machine was suspended, or the process stopped, the loops notice by themselves.
    pub fn wake(&self) {
        self.wakes().all();
    }

    /// The workspace that this agent is.
    #[must_use]
    pub fn workspace_id(&self) -> WorkspaceId {
        self.settings.workspace_id
    }

    /// The platform's address.
    #[must_use]
    pub fn platform_url(&self) -> &PlatformUrl {
        self.settings.caller.platform()
    }

    /// The agent's directory, with the token and the cursor.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.settings.state_dir
    }

    /// The token that the next call will carry.
    ///
    /// # Errors
    /// When the token file cannot be used.
    pub async fn load_token(&self) -> Result<Option<Token>, AgentError> {
        Ok(self.settings.caller.tokens().current().await?)
    }

    /// Keeps a token in the agent's directory. This client uses it from now on, also if it was given another.
    ///
    /// # Errors
    /// When the token file cannot be written.
    pub async fn save_token(&self, token: Token) -> Result<(), AgentError> {
        Ok(self.settings.caller.tokens().save(token).await?)
    }

    /// How messages come, as far as the agent has its way.
    pub(crate) fn delivery(&self) -> Delivery {
        self.lock_delivery().clone()
    }

    /// How messages come from the next registration on.
    #[cfg(feature = "push")]
    pub(crate) fn deliver_by(&self, delivery: Delivery) {
        *self.lock_delivery() = delivery;
    }

    fn lock_delivery(&self) -> MutexGuard<'_, Delivery> {
        let delivery = self.settings.delivery.lock();
        delivery.unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the workspace without claiming it; needs no token.
    ///
    /// # Errors
    /// When the platform gives no usable answer.
    pub async fn look(&self) -> Result<Lookup, AgentError> {
        self.call(&GetWorkspace::new(self.workspace_id())).await
    }

    /// Replaces what the platform knows about the agent, now and when the agent registers again.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn update_card(&self, card: AgentCard) -> Result<(), AgentError> {
        self.authorized(&UpdateCard::new(self.workspace_id(), card.clone()))
            .await?;
        *self
            .settings
            .agent_card
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = card;
        Ok(())
    }

    /// What the agent says about itself when it registers.
    #[must_use]
    pub fn agent_card(&self) -> AgentCard {
        self.settings
            .agent_card
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The secrets that the platform's user entrusts to this agent.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn pull_secrets(&self) -> Result<BTreeMap<String, Secret>, AgentError> {
        self.authorized(&PullSecrets::new(self.workspace_id()))
            .await
    }

    /// Which secrets there are, without their values.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn list_secrets(&self) -> Result<Vec<SecretInfo>, AgentError> {
        self.authorized(&ListSecrets::new(self.workspace_id()))
            .await
    }

    /// Whether to go on. A deleted workspace is a state, not an error, although its token is refused.
    ///
    /// # Errors
    /// When the platform does not accept the token of a workspace that exists, or gives no usable answer.
    pub async fn poll_state(&self) -> Result<WorkspaceState, AgentError> {
        match self.authorized(&PollState::new(self.workspace_id())).await {
            Err(AgentError::Deleted(id)) => Ok(WorkspaceState::removed(id)),
            result => result,
        }
    }

    /// Says once that the agent lives.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn heartbeat(&self, beat: Heartbeat) -> Result<(), AgentError> {
        self.authorized(&beat).await
    }

    /// A beat of this agent with its uptime, to be completed with what it does.
    #[must_use]
    pub fn beat(&self) -> Heartbeat {
        let uptime = self.clock().now().saturating_sub(self.settings.started);
        Heartbeat::new(self.workspace_id()).with_uptime(uptime.as_secs())
    }

    /// Shows a text to the person at the canvas, with files that their reader can fetch. Sent twice, it shows twice.
    ///
    /// # Errors
    /// [`AgentError::Option`] when a file has no address or no name, and nothing was sent. When the platform refuses, or gives no usable answer.
    pub async fn notify(&self, text: &str, attachments: &[Attachment]) -> Result<(), AgentError> {
        attachments.iter().try_for_each(check_attachment)?;
        let notify = Notify::new(self.workspace_id(), text);
        self.authorized(
            &attachments
                .iter()
                .cloned()
                .fold(notify, Notify::with_attachment),
        )
        .await
    }

    pub(crate) async fn call<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
    ) -> Result<E::Output, AgentError> {
        self.settings.caller.call(endpoint).await
    }

    /// A call under the workspace's token, whose refusal is explained.
    pub(crate) async fn authorized<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
    ) -> Result<E::Output, AgentError> {
        let result = self.call(endpoint).await;
        self.explained(result).await
    }

    /// [`authorized`](Self::authorized) with timeouts and limits.
    pub(crate) async fn authorized_with<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
        options: &CallOptions,
    ) -> Result<E::Output, AgentError> {
        let result = self.settings.caller.call_with(endpoint, options).await;
        self.explained(result).await
    }

    /// [`authorized`](Self::authorized) without another try.
    pub(crate) async fn authorized_once<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
    ) -> Result<E::Output, AgentError> {
        let result = self.settings.caller.call_once(endpoint).await;
        self.explained(result).await
    }

    /// A call under the workspace's token whose answer streams.
    #[cfg(feature = "plugins")]
    pub(crate) async fn stream<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
        options: &CallOptions,
    ) -> Result<(E::Output, Body), AgentError> {
        let result = self.settings.caller.stream(endpoint, options).await;
        self.explained(result).await
    }

    pub(crate) async fn explained<T>(
        &self,
        result: Result<T, AgentError>,
    ) -> Result<T, AgentError> {
        match result {
            Err(AgentError::Api(error @ ApiError::Unauthorized(_))) => {
                Err(self.explain_refusal(error).await?)
            }
            result => result,
        }
    }

    /// The platform answers a deleted workspace and a revoked token alike; only an open look tells them apart.
    async fn explain_refusal(&self, source: ApiError) -> Result<AgentError, AgentError> {
        let workspace_id = self.workspace_id();
        match self.look().await? {
            Lookup::Removed | Lookup::Unknown => Ok(AgentError::Deleted(workspace_id)),
            _ if self.load_token().await?.is_none() => Ok(AgentError::NoToken(workspace_id)),
            _ => Ok(AgentError::TokenRejected {
                workspace_id,
                origin: Box::new(self.settings.caller.tokens().origin()),
                source,
            }),
        }
    }
}

/// The platform takes none without an address and a name.
fn check_attachment(attachment: &Attachment) -> Result<(), AgentError> {
    let parts = [
        ("the uri of an attachment", &attachment.uri),
        ("the name of an attachment", &attachment.name),
    ];
    match parts.into_iter().find(|(_, text)| text.trim().is_empty()) {
        None => Ok(()),
        Some((option, text)) => Err(AgentError::Option {
            option,
            value: text.clone(),
            reason: "it has to be said",
        }),
    }
}
