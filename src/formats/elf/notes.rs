//! ELF notes that list what a file may load with `dlopen()`
//! (<https://uapi-group.org/specifications/specs/elf_dlopen_metadata/>).

use goblin::container::Ctx;
use goblin::elf::note::NoteDataIterator;
use goblin::elf::program_header::{PT_NOTE, ProgramHeader};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MAX_NAME;

/// The type of a `.note.dlopen` note; its owner is `FDO`.
const NT_DLOPEN: u32 = 0x407c_0c0a;

/// More libraries than any file lists.
const MAX_DLOPEN: usize = 1024;

/// How much a file needs what it loads with `dlopen()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// It fails without.
    Required,
    /// It works with reduced functionality without; the format's default.
    #[default]
    Recommended,
    /// It is rarely used.
    Suggested,
}

/// One library that a file may load with `dlopen()`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Dlopen {
    /// The names it tries, in order: one of them is enough.
    pub soname: Vec<String>,
    /// How much it needs them.
    #[serde(default)]
    pub priority: Priority,
}

/// The entries of a file's notes; an unreadable note is ignored, as the loader does not read notes at all.
pub(super) fn dlopen(bytes: &[u8], segments: &[ProgramHeader], ctx: Ctx) -> Vec<Dlopen> {
    let mut found = Vec::new();
    for segment in segments.iter().filter(|segment| segment.p_type == PT_NOTE) {
        let (Ok(offset), Some(end)) =
            (usize::try_from(segment.p_offset), segment.p_offset.checked_add(segment.p_filesz))
        else {
            continue;
        };
        let Ok(size) = usize::try_from(end) else { continue };
        if size > bytes.len() {
            continue;
        }
        // Notes are aligned to 4 bytes unless the segment's alignment is 8 (gabi, "Note Section"; binutils and glibc).
        let alignment = if segment.p_align == 8 { 8 } else { 4 };
        let notes = NoteDataIterator { data: &bytes[..size], size, offset, ctx: (alignment, ctx) };
        for note in notes.map_while(Result::ok).filter(|note| note.n_type == NT_DLOPEN && note.name == "FDO") {
            let json = note.desc.split(|b| *b == 0).next().unwrap_or_default();
            let read: Vec<Dlopen> = serde_json::from_slice(json).unwrap_or_default();
            let openable = |one: &Dlopen| one.soname.iter().all(|name| name.len() <= MAX_NAME);
            found.extend(read.into_iter().filter(openable).take(MAX_DLOPEN - found.len()));
        }
    }
    found
}
