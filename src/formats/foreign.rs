//! What a file is that should be a program or library for Linux and is not one.

/// What was found in the place of an ELF file, and the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// What it is: `is empty`.
    pub what: &'static str,
    /// What to do about it.
    pub help: &'static str,
    /// Whether it is a working file of another operating system.
    pub other_system: bool,
}

/// The first bytes of what copies and installations leave in the place of a file.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A Git LFS pointer: the text that a checkout without `git lfs` has in the place of a large file
/// (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
pub fn is_lfs_pointer(content: &[u8]) -> bool {
    content.starts_with(LFS_POINTER)
}

/// What this content is, which is not that of a shared library.
pub fn describe(content: &[u8]) -> Foreign {
    const AGAIN: &str = "install it again, or copy it again in binary mode";
    let of = |what, help, other_system| Foreign { what, help, other_system };
    // Mach-O (loader.h): 32 and 64 bits in both byte orders, and a universal binary; Java classes begin like one, but have
    // a version of 45 or more where a universal binary has its few architectures.
    let mach = |magic: &[u8]| {
        let few = content.get(4..8).is_some_and(|number| number < &[0, 0, 0, 45][..]);
        matches!(magic, [0xfe, 0xed, 0xfa, 0xce | 0xcf] | [0xce | 0xcf, 0xfa, 0xed, 0xfe])
            || (matches!(magic, [0xca, 0xfe, 0xba, 0xbe]) && few)
    };
    match content {
        [] => of("is empty", AGAIN, false),
        _ if is_lfs_pointer(content) => {
            of("is a Git LFS pointer, not the file itself", "run git lfs pull, and build the tree again", false)
        }
        _ if content.get(..4).is_some_and(mach) => {
            of("is built for macOS (Mach-O)", "install it on Linux: a function runs on Linux", true)
        }
        [b'M', b'Z', ..] => of("is built for Windows (PE)", "install it on Linux: a function runs on Linux", true),
        [0x7f, b'E', b'L', b'F', ..] => {
            of("is an ELF file, but not a shared library", "link it as a shared library (cc -shared)", false)
        }
        [b'!', b'<', b'a', b'r', ..] => of("is a static library (ar archive)", "link it as a shared library", false),
        _ => of("is not an ELF file", AGAIN, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_place_of_a_library_is_named() {
        for (content, what) in [
            (&b""[..], "is empty"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                "is a Git LFS pointer, not the file itself",
            ),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "is built for macOS (Mach-O)"),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", "is built for macOS (Mach-O)"),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", "is not an ELF file"),
            (b"MZ\x90", "is built for Windows (PE)"),
            (b"!<arch>\n", "is a static library (ar archive)"),
            (b"\x7fELF\x02", "is an ELF file, but not a shared library"),
            (b"/* GNU ld script */", "is not an ELF file"),
        ] {
            assert_eq!(describe(content).what, what);
        }
    }
}
