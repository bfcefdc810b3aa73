//! The log: lines that say which workspace's stub is speaking.

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;

use molecule_protocol::WorkspaceId;

/// How much of the id the prefix shows, in characters.
const SHORT_ID: usize = 12;

/// Prefixes lines and hands them on.
#[derive(Clone)]
pub(super) struct Log {
    prefix: Arc<str>,
    sink: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Log {
    pub(super) fn new(id: WorkspaceId, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let short: String = id.to_string().chars().take(SHORT_ID).collect();
        Self {
            prefix: format!("[stub-runtime {short}] ").into(),
            sink: Arc::new(sink),
        }
    }

    /// Logs `text` as one line: what the platform answers could otherwise forge others.
    pub(super) fn line(&self, text: impl Display) {
        let text = text.to_string().replace(char::is_control, " ");
        (self.sink)(&format!("{}{text}", self.prefix));
    }
}

/// An error and what caused it, on one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_line_carries_twelve_characters_of_the_id_and_stays_one_line() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let id = "9e453dad-99f0-4e01-8c72-0031bf974e26".parse().unwrap();
        let log = Log::new(id, move |line| sink.lock().unwrap().push(line.to_owned()));
        log.line("register -> 200 {}\n[stub-runtime other] forged");
        assert_eq!(
            *lines.lock().unwrap(),
            ["[stub-runtime 9e453dad-99f] register -> 200 {} [stub-runtime other] forged"]
        );
    }
}
