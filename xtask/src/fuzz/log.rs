//! What libFuzzer prints, reduced to the numbers in it.

/// The numbers of one run. What was not printed is 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) executions: u64,
    pub(crate) per_second: u64,
    /// Edges of the control flow that some input reached.
    pub(crate) coverage: u64,
    /// Inputs that are kept, because each reaches something of its own.
    pub(crate) corpus: u64,
    pub(crate) peak_mib: u64,
    /// The input that failed.
    pub(crate) artifact: Option<String>,
}

impl Log {
    pub(crate) fn parse(text: &str) -> Self {
        let mut log = Self::default();
        text.lines().for_each(|line| log.take(line));
        log
    }

    fn take(&mut self, line: &str) {
        if line.starts_with('#') {
            self.progress(line);
        } else if let Some(statistic) = line.strip_prefix("stat::") {
            self.statistic(statistic);
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.artifact = Some(path.to_owned());
        }
    }

    /// `#256 pulse  cov: 122 ft: 301 corp: 17/301b exec/s: 128 rss: 45Mb`
    fn progress(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            match pair[0] {
                "cov:" => self.coverage = leading(pair[1]),
                "corp:" => self.corpus = leading(pair[1]),
                _ => {}
            }
        }
        self.executions = self.executions.max(leading(&line[1..]));
    }

    /// `number_of_executed_units: 256`
    fn statistic(&mut self, statistic: &str) {
        let Some((name, value)) = statistic.split_once(':') else {
            return;
        };
        let value = leading(value.trim());
        match name {
            "number_of_executed_units" => self.executions = value,
            "average_exec_per_sec" => self.per_second = value,
            "peak_rss_mb" => self.peak_mib = value,
            _ => {}
        }
    }
}

/// The number that a text begins with.
fn leading(text: &str) -> u64 {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbers_of_a_run_count() {
        let text = "INFO: Seed: 1\n\
            #2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 40Mb\n\
            #300\tNEW    cov: 34 ft: 56 corp: 7/80b lim: 4 exec/s: 0 rss: 41Mb L: 1/1\n\
            #512\tDONE   cov: 35 ft: 57 corp: 8/99b lim: 4 exec/s: 256 rss: 42Mb\n\
            stat::number_of_executed_units: 512\n\
            stat::average_exec_per_sec:     256\n\
            stat::peak_rss_mb:              43\n";
        let expected = Log {
            executions: 512,
            per_second: 256,
            coverage: 35,
            corpus: 8,
            peak_mib: 43,
            artifact: None,
        };
        assert_eq!(Log::parse(text), expected);
    }

    #[test]
    fn a_crash_names_its_input_and_leaves_the_numbers_so_far() {
        let text = "#9\tNEW    cov: 3 ft: 3 corp: 2/9b\nthread panicked\n\
            artifact_prefix='a/'; Test unit written to a/crash-0a\nBase64: AA==\n";
        let log = Log::parse(text);
        assert_eq!(log.artifact.as_deref(), Some("a/crash-0a"));
        assert_eq!((log.executions, log.coverage), (9, 3));
    }
}
