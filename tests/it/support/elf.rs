//! ELF files made by hand, byte for byte the same on every machine: what a snapshot of an output can hold. They have the
//! headers and the dynamic section that the loader reads (elf(5)) and no code.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use super::World;

/// A 64-bit little-endian ELF file to be.
#[derive(Clone)]
pub struct Elf {
    machine: u16,
    interpreter: Option<String>,
    soname: Option<String>,
    needed: Vec<String>,
    rpath: Option<String>,
    runpath: Option<String>,
    /// Versions that are needed: of which library, and the version.
    needed_versions: Vec<(String, String)>,
    debug: Vec<u8>,
    behind: Vec<u8>,
}

const BASE: u64 = 0x10000;

impl Elf {
    /// A shared library for x86-64.
    pub fn library(soname: &str) -> Self {
        Self {
            machine: 62,
            interpreter: None,
            soname: Some(soname.to_owned()),
            needed: Vec::new(),
            rpath: None,
            runpath: None,
            needed_versions: Vec::new(),
            debug: Vec::new(),
            behind: Vec::new(),
        }
    }

    /// A program for x86-64.
    pub fn program() -> Self {
        Self { soname: None, interpreter: Some("/lib64/ld-linux-x86-64.so.2".to_owned()), ..Self::library("") }
    }

    /// For another machine: 183 is aarch64.
    pub fn machine(mut self, machine: u16) -> Self {
        self.machine = machine;
        self
    }

    pub fn interpreter(mut self, path: &str) -> Self {
        self.interpreter = Some(path.to_owned());
        self
    }

    /// `DT_NEEDED`
    pub fn needs(mut self, soname: &str) -> Self {
        self.needed.push(soname.to_owned());
        self
    }

    /// `DT_RPATH`
    pub fn rpath(mut self, path: &str) -> Self {
        self.rpath = Some(path.to_owned());
        self
    }

    /// `DT_RUNPATH`
    pub fn runpath(mut self, path: &str) -> Self {
        self.runpath = Some(path.to_owned());
        self
    }

    /// A symbol version of a needed library (`DT_VERNEED`).
    pub fn needs_version(mut self, soname: &str, version: &str) -> Self {
        self.needed_versions.push((soname.to_owned(), version.to_owned()));
        self
    }

    /// A section `.debug_info` with this content.
    pub fn debug(mut self, content: &[u8]) -> Self {
        self.debug = content.to_vec();
        self
    }

    /// Bytes behind the last section.
    pub fn behind(mut self, content: &[u8]) -> Self {
        self.behind = content.to_vec();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut string = |text: &str| {
            let at = strings.len() as u64;
            strings.extend(text.as_bytes());
            strings.push(0);
            at
        };
        let mut dynamic: Vec<(u64, u64)> = self.needed.iter().map(|name| (1, string(name))).collect();
        dynamic.extend(self.soname.iter().map(|name| (14, string(name))));
        dynamic.extend(self.rpath.iter().map(|path| (15, string(path))));
        dynamic.extend(self.runpath.iter().map(|path| (29, string(path))));
        // Each needed version in an entry of its own (Elf64_Verneed with one Elf64_Vernaux behind it).
        let mut versions = Vec::new();
        for (number, (soname, version)) in self.needed_versions.iter().enumerate() {
            let last = number + 1 == self.needed_versions.len();
            let (file, name) = (string(soname), string(version));
            versions.extend([1_u16.to_le_bytes(), 1_u16.to_le_bytes()].concat());
            versions
                .extend([low(file), 16_u32.to_le_bytes(), if last { [0; 4] } else { 32_u32.to_le_bytes() }].concat());
            versions.extend(0_u32.to_le_bytes());
            versions.extend([0_u16.to_le_bytes(), u16::try_from(number + 2).expect("few").to_le_bytes()].concat());
            versions.extend([low(name), [0; 4]].concat());
        }

        // Header, four program headers, interpreter, strings, versions, dynamic section.
        let headers = 64 + 56 * 4;
        let interpreter = self.interpreter.iter().flat_map(|path| path.bytes().chain([0])).collect::<Vec<u8>>();
        let at_strings = headers + interpreter.len() as u64;
        let at_versions = (at_strings + strings.len() as u64).next_multiple_of(8);
        let at_dynamic = (at_versions + versions.len() as u64).next_multiple_of(8);
        dynamic.extend([(5, BASE + at_strings), (10, strings.len() as u64)]);
        if !versions.is_empty() {
            dynamic.extend([(0x6fff_fffe, BASE + at_versions), (0x6fff_ffff, self.needed_versions.len() as u64)]);
        }
        dynamic.push((0, 0));
        let dynamic: Vec<u8> =
            dynamic.iter().flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat()).collect();
        let loaded = at_dynamic + dynamic.len() as u64;

        let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        out.resize(16, 0);
        out.extend([3_u16.to_le_bytes(), self.machine.to_le_bytes()].concat());
        out.extend(1_u32.to_le_bytes());
        let names = b"\0.dynamic\0.debug_info\0.shstrtab\0";
        let at_names = loaded + self.debug.len() as u64;
        let at_sections = (at_names + names.len() as u64).next_multiple_of(8);
        out.extend([BASE.to_le_bytes(), 64_u64.to_le_bytes(), at_sections.to_le_bytes()].concat());
        out.extend(0_u32.to_le_bytes());
        let mut sections = vec![(1_u32, 6_u32, 3_u64, at_dynamic, dynamic.len() as u64)];
        if !self.debug.is_empty() {
            sections.push((10, 1, 0, loaded, self.debug.len() as u64));
        }
        sections.push((22, 3, 0, at_names, names.len() as u64));
        let count = u16::try_from(sections.len()).expect("few");
        for number in [64, 56, 4, 64, count + 1, count] {
            out.extend(number.to_le_bytes());
        }
        let interpreter_type = if interpreter.is_empty() { 0 } else { 3 };
        for (kind, flags, at, length) in [
            (6_u32, 4_u32, 64, 56 * 4),
            (interpreter_type, 4, headers, interpreter.len() as u64),
            (1, 5, 0, loaded),
            (2, 6, at_dynamic, dynamic.len() as u64),
        ] {
            out.extend([kind.to_le_bytes(), flags.to_le_bytes()].concat());
            out.extend([at, BASE + at, BASE + at, length, length, 8].map(u64::to_le_bytes).concat());
        }
        out.extend(interpreter);
        out.extend(strings);
        out.resize(usize::try_from(at_versions).expect("short"), 0);
        out.extend(versions);
        out.resize(usize::try_from(at_dynamic).expect("short"), 0);
        out.extend(&dynamic);
        out.extend(&self.debug);
        out.extend(names);
        out.resize(usize::try_from(at_sections).expect("short"), 0);
        out.extend([0; 64]);
        for (name, kind, flags, at, length) in sections {
            out.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
            let address = if flags == 0 { 0 } else { BASE + at };
            out.extend([flags, address, at, length].map(u64::to_le_bytes).concat());
            out.extend([0; 8]);
            out.extend([1_u64, 0].map(u64::to_le_bytes).concat());
        }
        out.extend(&self.behind);
        out
    }
}

fn low(number: u64) -> [u8; 4] {
    u32::try_from(number).expect("short").to_le_bytes()
}

impl World {
    /// Writes an ELF file that was made by hand, executable when it is a program.
    pub fn elf(&self, path: &str, elf: &Elf) -> &Self {
        self.file(path, elf.bytes());
        if elf.interpreter.is_some() { self.mode(path, 0o755) } else { self }
    }
}
