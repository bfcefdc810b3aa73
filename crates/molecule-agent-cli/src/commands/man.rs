//! `man`: the manual, made of what `--help` is made of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, ValueHint};
use clap_mangen::Man;

use crate::exit::{Exit, Problem};
use crate::options;
use crate::output::Output;

/// Options of `man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Read a page with `molecule-agent man connect | man -l -`. Pages in ~/.local/share/man/man1 are found by `man molecule-agent-connect`.")]
pub(crate) struct ManArgs {
    /// Write the pages of all commands into this directory
    #[arg(id = "man_dir", long = "dir", value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "page")]
    dir: Option<PathBuf>,
    /// The command, such as `plugin install` [default: the program itself]
    #[arg(id = "page", value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn run(args: &ManArgs, io: &Output) -> anyhow::Result<Exit> {
    let program = options::documented_command().disable_help_subcommand(true);
    match &args.dir {
        Some(dir) => write_all(program, dir)?,
        None => io.raw(&page(program, &args.command)?)?,
    }
    Ok(Exit::Done)
}

fn write_all(program: Command, dir: &Path) -> anyhow::Result<()> {
    let unusable = || Problem::usage(format!("--dir: cannot write to {}", dir.display()));
    fs::create_dir_all(dir).with_context(unusable)?;
    clap_mangen::generate_to(program, dir).with_context(unusable)
}

fn page(mut program: Command, words: &[String]) -> anyhow::Result<String> {
    program.build();
    let mut command = &program;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            let name = words.join(" ");
            Problem::usage(format!(
                "there is no command {name:?}; `molecule-agent --help` lists them"
            ))
        })?;
    }
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8(page)?.trim_end().to_owned())
}
