//! The platform itself: state, rules and time behind one cheap handle.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::signed;
use crate::config::{EmulatorConfig, Mode};
use crate::error::EmulatorError;
use crate::events::{Bus, Listener};
use crate::faults::Faults;
use crate::layers::RateLimiter;
use crate::persistence::StateFile;
use crate::plugins::{self, DownloadFault};
use crate::state::State;
use crate::tx::Tx;
use crate::{layers, routes, token};

/// A handle on the state of a local platform. Clones share the state, and it survives the server that serves it.
#[derive(Clone)]
pub struct Platform {
    shared: Arc<Shared>,
}

struct Shared {
    config: EmulatorConfig,
    state: Mutex<State>,
    bus: Bus,
    limiter: RateLimiter,
    per_minute: AtomicU32,
    download_fault: Mutex<Option<DownloadFault>>,
    faults: Faults,
    next_sweep: Mutex<Option<Timestamp>>,
    file: Option<StateFile>,
    changed: Notify,
}

impl Platform {
    /// A platform that serves nobody yet. It loads the state file, if there is one.
    ///
    /// # Errors
    ///
    /// The state file is unreadable, damaged, or of a newer schema; the directory of plugins is not there.
    pub fn new(mut config: EmulatorConfig) -> Result<Self, EmulatorError> {
        if config.admin_token.is_none() && config.mode == Mode::Default {
            config.admin_token = Some(token::mint());
        }
        plugins::check_dir(config.plugins_dir.as_deref())?;
        let file = config.state_file.clone().map(StateFile::new);
        let state = file
            .as_ref()
            .map_or_else(|| Ok(State::default()), StateFile::load)?;
        let shared = Shared {
            state: Mutex::new(state),
            bus: Bus::default(),
            limiter: RateLimiter::default(),
            per_minute: AtomicU32::new(config.rate_limit),
            download_fault: Mutex::new(None),
            faults: Faults::default(),
            next_sweep: Mutex::new(None),
            file,
            changed: Notify::new(),
            config,
        };
        let platform = Self {
            shared: Arc::new(shared),
        };
        platform.resume_sweeps();
        Ok(platform)
    }

    /// The HTTP interface, to drive the platform without a socket.
    pub fn router(&self) -> Router {
        layers::wrap(routes::router(), self).with_state(self.clone())
    }

    pub(crate) fn config(&self) -> &EmulatorConfig {
        &self.shared.config
    }

    pub(crate) fn limiter(&self) -> &RateLimiter {
        &self.shared.limiter
    }

    /// Changes the requests per minute and client address from now on.
    pub fn set_rate_limit(&self, per_minute: u32) {
        self.shared.per_minute.store(per_minute, Ordering::Relaxed);
    }

    pub(crate) fn rate_limit(&self) -> u32 {
        self.shared.per_minute.load(Ordering::Relaxed)
    }

    /// Damages every plugin archive that is downloaded from now on; `None` ends that.
    pub fn set_download_fault(&self, fault: impl Into<Option<DownloadFault>>) {
        *self.lock_fault() = fault.into();
    }

    pub(crate) fn download_fault(&self) -> Option<DownloadFault> {
        *self.lock_fault()
    }

    pub(crate) fn fault_table(&self) -> &Faults {
        &self.shared.faults
    }

    fn lock_fault(&self) -> MutexGuard<'_, Option<DownloadFault>> {
        self.shared
            .download_fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The time as the platform writes it: microseconds.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.config().clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Everything that happens from now on.
    pub(crate) fn listen(&self) -> Listener {
        self.shared.bus.listen()
    }

    /// Looks at the state. What it changes on the way (`last_used_at`) need not be saved.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&mut Tx<'_>) -> R) -> R {
        let now = self.now();
        let mut state = self.lock();
        let mut tx = Tx {
            state: &mut state,
            config: self.config(),
            bus: &self.shared.bus,
            now,
        };
        if let Some(at) = self.due_sweep(now) {
            tx.sweep(at);
        }
        look(&mut tx)
    }

    /// Changes the state.
    pub(crate) fn write<R>(&self, change: impl FnOnce(&mut Tx<'_>) -> R) -> R {
        let result = self.read(change);
        self.shared.changed.notify_one();
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the sweeps over, one period from now.
    pub(crate) fn resume_sweeps(&self) {
        self.set_next_sweep(self.now().checked_add(self.sweep_period()).ok());
    }

    /// No sweeps while nobody serves: a platform that is down does not notice that agents are silent.
    pub(crate) fn suspend_sweeps(&self) {
        self.set_next_sweep(None);
    }

    fn set_next_sweep(&self, at: Option<Timestamp>) {
        *self
            .shared
            .next_sweep
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn sweep_period(&self) -> jiff::SignedDuration {
        signed(
            self.config()
                .liveness
                .sweep_every
                .max(std::time::Duration::from_millis(1)),
        )
    }

    /// The last sweep that should have run by now and did not. Sweeps between two looks at the state find the same
    /// as the last of them, so catching up with that one is enough.
    fn due_sweep(&self, now: Timestamp) -> Option<Timestamp> {
        let mut next = self
            .shared
            .next_sweep
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let first = next.filter(|first| *first <= now)?;
        let period = self.sweep_period();
        let missed = now.duration_since(first).as_nanos() / period.as_nanos();
        let behind = i32::try_from(missed)
            .ok()
            .and_then(|n| period.checked_mul(n))?;
        let last = first.checked_add(behind).ok()?;
        *next = last.checked_add(period).ok();
        Some(last)
    }

    /// Saves the state to its file now, if it has one.
    pub(crate) async fn save(&self) -> Result<(), EmulatorError> {
        let Some(file) = self.shared.file.clone() else {
            return Ok(());
        };
        file.write(|| StateFile::encode(&self.lock())).await
    }

    /// Saves after every change, for as long as it is polled. Changes that come while a save runs share the next one.
    pub(crate) async fn keep_saving(self) {
        loop {
            self.shared.changed.notified().await;
            if let Err(error) = self.save().await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the state is not saved"
                );
            }
        }
    }

    /// Runs the sweeps on time even when nobody asks, so that the log and the state file are right.
    pub(crate) async fn keep_sweeping(self) {
        loop {
            self.config()
                .clock
                .sleep(self.config().liveness.sweep_every)
                .await;
            self.write(|_| ());
        }
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}
