//! Mistakes of the platform that a client has to survive, one switch each.

use crate::config::Generation;

/// Declares the switches: text, name, builder, and whether the server of generation A and of generation B has it.
macro_rules! quirks {
    ($($(#[doc = $text:literal])+ $name:ident, $with:ident: $a:literal, $b:literal;)+) => {
        /// Which mistakes of the platform it makes.
        ///
        /// What was seen on the server of generation A is on for that generation. For generation B it is on unless there is
        /// evidence that the later server is right, so that a client which survives the defaults survives both.
        ///
        /// ```
        /// use molecule_emulator::{EmulatorConfig, Generation, Quirks};
        ///
        /// let quirks = Quirks::of(Generation::A).with_search_panics(false);
        /// let config = EmulatorConfig::new().with_generation(Generation::A).with_quirks(quirks);
        /// assert!(config.quirks().removed_receives);
        /// assert_eq!(Quirks::none().with_search_panics(true).names(), ["search_panics"]);
        /// assert_eq!(Quirks::none().with("search_panics", true), Some(Quirks::none().with_search_panics(true)));
        /// assert_eq!(Quirks::none().with("no_such_mistake", true), None);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Quirks {
            $($(#[doc = $text])+ pub $name: bool,)+
        }

        impl Quirks {
            /// The mistakes of one generation.
            #[must_use]
            pub fn of(generation: Generation) -> Self {
                match generation {
                    Generation::A => Self { $($name: $a,)+ },
                    Generation::B => Self { $($name: $b,)+ },
                }
            }

            /// A platform without mistakes.
            #[must_use]
            pub fn none() -> Self {
                Self { $($name: false,)+ }
            }

            /// A platform that makes every mistake there is a switch for.
            #[must_use]
            pub fn all() -> Self {
                Self { $($name: true,)+ }
            }

            /// The names of the mistakes it makes.
            #[must_use]
            pub fn names(&self) -> Vec<&'static str> {
                [$((stringify!($name), self.$name),)+]
                    .into_iter()
                    .filter_map(|(name, on)| on.then_some(name))
                    .collect()
            }

            /// Switches the mistake of this name, if there is one.
            #[must_use]
            pub fn with(mut self, name: &str, on: bool) -> Option<Self> {
                match name {
                    $(stringify!($name) => self.$name = on,)+
                    _ => return None,
                }
                Some(self)
            }

            $(
                #[doc = concat!("Switches [`", stringify!($name), "`](Self::", stringify!($name), ").")]
                #[must_use]
                pub fn $with(mut self, on: bool) -> Self {
                    self.$name = on;
                    self
                }
            )+
        }
    };
}

quirks! {
    /// `awaiting_agent` and `hibernated` are answered and cannot be stored: a workspace created without
    /// `"runtime":"external"` is taken for a container, and hibernating changes nothing.
    silent_status_enum, with_silent_status_enum: true, false;
    /// Searching peers with `?q=` panics (500 without a body) when one of them has no role.
    search_panics, with_search_panics: true, false;
    /// A heartbeat of a removed workspace is answered as if it still existed; otherwise 401.
    removed_beats, with_removed_beats: true, false;
    /// Messages for a removed workspace still go to its agent; otherwise 410.
    removed_receives, with_removed_receives: true, false;
    /// `GET /workspaces/:id` shows a removed workspace with status 200; otherwise 410 unless it is asked for.
    removed_is_shown, with_removed_is_shown: true, false;
    /// Liveness sweeps do not run on a host without a provisioner.
    sweep_needs_provisioner, with_sweep_needs_provisioner: true, false;
    /// Registering the id of a removed workspace is answered with a new token, which is good for nothing; otherwise 410.
    dead_tokens, with_dead_tokens: true, true;
    /// A url that is refused is an `invalid request body`; otherwise the answer says what is wrong with it.
    hidden_reason, with_hidden_reason: true, true;
    /// `X-Timeout` does not limit a dispatch. All it does is remove the ceiling of 30 minutes.
    ignored_timeout, with_ignored_timeout: true, true;
    /// Who registers an id that nobody created becomes a `langgraph` container; otherwise an external workspace.
    containers_by_registration, with_containers_by_registration: true, true;
    /// An external workspace that is resumed or restarted ends as `failed`; otherwise it waits for its agent.
    failing_restart, with_failing_restart: true, true;
    /// Anyone may write to an agent as the canvas, without a token; otherwise only an administrator.
    open_canvas, with_open_canvas: true, true;
    /// A token is not accepted for its own workspace's id in capitals.
    case_sensitive_ids, with_case_sensitive_ids: true, true;
    /// A delegation that was queued and then answered keeps a second row that says `queued`.
    stale_delegations, with_stale_delegations: true, true;
    /// The result row of a failed delegation does not say which delegation it belongs to.
    unlabelled_failures, with_unlabelled_failures: true, true;
    /// A message for a polling agent is answered with 200 and `{"status":"queued"}`, which is no JSON-RPC answer; otherwise
    /// with 202 and a `queue_id`.
    plain_poll_answer, with_plain_poll_answer: false, false;
    /// Rows of received messages say the same a second time under `data`, in the words of a later client: `text`, `source`,
    /// `peer_id`, `peer_name` and the like. No server that does was seen.
    described_rows, with_described_rows: false, false;
}
