//! The user's severities: codes that are ignored, and codes whose severity is changed for some subjects.

use globset::GlobMatcher;

use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding, Severity};
use crate::base::globs::{self, MAX_GLOB_SHOWN};
use crate::base::safe::cut;
use crate::base::subject::Subject;

/// Which findings are ignored, and which have another severity than their default.
#[derive(Debug, Clone, Default)]
pub struct Severities {
    /// Checks whose findings are ignored, whatever their subject.
    pub off: Vec<Code>,
    /// Rules for some findings of a check; the last one that matches wins.
    pub rules: Vec<SeverityRule>,
}

/// A severity for the findings of a check with some subjects.
#[derive(Debug, Clone)]
pub struct SeverityRule {
    code: Code,
    /// The subjects it matches; all when there is none.
    subject: Option<GlobMatcher>,
    /// Their severity; `None` to ignore them.
    severity: Option<Severity>,
    /// Its name in findings.
    named: String,
}

impl SeverityRule {
    /// A rule for the findings with this code whose subject the glob matches.
    ///
    /// # Errors
    /// When the glob is not valid, or the code reports a limit: a limit is changed by its own setting, not ignored.
    pub fn new(code: Code, subject: Option<&str>, severity: Option<Severity>) -> Result<Self> {
        if severity != Some(Severity::Error) && code.is_limit() {
            return Err(Error::Usage {
                message: format!(
                    "{code} reports that the layers are over a limit of Lambda, and cannot be less than an error"
                ),
                help: "where the limit is different, set it: max-zipped = \"250MiB\" for layers that are uploaded through S3"
                    .to_owned(),
            });
        }
        let glob = |glob: &str| {
            globs::glob(glob).map_err(|error| Error::Usage {
                message: format!("{:?} is not a glob: {}", cut(glob, MAX_GLOB_SHOWN), error.reason()),
                help: "name a finding's subject, with * and ** as wildcards: R/lib64/R/library/nlme/**".to_owned(),
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
    /// The findings with the user's severities, without those that follow from an error that the tree is another than was meant, and
    /// how many are ignored.
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
        (Finding::without_consequences(applied), ignored)
    }

    /// Findings about codes and rules that matched nothing, of the codes that this run checks.
    pub(crate) fn unused(&self, findings: &[Finding], checked: impl Fn(Code) -> bool) -> Vec<Finding> {
        let off = self.off.iter().filter(|code| !findings.iter().any(|finding| finding.code == **code));
        let rules = self.rules.iter().filter(|rule| !findings.iter().any(|finding| rule.fits(finding)));
        let unused = off.map(|code| (*code, code.to_string())).chain(rules.map(|rule| (rule.code, rule.named.clone())));
        unused
            .filter(|(code, _)| checked(*code))
            .map(|(_, named)| {
                Finding::warning(
                    Code::UnusedIgnore,
                    Subject::setting(named),
                    "no finding matches it any more, so it has no effect",
                    "remove it: it would hide the next finding of that kind",
                )
            })
            .collect()
    }
}
