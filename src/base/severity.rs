//! How bad findings are, as the user has it: codes that are left out, and codes that are more or less bad at some places.

use globset::GlobMatcher;

use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Severity, Subject};
use crate::base::globs;

/// What the user says of findings.
#[derive(Debug, Clone, Default)]
pub struct Severities {
    /// Checks whose findings are left out, wherever they are.
    pub off: Vec<Code>,
    /// What is said of some findings of a check; the last that fits counts.
    pub rules: Vec<SeverityRule>,
}

/// What is said of some findings of a check.
#[derive(Debug, Clone)]
pub struct SeverityRule {
    code: Code,
    /// The subjects it is about; all when there is none.
    subject: Option<GlobMatcher>,
    /// How bad they are; left out when it says nothing.
    severity: Option<Severity>,
    /// How it is named in findings.
    named: String,
}

impl SeverityRule {
    /// A rule for the findings with this code whose subject the glob matches.
    ///
    /// # Errors
    /// When the glob is none, or the code is a limit's, which is raised by its own key or holds.
    pub fn new(code: Code, subject: Option<&str>, severity: Option<Severity>) -> Result<Self> {
        if severity != Some(Severity::Error) && code.is_limit() {
            return Err(Error::Usage {
                message: format!(
                    "{code} says that the layers are over a limit of Lambda's, and cannot be less than an error"
                ),
                help: "where the limit is different, set it: max-zipped = \"250MiB\" for layers that are uploaded through S3"
                    .to_owned(),
            });
        }
        let glob = |glob: &str| {
            globs::glob(glob).map_err(|error| Error::Usage {
                message: format!("{glob:?} is not a glob: {}", error.kind()),
                help: "name a finding's subject, with * and ** for what may differ: R/lib64/R/library/nlme/**"
                    .to_owned(),
            })
        };
        let matcher = subject.map(glob).transpose()?.map(|glob| glob.compile_matcher());
        let named = subject.map_or_else(|| code.to_string(), |subject| format!("{code} {subject}"));
        Ok(Self { code, subject: matcher, severity, named })
    }

    fn fits(&self, finding: &Finding) -> bool {
        self.code == finding.code
            && self.subject.as_ref().is_none_or(|subject| subject.is_match(finding.subject.as_str()))
    }
}

impl Severities {
    /// The findings as the user has them, and how many are left out.
    pub(crate) fn apply(&self, findings: Vec<Finding>) -> (Vec<Finding>, usize) {
        let before = findings.len();
        let applied = findings.into_iter().filter(|finding| !self.off.contains(&finding.code)).filter_map(|finding| {
            match self.rules.iter().rev().find(|rule| rule.fits(&finding)) {
                Some(rule) => rule.severity.map(|severity| Finding { severity, ..finding }),
                None => Some(finding),
            }
        });
        let applied: Vec<Finding> = applied.collect();
        let ignored = before - applied.len();
        (applied, ignored)
    }

    /// Findings about what is said of nothing that was found, of the codes that this run looks for.
    pub(crate) fn unused(&self, findings: &[Finding], looked_for: impl Fn(Code) -> bool) -> Vec<Finding> {
        let off = self.off.iter().filter(|code| !findings.iter().any(|finding| finding.code == **code));
        let rules = self.rules.iter().filter(|rule| !findings.iter().any(|finding| rule.fits(finding)));
        let unused = off.map(|code| (*code, code.to_string())).chain(rules.map(|rule| (rule.code, rule.named.clone())));
        unused
            .filter(|(code, _)| looked_for(*code))
            .map(|(_, named)| {
                Finding::warning(
                    Code::UnusedIgnore,
                    Subject::setting(named),
                    "there is no such finding any more, so this has no effect",
                    "remove it: it would hide the next finding of that kind",
                )
            })
            .collect()
    }
}
