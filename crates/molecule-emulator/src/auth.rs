//! The guards of the route classes.

use crate::config::Mode;
use crate::reply::{Reply, internal, unauthorized};
use crate::request::{Bearer, parse_id};
use crate::tx::Tx;

const MISSING: &str = "missing workspace auth token";
const INVALID: &str = "invalid workspace auth token";

impl Tx<'_> {
    /// Development without an administrator's token: who says nothing passes, who lies does not.
    pub(crate) fn is_fail_open(&self) -> bool {
        self.config.mode == Mode::Development && self.config.admin_token.is_none()
    }

    /// Whether the token is the administrator's or the organisation's.
    fn is_administrative(&self, token: &str) -> bool {
        self.config.admin_token.as_deref() == Some(token)
            || self.state.org_tokens.iter().any(|row| row.matches(token))
    }

    /// Whether the token belongs to this workspace. Where ids are compared as text only lower case matches. The
    /// tokens of a removed workspace are worth nothing.
    pub(crate) fn is_own(&mut self, token: &str, id: &str) -> bool {
        let now = self.now;
        let Some(owner) = self
            .state
            .tokens
            .use_token(token, now)
            .map(|row| row.workspace)
        else {
            return false;
        };
        let is_owner = if self.config.quirks().case_sensitive_ids {
            owner.to_string() == id
        } else {
            parse_id(id) == Some(owner)
        };
        is_owner && self.state.get(owner).is_none_or(|row| !row.is_removed())
    }

    /// `register`, `heartbeat`, `update-card`: the own token, once the workspace has one.
    pub(crate) fn require_own_if_any(&mut self, id: &str, bearer: &Bearer) -> Result<(), Reply> {
        self.own_if_any(id, bearer, MISSING, INVALID)
    }

    /// The same for the caller of the message proxy, which words it differently.
    pub(crate) fn require_caller(&mut self, id: &str, bearer: &Bearer) -> Result<(), Reply> {
        self.own_if_any(
            id,
            bearer,
            "missing caller auth token",
            "invalid caller auth token",
        )
    }

    fn own_if_any(
        &mut self,
        id: &str,
        bearer: &Bearer,
        missing: &str,
        invalid: &str,
    ) -> Result<(), Reply> {
        if !parse_id(id).is_some_and(|id| self.state.tokens.any_live(id)) {
            return Ok(());
        }
        let token = bearer.token().ok_or_else(|| unauthorized(missing))?;
        if self.is_own(token, id) {
            Ok(())
        } else {
            Err(unauthorized(invalid))
        }
    }

    /// `/workspaces/:id/*`: the own token or an administrative one.
    pub(crate) fn require_workspace(&mut self, id: &str, bearer: &Bearer) -> Result<(), Reply> {
        let Some(token) = bearer.token() else {
            return if self.is_fail_open() {
                Ok(())
            } else {
                Err(unauthorized(MISSING))
            };
        };
        if self.is_administrative(token) || self.is_own(token, id) {
            return Ok(());
        }
        Err(unauthorized(INVALID))
    }

    /// `state` and `secrets/values`: behind the guard above, the own token again, once the workspace has one.
    pub(crate) fn require_own(&mut self, id: &str, bearer: &Bearer) -> Result<(), Reply> {
        self.require_workspace(id, bearer)?;
        if parse_id(id).is_none() {
            return Err(internal("auth check failed"));
        }
        self.require_own_if_any(id, bearer)
    }

    /// `peers` and `discover`: the own token of the one who asks; development lets silence pass.
    pub(crate) fn require_asker(&mut self, id: &str, bearer: &Bearer) -> Result<(), Reply> {
        if bearer.token().is_none() && self.is_fail_open() {
            return Ok(());
        }
        self.require_own_if_any(id, bearer)
    }

    /// The administrator's routes.
    pub(crate) fn require_admin(&mut self, bearer: &Bearer) -> Result<(), Reply> {
        let open = self.is_fail_open() || self.nobody_can_be_admin();
        let Some(token) = bearer.token() else {
            return if open {
                Ok(())
            } else {
                Err(unauthorized("admin auth required"))
            };
        };
        if self.is_administrative(token) || self.counts_as_admin(token) {
            return Ok(());
        }
        Err(unauthorized("invalid admin auth token"))
    }

    /// Without an administrator's token and before the first workspace token, anyone may set the platform up.
    fn nobody_can_be_admin(&self) -> bool {
        self.config.admin_token.is_none()
            && self.state.tokens.none_at_all()
            && self.state.org_tokens.is_empty()
    }

    /// Without an administrator's token, any live workspace token is one, except in development.
    fn counts_as_admin(&mut self, token: &str) -> bool {
        let now = self.now;
        self.config.admin_token.is_none()
            && self.config.mode != Mode::Development
            && self.state.tokens.use_token(token, now).is_some()
    }
}
