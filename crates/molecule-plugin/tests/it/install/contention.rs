//! Many at once.

use std::sync::Barrier;
use std::thread;

use molecule_plugin::{PluginError, Wait, install, verify_installed};

use super::child::Process;
use super::{Home, archive, digest, name, options, plugin};

fn versions() -> Vec<String> {
    (0..8).map(|number| number.to_string()).collect()
}

/// One of the versions is there, complete, and nothing else.
fn check_one_version(home: &Home) {
    let list = home.store.list().unwrap();
    let version = list[0].version.clone().unwrap();
    home.check_holds(&plugin(&version));
    assert_eq!(list[0].digest, Some(digest(&plugin(&version))));
    assert!(verify_installed(&home.root(), None).unwrap().intact);
}

#[test]
fn eight_processes_install_one_plugin_and_one_complete_version_remains() {
    let home = Home::new();
    let mut processes: Vec<_> = versions().iter().map(|_| Process::start()).collect();
    for _ in 0..5 {
        for (version, process) in versions().iter().zip(&mut processes) {
            let path = home.file(version, &archive(&plugin(version)));
            process.send(&format!(
                "install {} {}",
                home.dir().display(),
                path.display()
            ));
        }
        for (version, process) in versions().iter().zip(&mut processes) {
            assert_eq!(process.answer(), digest(&plugin(version)).to_string());
        }
        check_one_version(&home);
    }
}

/// Eight threads at once; those that do not wait may find it taken.
fn check_threads(wait: Wait) {
    let home = Home::new();
    let barrier = Barrier::new(8);
    let results: Vec<_> = thread::scope(|scope| {
        let start = |version: String| {
            let (home, barrier) = (&home, &barrier);
            scope.spawn(move || {
                let options = options().with_wait(wait);
                let archive = archive(&plugin(&version));
                barrier.wait();
                install(&home.store, &name("demo"), &archive[..], &options)
            })
        };
        let threads: Vec<_> = versions().into_iter().map(start).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let installed = results.iter().filter(|result| result.is_ok()).count();
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(error, PluginError::Busy(_)), "{error:?}");
    }
    match wait {
        Wait::No => assert!(installed >= 1),
        Wait::For(_) => assert_eq!(installed, 8),
    }
    check_one_version(&home);
}

#[test]
fn eight_threads_that_wait_all_install() {
    check_threads(super::PATIENT);
}

#[test]
fn eight_threads_that_do_not_wait_install_or_are_told_that_it_is_busy() {
    check_threads(Wait::No);
}

#[test]
fn plugins_do_not_wait_for_each_other() {
    let home = Home::new();
    let _held = home.store.lock(&name("other"), Wait::No).unwrap();
    let options = options().with_wait(Wait::No);
    let archive = archive(&plugin("1"));
    install(&home.store, &name("demo"), &archive[..], &options).unwrap();
    let error = install(&home.store, &name("other"), &archive[..], &options).unwrap_err();
    assert!(matches!(error, PluginError::Busy(_)), "{error:?}");
}
