//! Exit codes.

use std::process::{ExitCode, Termination};

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and nothing is wrong.
    Done,
    /// 1: a check failed, or the content does not fit.
    CheckFailed,
    /// 2: layerfit could not do its work: bad arguments, unreadable input, a full disk.
    Failed,
}

impl Exit {
    /// The code that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::CheckFailed => 1,
            Exit::Failed => 2,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_documentation() {
        assert_eq!([Exit::Done, Exit::CheckFailed, Exit::Failed].map(Exit::code), [0, 1, 2]);
    }
}
