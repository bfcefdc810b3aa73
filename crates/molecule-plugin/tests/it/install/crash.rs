//! Processes that are killed while they install, upgrade and remove.

use std::hint::spin_loop;
use std::path::{Path, PathBuf};

use molecule_plugin::{PluginStore, verify_installed};

use super::child::Process;
use super::{Files, Home, archive, check_only, digest, plugin, read_tree, with_setup};

/// Plugins of some size, so that there is something to hit; one with a script that leaves a file.
fn versions() -> Vec<Files> {
    let large = |version: &str, mut files: Files| {
        for number in 0..10 {
            let text = format!("{version} {number}\n").repeat(20);
            files.insert(format!("data/{number}/file"), text);
        }
        files.insert(
            "plugin.yaml".to_owned(),
            format!("version: \"{version}\"\n"),
        );
        files
    };
    vec![
        large("1", plugin("1")),
        large("2", with_setup(&format!("echo made >{MADE}"))),
        large("3", plugin("3")),
    ]
}

/// What the script makes.
const MADE: &str = "made-by-setup";

/// The number behind the last version.
const REMOVE: usize = 3;

struct Archives {
    home: Home,
    versions: Vec<Files>,
    paths: Vec<PathBuf>,
}

impl Archives {
    fn new() -> Self {
        let (home, versions) = (Home::new(), versions());
        let pack = |(number, files)| home.file(&format!("{number}.tgz"), &archive(files));
        let paths = versions.iter().enumerate().map(pack).collect();
        Self {
            home,
            versions,
            paths,
        }
    }

    /// Starts a process that works as fast as it can, and kills it.
    fn kill_at_work(&self, order: &[usize], spins: u32) {
        let mut process = Process::start();
        let step = |&number: &usize| match self.paths.get(number) {
            Some(path) => path.display().to_string(),
            None => "remove".to_owned(),
        };
        let steps: Vec<_> = order.iter().map(step).collect();
        let dir = self.home.dir().display();
        process.send(&format!("work-forever {dir} {}", steps.join(" ")));
        assert_eq!(process.answer(), "ready");
        let locks = self.home.dir().join(".locks");
        while super::names(&locks).is_empty() && process.is_running() {}
        (0..spins).for_each(|_| spin_loop());
        process.kill();
    }

    /// What the killed process left is one version or none, and after the next start nothing else. Says whether it left more before.
    fn check_after_kill(&self, may_be_gone: bool) -> bool {
        let dir = self.home.dir();
        let had_leftovers = super::names(dir)
            .iter()
            .any(|name| name.starts_with(".staging-"));
        let store = next_start(dir);
        let list = store.list().unwrap();
        let [installed] = &list[..] else {
            assert!(may_be_gone && list.is_empty(), "{list:?}");
            check_only(dir, &[]);
            return had_leftovers;
        };
        check_only(dir, &["demo"]);
        let same = |files: &&Files| installed.digest == Some(digest(files));
        let files = self.versions.iter().find(same).expect("a receipt of ours");
        check_complete(&installed.root, files);
        let verification = verify_installed(&installed.root, None).unwrap();
        assert!(verification.intact, "{verification:?}");
        had_leftovers
    }
}

/// A script that the killed process was just starting has a copy of its lock until the exec, and with it the plugin is not free.
fn next_start(dir: &Path) -> PluginStore {
    for _ in 0..100_000 {
        let store = PluginStore::open(dir).unwrap();
        if super::names(&dir.join(".locks")).is_empty() {
            return store;
        }
    }
    panic!("the lock is never free again");
}

/// A script may outlive its parent for a moment, so that what it makes can appear at any time.
fn check_complete(root: &Path, files: &Files) {
    let mut found = Files::new();
    read_tree(root, root, &mut found);
    found.remove(MADE);
    assert_eq!(&found, files);
}

#[test]
fn a_process_killed_at_any_moment_leaves_one_whole_version_and_the_next_start_nothing_else() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let archives = Archives::new();
    let hit = (0..300).filter(|_| {
        let order: Vec<_> = (0..6).map(|_| random.usize(..=REMOVE)).collect();
        archives.kill_at_work(&order, random.u32(..600_000));
        archives.check_after_kill(true)
    });
    let hit = hit.count();
    assert!(hit > 50, "only {hit} of 300 kills hit anything");
}

#[test]
fn a_process_killed_while_it_upgrades_never_leaves_the_plugin_without_a_version() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let archives = Archives::new();
    archives
        .home
        .install("demo", &archives.versions[0])
        .unwrap();
    for _ in 0..100 {
        archives.kill_at_work(&[1, 2, 0], random.u32(..600_000));
        archives.check_after_kill(false);
    }
}
