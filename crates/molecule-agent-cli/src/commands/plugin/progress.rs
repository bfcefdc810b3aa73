//! A bar for a person who waits.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use molecule_agent::Progress;

use crate::output::Output;

const KNOWN: &str = "{msg} [{bar:30}] {bytes} of {total_bytes}";
const UNKNOWN: &str = "{msg} {spinner} {bytes}";

/// A bar that counts bytes, or nothing where nobody watches.
pub(super) fn bar(what: String, total: Option<u64>, io: &Output) -> ProgressBar {
    if !io.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length()
        .with_message(what)
        .with_finish(ProgressFinish::AndClear);
    set_total(&bar, total);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// What moves the bar along with a download.
pub(super) fn follow(bar: &ProgressBar) -> impl Fn(Progress) + Send + Sync + 'static {
    let bar = bar.clone();
    move |progress| {
        if bar.length() != progress.total {
            set_total(&bar, progress.total);
        }
        bar.set_position(progress.bytes);
    }
}

/// Tells the bar how many bytes there will be.
fn set_total(bar: &ProgressBar, total: Option<u64>) {
    let template = if total.is_some() { KNOWN } else { UNKNOWN };
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.expect("both templates are constants that a test draws"));
    if let Some(total) = total {
        bar.set_length(total);
    }
}
