//! Installs a plugin of the platform: unpacked and verified while it arrives, and put in its place in one step.
//!
//! `cargo run --example install_plugin [-- URL WORKSPACE_ID]`; a platform that you name has to have a plugin `demo-plugin`.

#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

mod place;

use molecule_agent::PluginOptions;
use place::{Place, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let place = Place::find()?;
    let client = place.builder().build()?;
    client.register().await?;
    for plugin in client.list_plugins(None).await? {
        println!("the platform has {} {}", plugin.name, plugin.version);
    }

    // Without a hash that vouches for it, a plugin's `setup.sh` does not run. `with_expected` insists on one that you know from elsewhere,
    // and is the way to be sure of what arrives.
    let options = PluginOptions::new().with_progress(|progress| {
        println!("{} bytes of {:?}", progress.bytes, progress.total);
    });
    let done = client
        .install_plugin(&"demo-plugin".parse()?, None, options)
        .await?;
    println!(
        "{} files in {}",
        done.report.files,
        done.report.root.display()
    );
    println!(
        "setup: {:?}, recorded: {:?}",
        done.report.setup, done.record
    );
    Ok(())
}
