//! The commands: one file each puts the stages in order and returns a value for a reader; `inputs` is what was named on the
//! command line. Nothing here prints or knows an argument.

mod analyze;
mod check;
mod diff;
mod inputs;
mod pack;
mod plan;
mod why;

pub use analyze::analyze;
pub use check::check;
pub use diff::diff;
pub use pack::pack;
pub use plan::plan;
pub use why::why;
