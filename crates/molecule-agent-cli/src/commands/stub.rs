//! `stub`: the stub runtime, told by its environment what a container is told.

use std::net::SocketAddr;

use clap::Args;
use molecule_agent::stub::{StubConfig, StubRuntime};

use crate::env;
use crate::exit::{Exit, Problem};
use crate::output::Output;
use crate::signals::Signals;

/// Options of `stub`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: WORKSPACE_ID and PLATFORM_URL (or MOLECULE_URL) are required. WORKSPACE_CONFIG_PATH (or CONFIGS_DIR) is the
volume with the token [default: /configs], STUB_REGISTER_URL the address to register [default: http://localhost:8000],
HOSTNAME is shown in the log. Without a required variable it ends with exit code 1.")]
pub(crate) struct StubArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8000")]
    listen: SocketAddr,
}

/// Runs the stub until a signal. Its log is its output.
///
/// # Errors
/// When a variable has a value that cannot be used, or the address cannot be listened on.
pub(crate) async fn run(args: &StubArgs, io: &Output) -> anyhow::Result<Exit> {
    let (id, platform) = (text("WORKSPACE_ID"), platform_url());
    if id.is_empty() || platform.is_empty() {
        io.raw(&fatal(&id, &platform))?;
        return Ok(Exit::Unexpected);
    }
    let config = config(&id, &platform)?.with_listen(args.listen);
    let signals = Signals::listen()?;
    let out = *io;
    // A log that nobody reads any more is no reason to stop.
    let stub = StubRuntime::bind(config, move |line| drop(out.raw(line)))?;
    tokio::select! {
        ended = stub.run(signals.stop) => ended?,
        () = signals.force.cancelled() => {}
    }
    Ok(Exit::Done)
}

fn config(id: &str, platform: &str) -> anyhow::Result<StubConfig> {
    let id = id
        .parse()
        .map_err(|error| Problem::usage(format!("the variable WORKSPACE_ID is no id: {error}")))?;
    let platform = platform
        .parse()
        .map_err(|error| Problem::usage(format!("the variable PLATFORM_URL: {error}")))?;
    let mut config = StubConfig::new(id, platform).with_hostname(text("HOSTNAME"));
    if let Some(volume) = ["WORKSPACE_CONFIG_PATH", "CONFIGS_DIR"]
        .into_iter()
        .find_map(env::get)
    {
        config = config.with_config_dir(volume);
    }
    Ok(match text("STUB_REGISTER_URL") {
        url if url.is_empty() => config,
        url => config.with_register_url(url),
    })
}

fn platform_url() -> String {
    let url = match text("PLATFORM_URL") {
        url if url.is_empty() => text("MOLECULE_URL"),
        url => url,
    };
    url.trim_end_matches('/').to_owned()
}

fn text(variable: &str) -> String {
    let value = env::get(variable).unwrap_or_default();
    value.to_string_lossy().trim().to_owned()
}

/// The original's line, for scripts that look for it.
fn fatal(id: &str, platform: &str) -> String {
    let short: String = id.chars().take(12).collect();
    let (id, platform) = (quoted(id), quoted(platform));
    format!(
        "[stub-runtime {short}] FATAL: WORKSPACE_ID={id} PLATFORM_URL={platform} — both required"
    )
}

/// A text as Python's `repr` writes it.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote || c == '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fatal_line_is_the_originals() {
        assert_eq!(
            fatal("", ""),
            "[stub-runtime ] FATAL: WORKSPACE_ID='' PLATFORM_URL='' — both required"
        );
        assert_eq!(
            fatal("9e453dad-99f0-4e01-8c72-0031bf974e26", ""),
            "[stub-runtime 9e453dad-99f] FATAL: WORKSPACE_ID='9e453dad-99f0-4e01-8c72-0031bf974e26' PLATFORM_URL='' \
             — both required"
        );
    }

    #[test]
    fn texts_are_quoted_as_python_does() {
        for (text, expect) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("a\\\n\u{1}", "'a\\\\\\n\\x01'"),
        ] {
            assert_eq!(quoted(text), expect);
        }
    }
}
