//! What came of each case.

use std::collections::BTreeMap;
use std::fmt;

/// One recorded or inferred exchange.
#[derive(Debug)]
pub(crate) struct Case {
    /// The section of the contract.
    pub(crate) section: Section,
    /// The recording and its part.
    pub(crate) place: String,
    /// The request, with the names of its variables, never their values.
    pub(crate) request: String,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Agrees,
    Differs { expected: String, got: String },
    NotRun(String),
}

/// A section of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Section(u8);

impl Section {
    const TITLES: [&'static str; 14] = [
        "conventions",
        "authentication",
        "create workspace",
        "registration",
        "heartbeat, status, liveness",
        "state and lifecycle",
        "secrets",
        "peers and discovery",
        "a2a proxy",
        "delegation",
        "activity and notify",
        "plugins",
        "tokens, limits, misc",
        "generation b",
    ];

    /// The section that a topic of the recordings belongs to.
    pub(crate) fn of(topic: &str) -> Self {
        Self(match topic {
            "origin" => 1,
            "auth" => 2,
            "workspaces" => 3,
            "register" | "update-card" => 4,
            "heartbeat" => 5,
            "state" | "lifecycle" => 6,
            "secrets" => 7,
            "peers" => 8,
            "a2a" => 9,
            "delegation" => 10,
            "activity" | "notify" | "events" => 11,
            "plugins" => 12,
            "generation-b" => 14,
            _ => 13,
        })
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = Self::TITLES[usize::from(self.0) - 1];
        write!(f, "{:>2} {title}", self.0)
    }
}

/// The cases of a run, to be printed.
#[derive(Debug, Default)]
pub(crate) struct Report(pub(crate) Vec<Case>);

impl Report {
    pub(crate) fn differences(&self) -> usize {
        self.differing().count()
    }

    fn differing(&self) -> impl Iterator<Item = (&Case, &String, &String)> {
        self.0.iter().filter_map(|case| match &case.outcome {
            Outcome::Differs { expected, got } => Some((case, expected, got)),
            _ => None,
        })
    }

    /// How many cases each section has that agree, differ and were not run.
    fn counts(&self) -> BTreeMap<Section, [usize; 3]> {
        let mut counts = BTreeMap::<_, [usize; 3]>::new();
        for case in &self.0 {
            let column = match case.outcome {
                Outcome::Agrees => 0,
                Outcome::Differs { .. } => 1,
                Outcome::NotRun(_) => 2,
            };
            counts.entry(case.section).or_default()[column] += 1;
        }
        counts
    }

    fn not_run(&self) -> BTreeMap<&str, usize> {
        let mut reasons = BTreeMap::new();
        for case in &self.0 {
            if let Outcome::NotRun(why) = &case.outcome {
                *reasons.entry(why.as_str()).or_default() += 1;
            }
        }
        reasons
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<32}{:>7}{:>8}{:>9}",
            "section of the contract", "agree", "differ", "not run"
        )?;
        let mut total = [0; 3];
        for (section, counts) in self.counts() {
            row(f, &section.to_string(), counts)?;
            for (sum, count) in total.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        row(f, "   all", total)?;
        for (case, expected, got) in self.differing() {
            let Case {
                section,
                place,
                request,
                ..
            } = case;
            write!(
                f,
                "\n{section} | {place}\n  {request}\n    expected: {expected}\n    got:      {got}\n"
            )?;
        }
        if !self.not_run().is_empty() {
            writeln!(f, "\nnot run:")?;
        }
        for (why, count) in self.not_run() {
            writeln!(f, "{count:>5}  {why}")?;
        }
        Ok(())
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    [agree, differ, not_run]: [usize; 3],
) -> fmt::Result {
    writeln!(f, "{name:<32}{agree:>7}{differ:>8}{not_run:>9}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(topic: &str, outcome: Outcome) -> Case {
        Case {
            section: Section::of(topic),
            place: "recording, part".to_owned(),
            request: "GET /workspaces/${workspace:a}".to_owned(),
            outcome,
        }
    }

    #[test]
    fn the_table_counts_by_section_and_says_what_differs_and_what_was_not_run() {
        let differs = Outcome::Differs {
            expected: "200".to_owned(),
            got: "404".to_owned(),
        };
        let report = Report(vec![
            case("a2a", Outcome::Agrees),
            case("state", differs),
            case("lifecycle", Outcome::Agrees),
            case("rate-limit", Outcome::NotRun("needs mode x".to_owned())),
        ]);
        assert_eq!(report.differences(), 1);
        assert_eq!(
            report.to_string(),
            "\
section of the contract           agree  differ  not run
 6 state and lifecycle                1       1        0
 9 a2a proxy                          1       0        0
13 tokens, limits, misc               0       0        1
   all                                2       1        1

 6 state and lifecycle | recording, part
  GET /workspaces/${workspace:a}
    expected: 200
    got:      404

not run:
    1  needs mode x
"
        );
    }

    #[test]
    fn every_topic_of_the_recordings_has_its_section() {
        for topic in [
            "origin",
            "auth",
            "a2a",
            "delegation",
            "generation-b",
            "misc",
            "tokens",
        ] {
            assert!(!Section::of(topic).to_string().is_empty());
        }
    }
}
