//! Strip: removes from ELF files what only debuggers and linkers read: debug data, and on request the symbol table (elf(5)).
//! Other sections that are not loaded stay, as with GNU strip: programs read those in their own files, for example the archive
//! of a PyInstaller program in `pydata`.
//!
//! Everything up to the end of the last segment stays where it is, byte for byte: program headers, alignment and the
//! dynamic section cannot change, because nothing moves. Only sections that debuggers and linkers read come after that; those
//! that are kept are written again, with new section headers. A file with segments after such sections, as patchelf writes
//! them, is left unchanged, and so is one with more bytes after its last section, where programs keep archives.

use goblin::container::{Container, Ctx};
use goblin::elf::header::{EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ET_DYN, ET_EXEC, Header};
use goblin::elf::program_header::ProgramHeader;
use goblin::elf::section_header::{
    SHF_ALLOC, SHT_NOBITS, SHT_NULL, SHT_REL, SHT_RELA, SHT_STRTAB, SHT_SYMTAB, SHT_SYMTAB_SHNDX, SectionHeader,
};
use scroll::{Endian, Pread, Pwrite};
use serde::Deserialize;

use crate::formats::elf::Elf;

/// A file with more sections gets a table of names in which no name is part of another.
const MAX_MERGED_NAMES: usize = 512;

/// What is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StripMode {
    /// Nothing.
    None,
    /// Debug data: what `strip --strip-debug` removes, except for its symbols.
    #[default]
    Debug,
    /// Debug data, symbol tables with their strings, and relocations for linkers: the sections that `strip --strip-all`
    /// removes.
    All,
}

/// The result of stripping a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stripped {
    /// The smaller file.
    Smaller(Vec<u8>),
    /// There is nothing to remove.
    Nothing,
    /// The file is not changed, for this reason.
    LeftAlone(String),
}

/// Removes the sections of `mode` from an ELF file.
///
/// The result is read again and compared: if anything that the loader reads has changed, the file is left alone.
pub fn strip(bytes: &[u8], mode: StripMode) -> Stripped {
    let stripped = match mode {
        StripMode::None => return Stripped::Nothing,
        _ => rewrite(bytes, mode == StripMode::All),
    };
    match stripped {
        Ok(Some(new)) if new.len() < bytes.len() => match same_for_the_loader(bytes, &new) {
            Ok(()) => Stripped::Smaller(new),
            Err(why) => Stripped::LeftAlone(why),
        },
        Ok(_) => Stripped::Nothing,
        Err(why) => Stripped::LeftAlone(why),
    }
}

/// The file without the sections; `None` when there are none to remove.
fn rewrite(bytes: &[u8], all: bool) -> Result<Option<Vec<u8>>, String> {
    let Some(layout) = Layout::read(bytes)? else { return Ok(None) };
    let removed = layout.plan(all);
    if !removed.contains(&true) {
        return Ok(None);
    }
    layout.refuse_if_unsafe(&removed)?;
    layout.write(&removed).map(Some)
}

/// Where everything is in an ELF file with section headers.
struct Layout<'a> {
    bytes: &'a [u8],
    header: Header,
    ctx: Ctx,
    sections: Vec<SectionHeader>,
    /// The content of the section with the names of sections.
    names: &'a [u8],
    /// Where the last segment ends, or the program headers.
    loaded_end: u64,
    /// Where the last segment, section or table of headers ends.
    file_end: u64,
}

impl<'a> Layout<'a> {
    /// Reads the headers; `None` for files that are not programs or libraries, or have no sections.
    fn read(bytes: &'a [u8]) -> Result<Option<Self>, String> {
        let header = bytes.pread::<Header>(0).map_err(|_| truncated())?;
        let is_64 = header.e_ident[EI_CLASS] == ELFCLASS64;
        let little = header.e_ident[EI_DATA] == ELFDATA2LSB;
        let ctx = Ctx::new(
            if is_64 { Container::Big } else { Container::Little },
            if little { Endian::Little } else { Endian::Big },
        );
        if !matches!(header.e_type, ET_EXEC | ET_DYN) || header.e_shoff == 0 || header.e_shnum == 0 {
            return Ok(None);
        }
        let segments = ProgramHeader::parse(bytes, offset(header.e_phoff)?, header.e_phnum.into(), ctx);
        let segments = segments.map_err(|_| truncated())?;
        let sections = SectionHeader::parse(bytes, offset(header.e_shoff)?, header.e_shnum.into(), ctx);
        let sections = sections.map_err(|_| truncated())?;
        let names = content(bytes, sections.get(usize::from(header.e_shstrndx)).ok_or_else(truncated)?)?;

        let mut loaded_end = end(header.e_phoff, u64::from(header.e_phnum) * u64::from(header.e_phentsize))?;
        for segment in &segments {
            loaded_end = loaded_end.max(end(segment.p_offset, segment.p_filesz)?);
        }
        let table_end = end(header.e_shoff, u64::from(header.e_shnum) * u64::from(header.e_shentsize))?;
        let mut file_end = loaded_end.max(table_end);
        for section in sections.iter().filter(|section| has_bytes(section)) {
            file_end = file_end.max(end(section.sh_offset, section.sh_size)?);
        }
        Ok(Some(Self { bytes, header, ctx, sections, names, loaded_end, file_end }))
    }

    fn name(&self, section: &SectionHeader) -> &'a [u8] {
        self.names.get(section.sh_name..).and_then(|rest| rest.split(|b| *b == 0).next()).unwrap_or_default()
    }

    fn is_name_table(&self, number: usize) -> bool {
        number == usize::from(self.header.e_shstrndx)
    }

    /// Which sections to remove: debug data, and if `all`, symbol tables and what belongs to them.
    fn plan(&self, all: bool) -> Vec<bool> {
        let symbol_strings: Vec<u32> =
            self.sections.iter().filter(|section| section.sh_type == SHT_SYMTAB).map(|table| table.sh_link).collect();
        let removable = |(number, section): &(usize, &SectionHeader)| {
            section.sh_type != SHT_NULL && section.sh_flags & u64::from(SHF_ALLOC) == 0 && !self.is_name_table(*number)
        };
        let of_symbols = |number: usize, section: &SectionHeader| match section.sh_type {
            SHT_SYMTAB | SHT_SYMTAB_SHNDX | SHT_REL | SHT_RELA => true,
            SHT_STRTAB => u32::try_from(number).is_ok_and(|number| symbol_strings.contains(&number)),
            _ => false,
        };
        let mut removed = vec![false; self.sections.len()];
        for (number, section) in self.sections.iter().enumerate().filter(removable) {
            removed[number] = is_debug(self.name(section)) || (all && of_symbols(number, section));
        }
        // Relocations of a section that is removed (ld --emit-relocs) go with it.
        for (number, section) in self.sections.iter().enumerate().filter(removable) {
            let of_removed = removed.get(section.sh_info as usize).is_some_and(|removed| *removed);
            removed[number] |= of_removed && matches!(section.sh_type, SHT_REL | SHT_RELA);
        }
        removed
    }

    /// Refuses files of which something would be lost or would have to move.
    fn refuse_if_unsafe(&self, removed: &[bool]) -> Result<(), String> {
        let length = self.bytes.len() as u64;
        if self.file_end < length {
            return Err(format!("{} bytes follow its last section", length - self.file_end));
        }
        let mut removed = self.sections.iter().zip(removed).filter(|(_, removed)| **removed);
        if removed.any(|(section, _)| has_bytes(section) && section.sh_offset < self.loaded_end) {
            return Err("segments follow its debug data, as patchelf and similar tools write them".to_owned());
        }
        Ok(())
    }

    /// The file without the removed sections.
    fn write(&self, removed: &[bool]) -> Result<Vec<u8>, String> {
        let mut out = self.bytes.get(..offset(self.loaded_end)?).ok_or_else(truncated)?.to_vec();
        let mut headers: Vec<SectionHeader> = Vec::with_capacity(self.sections.len());
        let mut kept_names: Vec<&[u8]> = vec![b".shstrtab"];
        for (number, section) in self.sections.iter().enumerate() {
            if removed[number] || self.is_name_table(number) || section.sh_type == SHT_NULL {
                // An empty header, so that other sections keep the numbers by which symbols and headers refer to them.
                headers.push(SectionHeader::default());
                continue;
            }
            let mut kept = section.clone();
            if has_bytes(section) && section.sh_offset >= self.loaded_end {
                kept.sh_offset = align(&mut out, section.sh_addralign);
                out.extend(content(self.bytes, section)?);
            }
            kept_names.push(self.name(section));
            kept.sh_name = kept_names.len();
            headers.push(kept);
        }
        while headers.len() > 1 && headers.last().is_some_and(|last| last.sh_type == SHT_NULL) {
            headers.pop();
        }
        let (names, offsets) = name_table(&kept_names);
        for header in headers.iter_mut().filter(|header| header.sh_name > 0) {
            header.sh_name = offsets[header.sh_name - 1];
        }
        headers.push(SectionHeader {
            sh_name: offsets[0],
            sh_type: SHT_STRTAB,
            sh_offset: align(&mut out, 1),
            sh_size: names.len() as u64,
            sh_addralign: 1,
            ..SectionHeader::default()
        });
        out.extend(names);

        let e_shoff = align(&mut out, 8);
        let e_shnum = u16::try_from(headers.len()).map_err(|_| truncated())?;
        let (start, size) = (out.len(), SectionHeader::size(self.ctx));
        out.resize(start + headers.len() * size, 0);
        for (number, section) in headers.into_iter().enumerate() {
            out.pwrite_with(section, start + number * size, self.ctx).map_err(|error| error.to_string())?;
        }
        let header = Header { e_shoff, e_shnum, e_shstrndx: e_shnum - 1, ..self.header };
        out.pwrite_with(header, 0, self.ctx.le).map_err(|error| error.to_string())?;
        Ok(out)
    }
}

/// A table of names, each of which is the end of another where it can be, as binutils write it, and where each name is in it.
fn name_table(names: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let mut longest_first: Vec<usize> = (0..names.len()).collect();
    longest_first.sort_by_key(|position| std::cmp::Reverse(names[*position].len()));
    let (mut table, mut offsets) = (vec![0], vec![0; names.len()]);
    for position in longest_first {
        let name = [names[position], b"\0"].concat();
        // Searching the table takes too long for the thousands of names that a crafted file can have.
        let search = names.len() <= MAX_MERGED_NAMES;
        let mut places = table.windows(name.len());
        let there = search.then(|| places.position(|place| place == name)).flatten();
        offsets[position] = there.unwrap_or_else(|| {
            table.extend(&name);
            table.len() - name.len()
        });
    }
    (table, offsets)
}

fn truncated() -> String {
    "its headers are truncated".to_owned()
}

fn offset(value: u64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| truncated())
}

fn end(offset: u64, length: u64) -> Result<u64, String> {
    offset.checked_add(length).ok_or_else(truncated)
}

/// The bytes of a section.
fn content<'a>(bytes: &'a [u8], section: &SectionHeader) -> Result<&'a [u8], String> {
    let rest = bytes.get(offset(section.sh_offset)?..);
    rest.and_then(|rest| rest.get(..usize::try_from(section.sh_size).ok()?)).ok_or_else(truncated)
}

/// The sections that `strip --strip-debug` removes: those that BFD marks SEC_DEBUGGING, by name
/// (`_bfd_elf_make_section_from_shdr` in binutils' bfd/elf.c).
fn is_debug(name: &[u8]) -> bool {
    let starts = [b".debug".as_slice(), b".zdebug", b".gnu.debuglto_.debug_", b".gnu.linkonce.wi.", b".line", b".stab"];
    starts.iter().any(|start| name.starts_with(start)) || name == b".gdb_index"
}

fn has_bytes(section: &SectionHeader) -> bool {
    !matches!(section.sh_type, SHT_NOBITS | SHT_NULL) && section.sh_size > 0
}

/// Pads with zeros up to a multiple of `to`, and returns that length.
fn align(out: &mut Vec<u8>, to: u64) -> u64 {
    let to = usize::try_from(to).ok().filter(|to| *to > 0 && *to <= 4096).unwrap_or(1);
    out.resize(out.len().next_multiple_of(to), 0);
    out.len() as u64
}

/// Whether the loader reads the same from both files; the error is what differs.
fn same_for_the_loader(old: &[u8], new: &[u8]) -> Result<(), String> {
    let (Ok(mut before), Ok(mut after)) = (Elf::parse(old), Elf::parse(new)) else {
        return Err("it could not be read after stripping".to_owned());
    };
    let loaded =
        |elf: &Elf| elf.sections.iter().filter(|s| s.loaded).map(|s| (s.name.clone(), s.bytes)).collect::<Vec<_>>();
    if loaded(&before) != loaded(&after) {
        return Err("its loaded sections would change".to_owned());
    }
    before.sections.clear();
    after.sections.clear();
    if before != after {
        return Err("what the loader reads would change".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<u8> {
        std::fs::read(std::env::current_exe().expect("a path")).expect("readable")
    }

    fn smaller(bytes: &[u8], mode: StripMode) -> Vec<u8> {
        match strip(bytes, mode) {
            Stripped::Smaller(new) => new,
            result => panic!("{result:?}"),
        }
    }

    #[test]
    fn what_is_loaded_stays_byte_for_byte_and_debug_data_goes() {
        let old = own();
        let debug = smaller(&old, StripMode::Debug);
        let all = smaller(&old, StripMode::All);
        assert!(all.len() < debug.len() && debug.len() < old.len());
        // What no mode removes is known without stripping.
        let kept = Elf::parse(&old).expect("ELF").segments_end;
        assert!((1..all.len() as u64).contains(&kept), "{kept} of {}", all.len());
        let names =
            |bytes: &[u8]| Elf::parse(bytes).expect("ELF").sections.into_iter().map(|s| s.name).collect::<Vec<_>>();
        assert!(names(&old).iter().any(|name| name == ".debug_info"));
        assert!(!names(&debug).iter().any(|name| name == ".debug_info"));
        assert!(
            names(&debug).iter().any(|name| name == ".symtab") && !names(&all).iter().any(|name| name == ".symtab")
        );
        // Again there is nothing to do.
        assert_eq!(strip(&all, StripMode::All), Stripped::Nothing);
        assert_eq!(strip(&debug, StripMode::Debug), Stripped::Nothing);
        assert_eq!(strip(&old, StripMode::None), Stripped::Nothing);
    }

    #[test]
    fn a_file_with_bytes_after_its_sections_is_left_alone() {
        let mut bytes = own();
        bytes.extend(b"an archive that the program reads");
        assert!(matches!(strip(&bytes, StripMode::All), Stripped::LeftAlone(why) if why.contains("33 bytes follow")));
    }

    #[test]
    fn a_file_with_segments_after_the_debug_data_is_left_alone() {
        // As patchelf does: a segment is moved to the end of the file.
        let mut bytes = own();
        let header = bytes.pread::<Header>(0).expect("a header");
        let first = usize::try_from(header.e_phoff).expect("fits");
        let end = bytes.len() as u64 - 16;
        bytes.pwrite_with(end, first + 8, Endian::Little).expect("written");
        bytes.pwrite_with(16_u64, first + 32, Endian::Little).expect("written");
        assert!(matches!(strip(&bytes, StripMode::All), Stripped::LeftAlone(why) if why.contains("patchelf")));
    }

    #[test]
    fn damage_never_panics() {
        let mut bytes = own();
        bytes.truncate(300_000.min(bytes.len()));
        let mut state = 7_u64;
        for _ in 0..2000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % 1024;
            bytes[at] ^= 1 << ((state >> 8) & 7);
            let _ = strip(&bytes, StripMode::All);
        }
        let whole = own();
        for at in (0..64).chain([whole.len() / 2]) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            let _ = strip(&bytes, StripMode::All);
        }
    }

    /// An ELF file of this class and byte order, with a loaded section, debug data of this length, a comment behind it, and
    /// the names of the sections: behind all that, or in the loaded part.
    fn made(is_64: bool, little: bool, debug: usize, names_loaded: bool) -> Vec<u8> {
        use goblin::elf::header::{ELFCLASS32, ELFDATA2MSB};
        use goblin::elf::program_header::PT_LOAD;
        use goblin::elf::section_header::SHT_PROGBITS;
        let endian = if little { Endian::Little } else { Endian::Big };
        let ctx = Ctx::new(if is_64 { Container::Big } else { Container::Little }, endian);
        let (header_bytes, segment_bytes, section_bytes) = if is_64 { (64, 56, 64) } else { (52, 32, 40) };
        let names = b"\0.text\0.debug_info\0.comment\0.shstrtab\0";
        let text = header_bytes + segment_bytes;
        let mut out = vec![0; text];
        out.extend(b"loaded!!");
        let mut at_names = out.len();
        if names_loaded {
            out.extend(names);
        }
        let loaded = out.len();
        let at_debug = out.len();
        out.resize(at_debug + debug, b'd');
        let at_comment = out.len();
        out.extend(b"comment");
        if !names_loaded {
            at_names = out.len();
            out.extend(names);
        }
        let table = out.len().next_multiple_of(8);
        out.resize(table + 5 * section_bytes, 0);

        let mut header = Header::new(ctx);
        header.e_ident[EI_CLASS] = if is_64 { ELFCLASS64 } else { ELFCLASS32 };
        header.e_ident[EI_DATA] = if little { ELFDATA2LSB } else { ELFDATA2MSB };
        (header.e_type, header.e_machine, header.e_version) = (ET_DYN, 62, 1);
        (header.e_phoff, header.e_phnum) = (header_bytes as u64, 1);
        (header.e_shoff, header.e_shnum, header.e_shstrndx) = (table as u64, 5, 4);
        out.pwrite_with(header, 0, endian).expect("written");
        let segment = ProgramHeader {
            p_type: PT_LOAD,
            p_filesz: loaded as u64,
            p_memsz: loaded as u64,
            ..ProgramHeader::default()
        };
        out.pwrite_with(segment, header_bytes, ctx).expect("written");
        for (number, (name, kind, flags, at, length)) in [
            (1, SHT_PROGBITS, SHF_ALLOC, text, 8),
            (7, SHT_PROGBITS, 0, at_debug, debug),
            (19, SHT_PROGBITS, 0, at_comment, 7),
            (28, SHT_STRTAB, 0, at_names, names.len()),
        ]
        .into_iter()
        .enumerate()
        {
            let section = SectionHeader {
                sh_name: name,
                sh_type: kind,
                sh_flags: u64::from(flags),
                sh_offset: at as u64,
                sh_size: length as u64,
                sh_addralign: 1,
                ..SectionHeader::default()
            };
            out.pwrite_with(section, table + (number + 1) * section_bytes, ctx).expect("written");
        }
        out
    }

    #[test]
    fn each_class_and_byte_order_is_stripped_and_its_headers_lead_to_what_is_left() {
        for (is_64, little) in [(true, true), (true, false), (false, true), (false, false)] {
            let old = made(is_64, little, 500, false);
            let names = |bytes: &[u8]| -> Vec<(String, u64)> {
                Elf::parse(bytes)
                    .expect("ELF")
                    .sections
                    .into_iter()
                    .map(|section| (section.name, section.bytes))
                    .collect()
            };
            let section = |name: &str, bytes| (name.to_owned(), bytes);
            assert_eq!(names(&old)[1], section(".debug_info", 500), "{is_64} {little}");
            let debug = smaller(&old, StripMode::Debug);
            assert_eq!(names(&debug), [section(".text", 8), section(".comment", 7), section(".shstrtab", 26)]);
            let all = smaller(&old, StripMode::All);
            assert!(all == debug, "there is no symbol table");
            let header = debug.pread::<Header>(0).expect("a header");
            assert_eq!((header.e_shnum, header.e_shstrndx), (5, 4));
            let size = if is_64 { 64 } else { 40 };
            assert_eq!(header.e_shoff + 5 * size, debug.len() as u64);
            assert_eq!(header.e_shoff % 8, 0);
            assert_eq!(strip(&debug, StripMode::Debug), Stripped::Nothing);
            // What is loaded is as it was, but for the header's words on sections.
            let loaded = if is_64 { 64 } else { 52 };
            assert_eq!(debug[loaded..loaded + 40], old[loaded..loaded + 40]);
        }
    }

    #[test]
    fn what_would_be_no_smaller_stays_as_it_is() {
        // Names in the loaded part stay there, and those that are left are put behind it once more.
        assert_eq!(strip(&made(true, true, 1, true), StripMode::Debug), Stripped::Nothing);
        assert!(matches!(strip(&made(true, true, 500, true), StripMode::Debug), Stripped::Smaller(_)));
        // A compiler's output, and a file without sections, have nothing to remove.
        let mut object = made(true, true, 500, false);
        object[16] = 1;
        assert_eq!(strip(&object, StripMode::All), Stripped::Nothing);
        let mut bare = made(true, true, 500, false);
        bare[60] = 0;
        assert_eq!(strip(&bare, StripMode::All), Stripped::Nothing);
    }

    #[test]
    fn the_sections_of_debuggers_are_known_by_their_names() {
        for name in [
            ".debug_info",
            ".zdebug_line",
            ".gnu.debuglto_.debug_info",
            ".gnu.linkonce.wi.x",
            ".line",
            ".stabstr",
            ".gdb_index",
        ] {
            assert!(is_debug(name.as_bytes()), "{name}");
        }
        for name in [".gdb_index2", ".text", ".symtab", ".comment", "debug_info", ".gnu.version"] {
            assert!(!is_debug(name.as_bytes()), "{name}");
        }
    }
}
