//! Cancelling, at every step.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use molecule_plugin::{
    CancelFlag, Checked, InstallOptions, InstallReport, PluginError, SetupLimits, SetupOutcome,
    SetupPolicy, Wait, install, verify_installed,
};

use super::{Home, archive, name, options, plugin, with_setup};

/// Sets the flag after some reads, and goes on with the archive.
struct Cancelling<'a> {
    archive: &'a [u8],
    left: usize,
    cancel: CancelFlag,
    /// Reads since the flag was set, with the one that set it.
    late: usize,
}

impl Read for Cancelling<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                self.cancel.cancel();
                self.late += 1;
            }
        }
        let count = buffer.len().min(16);
        self.archive.read(&mut buffer[..count])
    }
}

fn check_cancelled(result: Result<InstallReport, PluginError>) {
    assert!(matches!(result, Err(PluginError::Cancelled)), "{result:?}");
}

fn cancellable() -> (CancelFlag, InstallOptions) {
    let cancel = CancelFlag::default();
    (cancel.clone(), options().with_cancel(cancel))
}

#[test]
fn before_it_begins() {
    let home = Home::with(&plugin("old"));
    let (cancel, options) = cancellable();
    cancel.cancel();
    check_cancelled(install(
        &home.store,
        &name("demo"),
        &archive(&plugin("new"))[..],
        &options,
    ));
    home.check_holds(&plugin("old"));
}

#[test]
fn while_it_waits_for_somebody_else() {
    let home = Home::with(&plugin("old"));
    let (cancel, options) = cancellable();
    let options = options.with_wait(Wait::For(Duration::MAX));
    let held = home.store.lock(&name("demo"), Wait::No).unwrap();
    thread::scope(|scope| {
        let new = archive(&plugin("new"));
        let waiting = scope.spawn(|| {
            let new = new;
            install(&home.store, &name("demo"), &new[..], &options)
        });
        cancel.cancel();
        check_cancelled(waiting.join().unwrap());
    });
    drop(held);
    home.check_holds(&plugin("old"));
}

#[test]
fn while_the_archive_is_read() {
    let archive = archive(&plugin("new"));
    for left in (0..archive.len() / 16).step_by(3) {
        let home = Home::with(&plugin("old"));
        let (cancel, options) = cancellable();
        let archive = &archive[..];
        let mut reader = Cancelling {
            archive,
            left,
            cancel,
            late: 0,
        };
        check_cancelled(install(&home.store, &name("demo"), &mut reader, &options));
        assert_eq!(reader.late, 1);
        home.check_holds(&plugin("old"));
    }
}

#[test]
fn after_the_verification() {
    let home = Home::with(&plugin("old"));
    let (cancel, options) = cancellable();
    let lock = home.store.lock(&name("demo"), Wait::No).unwrap();
    let staged = lock.stage(&archive(&plugin("new"))[..], &options).unwrap();
    let Checked::Unverified(unverified) = staged.verify().unwrap() else {
        panic!("nothing vouches for it");
    };
    cancel.cancel();
    let result = unverified.install_unverified();
    assert!(matches!(result, Err(PluginError::Cancelled)), "{result:?}");
    drop(lock);
    home.check_holds(&plugin("old"));
}

#[test]
fn after_the_swap_the_script_does_not_begin() {
    let home = Home::with(&plugin("old"));
    let (cancel, options) = cancellable();
    let lock = home.store.lock(&name("demo"), Wait::No).unwrap();
    let files = with_setup("echo >ran");
    let staged = lock.stage(&archive(&files)[..], &options).unwrap();
    let Checked::Unverified(unverified) = staged.verify().unwrap() else {
        panic!("nothing vouches for it");
    };
    let installed = unverified.install_unverified().unwrap();
    cancel.cancel();
    let setup = installed.run_setup_unverified().unwrap();
    assert!(
        matches!(setup.outcome, SetupOutcome::NotRun { .. }),
        "{setup:?}"
    );
    drop(lock);
    home.check_holds(&files);
}

#[test]
fn while_the_script_runs() {
    let home = Home::new();
    let (cancel, options) = cancellable();
    let options = options
        .with_setup(SetupPolicy::Always)
        .with_setup_limits(SetupLimits::default().with_time(Duration::MAX));
    let files = with_setup("echo begun; echo >begun; sleep 1000");
    let archive = archive(&files);
    let report = thread::scope(|scope| {
        let installing =
            scope.spawn(|| install(&home.store, &name("demo"), &archive[..], &options));
        while !home.root().join("begun").exists() && !installing.is_finished() {
            thread::yield_now();
        }
        cancel.cancel();
        installing.join().unwrap().unwrap()
    });
    let setup = report.setup.unwrap();
    assert_eq!(setup.outcome, SetupOutcome::Cancelled);
    let reason = setup.unrecorded.unwrap();
    assert!(reason.contains("install again"), "{reason}");
    let verification = verify_installed(&home.root(), None).unwrap();
    assert!(verification.intact, "{verification:?}");
    assert_eq!(verification.added, ["begun"]);
}
