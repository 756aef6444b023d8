//! Formats: bytes in, facts out. Nothing here touches the disk or knows of trees, rules or limits.

pub mod description;
pub mod elf;
pub mod ld_so_cache;
pub mod ldpaths;
pub mod r_source;
pub mod rdb;
pub mod rdx;
pub mod shebang;
pub mod shell;
pub mod strace;
pub mod symbol_version;
pub mod version;
