//! The image that a function runs in: its profile, Lambda's limits, glibc's own libraries, a root file system as its
//! processes see it, and how a profile is captured from one.

mod built_in;
pub mod capture;
mod glibc;
mod image;
mod limits;
pub mod looked_for;
mod profile;
pub mod sysroot;

pub use glibc::GlibcNames;
pub use image::Image;
pub(crate) use image::Lookup;
pub use limits::Limits;
pub use profile::{
    Commands, Environment, Files, LanguageVersion, Libraries, LibrarySource, LoaderFacts, RuntimeProfile, VersionBound,
};
