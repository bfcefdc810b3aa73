//! One version takes the place of another.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use molecule_plugin::{Checked, Durability, install};

use super::child::Process;
use super::{Home, archive, check_only, digest, name, options, plugin, told};

#[test]
fn an_upgrade_replaces_every_file() {
    let home = Home::with(&plugin("1"));
    let mut second = plugin("2");
    second.remove("rules/r.md");
    for durability in [Durability::Unsynced, Durability::Sync] {
        home.install("demo", &plugin("1")).unwrap();
        let options = options().with_durability(durability);
        install(&home.store, &name("demo"), &archive(&second)[..], &options).unwrap();
        home.check_holds(&second);
        assert_eq!(home.store.list().unwrap()[0].version.as_deref(), Some("2"));
    }
}

#[test]
fn an_old_version_without_permissions_is_replaced() {
    let home = Home::with(&plugin("1"));
    for (path, mode) in [("rules", 0), ("skills/hello", 0o555), ("", 0o500)] {
        let path = home.root().join(path);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    home.install("demo", &plugin("2")).unwrap();
    home.check_holds(&plugin("2"));
}

#[test]
fn a_plugin_that_was_put_there_by_hand_is_replaced() {
    let home = Home::new();
    fs::create_dir(home.root()).unwrap();
    fs::write(home.root().join("old"), "").unwrap();
    home.install("demo", &plugin("2")).unwrap();
    home.check_holds(&plugin("2"));
}

#[test]
fn the_same_version_again_is_fine() {
    let home = Home::with(&plugin("1"));
    home.install("demo", &plugin("1")).unwrap();
    home.check_holds(&plugin("1"));
}

#[test]
fn a_place_that_is_taken_meanwhile_by_something_else_is_left_alone() {
    let home = Home::new();
    let options = options();
    let lock = home.store.lock(&name("demo"), options.wait).unwrap();
    let staged = lock.stage(&archive(&plugin("1"))[..], &options).unwrap();
    let Checked::Unverified(unverified) = staged.verify().unwrap() else {
        panic!("nothing vouches for it");
    };
    std::os::unix::fs::symlink("/etc", home.root()).unwrap();
    let error = unverified.install_unverified().unwrap_err();
    assert!(told(&error).contains("symbolic link"), "{}", told(&error));
    drop(lock);
    fs::remove_file(home.root()).unwrap();
    check_only(home.dir(), &[]);
}

/// With few descriptors an installation fails at one step after the other, and in the end works.
#[test]
fn an_installation_that_runs_out_of_descriptors_leaves_the_old_version_and_nothing_of_the_new_one()
{
    let home = Home::with(&plugin("old"));
    let path = home.file("new.tgz", &archive(&plugin("new")));
    let command = format!("{} {}", home.dir().display(), path.display());
    for (failures, spare) in (4..64).enumerate() {
        let answer = Process::start().ask(&format!("starved {spare} {command}"));
        if answer == digest(&plugin("new")).to_string() {
            home.check_holds(&plugin("new"));
            assert!(failures > 3, "it was never starved");
            return;
        }
        assert!(answer.contains("disk: "), "{answer}");
        home.check_holds(&plugin("old"));
    }
    panic!("it never works");
}
