//! What the platform says to the agent: whether it lets it in, knows its workspace, accepts its token, and can be polled.

use std::time::Duration;

use molecule_agent::protocol::endpoints::{Lookup, WorkspaceInfo};
use molecule_agent::protocol::{ApiError, WorkspaceStatus};
use molecule_agent::{
    AgentError, ClientBuilder, CursorSupport, RemoteAgentClient, Token, WorkspaceId,
};
use uuid::Uuid;

use super::report::{Finding, Report};
use crate::agent::check_token_file;
use crate::args::{AgentArgs, IdentityArgs, PlatformArgs};
use crate::commands::token;

/// The longest that a call may take: an agent would be more patient.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes all checks about the workspace; of those, only whether there is a token needs no platform that `answers`.
///
/// # Errors
/// When stdout cannot be written to.
pub(super) async fn check(
    args: &AgentArgs,
    answers: bool,
    report: &mut Report<'_>,
) -> anyhow::Result<()> {
    let is_there = if answers {
        look(args, report).await?
    } else {
        let checks = ["origin", "organisation", "workspace"];
        report.skip(&checks, "the platform does not answer")?;
        false
    };
    let token = match held(&args.identity) {
        Ok(held) => report.add(held.finding)?.then_some(held.token),
        Err(error) => {
            report.add(Finding::error("token", &error))?;
            None
        }
    };
    let rest = ["acceptance", "generation"];
    match token {
        Some(token) if is_there => accept(args, token, report).await,
        Some(_) => report.skip(&rest, "there is no workspace to ask for"),
        None => report.skip(&rest, "there is no token"),
    }
}

/// Looks at the workspace, which needs no token, and returns whether it is there.
async fn look(args: &AgentArgs, report: &mut Report<'_>) -> anyhow::Result<bool> {
    let id = args.identity.place.id();
    let nobody = WorkspaceId::from(Uuid::nil());
    let looked = client(args, *id.as_ref().unwrap_or(&nobody), |builder| builder);
    let looked = match looked {
        Ok(client) => client.look().await.map_err(anyhow::Error::new),
        Err(error) => Err(error),
    };
    let lookup = match looked {
        Ok(lookup) => lookup,
        Err(error) => {
            for finding in kept_out(args, &error).await {
                report.add(finding)?;
            }
            return Ok(false);
        }
    };
    report.add(Finding::ok("origin", let_in_from(&args.platform)?))?;
    report.add(Finding::ok(
        "organisation",
        match &args.platform.org_id {
            Some(org_id) => format!("{org_id} is accepted"),
            None => "none is needed".to_owned(),
        },
    ))?;
    match id {
        Ok(id) => report.add(workspace(id, &lookup)),
        Err(error) => report.add(Finding::error("workspace", &error)),
    }
}

fn let_in_from(platform: &PlatformArgs) -> anyhow::Result<String> {
    if platform.no_origin_header {
        return Ok("requests without one are accepted".to_owned());
    }
    Ok(format!("{} is accepted", platform.url()?.origin()))
}

/// Why the platform refuses everybody. Of a 404 without a word there are two reasons, so the request is made once more the other way.
async fn kept_out(args: &AgentArgs, error: &anyhow::Error) -> [Finding; 3] {
    let unknown = |check| Finding::skipped(check, "the platform lets nobody in");
    let refused = matches!(
        error.downcast_ref(),
        Some(AgentError::Api(ApiError::OriginRefused(_)))
    );
    let silent = matches!(
        error.downcast_ref(),
        Some(AgentError::Api(ApiError::NoSuchRoute(_)))
    );
    let workspace = unknown("workspace");
    if (refused || silent) && is_let_in_otherwise(args).await {
        let advice = if args.platform.no_origin_header {
            "requests without one are refused; leave out --no-origin-header"
        } else {
            "it is refused, and requests without one are not: something before the platform rewrites Host; say --no-origin-header"
        };
        return [
            Finding::failed("origin", advice),
            unknown("organisation"),
            workspace,
        ];
    }
    if refused {
        return [
            Finding::error("origin", error),
            unknown("organisation"),
            workspace,
        ];
    }
    if silent {
        let advice = match &args.platform.org_id {
            None => "the platform answers 404 without a word, as one does that wants an organisation; give its id with --org-id".to_owned(),
            Some(org_id) => format!("the platform answers 404 without a word; check the organisation id {org_id:?}, and the path in the address"),
        };
        return [
            unknown("origin"),
            Finding::failed("organisation", advice),
            workspace,
        ];
    }
    [
        unknown("origin"),
        unknown("organisation"),
        Finding::error("workspace", error),
    ]
}

async fn is_let_in_otherwise(args: &AgentArgs) -> bool {
    let mut other = args.clone();
    other.platform.no_origin_header = !args.platform.no_origin_header;
    let nobody = WorkspaceId::from(Uuid::nil());
    match client(&other, nobody, |builder| builder) {
        Ok(client) => client.look().await.is_ok(),
        Err(_) => false,
    }
}

/// A client that is in no hurry, but does not wait for ever, and has no token unless it is given one.
fn client(
    args: &AgentArgs,
    id: WorkspaceId,
    configure: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> anyhow::Result<RemoteAgentClient> {
    let builder = RemoteAgentClient::builder(id, args.platform.url()?).deadline(PATIENCE);
    let builder = configure(args.platform.configure(builder));
    Ok(match &args.identity.place.state_dir {
        Some(dir) => builder.state_dir(dir),
        None => builder,
    }
    .build()?)
}

fn workspace(id: WorkspaceId, lookup: &Lookup) -> Finding {
    let error = match lookup {
        Lookup::Found(info) => return found(info),
        Lookup::Removed => AgentError::Deleted(id),
        _ => AgentError::UnknownWorkspace(id),
    };
    Finding::failed("workspace", error.to_string())
}

fn found(info: &WorkspaceInfo) -> Finding {
    let (name, status) = (&info.name, &info.status);
    let said = format!("{name:?} is {status}");
    let advice = match status {
        WorkspaceStatus::Online => return Finding::ok("workspace", said),
        WorkspaceStatus::Paused => "its user paused it; have it resumed, or say `connect --resume`",
        WorkspaceStatus::Degraded => {
            "its agent lives, but what it does fails; read the agent's log"
        }
        _ => "no agent is online for it; start one with `molecule-agent connect`",
    };
    Finding::warning("workspace", format!("{said}: {advice}"))
}

/// The token that calls would carry, and how it is kept.
struct Held {
    token: Token,
    finding: Finding,
}

fn held(identity: &IdentityArgs) -> anyhow::Result<Held> {
    let Some(path) = &identity.token_file else {
        let (token, source) = token::find(identity)?;
        let finding = Finding::ok("token", format!("{}... from {source}", token.prefix()));
        return Ok(Held { token, finding });
    };
    let mounted = check_token_file(path)?;
    let path = path.display();
    let said = format!("{}... from {path}", mounted.token.prefix());
    let finding = if mounted.world_readable {
        Finding::warning(
            "token",
            format!("{said}, which every user of this machine can read; run `chmod 600 {path}`"),
        )
    } else {
        Finding::ok("token", said)
    };
    let token = mounted.token;
    Ok(Held { token, finding })
}

async fn accept(args: &AgentArgs, token: Token, report: &mut Report<'_>) -> anyhow::Result<()> {
    let client = client(args, args.identity.place.id()?, |builder| {
        builder.token(token)
    })?;
    let finding = match client.poll_state().await {
        Ok(_) => Finding::ok("acceptance", "the platform accepts the token"),
        Err(AgentError::TokenRejected { .. }) => Finding::failed(
            "acceptance",
            "the platform does not accept the token: it was revoked or belongs to another workspace; put a valid one in its place, or \
             have an administrator issue one",
        ),
        Err(error) => Finding::error("acceptance", &error.into()),
    };
    if !report.add(finding)? {
        return report.skip(&["generation"], "the platform does not accept the token");
    }
    report.add(match client.cursor_support().await {
        Ok(CursorSupport::Yes) => Finding::ok("generation", "messages can be polled for"),
        Ok(_) => Finding::warning(
            "generation",
            "the platform has no poll mode; `connect` needs an address that the platform reaches (--reported-url)",
        ),
        Err(error) => Finding::error("generation", &error.into()),
    })
    .map(drop)
}
