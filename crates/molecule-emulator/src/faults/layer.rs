//! Where faults happen: between the network and everything that the platform does with a request.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::rule::Subject;
use super::{Fault, Plan, Severed, answer};
use crate::platform::Platform;
use crate::request::bearer;

/// The emulator's own routes are spared, so that a rule for everything can be removed again.
const OWN: &str = "/emulator/";

pub(crate) async fn inject(
    State(platform): State<Platform>,
    request: Request,
    next: Next,
) -> Response {
    if platform.fault_table().is_empty() || request.uri().path().starts_with(OWN) {
        return next.run(request).await;
    }
    let subject = Subject {
        method: request.method(),
        uri: request.uri(),
        owner: owner(&platform, &request),
    };
    let (plan, workspace) = (platform.fault_table().plan(&subject), subject.workspace());
    if !plan.latency.is_zero() {
        platform.config().clock.sleep(plan.latency).await;
    }
    suffer(plan, &platform, workspace, request, next).await
}

async fn suffer(
    plan: Plan,
    platform: &Platform,
    workspace: Option<Uuid>,
    request: Request,
    next: Next,
) -> Response {
    let Some(fault) = plan.fault else {
        return next.run(request).await;
    };
    tracing::debug!(?fault, path = request.uri().path(), "a fault happens");
    match fault {
        Fault::Answer {
            status,
            headers,
            body,
        } => answer::instead(status, &headers, body),
        Fault::DropBefore => Severed::Dropped.into_response(),
        Fault::PrunedCursor => crate::routes::gone().into_response(),
        fault => after(fault, platform, workspace, request, next).await,
    }
}

/// What happens around, or after, what the platform does.
async fn after(
    fault: Fault,
    platform: &Platform,
    workspace: Option<Uuid>,
    request: Request,
    next: Next,
) -> Response {
    if let (Fault::RotateToken { token }, Some(workspace)) = (&fault, workspace) {
        let token = token.as_ref().map(|token| token.expose().to_owned());
        platform.write(|tx| tx.state.tokens.rotate(workspace, token, tx.now));
    }
    let response = next.run(request).await;
    match fault {
        Fault::DropAfter => Severed::Dropped.into_response(),
        Fault::HalfClose => Severed::HalfClosed.into_response(),
        Fault::Truncate { bytes } => answer::truncate(response, bytes).await,
        Fault::Garbage { body } => answer::garbage(response, body),
        Fault::DuplicateRows => answer::rows(response, answer::twice).await,
        Fault::ReorderRows => answer::rows(response, answer::backwards).await,
        _ => response,
    }
}

/// The workspace whose token goes along.
fn owner(platform: &Platform, request: &Request) -> Option<Uuid> {
    let bearer = bearer(request.headers());
    let token = bearer.token()?;
    platform.read(|tx| tx.state.tokens.owner(token))
}
