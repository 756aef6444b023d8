//! The dynamic section: needed libraries, search paths and symbol versions (elf(5), ld.so(8); the version tables are
//! described in the Linux Standard Base, "Symbol Versioning").

use goblin::container::Ctx;
use goblin::elf::dynamic::{self, Dynamic};
use goblin::elf::program_header::ProgramHeader;
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::symver::{VerdefSection, VerneedSection};

use super::{Elf, NeededVersion, Strings, Symbols, file_offset, offset};

/// More symbol versions than any library has (glibc defines under 50): a file that claims more is damaged.
const MAX_VERSIONS: usize = 10_000;

/// More libraries than any file needs.
const MAX_NEEDED: usize = 4096;

/// Fills in the fields that come from the dynamic section; a file without one is left unchanged.
pub(super) fn read(elf: &mut Elf, bytes: &[u8], segments: &[ProgramHeader], ctx: Ctx) -> Result<(), String> {
    let Some(dynamic) = Dynamic::parse(bytes, segments, ctx).map_err(|e| format!("its dynamic section: {e}"))? else {
        return Ok(());
    };
    let value = |tag| dynamic.dyns.iter().find(|d| d.d_tag == tag).map(|d| d.d_val);
    let at = |tag| value(tag).map(|address| file_offset(segments, address)).transpose();
    let strings: &[u8] = match at(dynamic::DT_STRTAB)? {
        Some(start) => {
            let rest = bytes.get(start..).ok_or("its dynamic strings are truncated")?;
            let length = value(dynamic::DT_STRSZ).map_or(Ok(rest.len()), offset)?;
            rest.get(..length).ok_or("its dynamic strings are truncated")?
        }
        None => &[],
    };
    let strings = Strings::new(strings, bytes.len());
    for entry in &dynamic.dyns {
        match entry.d_tag {
            dynamic::DT_NEEDED if elf.needed.len() == MAX_NEEDED => {
                return Err(format!("it needs more than {MAX_NEEDED} libraries"));
            }
            dynamic::DT_NEEDED => elf.needed.push(strings.name(entry.d_val, "DT_NEEDED")?),
            dynamic::DT_SONAME => elf.soname = Some(strings.name(entry.d_val, "soname")?),
            dynamic::DT_RPATH => elf.rpath = Some(strings.search_path(entry.d_val, "RPATH")?),
            dynamic::DT_RUNPATH => elf.runpath = Some(strings.search_path(entry.d_val, "RUNPATH")?),
            dynamic::DT_FLAGS_1 => {
                elf.nodeflib = entry.d_val & dynamic::DF_1_NODEFLIB != 0;
                elf.pie = entry.d_val & dynamic::DF_1_PIE != 0;
            }
            _ => {}
        }
    }

    // goblin finds versions by section header, the loader by the dynamic section. A synthetic header bridges the two.
    let as_section = |sh_type, start: usize, count: u64| SectionHeader {
        sh_type,
        sh_offset: start.min(bytes.len()) as u64,
        sh_size: (bytes.len() - start.min(bytes.len())) as u64,
        sh_info: u32::try_from(count).unwrap_or(u32::MAX),
        ..SectionHeader::default()
    };
    let damaged = |what: &str| format!("its {what} are damaged");
    // The number by which the symbol table refers to a needed version, and its place in `needed_versions`.
    let mut numbers = Vec::new();
    if let (Some(start), Some(count)) = (at(dynamic::DT_VERNEED)?, value(dynamic::DT_VERNEEDNUM)) {
        let section = as_section(section_header::SHT_GNU_VERNEED, start, count);
        let needs = VerneedSection::parse(bytes, &[section], ctx).map_err(|_| damaged("needed symbol versions"))?;
        for need in needs.iter().flat_map(VerneedSection::iter) {
            let soname = strings.name(need.vn_file as u64, "needed library with versions")?;
            for version in &need {
                numbers.push((version.vna_other & 0x7fff, elf.needed_versions.len()));
                elf.needed_versions.push(NeededVersion {
                    soname: soname.clone(),
                    version: strings.name(version.vna_name as u64, "needed version")?,
                    weak: version.vna_flags & 2 != 0,
                    symbol: None,
                });
                if elf.needed_versions.len() > MAX_VERSIONS {
                    return Err(damaged("needed symbol versions"));
                }
            }
        }
    }
    if let (Some(start), Some(count)) = (at(dynamic::DT_VERDEF)?, value(dynamic::DT_VERDEFNUM)) {
        let section = as_section(section_header::SHT_GNU_VERDEF, start, count);
        let defines = VerdefSection::parse(bytes, &[section], ctx).map_err(|_| damaged("defined symbol versions"))?;
        for definition in defines.iter().flat_map(VerdefSection::iter) {
            // VER_FLG_BASE marks the entry that is the file's own name.
            if definition.vd_flags & 1 != 0 {
                continue;
            }
            // The first name is the version; the others are its predecessors.
            if let Some(name) = definition.iter().next() {
                elf.defined_versions.push(strings.name(name.vda_name as u64, "defined version")?);
            }
            if elf.defined_versions.len() > MAX_VERSIONS {
                return Err(damaged("defined symbol versions"));
            }
        }
    }

    if let Some(table) = at(dynamic::DT_SYMTAB)? {
        // The loader does not need a count. The section header has it, if present; hash tables have it too, but the newer
        // one does not list the undefined symbols of a file that defines nothing.
        let count = match (elf.symbol_count(table), at(dynamic::DT_HASH)?, at(dynamic::DT_GNU_HASH)?) {
            (Some(count), _, _) => Some(count),
            (None, Some(hash), _) => super::symbols::count_by_hash(bytes, hash, ctx),
            (None, None, Some(hash)) => super::symbols::count_by_gnu_hash(bytes, hash, ctx),
            (None, None, None) => Some(0),
        };
        let versions = at(dynamic::DT_VERSYM)?;
        let symbols = count.and_then(|count| Symbols::read(bytes, table, count, versions, &strings, ctx));
        elf.symbols = symbols.ok_or_else(|| damaged("dynamic symbols"))?;
        elf.symbols.name_versions(&numbers, &mut elf.needed_versions);
    }
    Ok(())
}
