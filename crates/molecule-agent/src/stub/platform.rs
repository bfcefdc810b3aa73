//! The calls to the platform: joining it, and staying alive.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use molecule_protocol::endpoints::{Delivery, Heartbeat, Register};
use molecule_protocol::parse_json;
use molecule_protocol::{AgentCard, Endpoint, PlatformUrl, WorkspaceId};
use molecule_token_store::Token;
use molecule_transport::{
    Authorize, Bytes, CallOptions, Deadline, Limits, Origin, Timeouts, Transport, TransportError,
};
use serde_json::{Value, json};

use super::config::StubConfig;
use super::log::{Log, with_causes};
use super::redact::excerpt;
use super::token::{CurrentToken, Tokens, VolumeToken};

/// How long a call may take, in each of its steps and as a whole.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How much of an answer to a registration is logged, in characters.
const REGISTER_EXCERPT: usize = 200;

/// How much of an answer to a heartbeat is logged, in characters.
const HEARTBEAT_EXCERPT: usize = 160;

/// What a heartbeat showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// The token was refused: it was rotated, or the platform lost it.
    Unauthorized,
    /// Anything else; what is wrong is in the log.
    Done,
}

/// The platform as the stub sees it.
pub(super) struct Platform {
    id: WorkspaceId,
    url: PlatformUrl,
    registration: Register,
    tokens: Arc<Tokens>,
    registering: Box<dyn Transport>,
    beating: Box<dyn Transport>,
    log: Log,
}

struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Platform {
    pub(super) fn new(config: &StubConfig, transport: &Arc<dyn Transport>, log: Log) -> Self {
        let tokens = Tokens::new(config.config_dir.join(".auth_token"), log.clone());
        let tokens = Arc::new(tokens);
        let origin = origin(&config.platform_url);
        let authorized = |source| -> Box<dyn Transport> {
            let calls = Authorize::new(transport.clone(), origin.clone(), source);
            Box::new(Deadline::new(
                calls.with_insecure_http(true),
                config.clock.clone(),
            ))
        };
        Self {
            id: config.workspace_id,
            url: config.platform_url.clone(),
            registration: registration(config),
            registering: authorized(Arc::new(VolumeToken(tokens.clone()))),
            beating: authorized(Arc::new(CurrentToken(tokens.clone()))),
            tokens,
            log,
        }
    }

    /// Registers once and says whether the platform took it.
    pub(super) async fn register(&self, attempt: u32) -> bool {
        let failure = match self.post(&*self.registering, &self.registration).await {
            Ok(reply) if reply.status.is_success() => {
                self.registered(&reply);
                if reply.status == StatusCode::OK {
                    return true;
                }
                format!("HTTP {}, retrying", reply.status.as_u16())
            }
            Ok(reply) => format!("HTTPError {}", self.shown(&reply, REGISTER_EXCERPT)),
            Err(error) => with_causes(&error),
        };
        self.log
            .line(format_args!("register attempt {attempt}: {failure}"));
        false
    }

    /// Keeps the token, if there is one, before the answer is logged without it.
    fn registered(&self, reply: &Reply) {
        let token = issued_token(&reply.body);
        let captured = token.map(|token| self.tokens.capture(token)).is_some();
        let shown = self.shown(reply, REGISTER_EXCERPT);
        self.log.line(format_args!("register -> {shown}"));
        if captured {
            self.log.line("captured auth_token from register response");
        }
    }

    /// Sends one heartbeat.
    pub(super) async fn beat(&self, uptime: Duration) -> Beat {
        let heartbeat = Heartbeat::new(self.id).with_uptime(uptime.as_secs());
        match self.post(&*self.beating, &heartbeat).await {
            Ok(reply) => self.beaten(&reply),
            Err(error) => {
                self.log
                    .line(format_args!("heartbeat error: {}", with_causes(&error)));
                Beat::Done
            }
        }
    }

    fn beaten(&self, reply: &Reply) -> Beat {
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => {
                self.log.line("heartbeat 401 (HTTPError) — re-registering");
                return Beat::Unauthorized;
            }
            status if status.is_success() => {
                let shown = self.shown(reply, HEARTBEAT_EXCERPT);
                self.log.line(format_args!("heartbeat -> {shown}"));
            }
            status => {
                let status = status.as_u16();
                self.log.line(format_args!("heartbeat HTTPError {status}"));
            }
        }
        Beat::Done
    }

    async fn post(
        &self,
        transport: &dyn Transport,
        endpoint: &impl Endpoint,
    ) -> Result<Reply, TransportError> {
        let request = endpoint.call().to_request(&self.url).map(Bytes::from);
        let response = transport.send(options().attach(request)).await?;
        let status = response.status();
        let body = match response.into_body().collect().await {
            // The status of a refusal says enough, whatever became of its body.
            Err(_) if !status.is_success() => Bytes::new(),
            body => body?,
        };
        Ok(Reply { status, body })
    }

    /// Status and beginning of an answer.
    fn shown(&self, reply: &Reply, limit: usize) -> String {
        let excerpt = excerpt(&reply.body, limit, &self.tokens.known());
        format!("{} {excerpt}", reply.status.as_u16())
    }
}

fn options() -> CallOptions {
    CallOptions::new()
        .with_authorize(true)
        .with_timeouts(Timeouts::both(TIMEOUT))
        .with_deadline(TIMEOUT)
        // However odd a body is, the status counts.
        .with_limits(Limits::DEFAULT.with_json_depth(usize::MAX))
}

fn origin(url: &PlatformUrl) -> Origin {
    url.origin()
        .parse()
        .expect("a checked platform URL has an http or https origin")
}

fn registration(config: &StubConfig) -> Register {
    let card = json!({
        "name": config.workspace_id.to_string(),
        "description": "stub runtime (e2e lifecycle)",
        "skills": [],
    });
    let card = AgentCard::try_from(card).expect("the literal above is an object");
    let delivery = Delivery::Push {
        url: config.register_url.clone(),
    };
    Register::new(config.workspace_id, delivery, card)
}

/// The token in an answer to a registration. What is no JSON object, or holds no usable token,
/// counts as an answer without one.
fn issued_token(body: &[u8]) -> Option<Token> {
    let answer: Value = parse_json(body).ok()?;
    Token::new(answer.get("auth_token")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: Option<&str>) {
        let token = issued_token(body.as_bytes());
        assert_eq!(token.as_ref().map(Token::expose), expect, "{body:?}");
    }

    #[test]
    fn a_token_is_taken_from_any_object_that_has_one() {
        check(r#"{"auth_token":"abc","status":"registered"}"#, Some("abc"));
        check(
            r#"{"auth_token":"abc","delivery_mode":["odd"]}"#,
            Some("abc"),
        );
        check(r#"{"status":"registered"}"#, None);
    }

    #[test]
    fn a_bad_answer_counts_as_an_empty_object() {
        for body in ["", "<html>", "[]", "\"auth_token\"", "null", "\u{0}"] {
            check(body, None);
        }
        check(r#"{"auth_token":""}"#, None);
        check(r#"{"auth_token":7}"#, None);
        check(r#"{"auth_token":"two words"}"#, None);
    }
}
