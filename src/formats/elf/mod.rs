//! ELF files: what the dynamic loader reads from them (elf(5), ld.so(8)), and how many bytes it never reads.
//!
//! Headers, program headers, the dynamic section and symbol versions are decoded by goblin. They are found the way the
//! loader finds them, by program headers; section headers only tell how much is debug data, so damage to them (which the
//! loader would not notice) is ignored.

mod dynamic;
mod notes;
mod paths;
mod symbols;

use std::cell::Cell;

use goblin::container::{Container, Ctx};
use goblin::elf::header::{self, ET_CORE, ET_DYN, ET_EXEC, ET_REL, Header};
use goblin::elf::program_header::{PT_INTERP, PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::sym;
use schemars::JsonSchema;
use scroll::{Endian, Pread};
use serde::Serialize;

pub use notes::{Dlopen, Priority};
pub use symbols::{Symbols, Undefined};

/// The type of an ELF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// A program at a fixed address (`ET_EXEC`).
    Executable,
    /// A shared library, or a position-independent program (`ET_DYN`).
    Shared,
    /// An object file, not yet linked (`ET_REL`).
    Relocatable,
    /// A core dump (`ET_CORE`).
    Core,
}

/// The machine an ELF file runs on: the loader skips libraries for another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Machine {
    /// 64-bit or 32-bit.
    pub is_64: bool,
    /// Byte order.
    pub little_endian: bool,
    /// `e_machine`: 62 is x86-64, 183 is aarch64.
    pub machine: u16,
}

impl Machine {
    /// The name as `readelf -h` prints it: `x86-64`, `aarch64`, or goblin's name for another machine.
    pub fn name(self) -> String {
        match (self.machine, self.is_64) {
            (header::EM_X86_64, true) => "x86-64".to_owned(),
            (header::EM_AARCH64, true) => "aarch64".to_owned(),
            (machine, is_64) => {
                format!("{} ({} bit)", header::machine_to_str(machine), if is_64 { 64 } else { 32 })
            }
        }
    }

    /// Whether this is the machine of a Lambda architecture, by Lambda's name for it: `x86_64` or `arm64`.
    pub fn is_lambda(self, architecture: &str) -> bool {
        match architecture {
            "x86_64" => self.name() == "x86-64",
            "arm64" => self.name() == "aarch64",
            _ => false,
        }
    }
}

/// A symbol version that a file needs from a library (`DT_VERNEED`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NeededVersion {
    /// The library's soname, as in DT_NEEDED.
    pub soname: String,
    /// The version: `GLIBC_2.34`.
    pub version: String,
    /// Whether the loader continues when it is missing (`VER_FLG_WEAK`).
    pub weak: bool,
    /// One symbol that is needed with this version: the first in the file's symbol table. None when only the version is
    /// needed, such as `GLIBC_ABI_DT_RELR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
}

/// A section and its length in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name: `.debug_info`.
    pub name: String,
    /// Its length in the file, in bytes.
    pub bytes: u64,
    /// Whether it is in memory at run time (`SHF_ALLOC`).
    pub loaded: bool,
    /// Where it begins in the file, in bytes.
    offset: u64,
    /// Whether it is the table of dynamic symbols (`SHT_DYNSYM`).
    is_dynsym: bool,
}

/// What the loader reads from an ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// The machine it runs on.
    pub machine: Machine,
    /// Its type.
    pub kind: Type,
    /// The program interpreter: only programs have one.
    pub interpreter: Option<String>,
    /// Where a process begins, as a virtual address; 0 in a library, which has no such place.
    pub entry: u64,
    /// `DT_SONAME`
    pub soname: Option<String>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<String>,
    /// `DT_RPATH`, unexpanded; the loader ignores it when there is a RUNPATH.
    pub rpath: Option<String>,
    /// `DT_RUNPATH`, unexpanded.
    pub runpath: Option<String>,
    /// `DF_1_NODEFLIB`: the default directories are not searched.
    pub nodeflib: bool,
    /// `DF_1_PIE`: a position-independent program; the loader rejects it as a library.
    pub pie: bool,
    /// Versions it needs from other libraries.
    pub needed_versions: Vec<NeededVersion>,
    /// Versions it defines, without the one that only names the file.
    pub defined_versions: Vec<String>,
    /// The dynamic symbols that it defines, and those that it leaves undefined.
    pub symbols: Symbols,
    /// What its notes list as loaded with `dlopen()`.
    pub dlopen: Vec<Dlopen>,
    /// The absolute paths that are compiled into it, in the order of the file; empty without sections.
    pub paths: Vec<String>,
    /// Its sections; empty when they were removed or are damaged.
    pub sections: Vec<Section>,
    /// Where its last segment ends in the file, in bytes: no file without some of its sections is shorter.
    pub segments_end: u64,
}

impl Elf {
    /// Parses an ELF file.
    ///
    /// # Errors
    /// When the loader would reject the file or could not map all of it; the message gives the reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let header = bytes.pread::<Header>(0).map_err(|_| "its ELF header is truncated or damaged".to_owned())?;
        let is_64 = match header.e_ident[header::EI_CLASS] {
            header::ELFCLASS64 => true,
            header::ELFCLASS32 => false,
            other => return Err(format!("its class is {other}, neither 32 nor 64 bit")),
        };
        let little_endian = match header.e_ident[header::EI_DATA] {
            header::ELFDATA2LSB => true,
            header::ELFDATA2MSB => false,
            other => return Err(format!("its byte order is {other}, neither little-endian nor big-endian")),
        };
        let kind = match header.e_type {
            ET_EXEC => Type::Executable,
            ET_DYN => Type::Shared,
            ET_REL => Type::Relocatable,
            ET_CORE => Type::Core,
            other => return Err(format!("its type is {other}: neither a program nor a library")),
        };
        let container = if is_64 { Container::Big } else { Container::Little };
        let ctx = Ctx::new(container, if little_endian { Endian::Little } else { Endian::Big });
        let segments = ProgramHeader::parse(bytes, offset(header.e_phoff)?, header.e_phnum.into(), ctx)
            .map_err(|_| "its program headers are truncated".to_owned())?;
        if matches!(kind, Type::Executable | Type::Shared) {
            check_segments(bytes, &segments)?;
        }

        let mut elf = Self {
            machine: Machine { is_64, little_endian, machine: header.e_machine },
            kind,
            interpreter: interpreter(bytes, &segments)?,
            entry: header.e_entry,
            soname: None,
            needed: Vec::new(),
            rpath: None,
            runpath: None,
            nodeflib: false,
            pie: false,
            needed_versions: Vec::new(),
            defined_versions: Vec::new(),
            symbols: Symbols::default(),
            dlopen: notes::dlopen(bytes, &segments, ctx),
            paths: Vec::new(),
            sections: sections(bytes, &header, ctx),
            segments_end: segments
                .iter()
                .map(|segment| segment.p_offset.saturating_add(segment.p_filesz))
                .max()
                .unwrap_or(0),
        };
        elf.paths = paths::compiled_in(bytes, &elf.sections);
        if kind != Type::Relocatable {
            dynamic::read(&mut elf, bytes, &segments, ctx)?;
        }
        Ok(elf)
    }

    /// Whether the file is what `objcopy --only-keep-debug` leaves: debug data, with the sections of the program or
    /// library it belongs to emptied. The loader cannot load it, and is not meant to.
    pub fn is_debug_companion(bytes: &[u8]) -> bool {
        let Ok(header) = bytes.pread::<Header>(0) else { return false };
        let container = match header.e_ident[header::EI_CLASS] {
            header::ELFCLASS64 => Container::Big,
            _ => Container::Little,
        };
        let little_endian = header.e_ident[header::EI_DATA] == header::ELFDATA2LSB;
        let ctx = Ctx::new(container, if little_endian { Endian::Little } else { Endian::Big });
        let headers = offset(header.e_shoff).ok().filter(|start| *start != 0 && *start < bytes.len());
        let headers = headers.and_then(|start| SectionHeader::parse(bytes, start, header.e_shnum.into(), ctx).ok());
        // Code that is in memory and not in the file.
        let emptied = u64::from(section_header::SHF_ALLOC | section_header::SHF_EXECINSTR);
        headers.is_some_and(|headers| {
            let mut code = headers.iter().filter(|section| section.sh_flags & emptied == emptied).peekable();
            code.peek().is_some() && code.all(|section| section.sh_type == section_header::SHT_NOBITS)
        })
    }

    /// Whether it is a program, rather than a library.
    pub fn is_program(&self) -> bool {
        self.kind == Type::Executable || self.interpreter.is_some()
    }

    /// How many dynamic symbols the section header of the table at this offset counts.
    fn symbol_count(&self, table: usize) -> Option<usize> {
        let mut sections = self.sections.iter();
        let section = sections.find(|section| section.is_dynsym && section.offset == table as u64)?;
        // The header's own entry size (sh_entsize) is not read by any loader, and wrong in some files.
        let entry_bytes = if self.machine.is_64 { sym::sym64::SIZEOF_SYM } else { sym::sym32::SIZEOF_SYM };
        usize::try_from(section.bytes).ok().map(|bytes| bytes / entry_bytes)
    }

    /// Bytes of sections that are not in memory at run time; most are debug data and symbol tables.
    pub fn strippable_bytes(&self) -> u64 {
        self.sections.iter().filter(|section| !section.loaded).map(|section| section.bytes).sum()
    }
}

/// The strings of the dynamic section.
struct Strings<'a> {
    bytes: &'a [u8],
    /// The bytes of names left before the limit. Names can share their tails, so a crafted file in which a million symbols
    /// end in the same long name would exhaust memory.
    left: Cell<usize>,
}

/// The longest name of a library or a version, in bytes: no file can be opened by a longer one (`PATH_MAX`).
const MAX_NAME: usize = 4096;

/// The longest RPATH or RUNPATH, in bytes: real ones have a few directories.
const MAX_SEARCH_PATH: usize = 1 << 16;

/// The limit for names: this many times the file's length, and at least this many bytes.
const NAMES_TIMES: usize = 16;
const NAMES_AT_LEAST: usize = 1 << 20;

impl<'a> Strings<'a> {
    /// The strings in a part of a file of this length in bytes.
    fn new(bytes: &'a [u8], file_bytes: usize) -> Self {
        Self { bytes, left: Cell::new(file_bytes.saturating_mul(NAMES_TIMES).max(NAMES_AT_LEAST)) }
    }

    /// A name of at most [`MAX_NAME`] bytes: `what` says in an error what has it.
    fn name(&self, start: u64, what: &str) -> Result<String, String> {
        self.bounded(start, what, MAX_NAME)
    }

    /// A list of directories of at most [`MAX_SEARCH_PATH`] bytes.
    fn search_path(&self, start: u64, what: &str) -> Result<String, String> {
        self.bounded(start, what, MAX_SEARCH_PATH)
    }

    fn bounded(&self, start: u64, what: &str, most: usize) -> Result<String, String> {
        let text = self.get(start)?;
        if text.len() > most {
            return Err(format!("its {what} has {} bytes, and the longest that is read has {most}", text.len()));
        }
        Ok(text)
    }

    fn get(&self, start: u64) -> Result<String, String> {
        let rest = usize::try_from(start).ok().and_then(|start| self.bytes.get(start..));
        let name =
            rest.and_then(|rest| rest.split(|b| *b == 0).next()).ok_or("a name in its dynamic section is missing")?;
        let left = self.left.get().checked_sub(name.len()).ok_or("its names are many times longer than the file")?;
        self.left.set(left);
        // A name that is not UTF-8 can only match a file name that is not UTF-8, which has its own finding.
        Ok(String::from_utf8_lossy(name).into_owned())
    }
}

fn offset(value: u64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("the offset {value} is past the end of any file"))
}

/// Checks that every loadable segment is in the file: a truncated file passes the loader and then dies of SIGBUS.
fn check_segments(bytes: &[u8], segments: &[ProgramHeader]) -> Result<(), String> {
    if !segments.iter().any(|segment| segment.p_type == PT_LOAD) {
        return Err("it has no loadable segment".to_owned());
    }
    for segment in segments.iter().filter(|segment| segment.p_type == PT_LOAD) {
        let end = segment.p_offset.checked_add(segment.p_filesz);
        if end.is_none_or(|end| end > bytes.len() as u64) {
            let end = end.map_or_else(|| "past the end of any file".to_owned(), |end| format!("at byte {end}"));
            return Err(format!("it is truncated: a segment ends {end}, the file at byte {}", bytes.len()));
        }
    }
    Ok(())
}

fn interpreter(bytes: &[u8], segments: &[ProgramHeader]) -> Result<Option<String>, String> {
    let Some(segment) = segments.iter().find(|segment| segment.p_type == PT_INTERP) else { return Ok(None) };
    let path = offset(segment.p_offset)
        .ok()
        .and_then(|start| bytes.get(start..))
        .and_then(|rest| rest.get(..offset(segment.p_filesz).ok()?))
        .and_then(|path| path.split(|b| *b == 0).next())
        .filter(|path| !path.is_empty())
        .ok_or("its program interpreter is truncated")?;
    if path.len() > MAX_NAME {
        return Err(format!(
            "the path of its program interpreter has {} bytes, and the longest that is read has {MAX_NAME}",
            path.len()
        ));
    }
    Ok(Some(String::from_utf8_lossy(path).into_owned()))
}

fn file_offset(segments: &[ProgramHeader], address: u64) -> Result<usize, String> {
    segments
        .iter()
        .filter(|segment| segment.p_type == PT_LOAD)
        .find_map(|segment| {
            let inside = address.checked_sub(segment.p_vaddr).filter(|inside| *inside < segment.p_filesz)?;
            usize::try_from(segment.p_offset.checked_add(inside)?).ok()
        })
        .ok_or_else(|| format!("its dynamic section points to address {address:#x}, which is not in any segment"))
}

fn sections(bytes: &[u8], header: &Header, ctx: Ctx) -> Vec<Section> {
    let Some(headers) = offset(header.e_shoff)
        .ok()
        .filter(|start| *start != 0 && *start < bytes.len())
        .and_then(|start| SectionHeader::parse(bytes, start, header.e_shnum.into(), ctx).ok())
    else {
        return Vec::new();
    };
    let names = headers.get(usize::from(header.e_shstrndx)).and_then(|section| {
        let start = usize::try_from(section.sh_offset).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(section.sh_size).ok()?)?)
    });
    let names = Strings::new(names.unwrap_or_default(), bytes.len());
    headers
        .iter()
        .filter(|section| !matches!(section.sh_type, section_header::SHT_NOBITS | section_header::SHT_NULL))
        .map(|section| Section {
            name: names.get(section.sh_name as u64).unwrap_or_default(),
            bytes: section.sh_size.min(bytes.len() as u64),
            loaded: section.sh_flags & u64::from(section_header::SHF_ALLOC) != 0,
            offset: section.sh_offset,
            is_dynsym: section.sh_type == section_header::SHT_DYNSYM,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<u8> {
        std::fs::read(std::env::current_exe().expect("a path")).expect("readable")
    }

    #[test]
    fn a_real_program_is_read() {
        let elf = Elf::parse(&own()).expect("this test is an ELF file");
        assert!(elf.is_program());
        assert!(elf.needed.iter().any(|name| name.starts_with("libc.so")), "{:?}", elf.needed);
        assert!(elf.needed_versions.iter().any(|v| v.version.starts_with("GLIBC_")));
        assert!(elf.sections.iter().any(|s| s.name == ".text" && s.loaded));
    }

    #[test]
    fn a_file_cut_short_anywhere_is_an_error_and_never_a_panic() {
        let whole = own();
        // Section headers come last and the loader does not read them: cut inside what is loaded.
        let loaded = Elf::parse(&whole).map(|elf| elf.strippable_bytes()).expect("an ELF file");
        let end = whole.len() - usize::try_from(loaded).expect("fits") - 64 * 64;
        for length in (4..end).step_by(end / 199) {
            assert!(Elf::parse(&whole[..length.min(end / 2)]).is_err(), "cut at {length}");
            let _ = Elf::parse(&whole[..length]);
        }
    }

    #[test]
    fn flipped_bits_never_panic() {
        let mut bytes = own();
        bytes.truncate(200_000.min(bytes.len()));
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..4000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Most flips go to the headers, where they matter.
            let at = if state & 1 == 0 { (state >> 33) as usize % 1024 } else { (state >> 33) as usize % bytes.len() };
            bytes[at] ^= 1 << ((state >> 8) & 7);
            let _ = Elf::parse(&bytes);
        }
    }
}
