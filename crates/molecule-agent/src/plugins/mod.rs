//! Plugins of the platform: listed, and installed while they arrive.

mod cancelling;
mod extraction;
mod options;
mod pipe;

use std::path::PathBuf;
use std::time::Duration;

use molecule_plugin::{InstallReport, PluginName};
use molecule_protocol::endpoints::{
    DownloadPlugin, InstallRecord, ListPluginSources, ListPlugins, PluginArchive, PluginInfo,
    PluginSources, RecordPluginInstall,
};
use molecule_transport::{Body, CallOptions, Limits, TransportError};

use self::cancelling::cancelled;
use self::extraction::Extraction;
pub use self::options::{PluginOptions, Progress};
use self::pipe::{Inlet, pipe};
use crate::{AgentError, RemoteAgentClient};

/// How long to wait for another process in silence.
const SILENCE: Duration = Duration::from_secs(1);

/// Characters of a foreign name that a message shows. No plugin's name is longer.
const SHOWN: usize = 128;

/// What became of an installation.
#[derive(Debug)]
#[non_exhaustive]
pub struct PluginInstall {
    /// What was installed.
    pub report: InstallReport,
    /// Where the platform says that it took the plugin from, such as `local://demo-plugin`.
    pub source: Option<String>,
    /// Whether the platform knows.
    pub record: InstallRecorded,
}

/// Whether the platform knows of an installation. The plugin is installed in any case.
#[derive(Debug)]
#[non_exhaustive]
pub enum InstallRecorded {
    /// It took the record.
    Recorded,
    /// It records nothing for a workspace without a container, which a remote agent's is.
    NoContainer,
    /// It could not be told, or the caller cancelled before it answered.
    Failed(AgentError),
    /// It was not to be told, or the caller cancelled before it was.
    NotAsked,
}

impl RemoteAgentClient {
    /// Where plugins are installed, one directory each: `plugins` in the agent's directory.
    #[must_use]
    pub fn plugins_dir(&self) -> PathBuf {
        self.state_dir().join("plugins")
    }

    /// The plugins that the platform itself holds: those that work with `runtime`, or all. Needs no token.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn list_plugins(&self, runtime: Option<&str>) -> Result<Vec<PluginInfo>, AgentError> {
        let all = ListPlugins::new();
        self.call(&match runtime {
            Some(runtime) => all.with_runtime(runtime),
            None => all,
        })
        .await
    }

    /// Where the platform can take plugins from. Needs no token.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub async fn list_plugin_sources(&self) -> Result<PluginSources, AgentError> {
        self.call(&ListPluginSources).await
    }

    /// Installs or replaces a plugin: downloads it from `source` (default: the platform's own plugin of that name), unpacks and
    /// verifies it while it arrives, swaps it in, lets its `setup.sh` run if the options and the verification allow, and tells
    /// the platform. The archive is never in memory whole, and never on the disk.
    ///
    /// The plugin's directory is locked before the platform is asked for anything. `setup.sh` sees the environment that the options
    /// name, which is empty by default, and never the token.
    ///
    /// To cancel, set the flag in [`PluginOptions::install`] and await the result, which says for certain what was done: either
    /// [`PluginError::Cancelled`](molecule_plugin::PluginError::Cancelled), and nothing was changed, or the whole report with what
    /// became of `setup.sh`. Whoever does not want to know drops the future: the download stops and what was unpacked is removed, on
    /// a thread of the runtime that ends by itself. Either way the new version stays from the moment it is in place, and a running
    /// `setup.sh` is killed.
    ///
    /// ```no_run
    /// # async fn f(client: molecule_agent::RemoteAgentClient) -> Result<(), Box<dyn std::error::Error>> {
    /// use molecule_agent::PluginOptions;
    ///
    /// let options = PluginOptions::new()
    ///     .with_expected("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?)
    ///     .with_progress(|progress| println!("{} of {:?} bytes", progress.bytes, progress.total));
    /// let done = client.install_plugin(&"demo-plugin".parse()?, None, options).await?;
    /// println!("{} files in {}", done.report.files, done.report.root.display());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the plugin is refused, here or by the platform, the download is not complete, somebody else works on the plugin, the
    /// caller cancels, or the disk fails. The version that was there stays then, and nothing of the new one does. That the platform could not be
    /// told, or that `setup.sh` failed, is no error: see [`InstallRecorded`] and [`InstallReport::setup`].
    pub async fn install_plugin(
        &self,
        name: &PluginName,
        source: Option<&str>,
        options: PluginOptions,
    ) -> Result<PluginInstall, AgentError> {
        let (archive, report) = self.fetch(name, source, &options).await?;
        let record = self.record_install(name, source, &options).await;
        Ok(PluginInstall {
            report,
            source: archive.source,
            record,
        })
    }

    /// Downloads and installs at the same time.
    async fn fetch(
        &self,
        name: &PluginName,
        source: Option<&str>,
        options: &PluginOptions,
    ) -> Result<(PluginArchive, InstallReport), AgentError> {
        let (inlet, outlet) = pipe();
        let dir = options.plugins_dir.clone();
        let dir = dir.unwrap_or_else(|| self.plugins_dir());
        let extraction = Extraction::start(dir, name.clone(), outlet, options.install.clone());
        let clock = &**self.clock();
        let archive = tokio::select! {
            biased;
            () = extraction.cancelled(clock) => Ok(PluginArchive::default()),
            archive = self.download(name, source, options, inlet) => archive,
        };
        // Also after a failed download: it is over when nothing of it is left.
        let report = extraction.end(clock).await;
        Ok((archive?, report?))
    }

    async fn download(
        &self,
        name: &PluginName,
        source: Option<&str>,
        options: &PluginOptions,
        mut inlet: Inlet,
    ) -> Result<PluginArchive, AgentError> {
        if !self.wanted(name, &mut inlet).await {
            return Ok(PluginArchive::default());
        }
        let plugin = DownloadPlugin::new(self.workspace_id(), name.as_str());
        let plugin = match source {
            Some(source) => plugin.with_source(source),
            None => plugin,
        };
        let limit = options.install.unpack.limits.compressed_bytes;
        let call = CallOptions::new()
            .with_timeouts(options.timeouts(&plugin))
            .with_limits(Limits::DEFAULT.with_body_bytes(limit));
        let streamed = async {
            let (archive, body) = self.stream(&plugin, &call).await?;
            check_name(name, &archive)?;
            hand_on(body, archive.bytes, options, inlet).await?;
            Ok(archive)
        };
        streamed.await.map_err(|error| match error {
            AgentError::Transport(TransportError::BodyTooLarge { limit, .. }) => {
                AgentError::PluginTooLarge {
                    name: name.clone(),
                    limit,
                }
            }
            error => error,
        })
    }

    /// Waits until the plugin is locked and its archive is read. `false`: it never will be.
    async fn wanted(&self, name: &PluginName, inlet: &mut Inlet) -> bool {
        tokio::select! {
            biased;
            wanted = inlet.wanted() => return wanted,
            () = self.clock().sleep(SILENCE) => {}
        }
        tracing::info!(%name, "another process works on the plugin; waiting for it");
        inlet.wanted().await
    }

    async fn record_install(
        &self,
        name: &PluginName,
        source: Option<&str>,
        options: &PluginOptions,
    ) -> InstallRecorded {
        let cancel = &options.install.cancel;
        if !options.report || cancel.is_cancelled() {
            return InstallRecorded::NotAsked;
        }
        let source = source.map_or_else(|| format!("local://{name}"), str::to_owned);
        let record = RecordPluginInstall::new(self.workspace_id(), source);
        let answer = tokio::select! {
            biased;
            answer = self.authorized(&record) => answer,
            () = cancelled(cancel, &**self.clock()) => Err(AgentError::RecordCancelled),
        };
        match answer {
            Ok(InstallRecord::NoContainer) => InstallRecorded::NoContainer,
            Ok(_) => InstallRecorded::Recorded,
            Err(error) => {
                tracing::warn!(%name, %error, "the plugin is installed, but the platform could not be told");
                InstallRecorded::Failed(error)
            }
        }
    }
}

/// The platform looks at the name too. What is another plugin is not installed under this name all the same.
fn check_name(asked: &PluginName, archive: &PluginArchive) -> Result<(), AgentError> {
    match &archive.name {
        Some(sent) if sent != asked.as_str() => Err(AgentError::OtherPlugin {
            asked: asked.clone(),
            sent: sent.chars().take(SHOWN).collect(),
        }),
        _ => Ok(()),
    }
}

/// Passes the archive on, piece by piece and no faster than it is read, until it is complete or nobody reads any more.
async fn hand_on(
    mut body: Body,
    total: Option<u64>,
    options: &PluginOptions,
    inlet: Inlet,
) -> Result<(), TransportError> {
    let mut bytes = 0;
    options.tell(bytes, total);
    loop {
        let data = tokio::select! {
            biased;
            () = inlet.abandoned() => return Ok(()),
            data = body.chunk() => data?,
        };
        let Some(data) = data else { break };
        bytes += data.len() as u64;
        if !inlet.put(data).await {
            return Ok(());
        }
        options.tell(bytes, total);
    }
    inlet.complete().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;

    #[tokio::test]
    async fn a_silent_platform_is_not_waited_for_when_nobody_reads() {
        let (inlet, outlet) = pipe();
        let silent = Body::wrap(StreamBody::new(futures_util::stream::pending()));
        drop(outlet);
        let options = PluginOptions::new();
        hand_on(silent, None, &options, inlet).await.unwrap();
    }
}
