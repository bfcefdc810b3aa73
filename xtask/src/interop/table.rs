//! What the clients reported, as one table.

use std::fmt;

use anyhow::Result;

/// What every client goes through, in the order of the columns.
const CASES: [&str; 11] = [
    "card",
    "send",
    "message",
    "get",
    "stream",
    "non-blocking",
    "cancel",
    "resubscribe",
    "push",
    "unknown",
    "finished",
];

/// A client and a server, and how each case went.
#[derive(Debug)]
pub(crate) struct Row {
    pair: String,
    cases: [Result<(), String>; CASES.len()],
}

impl Row {
    /// Reads what the client reported: `NAME ok` or `NAME failed: WHY`, a line each. What is not reported failed.
    pub(crate) fn new(pair: String, output: &Result<String>) -> Self {
        let read = |case: &str| match output {
            Ok(output) => find(output, case),
            Err(error) => Err(format!("{error:#}")),
        };
        Self {
            pair,
            cases: CASES.map(read),
        }
    }

    fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        let cases = CASES.iter().zip(&self.cases);
        cases.filter_map(|(name, result)| Some((*name, result.as_ref().err()?.as_str())))
    }
}

fn find(output: &str, case: &str) -> Result<(), String> {
    let mut lines = output.lines().filter_map(|line| line.split_once(' '));
    match lines.find(|(name, _)| *name == case) {
        Some((_, "ok")) => Ok(()),
        Some((_, why)) => Err(why.trim_start_matches("failed: ").to_owned()),
        None => Err("nothing was reported".to_owned()),
    }
}

/// All rows; it fails if a case of one did.
#[derive(Debug)]
pub(crate) struct Table(pub(crate) Vec<Row>);

impl Table {
    pub(crate) fn failed(&self) -> usize {
        self.0.iter().map(|row| row.failures().count()).sum()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, "", CASES)?;
        for row in &self.0 {
            let words = row.cases.each_ref().map(|case| match case {
                Ok(()) => "ok",
                Err(_) => "FAILED",
            });
            write_line(f, &row.pair, words)?;
        }
        for row in &self.0 {
            for (case, why) in row.failures() {
                writeln!(f, "{}: {case}: {why}", row.pair)?;
            }
        }
        Ok(())
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, pair: &str, words: [&str; CASES.len()]) -> fmt::Result {
    let mut line = format!("{pair:<32}");
    for (case, word) in CASES.iter().zip(words) {
        let width = case.len().max("FAILED".len());
        line += &format!("  {word:<width$}");
    }
    writeln!(f, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(output: &str) -> Row {
        Row::new("a -> b".to_owned(), &Ok(output.to_owned()))
    }

    #[test]
    fn a_case_is_as_it_was_reported() {
        let all: String = CASES.map(|case| format!("{case} ok\n")).concat();
        assert_eq!(Table(vec![row(&all)]).failed(), 0);
        let broken = row(&all.replace("get ok", "get failed: no such task"));
        let failures: Vec<_> = broken.failures().collect();
        assert_eq!(failures, [("get", "no such task")]);
    }

    #[test]
    fn what_is_not_reported_failed() {
        assert_eq!(row("").failures().count(), CASES.len());
        let dead = Row::new("a -> b".to_owned(), &Err(anyhow::anyhow!("no python")));
        assert_eq!(dead.failures().next(), Some(("card", "no python")));
        let table = Table(vec![row("card ok\n"), dead]);
        assert_eq!(table.failed(), 2 * CASES.len() - 1);
        let shown = table.to_string();
        assert!(shown.ends_with("a -> b: finished: no python\n"), "{shown}");
    }
}
