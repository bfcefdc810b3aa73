//! `setup.sh`: when it runs, and how little it can do by running.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use molecule_plugin::{
    Checked, InstallOptions, SetupLimits, SetupOutcome, SetupPolicy, SetupReport, install,
    verify_installed,
};

use super::child::Process;
use super::{Files, Home, archive, declared, digest, name, options, with_setup};

/// Enough for scripts that end by themselves.
const LONG: Duration = Duration::from_secs(60);

/// So little that a script that does not end is stopped soon.
const SHORT: Duration = Duration::from_millis(300);

fn limits(time: Duration) -> SetupLimits {
    SetupLimits::default().with_time(time)
}

fn verified(home: &Home, files: &Files, limits: SetupLimits) -> SetupReport {
    let files = declared(files.clone());
    let options = options().with_setup_limits(limits);
    let report = install(&home.store, &name("demo"), &archive(&files)[..], &options).unwrap();
    report.setup.unwrap()
}

/// Runs a script that must not take as long as it wants to.
fn run(script: &str, time: Duration) -> (Home, SetupReport) {
    let home = Home::new();
    let report = verified(&home, &with_setup(script), limits(time));
    assert!(report.duration < LONG, "{:?}", report.duration);
    (home, report)
}

fn check(script: &str, outcome: SetupOutcome, stdout: &str, stderr: &str) {
    let (home, report) = run(script, LONG);
    assert_eq!(report.outcome, outcome, "{report:?}");
    assert_eq!((&*report.stdout, &*report.stderr), (stdout, stderr));
    assert!(!report.truncated);
    assert_eq!(home.store.list().unwrap().len(), 1);
}

#[test]
fn its_end_is_reported_whatever_it_is() {
    let failed = |exit_code| SetupOutcome::Failed { exit_code };
    check(
        "echo hello\necho trouble >&2\n",
        SetupOutcome::Succeeded,
        "hello\n",
        "trouble\n",
    );
    check("exit 3", failed(3), "", "");
    check("kill -9 $$", SetupOutcome::Signalled { signal: 9 }, "", "");
    check(
        "printf 'a\\377b'",
        SetupOutcome::Succeeded,
        "a\u{fffd}b",
        "",
    );
    check("", SetupOutcome::Succeeded, "", "");
    check("exec >&- 2>&-; exit 4", failed(4), "", "");
}

#[test]
fn it_runs_in_the_plugins_directory_with_its_whole_path() {
    let (home, report) = run("pwd; echo $0; cat rules/r.md", LONG);
    let root = home.root();
    let expected = format!(
        "{}\n{}/setup.sh\nrule of 1\n",
        root.display(),
        root.display()
    );
    assert_eq!(report.stdout, expected);
}

/// Runs a script in a process whose own input is a pipe.
fn run_in_child(script: &str, environment: &[(&str, &str)]) -> String {
    let home = Home::new();
    let archive = home.file("a.tgz", &archive(&declared(with_setup(script))));
    let mut process = Process::start_with(environment);
    let (dir, archive) = (home.dir().display(), archive.display());
    process.ask(&format!("setup {dir} {archive}"))
}

#[test]
fn it_has_no_input() {
    let read = "cat; read line; echo \"[$line]\"";
    check(read, SetupOutcome::Succeeded, "[]\n", "");
    #[cfg(target_os = "linux")]
    assert_eq!(run_in_child("readlink /proc/self/fd/0", &[]), "/dev/null|");
}

#[test]
fn it_leads_a_process_group_of_its_own() {
    let (_, report) = run(
        "echo $$; ps -o pgid= -p $$ || cut -d' ' -f5 /proc/$$/stat",
        LONG,
    );
    let ids: Vec<_> = report.stdout.split_whitespace().collect();
    assert_eq!(ids.len(), 2, "{report:?}");
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn it_sees_no_secret_of_its_parent() {
    let script = "echo own environment:; env; echo parent:; tr '\\0' '\\n' < /proc/self/environ";
    let answer = run_in_child(script, &[("MOLECULE_AGENT_TOKEN", "s3cr3t-value")]);
    assert!(answer.contains("GREETING=hello"), "{answer}");
    assert!(
        answer.contains("PATH=/usr/local/sbin:/usr/local/bin:"),
        "{answer}"
    );
    assert!(
        !answer.contains("s3cr3t") && !answer.contains("TOKEN"),
        "{answer}"
    );
    assert!(!answer.contains("HOME="), "{answer}");
}

#[test]
fn its_environment_is_exactly_what_the_caller_lists() {
    let home = Home::new();
    let environment = [("PATH", "/usr/bin:/bin"), ("B", "two words")];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let limits = limits(LONG).with_environment(environment.into());
    let report = verified(&home, &with_setup("env"), limits);
    let mut lines: Vec<_> = report.stdout.lines().collect();
    // What bash sets by itself.
    lines.retain(|line| {
        !["PWD=", "SHLVL=", "_=", "OLDPWD="]
            .iter()
            .any(|own| line.starts_with(own))
    });
    lines.sort();
    assert_eq!(lines, ["B=two words", "PATH=/usr/bin:/bin"]);
}

#[test]
fn without_bash_it_does_not_run_and_the_plugin_is_installed_all_the_same() {
    let home = Home::new();
    let environment = vec![("PATH".to_owned(), "/nowhere".to_owned())];
    let limits = limits(LONG).with_environment(environment);
    let report = verified(&home, &with_setup("echo hello"), limits);
    check_not_run(&report, "install bash");
    home.check_holds(&declared(with_setup("echo hello")));
}

fn check_not_run(report: &SetupReport, expect: &str) {
    let SetupOutcome::NotRun { reason } = &report.outcome else {
        panic!("{report:?}");
    };
    assert!(reason.contains(expect), "{reason}");
}

#[test]
fn a_script_that_hangs_is_killed_at_the_limit_even_if_it_will_not_hear() {
    for script in [
        "echo started; sleep 1000",
        "echo started; trap '' TERM INT HUP; while :; do sleep 1; done",
        "echo started; kill -STOP $$",
        "echo started; exec >&- 2>&-; sleep 1000",
    ] {
        let (home, report) = run(script, SHORT);
        assert_eq!(report.outcome, SetupOutcome::TimedOut, "{script}");
        assert_eq!(report.stdout, "started\n");
        assert!(report.duration >= SHORT, "{report:?}");
        home.check_holds(&declared(with_setup(script)));
    }
}

#[test]
fn what_it_leaves_running_in_its_group_is_killed_after_its_end_or_at_the_limit() {
    let endless = "sleep 1000 & echo $!; (trap '' TERM; while :; do sleep 1; done) & echo $!;";
    for (end, time, outcome) in [
        ("exit 0", LONG, SetupOutcome::Succeeded),
        ("wait", SHORT, SetupOutcome::TimedOut),
    ] {
        let (_home, report) = run(&format!("{endless} {end}"), time);
        assert_eq!(report.outcome, outcome);
        let ids: Vec<_> = report.stdout.lines().collect();
        assert_eq!(ids.len(), 2, "{report:?}");
        ids.into_iter().for_each(wait_until_dead);
    }
}

/// It was sent the signal before; now and then the system needs a moment.
fn wait_until_dead(id: &str) {
    for _ in 0..1_000_000 {
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            return;
        };
        let (_, state) = stat.rsplit_once(") ").unwrap();
        if state.starts_with(['Z', 'X']) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("process {id} lives on");
}

#[test]
fn a_daemon_outside_of_its_group_that_keeps_the_pipe_does_not_hold_us_up() {
    let script = format!("setsid sh -c 'echo >ready; exec sleep 1000' & echo $!; {UNTIL_READY}");
    let (_home, report) = run(&script, LONG);
    assert_eq!(report.outcome, SetupOutcome::Succeeded);
    let daemon: i32 = report.stdout.trim().parse().unwrap();
    kill(daemon);
}

/// Until the daemon has left the group.
const UNTIL_READY: &str = "until [ -e ready ]; do :; done";

fn kill(id: i32) {
    use rustix::process::{Pid, Signal, kill_process};
    kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_daemon_outside_of_its_group_that_prints_for_ever_does_not_hold_us_up() {
    // It ends by itself when nobody reads any more.
    let script = format!("setsid sh -c 'echo >ready; exec yes' & {UNTIL_READY}");
    let (_home, report) = run(&script, LONG);
    assert_eq!(report.outcome, SetupOutcome::Succeeded);
}

#[test]
fn a_flood_is_read_to_its_end_and_its_beginning_is_kept() {
    let script = "head -c 200000000 /dev/zero | tr '\\0' x; echo end >&2; echo done >after";
    let (home, report) = run(script, LONG);
    assert_eq!(report.outcome, SetupOutcome::Succeeded);
    assert_eq!(
        report.stdout,
        "x".repeat(SetupLimits::default().output_bytes)
    );
    assert_eq!(report.stderr, "end\n");
    assert!(report.truncated);
    assert!(home.root().join("after").exists());
}

#[test]
fn output_that_just_fits_is_whole() {
    let (_home, report) = run("head -c 65536 /dev/zero | tr '\\0' x", LONG);
    assert_eq!(report.stdout.len(), 65536);
    assert!(!report.truncated);
}

fn check_policy(files: &Files, options: InstallOptions, ran: bool, reason: &str) {
    let home = Home::new();
    let report = install(&home.store, &name("demo"), &archive(files)[..], &options).unwrap();
    let setup = report.setup.unwrap();
    assert_eq!(home.root().join("ran").exists(), ran, "{setup:?}");
    match ran {
        true => assert_eq!(setup.outcome, SetupOutcome::Succeeded),
        false => check_not_run(&setup, reason),
    }
}

#[test]
fn only_what_a_hash_vouches_for_runs_unless_the_caller_insists() {
    let plain = with_setup("echo >ran");
    let vouched = declared(plain.clone());
    let pinned = || options().with_expected(digest(&plain));
    let policy = |options: InstallOptions, policy| options.with_setup(policy);
    use SetupPolicy::{Always, Never, Verified};

    check_policy(&plain, policy(options(), Verified), false, "--sha256");
    check_policy(&plain, policy(options(), Verified), false, "--setup always");
    check_policy(&plain, policy(options(), Always), true, "");
    check_policy(&plain, policy(options(), Never), false, "not wanted");
    check_policy(&plain, policy(pinned(), Verified), true, "");
    check_policy(&vouched, policy(options(), Verified), true, "");
    check_policy(&vouched, policy(options(), Always), true, "");
    check_policy(&vouched, policy(options(), Never), false, "not wanted");
}

#[test]
fn without_a_script_there_is_nothing_to_report() {
    let home = Home::new();
    assert_eq!(
        home.install("demo", &super::plugin("1")).unwrap().setup,
        None
    );
    let link = super::archive_with_link(&super::plugin("1"), "setup.sh", "/bin/true");
    let always = options().with_setup(SetupPolicy::Always);
    let report = install(&home.store, &name("demo"), &link[..], &always).unwrap();
    assert_eq!(report.setup, None);
}

/// Changes the plugin between its installation and its script.
fn check_changed(change: impl Fn(&Path)) {
    let home = Home::new();
    let files = declared(with_setup("echo >ran"));
    let (archive, options) = (archive(&files), options());
    let lock = home.store.lock(&name("demo"), options.wait).unwrap();
    let staged = lock.stage(&archive[..], &options).unwrap();
    let Checked::Verified(verified) = staged.verify().unwrap() else {
        panic!("it declares its hash");
    };
    let installed = verified.install().unwrap();
    change(&installed.root().join("setup.sh"));
    check_not_run(&installed.run_setup().unwrap(), "who changed it");
    assert!(!home.root().join("ran").exists());
}

#[test]
fn a_script_that_was_changed_since_it_was_verified_does_not_run() {
    check_changed(|script| fs::write(script, "echo >ran #evil").unwrap());
    check_changed(|script| fs::remove_file(script).unwrap());
    check_changed(|script| {
        // The same content, somewhere else.
        let other = script.with_file_name("other");
        fs::rename(script, &other).unwrap();
        symlink(other, script).unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_in_the_place_of_the_script_does_not_hold_us_up() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    check_changed(|script| {
        fs::remove_file(script).unwrap();
        mknodat(CWD, script, FileType::Fifo, Mode::RWXU, 0).unwrap();
    });
}

#[test]
fn it_runs_under_the_lock_of_its_plugin() {
    let home = Home::new();
    let script = "ls ../.locks";
    let report = verified(&home, &with_setup(script), limits(LONG));
    assert_eq!(report.stdout, "demo\n");
}

/// What its verification lists as added, which is what nobody recorded.
fn added(home: &Home) -> Vec<String> {
    verify_installed(&home.root(), None).unwrap().added
}

#[test]
fn what_it_left_is_recorded_and_the_report_says_if_not() {
    let (home, report) = run("echo made >made", LONG);
    assert_eq!(report.unrecorded, None);
    assert_eq!(added(&home), [""; 0]);

    let (home, report) = run("truncate -s 8T sparse; echo made >made", LONG);
    assert_eq!(report.outcome, SetupOutcome::Succeeded);
    let reason = report.unrecorded.unwrap();
    assert!(reason.contains("1 GiB"), "{reason}");
    fs::remove_file(home.root().join("sparse")).unwrap();
    assert_eq!(added(&home), ["made"]);
}

#[test]
fn a_daemon_outside_of_its_group_that_appends_to_a_file_does_not_hold_us_up() {
    let append = "echo >ready; while :; do head -c 10000 /dev/zero; done >>log";
    let script = format!("setsid sh -c '{append}' & echo $!; {UNTIL_READY}");
    let (home, report) = run(&script, LONG);
    let daemon: i32 = report.stdout.trim().parse().unwrap();
    kill(daemon);
    assert_eq!(report.outcome, SetupOutcome::Succeeded);
    assert!(home.root().join("log").exists());
}
