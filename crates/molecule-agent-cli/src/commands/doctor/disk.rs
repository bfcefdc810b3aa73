//! The agent's directory, and who uses it.

use std::io::Write as _;
use std::path::Path;

use rustix::fs::{Access, access};

use super::report::{Finding, Report};
use crate::agent_lock::AgentLock;
use crate::args::PlaceArgs;

/// Makes the checks that need no platform.
///
/// # Errors
/// When stdout cannot be written to.
pub(super) fn check(place: &PlaceArgs, report: &mut Report<'_>) -> anyhow::Result<()> {
    let dir = match (&place.state_dir, place.workspace_id) {
        (Some(dir), None) => Ok(dir.clone()),
        (None, None) => {
            return report.skip(
                &["directory", "agent"],
                "there is no workspace to keep files of",
            );
        }
        (_, Some(id)) => place.dir(&id),
    };
    let dir = match dir {
        Ok(dir) => dir,
        Err(error) => {
            report.add(Finding::error("directory", &error))?;
            return report.skip(&["agent"], "there is no directory");
        }
    };
    report.add(directory(&dir))?;
    report.add(agent(&dir)).map(drop)
}

fn directory(dir: &Path) -> Finding {
    let name = dir.display();
    if !dir.exists() {
        return missing(dir);
    }
    if !dir.is_dir() {
        return Finding::failed(
            "directory",
            format!("{name} is not a directory; name one with --state-dir"),
        );
    }
    if let Err(error) = try_out(dir) {
        return Finding::failed(
            "directory",
            format!(
                "nothing can be written in {name}: {error}; check its owner and the disk, or name another one with --state-dir"
            ),
        );
    }
    Finding::ok("directory", format!("{name} can be written in"))
}

/// Only a file that was really written tells of a full disk.
fn try_out(dir: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".doctor")
        .tempfile_in(dir)?;
    file.write_all(b"a line\n")?;
    file.as_file().sync_all()
}

/// It is made when it is first needed; looking makes none.
fn missing(dir: &Path) -> Finding {
    let name = dir.display();
    let above = dir.ancestors().skip(1).find(|above| above.exists());
    let above = above.unwrap_or(Path::new("."));
    let needed = Access::WRITE_OK | Access::EXEC_OK;
    if above.is_dir() && access(above, needed).is_ok() {
        return Finding::ok(
            "directory",
            format!("{name} does not exist yet; it is made when it is needed"),
        );
    }
    let above = above.display();
    Finding::failed(
        "directory",
        format!(
            "{name} does not exist, and cannot be made in {above}; name another one with --state-dir"
        ),
    )
}

fn agent(dir: &Path) -> Finding {
    match AgentLock::holder(dir) {
        Ok(None) => Finding::ok("agent", "none runs here"),
        Ok(Some(holder)) => Finding::ok(
            "agent",
            format!("one runs here{holder}; `connect` would refuse to start another"),
        ),
        Err(error) => Finding::failed(
            "agent",
            format!(
                "nobody knows whether one runs here: {error}; check the owner of agent.lock in {}",
                dir.display()
            ),
        ),
    }
}
