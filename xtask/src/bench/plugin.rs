//! `cargo xtask bench plugin`: extracting, hashing and verifying a plugin, as whole processes, as ratios to `tar -xzf`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use super::archives::{Archive, SHAPES, Shape};
use super::statistics::{median, shown};
use crate::process::{Run, root};
use crate::workspace::metadata;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measured rounds; in each, every contender installs every archive once
    #[arg(long, default_value_t = 9, value_name = "N")]
    rounds: usize,
    /// Only archives whose title begins so, such as "5 000"
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TITLE"
    )]
    archive: String,
    /// Only places whose title ends so, such as "disk" or "tmpfs"
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TITLE"
    )]
    place: String,
}

/// Who installs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    Synced,
    Unsynced,
    Tar,
    CPython,
}

impl Contender {
    const ALL: [Self; 4] = [Self::Synced, Self::Unsynced, Self::Tar, Self::CPython];

    fn title(self) -> &'static str {
        match self {
            Self::Synced => "molecule-agent plugin install",
            Self::Unsynced => "  the same with --no-sync",
            Self::Tar => "tar -xzf, which only extracts",
            Self::CPython => "CPython, tarfile and hashlib",
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "at least one round is needed");
    check_tools()?;
    Run::new("cargo build --release --bin molecule-agent").show()?;
    let desk = Desk::new()?;
    let shapes = SHAPES.iter().enumerate();
    for (index, shape) in shapes.filter(|(_, shape)| shape.title.starts_with(&options.archive)) {
        let path = desk.home.path().join(format!("{index}.tar.gz"));
        let archive = shape.write(&path)?;
        println!("\n{}", describe(shape, &archive));
        let places = desk.places.iter();
        for place in places.filter(|place| place.title.ends_with(&options.place)) {
            let bench = Bench {
                desk: &desk,
                place,
                archive: &archive,
            };
            print!("\n{}", bench.measure(options.rounds)?.table(index));
        }
    }
    println!(
        "\nTargets are of a quiet machine and a release build; whether they are met is for the reader to judge."
    );
    Ok(())
}

fn check_tools() -> Result<()> {
    let tar = Run::new("tar --version")
        .hint("this bench needs GNU tar")
        .read()?;
    ensure!(
        tar.contains("GNU tar"),
        "this bench needs GNU tar, and `tar` is another one"
    );
    Run::new("python3 -I -c")
        .arg("import hashlib, json, tarfile")
        .hint("this bench needs python3 with zlib")
        .read()?;
    Ok(())
}

fn describe(shape: &Shape, archive: &Archive) -> String {
    format!(
        "{}: {:.1} MB, compressed {:.1} MB",
        shape.title,
        archive.unpacked as f64 / 1e6,
        archive.compressed as f64 / 1e6
    )
}

/// The programs, and where to work.
struct Desk {
    /// Holds the archives; the log-in folder of whoever is measured.
    home: TempDir,
    places: Vec<Place>,
    agent: String,
    script: String,
}

struct Place {
    title: &'static str,
    dir: TempDir,
}

impl Desk {
    fn new() -> Result<Self> {
        let target = metadata()?.target_directory.into_std_path_buf();
        let script = root().join("xtask/src/bench/cpython.py");
        Ok(Self {
            home: tempfile::tempdir()?,
            places: places(&target)?,
            agent: text(&target.join("release/molecule-agent")),
            script: text(&script),
        })
    }

    /// The command that unpacks into `dir`, which does not exist yet.
    fn command(&self, contender: Contender, archive: &Path, dir: &Path) -> Run {
        let agent = || {
            Run::new(&self.agent)
                .env("HOME", text(self.home.path()))
                .arg("plugin")
                .arg("install")
                .arg("bench")
                .arg("--archive")
                .arg(text(archive))
                .arg("--plugins-dir")
                .arg(text(dir))
                .arg("--setup")
                .arg("never")
        };
        match contender {
            Contender::Synced => agent(),
            Contender::Unsynced => agent().arg("--no-sync"),
            Contender::Tar => Run::new("tar -xzf")
                .arg(text(archive))
                .arg("-C")
                .arg(text(dir)),
            Contender::CPython => Run::new("python3 -I -B")
                .arg(&self.script)
                .arg(text(archive))
                .arg(text(dir)),
        }
    }
}

fn places(target: &Path) -> Result<Vec<Place>> {
    let mut places = vec![Place {
        title: "on the disk",
        dir: tempfile::tempdir_in(target)?,
    }];
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        let dir = tempfile::tempdir_in(memory)?;
        places.push(Place {
            title: "on a tmpfs",
            dir,
        });
    } else {
        println!("there is no /dev/shm here: NOT measured on a tmpfs");
    }
    Ok(places)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// One archive in one place.
struct Bench<'a> {
    desk: &'a Desk,
    place: &'a Place,
    archive: &'a Archive,
}

impl Bench<'_> {
    /// One round for the caches and to see that everybody does the work, then those that count.
    fn measure(&self, rounds: usize) -> Result<Measured> {
        let mut measured = Measured {
            title: self.place.title,
            times: [const { Vec::new() }; 4],
            peaks: [Contender::Synced, Contender::Unsynced]
                .map(|who| self.peak_kib(who))
                .into_iter()
                .collect::<Result<_>>()?,
        };
        for contender in Contender::ALL {
            self.install(contender, true)?;
        }
        for round in 0..rounds {
            for turn in 0..Contender::ALL.len() {
                // Nobody always comes after the same one.
                let who = (round + turn) % Contender::ALL.len();
                measured.times[who].push(self.install(Contender::ALL[who], false)?);
            }
        }
        Ok(measured)
    }

    fn install(&self, contender: Contender, check: bool) -> Result<Duration> {
        let dir = self.fresh(contender)?;
        let time = timed(&self.desk.command(contender, &self.archive.path, &dir))?;
        if check {
            let found = count_files(&dir.join(own_folder(contender)))?;
            ensure!(
                found == self.archive.files,
                "{} left {found} files of {}",
                contender.title().trim(),
                self.archive.files
            );
        }
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        Ok(time)
    }

    /// A directory that is not there, or, for tar, one that is.
    fn fresh(&self, contender: Contender) -> Result<PathBuf> {
        let dir = self.place.dir.path().join("installed");
        if contender == Contender::Tar {
            fs::create_dir(&dir)?;
        }
        Ok(dir)
    }

    /// What the process itself says about the most memory that it had.
    fn peak_kib(&self, contender: Contender) -> Result<u64> {
        let dir = self.fresh(contender)?;
        let run = self
            .desk
            .command(contender, &self.archive.path, &dir)
            .arg("-vvv");
        let (success, log) = run.watch_error()?;
        ensure!(success, "`{run}` failed:\n{log}");
        fs::remove_dir_all(&dir)?;
        logged_peak(&log).with_context(|| format!("`{run}` does not log its peak of memory"))
    }
}

/// Where below the directory the files are.
fn own_folder(contender: Contender) -> &'static str {
    match contender {
        Contender::Synced | Contender::Unsynced => "bench",
        Contender::Tar | Contender::CPython => "",
    }
}

/// The number after `vm_hwm_kib`.
fn logged_peak(log: &str) -> Option<u64> {
    let (_, rest) = log.split_once("vm_hwm_kib")?;
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it really takes is what is asked"
)]
fn timed(run: &Run) -> Result<Duration> {
    let start = Instant::now();
    run.read()?;
    Ok(start.elapsed())
}

fn count_files(dir: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() {
            count_files(&entry.path())?
        } else {
            1
        };
    }
    Ok(count)
}

/// The times of each contender, and the peaks of ours.
struct Measured {
    title: &'static str,
    times: [Vec<Duration>; 4],
    peaks: Vec<u64>,
}

impl Measured {
    fn table(&self, shape: usize) -> String {
        let tar = self.median(Contender::Tar).as_secs_f64();
        let mut table = format!(
            "{:<34}{:>10}{:>9}{:>10}   target\n",
            self.title, "median", "of tar", "peak MiB"
        );
        for contender in Contender::ALL {
            let time = self.median(contender);
            let peak = self.peaks.get(contender as usize);
            table += &format!(
                "{:<34}{:>10}{:>8.2}x{:>10}   {}\n",
                contender.title(),
                shown(time),
                time.as_secs_f64() / tar,
                peak.map_or("-".to_owned(), |kib| format!("{:.1}", *kib as f64 / 1024.0)),
                target(shape, contender)
            );
        }
        table
    }

    fn median(&self, contender: Contender) -> Duration {
        median(&self.times[contender as usize])
    }
}

/// What is promised for an archive.
fn target(shape: usize, contender: Contender) -> &'static str {
    match (shape, contender) {
        (0, Contender::Unsynced) => "at most 0.70x, 24 MiB",
        (1, Contender::Synced) => "at most 2.00x, 24 MiB",
        (1, Contender::Unsynced) => "at most 1.00x, 24 MiB",
        (2, Contender::Synced) => "at most 15 ms, 24 MiB",
        (_, Contender::Synced | Contender::Unsynced) => "at most 24 MiB",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_found_in_either_form_of_the_log() {
        assert_eq!(
            logged_peak("DEBUG a: peak memory vm_hwm_kib=5120\n"),
            Some(5120)
        );
        assert_eq!(
            logged_peak("{\"fields\":{\"vm_hwm_kib\":5120}}"),
            Some(5120)
        );
        assert_eq!(logged_peak("installed\n"), None);
    }

    #[test]
    fn a_table_shows_ratios_to_tar_next_to_the_targets() {
        let times = [40, 10, 20, 60].map(|millis| vec![Duration::from_millis(millis)]);
        let measured = Measured {
            title: "on the disk",
            times,
            peaks: vec![2048, 1024],
        };
        let table = measured.table(1);
        let lines: Vec<_> = table.lines().collect();
        assert!(
            lines[1].contains("2.00x       2.0   at most 2.00x"),
            "{table}"
        );
        assert!(
            lines[2].contains("0.50x       1.0   at most 1.00x"),
            "{table}"
        );
        assert!(lines[4].contains("3.00x         -"), "{table}");
    }

    #[test]
    fn files_are_counted_in_every_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        for name in ["x", "a/y", "a/b/z"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(count_files(dir.path()).unwrap(), 3);
    }
}
