//! Formats: bytes in, facts out. Nothing here touches the disk or knows of trees, rules or limits.

pub mod compressed;
pub mod elf;
pub mod foreign;
pub mod ld_so_cache;
pub mod oci;
pub mod shebang;
pub mod shell;
pub mod strace;
pub mod symbol_version;
pub mod tar;
