//! The platform that is held against the contract: somebody's, or a local one started for it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use molecule_protocol::transcripts::Answer;
use serde_json::{Deserializer, Value, json};
use tempfile::TempDir;

use crate::http::Request;
use crate::plugins;

/// The administrator's token of a platform that lives as long as its recording.
const OWN_TOKEN: &str = "administrator-token-of-the-contract-0000000";

/// The two known servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generation {
    /// Without poll mode.
    A,
    /// With poll mode and cursors.
    B,
}

/// A platform that answers.
pub(crate) struct Platform {
    /// Host and port.
    pub(crate) host: String,
    pub(crate) admin_token: String,
    /// The secrets that all of its workspaces see, whoever put them there.
    pub(crate) global_secrets: Vec<String>,
    own: Option<Own>,
}

/// A local platform that nobody else uses.
struct Own {
    process: Child,
    files: TempDir,
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Platform {
    /// The platform at a url, administered with the token in a file.
    pub(crate) fn at(url: &str, admin_token_file: &Path) -> Result<Self> {
        let token = fs::read_to_string(admin_token_file)
            .with_context(|| format!("cannot read {}", admin_token_file.display()))?;
        let mut platform = Self {
            host: host(url)?,
            admin_token: token.trim().to_owned(),
            global_secrets: Vec::new(),
            own: None,
        };
        platform.read("/workspaces")?;
        let secrets = platform.read("/settings/secrets")?;
        let keys = secrets.as_array().into_iter().flatten();
        platform.global_secrets = keys
            .filter_map(|secret| secret["key"].as_str().map(str::to_owned))
            .collect();
        Ok(platform)
    }

    /// Starts `program dev`.
    pub(crate) fn start(program: &Path, generation: Generation) -> Result<Self> {
        let files = TempDir::new()?;
        let token_file = files.path().join("token");
        fs::write(&token_file, OWN_TOKEN)?;
        fs::set_permissions(&token_file, fs::Permissions::from_mode(0o600))?;
        fs::create_dir(files.path().join("plugins"))?;
        let mut own = Own {
            process: dev(program, generation, files.path(), &token_file)?,
            files,
        };
        let output = own.process.stdout.take().context("dev has no output")?;
        let session: Value = Deserializer::from_reader(output)
            .into_iter()
            .next()
            .context("`molecule-agent dev` ended before it said its address")??;
        let url = session["platform_url"].as_str().unwrap_or_default();
        Ok(Self {
            host: host(url)?,
            admin_token: OWN_TOKEN.to_owned(),
            global_secrets: Vec::new(),
            own: Some(own),
        })
    }

    /// Whether nobody else uses it, so that what concerns all of its workspaces may be changed.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Whether it can reach agents that listen on this machine alone.
    pub(crate) fn is_here(&self) -> bool {
        let name = self.host.rsplit_once(':').map_or("", |(name, _)| name);
        matches!(name, "localhost" | "[::1]") || name.starts_with("127.")
    }

    /// Puts plugins into its registry; says whether that is possible.
    pub(crate) fn publish(&self, names: &[String]) -> Result<bool> {
        let Some(own) = &self.own else {
            return Ok(false);
        };
        plugins::publish(&own.files.path().join("plugins"), names)?;
        Ok(true)
    }

    pub(crate) fn send(&self, request: &Request) -> io::Result<Answer> {
        request.send(&self.host)
    }

    /// Which of the two servers it is, by a workspace made for the question.
    pub(crate) fn generation(&self) -> Result<Generation> {
        let body = json!({ "name": "contract-probe", "runtime": "external", "external": true });
        let create = Request::new("POST", "/workspaces").body(body.to_string());
        let created = self.send(&create.bearer(&self.admin_token))?.json();
        let text = |pointer| created.pointer(pointer).and_then(Value::as_str);
        let id = text("/id").context("the platform created no workspace to probe it with")?;
        let path = format!(
            "/workspaces/{id}/activity?since_id=00000000-0000-0000-0000-000000000000&limit=1"
        );
        let token = text("/connection/auth_token").unwrap_or(&self.admin_token);
        let answer = self.send(&Request::new("GET", &path).bearer(token));
        self.delete(id)?;
        match answer?.status {
            410 => Ok(Generation::B),
            200 => Ok(Generation::A),
            other => bail!(
                "the platform answers the probe of its generation with {other}; name it with --generation"
            ),
        }
    }

    /// Deletes a workspace that was made here, without a trace.
    pub(crate) fn delete(&self, id: &str) -> Result<()> {
        let path = format!("/workspaces/{id}?confirm=true&purge=true");
        let answer = self.send(&Request::new("DELETE", &path).bearer(&self.admin_token))?;
        ensure!(
            answer.status == 200,
            "the workspace {id} is still there: deleting it was answered with {}",
            answer.status
        );
        Ok(())
    }

    /// What the administrator reads.
    fn read(&self, path: &str) -> Result<Value> {
        let answer = self
            .send(&Request::new("GET", path).bearer(&self.admin_token))
            .with_context(|| format!("the platform at {} does not answer", self.host))?;
        ensure!(
            answer.status == 200,
            "the platform at {} answers GET {path} under the administrator's token with {}",
            self.host,
            answer.status
        );
        Ok(answer.json())
    }
}

/// Host and port of a url.
fn host(url: &str) -> Result<String> {
    let rest = url.strip_prefix("http://").with_context(|| {
        format!("{url:?} is no http:// url; reach a platform behind TLS through a tunnel to this machine")
    })?;
    let host = rest.trim_end_matches('/');
    ensure!(
        !host.is_empty() && !host.contains(['/', '?', '@', ' ']),
        "{url:?} is more than a scheme, a host and a port"
    );
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one process that is started here"
)]
fn dev(program: &Path, generation: Generation, home: &Path, token_file: &Path) -> Result<Child> {
    let generation = match generation {
        Generation::A => "a",
        Generation::B => "b",
    };
    let plugins: PathBuf = home.join("plugins");
    Command::new(program)
        .args(["dev", "--json", "--listen", "127.0.0.1:0"])
        .args(["--generation", generation, "--admin-token-file"])
        .arg(token_file)
        .arg("--plugins")
        .arg(plugins)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("cannot start {}; build it first", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_or_refused() {
        for (url, expect) in [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("http://platform.example/", Some("platform.example:80")),
            ("http://[::1]:9", Some("[::1]:9")),
            ("https://platform.example", None),
            ("http://platform.example/api", None),
            ("http://", None),
        ] {
            assert_eq!(host(url).ok().as_deref(), expect, "{url}");
        }
    }
}
