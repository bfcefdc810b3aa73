//! `attachments`: files that the platform keeps for the agent.

use std::fs::{File, Permissions};
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Subcommand, ValueHint};
use serde_json::json;

use super::attachment;
use crate::args::{AgentArgs, OutputOption, file_to_write};
use crate::exit::{Exit, Problem};
use crate::output::Output;

/// The largest file that the platform takes, in bytes.
const LARGEST: u64 = 25 * 1024 * 1024;
/// What everybody may read and write; the user's mask takes away what it does.
const PLAIN_FILE: u32 = 0o666;

/// Commands about files.
#[derive(Debug, Subcommand)]
pub(crate) enum AttachmentsCommand {
    /// Give the platform a file to keep, and print what `notify --attach` takes for it
    Upload(UploadArgs),
    /// Fetch a file of the conversation that the platform keeps
    Download(DownloadArgs),
}

/// Options of `attachments upload`.
#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// The file's name [default: as it is here]
    #[arg(long, value_name = "NAME", required_if_eq("file", "-"))]
    name: Option<String>,
    /// The file's media type, such as application/pdf
    #[arg(long = "type", value_name = "TYPE")]
    mime_type: Option<String>,
    /// The file, of up to 25 MiB; - is stdin
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// Options of `attachments download`.
#[derive(Debug, Args)]
pub(crate) struct DownloadArgs {
    #[command(flatten)]
    agent: AgentArgs,
    /// The file's address, as `history` names it
    uri: String,
    /// The file to write; - is stdout
    #[arg(
        short,
        long,
        required = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        value_parser = OsStringValueParser::new().try_map(file_to_write)
    )]
    output: Option<OutputOption>,
}

pub(crate) async fn run(command: &AttachmentsCommand, io: &Output) -> anyhow::Result<Exit> {
    match command {
        AttachmentsCommand::Upload(args) => upload(args, io).await,
        AttachmentsCommand::Download(args) => download(args, io).await,
    }
}

async fn upload(args: &UploadArgs, io: &Output) -> anyhow::Result<Exit> {
    let client = args.agent.client()?;
    let content = content(&args.file)?;
    let own_name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let name = args.name.as_deref().unwrap_or(&own_name);
    let kept = client
        .upload_attachment(name, args.mime_type.as_deref(), content)
        .await?;
    io.data(&kept, || attachment::written(&kept))?;
    Ok(Exit::Done)
}

fn content(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = if path == Path::new("-") {
        bounded(io::stdin().lock())
    } else {
        File::open(path).and_then(bounded)
    };
    let shown = path.display();
    let content = read.with_context(|| Problem::usage(format!("cannot read {shown}")))?;
    if content.len() as u64 > LARGEST {
        let message = format!("{shown} is larger than 25 MiB, the most that the platform takes");
        return Err(Problem::usage(message).into());
    }
    Ok(content)
}

/// A little more than the platform takes, so that what is too much shows.
fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut content)?;
    Ok(content)
}

async fn download(args: &DownloadArgs, io: &Output) -> anyhow::Result<Exit> {
    let Some(OutputOption::File(to)) = &args.output else {
        return Err(Problem::usage("name the file to write with -o FILE").into());
    };
    let place = Place::of(to)?;
    let client = args.agent.client()?;
    let file = client.download_attachment(&args.uri).await?;
    let bytes = file.content.len();
    let data = json!({"uri": args.uri, "path": to, "bytes": bytes, "mime_type": file.mime_type});
    match place {
        Place::Stdout => {
            io.bytes(&file.content)?;
            io.aside(&data, || format!("{bytes} bytes"))?;
        }
        Place::File(dir) => {
            write(&dir, to, &file.content)
                .with_context(|| format!("cannot write {}", to.display()))?;
            io.data(&data, || format!("wrote {bytes} bytes to {}", to.display()))?;
        }
    }
    Ok(Exit::Done)
}

/// Where a file goes. That it can go there is looked at before it is asked for.
enum Place {
    Stdout,
    /// A file in this directory.
    File(PathBuf),
}

impl Place {
    fn of(to: &Path) -> anyhow::Result<Self> {
        if to == Path::new("-") {
            if io::stdout().is_terminal() {
                let message = "-o -: a stranger's file is nothing for a terminal; send it to a file or a pipe";
                return Err(Problem::usage(message).into());
            }
            return Ok(Self::Stdout);
        }
        let dir = match to.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        let is_other = to.symlink_metadata().is_ok_and(|there| !there.is_file());
        if !dir.is_dir() || is_other || to.file_name().is_none() {
            return Err(Problem::usage(format!(
                "-o: cannot write {}; name a regular file in a directory that exists",
                to.display()
            ))
            .into());
        }
        Ok(Self::File(dir.to_owned()))
    }
}

/// Beside the file and then in its place, so that there never is half of one.
fn write(dir: &Path, to: &Path, content: &[u8]) -> anyhow::Result<()> {
    let mut beside = tempfile::Builder::new()
        .prefix(".molecule-attachment-")
        .permissions(Permissions::from_mode(PLAIN_FILE))
        .tempfile_in(dir)?;
    beside.write_all(content)?;
    beside.as_file().sync_all()?;
    beside.persist(to)?;
    Ok(())
}
