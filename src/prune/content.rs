//! Content: what a file is, beyond where it is. The directories that rules name can also hold code, configuration and data
//! of an application, which only the files themselves show: their names, their first bytes, and the files beside them.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::base::path::TreePath;
use crate::formats::elf::Elf;
use crate::tree::{EntryId, Kind, Magic, Place, Tree};

/// How much of a file is examined, in bytes.
const EXAMINED_BYTES: usize = 1 << 16;

/// Files longer than this, in bytes, are not read to find out whether they only have debug data.
const MAX_DEBUG_BYTES: u64 = 1 << 29;

/// What a rule can require a file to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A header, module or source file of C, C++ or Fortran. Headers without an extension, and `.inc` and `.def` files, which
    /// other languages have too, by their text.
    Header,
    /// Text for readers, or a picture for it: by its extension, or a text without one that is not a script.
    Document,
    /// A page that `man` shows: text with requests of roff, perhaps compressed, or a link to one.
    ManPage,
    /// A file that `info` reads: what makeinfo wrote, perhaps compressed, or the directory of manuals.
    InfoManual,
    /// An archive for the linker, made by `ar`, or a linker script in place of one.
    StaticLibrary,
    /// libtool's description of a library.
    LibtoolArchive,
    /// pkg-config's description of a library.
    PkgConfig,
    /// Debug data of a program or library: `.debug`, a link in `.build-id`, or an ELF file without code in it.
    DebugFile,
    /// Code that gdb loads with a library: `libx.so.1-gdb.py`.
    GdbScript,
    /// A program or script that prints or sets flags for a compiler and linker.
    BuildFlags,
    /// A library or program for Windows (PE).
    Pe,
    /// What only Windows or .NET runs or reads: a library or program (PE), its debug data, or a batch file.
    WindowsFile,
    /// A library for macOS (Mach-O), if it is called one.
    MacFile,
    /// What a file manager or an archiver leaves: by its name, and where programs use the name too, by its first bytes.
    FileManager,
    /// A completion script of bash, zsh or fish, by the commands in it.
    Completion,
    /// A copy that an editor or patch(1) made of the file beside it, or an editor's own state.
    EditorCopy,
    /// A message catalog for the package that it is in, by the name: `PKG/po/de/LC_MESSAGES/PKG.mo`, or `R-PKG.mo` there.
    CatalogOfPackage,
    /// A script that was extracted from the document of the same name beside it; or no script.
    ExtractedScript,
}

/// Extensions of C, C++ and Fortran headers and sources, and of what their compilers make of them.
const HEADERS: &[&str] = &[
    "h",
    "hh",
    "hp",
    "hpp",
    "hxx",
    "h++",
    "ipp",
    "ixx",
    "inl",
    "tcc",
    "tpp",
    "txx",
    "cuh",
    "c",
    "cc",
    "cpp",
    "cxx",
    "cu",
    "f",
    "for",
    "f90",
    "f95",
    "f03",
    "fi",
    "modulemap",
    "pch",
    "gch",
];

/// Extensions that headers share with other languages.
const AMBIGUOUS_HEADERS: &[&str] = &["inc", "def", "x"];

/// Extensions of the modules that a Fortran compiler writes, which other programs use too: `go.mod`, music.
const FORTRAN_MODULES: &[&str] = &["mod", "smod"];

/// Extensions of documents and of the pictures in them.
const DOCUMENTS: &[&str] = &[
    "html", "htm", "xhtml", "css", "txt", "text", "md", "markdown", "rst", "adoc", "asciidoc", "pdf", "ps", "eps",
    "dvi", "tex", "texi", "texinfo", "sgml", "png", "jpg", "jpeg", "gif", "svg", "devhelp", "devhelp2", "debian", "1",
    "3", "5", "7", "8",
];

/// Extensions of examples that are of use to nothing but a compiler.
const EXAMPLES: &[&str] = &["c", "cc", "cpp", "h", "hpp", "am", "in"];

/// Extensions of documents that scripts are extracted from, and of those that are made with the scripts.
const WITH_SCRIPTS: &[&str] =
    &["rmd", "rmarkdown", "rnw", "snw", "rtex", "rhtml", "rrst", "qmd", "ipynb", "html", "pdf", "tex", "md", "asis"];

const COMPRESSED: &[&str] = &["gz", "xz", "bz2", "zst", "lzma"];

impl Content {
    /// What the file is, for the page of a rule.
    pub fn describe(self) -> &'static str {
        match self {
            Content::Header => {
                "a header, module or source file of C, C++ or Fortran, by its extension, else by its text"
            }
            Content::Document => {
                "a document, a picture or a C example, by its extension; without one, a text that is not a script"
            }
            Content::ManPage => "a text in roff, perhaps compressed, or a link",
            Content::InfoManual => "a manual for info, as makeinfo writes it, or the directory of manuals",
            Content::StaticLibrary => "an archive of ar, or a linker script",
            Content::LibtoolArchive => "a text that libtool wrote",
            Content::PkgConfig => "a text with the fields that pkg-config reads",
            Content::DebugFile => "named .debug, a link in .build-id, or an ELF file that only has debug data",
            Content::GdbScript => "named like a shared library, with -gdb.py, -gdb.scm or -gdb.gdb after that",
            Content::BuildFlags => "a program with the options --cflags or --libs, or a script that sets such flags",
            Content::Pe => "in PE format",
            Content::WindowsFile => "a batch file, in PE format, or Windows' debug data",
            Content::MacFile => "in Mach-O format, if it is named .dylib",
            Content::FileManager => "named .DS_Store, or in the format that file managers give to files of these names",
            Content::Completion => "a script with the commands by which bash, zsh or fish completes words",
            Content::EditorCopy => {
                "a copy of the file beside it that it is named after, Vim's swap file, or an editor's settings"
            }
            Content::CatalogOfPackage => "a message catalog named after the package that it is in",
            Content::ExtractedScript => "not a script, or a script beside a document of the same name",
        }
    }

    /// Whether a file of this name can be of this content. If not, its bytes do not matter.
    pub fn fits_name(self, path: &TreePath) -> bool {
        let name = String::from_utf8_lossy(path.name()).into_owned();
        let lower = name.to_ascii_lowercase();
        match self {
            Content::Header => {
                let inner = lower.strip_suffix(".in").unwrap_or(&lower);
                let known = [HEADERS, AMBIGUOUS_HEADERS, FORTRAN_MODULES];
                extension(inner).is_none_or(|ext| known.iter().any(|known| known.contains(&ext)))
            }
            Content::Document => {
                let inner = uncompressed(&lower);
                if name.starts_with('.') {
                    return false;
                }
                inner == "makefile"
                    || is_text_name(&name)
                    || extension(inner).is_none_or(|ext| DOCUMENTS.contains(&ext) || EXAMPLES.contains(&ext))
            }
            Content::InfoManual => {
                let inner = uncompressed(&lower);
                let parts = inner.rsplit_once('-').filter(|(_, part)| part.bytes().all(|b| b.is_ascii_digit()));
                extension(parts.map_or(inner, |(whole, _)| whole)) == Some("info") || inner == "dir"
            }
            Content::DebugFile => extension(&lower) == Some("debug") || !is_code_name(&lower),
            Content::GdbScript => {
                let object = ["-gdb.py", "-gdb.scm", "-gdb.gdb"].iter().find_map(|end| lower.strip_suffix(end));
                object.is_some_and(|object| extension(object) == Some("so") || object.contains(".so."))
            }
            Content::CatalogOfPackage => {
                let package =
                    path.ancestors().nth(4).map(|package| String::from_utf8_lossy(package.name()).into_owned());
                let domain = name.strip_suffix(".mo").unwrap_or(&name);
                package.is_some_and(|package| {
                    domain.strip_suffix(&package).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-'))
                })
            }
            Content::FileManager
            | Content::BuildFlags
            | Content::ManPage
            | Content::StaticLibrary
            | Content::LibtoolArchive
            | Content::PkgConfig
            | Content::Pe
            | Content::WindowsFile
            | Content::MacFile
            | Content::Completion
            | Content::EditorCopy
            | Content::ExtractedScript => true,
        }
    }

    /// Whether a file or link, whose name fits, is of this content. A file that cannot be read is not.
    pub fn is_in(self, tree: &Tree, id: EntryId) -> bool {
        let path = tree.path(id);
        let lower = String::from_utf8_lossy(path.name()).to_ascii_lowercase();
        match self {
            Content::Header => {
                let inner = lower.strip_suffix(".in").unwrap_or(&lower);
                let certain = extension(inner).is_some_and(|ext| HEADERS.contains(&ext));
                let is_module = extension(inner).is_some_and(|ext| FORTRAN_MODULES.contains(&ext));
                let fits = |head: Vec<u8>| {
                    if is_module { is_fortran_module(&head) } else { is_header_text(&lower, &head) }
                };
                certain || head(tree, id).is_some_and(fits)
            }
            Content::Document => {
                let certain = extension(uncompressed(&lower)).is_some();
                certain || head(tree, id).is_some_and(|head| is_plain_text(&head))
            }
            Content::GdbScript | Content::CatalogOfPackage => true,
            // A link that leads nowhere, as to a page in another package, is not data.
            Content::ManPage => text_of(tree, id).is_none_or(|text| is_roff(&text)),
            Content::InfoManual => text_of(tree, id).is_some_and(|text| {
                let signs: [&[u8]; 4] = [b"produced by makeinfo", b"\x1f\n", b"START-INFO-DIR-ENTRY", b"* Menu"];
                text.is_empty() || signs.iter().any(|sign| contains(&text, sign))
            }),
            Content::StaticLibrary => head(tree, id).is_none_or(|head| {
                let formats: [&[u8]; 2] = [b"!<arch>\n", b"!<thin>\n"];
                let commands: [&[u8]; 3] = [b"GROUP", b"INPUT", b"OUTPUT_FORMAT"];
                formats.iter().any(|format| head.starts_with(format))
                    || (is_plain_text(&head) && commands.iter().any(|command| contains(&head, command)))
            }),
            Content::LibtoolArchive => head(tree, id).is_none_or(|head| contains(&head, b"libtool")),
            Content::PkgConfig => head(tree, id).is_none_or(|head| {
                let fields: [&[u8]; 4] = [b"Name:", b"Version:", b"Libs:", b"Cflags:"];
                head.split(|b| *b == b'\n').any(|line| fields.iter().any(|field| line.starts_with(field)))
            }),
            Content::DebugFile => {
                let is_below = |directory: &[u8]| path.as_bytes().split(|b| *b == b'/').any(|part| part == directory);
                match &tree.entry(id).kind {
                    _ if extension(&lower) == Some("debug") => true,
                    Kind::Link { .. } if is_below(b".build-id") => true,
                    Kind::File { magic: Magic::Elf, .. } if is_below(b".dwz") => true,
                    _ => is_debug_companion(tree, id),
                }
            }
            Content::BuildFlags => head(tree, id).is_some_and(|head| {
                let shows = |flag: &&str| contains(&head, flag.as_bytes());
                let flags: &[&str] = if extension(&lower) == Some("sh") {
                    &["LIBS=", "CFLAGS=", "LIB_SPEC=", "INCLUDEDIR=", "LIBDIR="]
                } else {
                    &["--cflags", "--libs", "--cppflags"]
                };
                flags.iter().any(shows)
            }),
            Content::Pe => head(tree, id).is_some_and(|head| head.starts_with(b"MZ")),
            Content::WindowsFile => head(tree, id).is_some_and(|head| match extension(&lower) {
                Some("bat" | "cmd") => !head.contains(&0) && !head.starts_with(b"#!"),
                // Program databases, those of .NET too; proteins have the extension as well.
                Some("pdb") => head.starts_with(b"Microsoft C/C++ ") || head.starts_with(b"BSJB"),
                _ => head.starts_with(b"MZ"),
            }),
            Content::MacFile => {
                extension(&lower) != Some("dylib")
                    || head(tree, id).is_none_or(|head| MACH_O.iter().any(|magic| head.starts_with(magic)))
            }
            Content::FileManager => {
                lower == ".ds_store" || head(tree, id).is_some_and(|head| is_of_file_manager(&lower, &head))
            }
            Content::Completion => head(tree, id).is_some_and(|head| {
                ["COMPREPLY", "complete ", "compgen ", "#compdef", "#autoload"]
                    .iter()
                    .any(|word| contains(&head, word.as_bytes()))
            }),
            Content::EditorCopy => is_editor_copy(tree, id),
            Content::ExtractedScript => !is_code_name(&lower) || has_document_beside(tree, id),
        }
    }
}

/// The directories that libraries and programs are installed under, each with its own `bin`, `lib` and `share`: the root,
/// `usr`, `local`, and those of languages, or whose `bin` or `lib` has an ELF file. Packages of interpreted languages, which have directories
/// of these names for their own files, are not among them.
pub(super) struct Prefixes {
    directories: BTreeSet<TreePath>,
}

/// Directories whose content is packages of an interpreted language.
const OF_PACKAGES: &[&[u8]] = &[b"node_modules", b"site-packages", b"dist-packages", b"gems", b"vendor"];

impl Prefixes {
    /// Those of a tree, and `installations` of languages.
    pub(super) fn of(tree: &Tree, installations: impl IntoIterator<Item = TreePath>) -> Self {
        let usual = ["", "usr", "local", "usr/local"].into_iter().filter_map(TreePath::new);
        let mut directories: BTreeSet<TreePath> = usual.chain(installations).collect();
        for (_, entry) in tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::File { magic: Magic::Elf, .. })) {
            let Some(parent) = entry.path.parent() else { continue };
            let parent = match parent.parent() {
                Some(above) if parent.name().ends_with(b"-linux-gnu") => above,
                _ => parent,
            };
            if matches!(parent.name(), b"bin" | b"sbin" | b"lib" | b"lib64") {
                directories.extend(parent.parent().filter(Self::can_be));
            }
        }
        Self { directories }
    }

    /// Whether a directory can be a prefix by its path.
    fn can_be(path: &TreePath) -> bool {
        // In Lambda, packages of Python are directly in `python`, which can also be a prefix itself.
        let in_python = path.as_bytes().starts_with(b"python/");
        !in_python && !path.as_bytes().split(|b| *b == b'/').any(|part| OF_PACKAGES.contains(&part))
    }

    /// Whether the last `share` in a path can be that of a prefix, by the path.
    pub(super) fn could_contain(path: &TreePath) -> bool {
        above_share(path).is_some_and(|above| Self::can_be(&above))
    }

    /// Whether the last `share` in a path is that of a prefix.
    pub(super) fn contain(&self, path: &TreePath) -> bool {
        above_share(path).is_some_and(|above| self.directories.contains(&above))
    }
}

/// The directory that has the last directory named `share` in a path.
fn above_share(path: &TreePath) -> Option<TreePath> {
    path.ancestors().skip(1).find(|directory| directory.name() == b"share").and_then(|share| share.parent())
}

/// What follows the last dot; `None` when there is none but at the start.
fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, extension)| extension)
}

fn uncompressed(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((inner, ext)) if COMPRESSED.contains(&ext) => inner,
        _ => name,
    }
}

/// Names such as `README.VMS` and `NEWS.0`, which have an extension only by their form.
fn is_text_name(name: &str) -> bool {
    let Some((stem, rest)) = name.split_once('.') else { return false };
    let texts = ["README", "NEWS", "ChangeLog", "CHANGES", "TODO", "FAQ", "HISTORY", "INSTALL", "changelog"];
    texts.contains(&stem) && rest.len() > 1 && rest.bytes().all(|b| b.is_ascii_uppercase())
        || texts.contains(&stem) && rest.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a name has an extension of a programming language or of a configuration format.
fn is_code_name(lower: &str) -> bool {
    let code =
        ["py", "js", "mjs", "cjs", "ts", "json", "php", "rb", "sh", "pl", "r", "conf", "ini", "toml", "yml", "yaml"];
    extension(lower).is_some_and(|ext| code.contains(&ext))
}

/// The first bytes of a file, or of the file that a link leads to; `None` when there is none or it cannot be read.
fn head(tree: &Tree, id: EntryId) -> Option<Vec<u8>> {
    let Place::Inside(file) = tree.follow(id) else { return None };
    tree.entry(file).is_file().then(|| tree.read_head(file, EXAMINED_BYTES).ok()).flatten()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// What files in Mach-O begin with: for one machine, in both byte orders and lengths of words, and for several.
const MACH_O: [[u8; 4]; 5] = [
    [0xce, 0xfa, 0xed, 0xfe],
    [0xcf, 0xfa, 0xed, 0xfe],
    [0xfe, 0xed, 0xfa, 0xce],
    [0xfe, 0xed, 0xfa, 0xcf],
    [0xca, 0xfe, 0xba, 0xbe],
];

/// The beginning of a text, inflated if it is compressed with gzip; empty if it is compressed in another way. `None` when
/// it is a link that leads nowhere in the tree, or cannot be read.
fn text_of(tree: &Tree, id: EntryId) -> Option<Vec<u8>> {
    let head = head(tree, id)?;
    let others: [&[u8]; 4] = [b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x5d\0\0"];
    if head.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        // What follows the bytes that were read is missing, which is an error after what is before it.
        let _ = GzDecoder::new(head.as_slice()).take(EXAMINED_BYTES as u64).read_to_end(&mut text);
        return Some(text);
    }
    Some(if others.iter().any(|magic| head.starts_with(magic)) { Vec::new() } else { head })
}

/// Whether a text is for roff: a line is a request or a comment of its (groff(7)). An empty one is a page without content.
fn is_roff(text: &[u8]) -> bool {
    let is_request = |line: &[u8]| match line {
        [b'.' | b'\'', b'\\', b'"', ..] => true,
        [b'.' | b'\'', first, second, ..] => first.is_ascii_alphabetic() && second.is_ascii_alphanumeric(),
        _ => false,
    };
    text.is_empty() || text.split(|b| *b == b'\n').take(50).any(is_request)
}

/// Whether a file is a module that a Fortran compiler wrote: gfortran's are compressed texts that begin so.
fn is_fortran_module(head: &[u8]) -> bool {
    let mut text = [0; 16];
    let inflated = head.starts_with(&[0x1f, 0x8b]) && GzDecoder::new(head).read_exact(&mut text).is_ok();
    let begin: &[u8] = if inflated { &text } else { head };
    begin.starts_with(b"GFORTRAN module")
}

/// Whether text is not a script, and not binary.
fn is_plain_text(head: &[u8]) -> bool {
    !head.contains(&0) && !head.starts_with(b"#!") && !head.starts_with(b"<?")
}

/// Whether text is that of a C or C++ header, by directives that comments of other languages cannot be mistaken for, or of a
/// Fortran include file, by declarations.
fn is_header_text(name: &str, head: &[u8]) -> bool {
    let directive = |line: &[u8]| {
        let Some(rest) = line.trim_ascii_start().strip_prefix(b"#") else { return false };
        let adjacent: [&[u8]; 3] = [b"ifndef ", b"ifdef ", b"pragma "];
        let included = rest.trim_ascii_start().strip_prefix(b"include").map(<[u8]>::trim_ascii_start);
        adjacent.iter().any(|word| rest.starts_with(word))
            || included.is_some_and(|rest| rest.starts_with(b"<") || rest.starts_with(b"\""))
    };
    let declaration = |line: &[u8]| {
        let line = line.trim_ascii_start().to_ascii_lowercase();
        let words: [&[u8]; 5] = [b"integer", b"parameter", b"common", b"double precision", b"logical"];
        let is_first =
            |word: &&[u8]| line.starts_with(word) && line.get(word.len()).is_some_and(|b| b" (,*/:".contains(b));
        words.iter().any(is_first)
    };
    let fortran = extension(name) == Some("inc");
    let mut lines = head.split(|b| *b == b'\n');
    is_plain_text(head) && lines.any(|line| directive(line) || (fortran && declaration(line)))
}

/// Whether an ELF file only has the debug data of another one.
fn is_debug_companion(tree: &Tree, id: EntryId) -> bool {
    let Place::Inside(file) = tree.follow(id) else { return false };
    let entry = tree.entry(file);
    let readable = matches!(entry.kind, Kind::File { magic: Magic::Elf, bytes, .. } if bytes <= MAX_DEBUG_BYTES);
    readable && tree.read(file).is_ok_and(|bytes| Elf::is_debug_companion(&bytes))
}

fn is_of_file_manager(lower: &str, head: &[u8]) -> bool {
    // AppleSingle and AppleDouble (RFC 1740), compound files ([MS-CFB]), and the sections that Explorer reads.
    let apple: [&[u8]; 2] = [&[0, 5, 0x16, 0], &[0, 5, 0x16, 7]];
    if apple.iter().any(|magic| head.starts_with(magic)) {
        return true;
    }
    if extension(lower) == Some("db") {
        return head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]);
    }
    let ascii: Vec<u8> = head.iter().copied().filter(|byte| *byte != 0).collect();
    let sections: [&[u8]; 2] = [b"[.shellclassinfo]", b"[localizedfilenames]"];
    lower == "desktop.ini" && sections.iter().any(|section| contains(&ascii.to_ascii_lowercase(), section))
}

fn is_editor_copy(tree: &Tree, id: EntryId) -> bool {
    let path = tree.path(id);
    let name = path.name();
    let beside = |other: &[u8]| {
        let found = path.parent().and_then(|parent| parent.join(other)).and_then(|path| tree.find_even_hidden(&path));
        !other.is_empty() && found.is_some_and(|found| !tree.entry(found).is_directory())
    };
    let is_link = matches!(tree.entry(id).kind, Kind::Link { .. });
    if let Some(of) = [&b"~"[..], b".orig", b".rej"].iter().find_map(|end| name.strip_suffix(*end)) {
        return beside(of);
    }
    if let Some(of) = name.strip_prefix(b"#").and_then(|rest| rest.strip_suffix(b"#")) {
        return beside(of);
    }
    // Emacs' lock is a link to nowhere; CVS has copies of this form.
    if let Some(of) = name.strip_prefix(b".#") {
        return is_link || beside(of);
    }
    if name.ends_with(b".swp") || name.ends_with(b".swo") {
        return head(tree, id).is_some_and(|head| head.starts_with(b"b0VIM"));
    }
    true
}

/// Whether a document is beside a script, of the same name but for the extension.
fn has_document_beside(tree: &Tree, id: EntryId) -> bool {
    let path = tree.path(id);
    let (Some(parent), Some(dot)) = (path.parent(), path.name().iter().rposition(|b| *b == b'.')) else { return false };
    let stem = &path.name()[..=dot];
    let beside = tree.below(&parent).filter(|(_, entry)| entry.path.parent().as_ref() == Some(&parent));
    let mut names = beside.filter_map(|(_, entry)| entry.path.name().strip_prefix(stem));
    names.any(|ext| std::str::from_utf8(ext).is_ok_and(|ext| WITH_SCRIPTS.contains(&ext.to_ascii_lowercase().as_str())))
}
