//! The languages of functions: each is a folder with the same parts behind [`Language`]. The packages of all languages are
//! in one index ([`Packages`]); [`handlers`] reads a function's own sources.

mod calls;
mod checks;
mod code;
mod conflicts;
mod grammar;
pub mod handlers;
mod handlers_in_tree;
mod id;
mod language;
mod managed;
mod needs;
mod node;
pub(crate) mod options;
mod own_libraries;
mod packages;
mod python;
pub mod r;
mod read_once;
mod reading;
mod registry;
mod relocation;
mod source;
mod unreached;

pub use calls::Calls;
pub use checks::{check, missing_requirements};
pub use code::CodeCalls;
pub use id::LanguageId;
pub use language::{
    CallsOf, Dlopen, Executed, Finds, Found, Gets, Language, LoadedBefore, OwnCommand, OwnRequirements, ProcessSpec,
};
pub use managed::{Interpreter, ManagedRuntime};
pub use needs::{Needs, StandardPackages};
pub use packages::{Built, Excluded, Installation, Package, Packages, RequiredFor, Requirement, Roots};
pub use registry::{ALL, find, language, package_directory};
pub use relocation::{Arrangement, Relocation};
pub use source::{Dynamic, Follow, Followed, From, Source, Use};
pub(crate) use unreached::raise_unreached;
