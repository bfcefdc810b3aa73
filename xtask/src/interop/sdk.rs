//! The official SDKs: where they come from, and how their programs are started.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::process::{Run, root};

/// An official SDK, in one of its versions.
pub(crate) struct Sdk {
    language: Language,
    version: &'static str,
    /// Its folder in that of the language, named after the version of the protocol.
    folder: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
}

pub(crate) const SDKS: [Sdk; 4] = [
    Sdk::new(Language::Python, "0.3.26", "v0_3"),
    Sdk::new(Language::Python, "1.3.0", "v1_0"),
    Sdk::new(Language::JavaScript, "0.3.14", "v0_3"),
    Sdk::new(Language::JavaScript, "1.3.0", "v1_0"),
];

impl Sdk {
    const fn new(language: Language, version: &'static str, folder: &'static str) -> Self {
        Self {
            language,
            version,
            folder,
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.language.folder(), self.version)
    }

    /// The versions of the protocol that its server speaks.
    pub(crate) fn wires(&self) -> &'static [&'static str] {
        match self.folder {
            "v0_3" => &["0.3"],
            _ => &["0.3", "1.0"],
        }
    }

    /// Brings its programs and what they need into a folder of its own. What was installed there is not asked for again while
    /// the list of it stays the same.
    pub(crate) fn install(&self, cache: &Path) -> Result<()> {
        let home = self.home(cache);
        let list = fs::read_to_string(self.sources().join(self.language.list()))?;
        let receipt = home.join("installed");
        if fs::read_to_string(&receipt).is_ok_and(|installed| installed == list) {
            return self.copy_programs(&home);
        }
        self.language.check_tools()?;
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        self.copy_programs(&home)?;
        match self.language {
            Language::Python => self.install_with_pip(&home)?,
            Language::JavaScript => self.install_with_npm(&home)?,
        }
        Ok(fs::write(receipt, list)?)
    }

    /// One of its programs: `client` or `server`.
    pub(crate) fn program(&self, cache: &Path, name: &str) -> Run {
        let home = self.home(cache);
        let (interpreter, ending) = match self.language {
            Language::Python => (shown(&home.join("venv/bin/python")), "py"),
            Language::JavaScript => ("node".to_owned(), "mjs"),
        };
        let program = home.join(self.folder).join(name).with_extension(ending);
        Run::new("")
            .arg(interpreter)
            .arg(shown(&program))
            .env("PYTHONWARNINGS", "ignore")
    }

    /// A program that a package of the same name brought along, if this is the SDK whose list has it.
    pub(crate) fn tool(&self, cache: &Path, name: &str) -> Result<Option<Run>> {
        let list = fs::read_to_string(self.sources().join(self.language.list()))?;
        let package = format!("{name}==");
        if !list.lines().any(|line| line.starts_with(&package)) {
            return Ok(None);
        }
        let path = self.home(cache).join("venv/bin").join(name);
        ensure!(
            path.exists(),
            "{} is not where it was installed",
            shown(&path)
        );
        Ok(Some(Run::new("").arg(shown(&path))))
    }

    fn install_with_pip(&self, home: &Path) -> Result<()> {
        let venv = home.join("venv");
        Run::new("python3 -m venv").arg(shown(&venv)).show()?;
        Run::new("")
            .arg(shown(&venv.join("bin/pip")))
            .arg("install")
            .arg("--quiet")
            .arg("--disable-pip-version-check")
            .arg("--requirement")
            .arg(shown(&home.join(self.folder).join(self.language.list())))
            .show()
    }

    fn install_with_npm(&self, home: &Path) -> Result<()> {
        Run::new("npm install --no-audit --no-fund --loglevel error --prefix")
            .arg(shown(&home.join(self.folder)))
            .show()
    }

    fn home(&self, cache: &Path) -> PathBuf {
        cache.join(self.name().replace(' ', "-"))
    }

    fn sources(&self) -> PathBuf {
        self.language.sources().join(self.folder)
    }

    /// The programs are run where their packages are, because Node looks for those from the program's own folder upwards.
    fn copy_programs(&self, home: &Path) -> Result<()> {
        copy_files(&self.language.sources(), home)?;
        copy_files(&self.sources(), &home.join(self.folder))
    }
}

impl Language {
    const fn folder(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "js",
        }
    }

    /// The file that lists what is installed.
    const fn list(self) -> &'static str {
        match self {
            Self::Python => "requirements.txt",
            Self::JavaScript => "package.json",
        }
    }

    fn sources(self) -> PathBuf {
        root().join("xtask/interop").join(self.folder())
    }

    fn check_tools(self) -> Result<()> {
        match self {
            Self::Python => {
                let venv = Run::new("python3 -c").arg("import ensurepip, venv");
                ensure!(
                    venv.succeeds(),
                    "python3 with its modules venv and ensurepip is missing: apt-get install python3-venv"
                );
            }
            Self::JavaScript => {
                let version = Run::new("node --version").read().unwrap_or_default();
                ensure!(
                    major(&version) >= Some(20),
                    "Node 20 or newer is missing: apt-get install nodejs"
                );
                let npm = Run::new("npm --version").succeeds();
                ensure!(npm, "npm is missing: apt-get install npm");
            }
        }
        Ok(())
    }
}

/// The 20 of `v20.19.1`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_named_is_the_one_that_is_installed() {
        for sdk in &SDKS {
            let list = fs::read_to_string(sdk.sources().join(sdk.language.list())).unwrap();
            let wanted = match sdk.language {
                Language::Python => format!("a2a-sdk[http-server]=={}\n", sdk.version),
                Language::JavaScript => format!("\"@a2a-js/sdk\": \"{}\"", sdk.version),
            };
            assert!(list.contains(&wanted), "{}: {list}", sdk.name());
        }
    }

    #[test]
    fn the_major_version_of_node_comes_after_a_v() {
        assert_eq!(major("v20.19.1\n"), Some(20));
        assert_eq!(major("20"), None);
    }
}
