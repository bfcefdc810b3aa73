//! The platform that is held against the contract: somebody's, or a local one started for it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use molecule_protocol::transcripts::Answer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Deserializer, Value, json};
use tempfile::TempDir;

use crate::http::Request;
use crate::plugins;

/// The administrator's token of a platform that lives as long as its recording.
const OWN_TOKEN: &str = "administrator-token-of-the-contract-0000000";

const TOKEN_FILE: &str = "token";

/// The mode that most of the recordings were made in.
pub(crate) const DEFAULT_MODE: &str = "default";

/// The modes of servers that were given no administrator's token.
const WITHOUT_ADMIN: [&str; 2] = ["development", "production"];

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
    program: PathBuf,
    generation: Generation,
    mode: String,
    /// Before its files: they go when it has ended.
    process: Process,
    files: TempDir,
}

/// A process that does not outlive this one.
struct Process(Child);

impl Process {
    /// Lets it save its state and end.
    fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("a process has an id")?, Signal::TERM)?;
        let ended = self.0.wait()?;
        ensure!(ended.success(), "`molecule-agent dev` failed at its end");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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
        let token_file = files.path().join(TOKEN_FILE);
        fs::write(&token_file, OWN_TOKEN)?;
        fs::set_permissions(&token_file, fs::Permissions::from_mode(0o600))?;
        fs::create_dir(files.path().join("plugins"))?;
        let (process, host) = dev(program, generation, DEFAULT_MODE, files.path())?;
        let own = Own {
            program: program.to_owned(),
            generation,
            mode: DEFAULT_MODE.to_owned(),
            process,
            files,
        };
        Ok(Self {
            host,
            admin_token: OWN_TOKEN.to_owned(),
            global_secrets: Vec::new(),
            own: Some(own),
        })
    }

    /// Starts the local platform anew in a mode, unless that is its mode; says whether it did.
    pub(crate) fn switch(&mut self, mode: &str) -> Result<bool> {
        let Some(own) = self.own.take_if(|own| own.mode != mode) else {
            return Ok(false);
        };
        own.process.stop()?;
        let (process, host) = dev(&own.program, own.generation, mode, own.files.path())?;
        self.host = host;
        self.own = Some(Own {
            mode: mode.to_owned(),
            process,
            ..own
        });
        Ok(true)
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

/// The options of `dev` for a mode of the recordings.
fn mode_options(mode: &str) -> Result<&'static [&'static str]> {
    Ok(match mode {
        DEFAULT_MODE => &[],
        "container-host" => &["--container-sweep"],
        "rate-limit-8" => &["--rate-limit", "8"],
        "development" => &["--mode", "development"],
        "production" => &["--mode", "production"],
        "saas" => &["--org-id", "org-123"],
        "no-docker" => &["--no-provisioner"],
        "enum-fixed" => &["--quirk", "silent_status_enum=off"],
        other => bail!("the recordings have a mode that is not known here: {other}"),
    })
}

/// Starts the platform on the files in `home`, and waits until it says its host and port.
fn dev(
    program: &Path,
    generation: Generation,
    mode: &str,
    home: &Path,
) -> Result<(Process, String)> {
    let generation = match generation {
        Generation::A => "a",
        Generation::B => "b",
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the one process that is started here"
    )]
    let mut command = Command::new(program);
    command
        .args(["dev", "--json", "--quiet", "--listen", "127.0.0.1:0"])
        .args(["--generation", generation])
        .args(mode_options(mode)?)
        .args([OsStr::new("--plugins"), home.join("plugins").as_ref()])
        .args([OsStr::new("--state"), home.join("state.json").as_ref()]);
    if !WITHOUT_ADMIN.contains(&mode) {
        command.args([
            OsStr::new("--admin-token-file"),
            home.join(TOKEN_FILE).as_ref(),
        ]);
    }
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    let process = command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let process = process
        .spawn()
        .with_context(|| format!("cannot start {}; build it first", program.display()))?;
    let mut process = Process(process);
    let output = process.0.stdout.take().context("dev has no output")?;
    let session: Value = Deserializer::from_reader(output)
        .into_iter()
        .next()
        .context("`molecule-agent dev` ended before it said its address")??;
    let url = session["platform_url"].as_str().unwrap_or_default();
    Ok((process, host(url)?))
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
