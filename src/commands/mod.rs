//! The commands: each file puts the stages of one command in order and returns its result; `inputs` loads what was named on
//! the command line. Nothing here prints or knows arguments.

mod analyze;
mod check;
mod diff;
mod inputs;
mod outside;
mod pack;
mod plan;
mod why;

pub use analyze::analyze;
pub use check::check;
pub use diff::{diff, is_json};
pub use inputs::is_tree;
pub use pack::{Other, pack};
pub use plan::plan;
pub use why::why;
