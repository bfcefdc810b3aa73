//! `cargo xtask features`: every crate stands by itself, whichever of its features are on.

use anyhow::Result;
use cargo_metadata::Package;

use crate::process::Run;
use crate::workspace::metadata;

/// Lints each crate alone: as it comes, without default features, and with each feature alone.
pub(crate) fn lint() -> Result<()> {
    let metadata = metadata()?;
    for package in metadata.workspace_packages() {
        let names: Vec<_> = package.features.keys().map(String::as_str).collect();
        println!("{}: {}", package.name, describe(&names));
        for selection in selections(&names) {
            lint_one(package, &selection)?;
        }
    }
    Ok(())
}

fn lint_one(package: &Package, selection: &str) -> Result<()> {
    let name = &package.name;
    // Once as users build it: the features that its dev-dependencies turn on must not be what makes it compile.
    Run::new(&format!(
        "cargo clippy -p {name} {selection} -- -D warnings"
    ))
    .show()?;
    Run::new(&format!(
        "cargo clippy -p {name} --all-targets {selection} -- -D warnings"
    ))
    .show()
}

fn describe(features: &[&str]) -> String {
    match features {
        [] => "no features".to_owned(),
        some => format!("features {}", some.join(", ")),
    }
}

/// The ways to build a crate with these features, as arguments for cargo.
fn selections(features: &[&str]) -> Vec<String> {
    let mut all = vec![String::new()];
    if !features.is_empty() {
        all.push("--no-default-features".to_owned());
    }
    let alone = features.iter().filter(|feature| **feature != "default");
    all.extend(alone.map(|feature| format!("--no-default-features --features {feature}")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_features_is_built_one_way() {
        assert_eq!(selections(&[]), [""]);
    }

    #[test]
    fn each_feature_is_built_alone_and_default_is_not_one() {
        assert_eq!(
            selections(&["default", "install", "journal"]),
            [
                "",
                "--no-default-features",
                "--no-default-features --features install",
                "--no-default-features --features journal",
            ]
        );
    }
}
