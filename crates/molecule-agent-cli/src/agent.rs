//! From options to clients of the platform.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use molecule_agent::token_store::read_mounted;
use molecule_agent::{
    AdminClient, AgentCard, ClientBuilder, PlatformUrl, RemoteAgentClient, Token, WorkspaceId,
    default_state_dir,
};

use crate::args::{AdminArgs, AgentArgs, CardArgs, IdentityArgs, PlaceArgs, PlatformArgs};
use crate::env;
use crate::exit::{Exit, Problem};

/// More than any token has.
const MAX_TOKEN_INPUT: u64 = 64 * 1024;

impl PlatformArgs {
    /// The platform's address.
    ///
    /// # Errors
    /// When it was not given.
    pub(crate) fn url(&self) -> anyhow::Result<PlatformUrl> {
        self.platform_url.clone().ok_or_else(|| {
            Problem::usage(
                "which platform? give its address with --platform-url or MOLECULE_PLATFORM_URL, such as \
                 https://molecule.example.com (`molecule-agent dev` starts a local one)",
            )
            .into()
        })
    }

    /// Sets how the platform is reached.
    pub(crate) fn configure(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(org_id) = &self.org_id {
            builder = builder.org_id(org_id);
        }
        if self.no_origin_header {
            builder = builder.without_origin_header();
        }
        if let Some(path) = &self.ca_file {
            builder = builder.ca_file(path);
        }
        if self.allow_insecure_http {
            builder = builder.allow_insecure_http();
        }
        if let Some(deadline) = self.call_deadline {
            builder = builder.deadline(deadline);
        }
        builder
    }
}

impl PlaceArgs {
    /// The workspace that the agent is.
    ///
    /// # Errors
    /// When it was not given.
    pub(crate) fn id(&self) -> anyhow::Result<WorkspaceId> {
        self.workspace_id.ok_or_else(|| {
            Problem::usage(
                "which workspace? give its id with --workspace-id or MOLECULE_WORKSPACE_ID \
                 (`molecule-agent workspace create NAME` makes one)",
            )
            .into()
        })
    }

    /// The agent's directory, by its own name or by the workspace's.
    ///
    /// # Errors
    /// As for [`id`](Self::id) and [`dir`](Self::dir).
    pub(crate) fn own_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.state_dir {
            Some(dir) => Ok(check_state_dir(dir)?.to_owned()),
            None => self.dir(&self.id()?),
        }
    }

    /// The agent's directory.
    ///
    /// # Errors
    /// When there is no home directory to put it in, or another file where it was said to be.
    pub(crate) fn dir(&self, id: &WorkspaceId) -> anyhow::Result<PathBuf> {
        match &self.state_dir {
            Some(dir) => Ok(check_state_dir(dir)?.to_owned()),
            None => Ok(default_state_dir(id)?),
        }
    }
}

impl IdentityArgs {
    /// Sets where the token comes from: a flag, the environment, the config file, and else the agent's directory.
    fn configure(&self, builder: ClientBuilder) -> anyhow::Result<ClientBuilder> {
        if let Some(path) = &self.token_file {
            check_token_file(path)?;
            return Ok(builder.token_file(path));
        }
        Ok(match self.given()? {
            Some(token) => builder.token(token),
            None => builder,
        })
    }

    /// The token that a descriptor or the environment gives.
    ///
    /// # Errors
    /// When it cannot be read, or is no token.
    pub(crate) fn given(&self) -> anyhow::Result<Option<Token>> {
        match self.token_fd {
            Some(fd) => read_token_fd(fd).map(Some),
            None => token_variable("MOLECULE_WORKSPACE_TOKEN"),
        }
    }
}

impl AgentArgs {
    /// [`builder`](Self::builder) of one of many agents, whose token no variable for a single one gives.
    ///
    /// # Errors
    /// When an option is missing or cannot be used.
    pub(crate) fn member_builder(&self, token: Option<Token>) -> anyhow::Result<ClientBuilder> {
        let builder = self.anonymous()?;
        if let Some(token) = token {
            return Ok(builder.token(token));
        }
        match (&self.identity.token_file, self.identity.token_fd) {
            (None, None) => Ok(builder),
            _ => self.identity.configure(builder),
        }
    }

    /// Who and where, without a token.
    fn anonymous(&self) -> anyhow::Result<ClientBuilder> {
        let place = &self.identity.place;
        let builder = RemoteAgentClient::builder(place.id()?, self.platform.url()?);
        let builder = self.platform.configure(builder);
        Ok(match &place.state_dir {
            Some(dir) => builder.state_dir(check_state_dir(dir)?),
            None => builder,
        })
    }

    /// A client with what all commands need; the command adds its own.
    ///
    /// # Errors
    /// When an option is missing or cannot be used.
    pub(crate) fn builder(&self) -> anyhow::Result<ClientBuilder> {
        self.identity.configure(self.anonymous()?)
    }

    /// The client.
    ///
    /// # Errors
    /// When an option is missing or cannot be used.
    pub(crate) fn client(&self) -> anyhow::Result<RemoteAgentClient> {
        Ok(self.builder()?.build()?)
    }
}

impl AdminArgs {
    /// A client of the platform's administrator.
    ///
    /// # Errors
    /// When an option is missing or cannot be used.
    pub(crate) fn client(&self) -> anyhow::Result<AdminClient> {
        let (platform, token) = (self.platform.url()?, self.token()?);
        Ok(AdminClient::connect(platform, token, |builder| {
            self.platform.configure(builder)
        })?)
    }

    fn token(&self) -> anyhow::Result<Token> {
        if let Some(path) = &self.token.admin_token_file {
            return read_token_file(path);
        }
        let given = match self.token.admin_token_fd {
            Some(fd) => Some(read_token_fd(fd)?),
            None => token_variable("MOLECULE_ADMIN_TOKEN")?,
        };
        given.ok_or_else(|| {
            Problem::new(
                Exit::Authentication,
                "this needs the administrator's token: put it into the variable MOLECULE_ADMIN_TOKEN, or name its file \
                 with --admin-token-file",
            )
            .into()
        })
    }
}

impl CardArgs {
    /// The card, unless nothing was said about it.
    ///
    /// # Errors
    /// When the file cannot be read, or is no card.
    pub(crate) fn card(&self, id: &WorkspaceId) -> anyhow::Result<Option<AgentCard>> {
        if self.agent_card.is_none() && self.agent_name.is_none() && self.skills.is_empty() {
            return Ok(None);
        }
        let mut card = match &self.agent_card {
            Some(path) => read_card(path)?,
            None => AgentCard::default_for(id),
        };
        if let Some(name) = &self.agent_name {
            let mut json = card.as_json().clone();
            json["name"] = name.as_str().into();
            card = AgentCard::try_from(json)?;
        }
        let skills = self.skills.iter();
        Ok(Some(
            skills.fold(card, |card, skill| card.with_skill(skill)),
        ))
    }
}

/// A directory that does not exist is made when it is needed.
///
/// # Errors
/// When something else is there, or in the place of a directory above it.
pub(crate) fn check_state_dir(dir: &Path) -> Result<&Path, Problem> {
    let usable = match fs::metadata(dir) {
        Ok(found) => found.is_dir(),
        Err(error) => error.kind() != io::ErrorKind::NotADirectory,
    };
    if usable {
        return Ok(dir);
    }
    Err(Problem::usage(format!(
        "--state-dir: {} is not a directory; name one, or leave it out for ~/.molecule/ID",
        dir.display()
    )))
}

fn read_card(path: &Path) -> anyhow::Result<AgentCard> {
    let problem = || {
        Problem::usage(format!(
            "cannot use the agent card {}; it has to be a JSON file",
            path.display()
        ))
    };
    let text = fs::read(path).with_context(problem)?;
    let json: serde_json::Value = serde_json::from_slice(&text).with_context(problem)?;
    AgentCard::try_from(json).with_context(problem)
}

/// Reads a token file as it was mounted.
///
/// # Errors
/// When it is missing, empty, or holds no token.
pub(crate) fn read_token_file(path: &Path) -> anyhow::Result<Token> {
    let mounted = check_token_file(path)?;
    if mounted.world_readable {
        tracing::warn!(path = %path.display(), "every user of this machine can read the token file; run `chmod 600` on it");
    }
    Ok(mounted.token)
}

/// Reads a token file. The client would take a missing one for "no token yet", because a mount may come late.
///
/// # Errors
/// When it is missing, empty, or holds no token.
pub(crate) fn check_token_file(
    path: &Path,
) -> anyhow::Result<molecule_agent::token_store::MountedToken> {
    read_mounted(path)?.ok_or_else(|| {
        let what = if path.exists() {
            "is empty"
        } else {
            "does not exist"
        };
        Problem::new(
            Exit::Authentication,
            format!(
                "the token file {} {what}; put the token into it, alone on one line",
                path.display()
            ),
        )
        .into()
    })
}

/// Reads a token from a descriptor that the caller opened, such as 3 in `3< <(pass show token)`.
///
/// # Errors
/// When it cannot be read, or holds no token.
pub(crate) fn read_token_fd(fd: u32) -> anyhow::Result<Token> {
    let what = format!("descriptor {fd}");
    let file = fs::File::open(format!("/dev/fd/{fd}")).with_context(|| {
        no_token(
            &what,
            "it cannot be opened; open it as in `--token-fd 3 3< file`",
        )
    })?;
    read_token(file, &what)
}

/// Reads a token to its end of input.
///
/// # Errors
/// When it cannot be read, or holds no token.
pub(crate) fn read_token(input: impl io::Read, what: &str) -> anyhow::Result<Token> {
    let mut text = String::new();
    input
        .take(MAX_TOKEN_INPUT)
        .read_to_string(&mut text)
        .with_context(|| no_token(what, "it cannot be read as text"))?;
    Token::new(text).with_context(|| no_token(what, "give it the token, alone on one line"))
}

fn token_variable(name: &str) -> anyhow::Result<Option<Token>> {
    let Some(value) = env::get(name) else {
        return Ok(None);
    };
    let hint = "set it to the token alone, or unset it";
    let text = value.to_string_lossy().into_owned();
    Token::new(text)
        .map(Some)
        .with_context(|| no_token(&format!("the variable {name}"), hint))
}

fn no_token(what: &str, hint: &str) -> Problem {
    Problem::new(Exit::Authentication, format!("no token in {what}: {hint}"))
}
