//! Platforms in the paths of addons: `prebuilds/linux-x64/a.glibc.node`, `@img/sharp-linuxmusl-arm64/lib/a.node`.

/// Names of operating systems other than Linux, as packages write them.
const OTHER_SYSTEMS: &[&str] = &[
    "darwin", "macos", "osx", "win32", "win64", "windows", "freebsd", "openbsd", "netbsd", "sunos", "android", "ios",
    "aix",
];

/// Names of Linux with musl.
const MUSL: &[&str] = &["musl", "linuxmusl", "musleabihf", "alpine"];

/// Other words that name a platform.
const OTHERS: &[&str] = &[
    "linux",
    "linuxglibc",
    "glibc",
    "gnu",
    "gnueabihf",
    "msvc",
    "x64",
    "amd64",
    "arm64",
    "aarch64",
    "arm",
    "armv6",
    "armv7",
    "armv8",
    "armhf",
    "ia32",
    "x86",
    "i386",
    "i686",
    "ppc64",
    "ppc64le",
    "s390x",
    "riscv64",
    "riscv64d",
    "loong64",
    "loongarch64",
    "mips64el",
    "universal",
];

/// The platform that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Platform {
    /// The path without what names the platform: the same for all platforms.
    pub(super) of: String,
    /// Whether it names a platform.
    pub(super) is_named: bool,
    /// Whether it is for another operating system than Linux.
    pub(super) other_system: bool,
    /// Whether it is for Linux with musl.
    pub(super) musl: bool,
}

/// The platform in a path below `node_modules`.
pub(super) fn platform(path: &str) -> Platform {
    // The architecture's underscore would separate words: x86_64.
    let path = path.replace("x86_64", "x64");
    let mut found = Platform { of: String::new(), is_named: false, other_system: false, musl: false };
    for word in path.split_inclusive(['/', '-', '_', '.', '+']) {
        let name = word.trim_end_matches(['/', '-', '_', '.', '+']).to_ascii_lowercase();
        let (other, musl) = (OTHER_SYSTEMS.contains(&name.as_str()), MUSL.contains(&name.as_str()));
        if other || musl || OTHERS.contains(&name.as_str()) {
            found.is_named = true;
            found.other_system |= other;
            found.musl |= musl;
            // A word at the end of a directory's name leaves its separator: `sharp-linux-x64/` and `sharp-linuxmusl-x64/`.
            found.of.push_str(if word.ends_with('/') { "/" } else { "" });
        } else {
            found.of.push_str(word);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_platforms_in_many_ways() {
        let same = |paths: &[&str]| {
            let mut of: Vec<String> = paths.iter().map(|path| platform(path).of).collect();
            of.dedup();
            assert_eq!(of.len(), 1, "{of:?}");
        };
        same(&[
            "@img/sharp-linux-x64/lib/sharp-linux-x64.node",
            "@img/sharp-linuxmusl-arm64/lib/sharp-linuxmusl-arm64.node",
        ]);
        same(&["bcrypt/prebuilds/linux-x64/bcrypt.glibc.node", "bcrypt/prebuilds/linux-arm64/bcrypt.musl.node"]);
        same(&["koffi/build/koffi/linux_x64/koffi.node", "koffi/build/koffi/musl_arm64/koffi.node"]);
        same(&["@a/canvas-linux-x64-gnu/skia.linux-x64-gnu.node", "@a/canvas-linux-x64-musl/skia.linux-x64-musl.node"]);
        same(&[
            "@a/canvas-linux-x64-gnu/skia.linux-x64-gnu.node",
            "@a/canvas-linux-arm64-gnu/skia.linux-arm64-gnu.node",
        ]);
        assert!(platform("x/prebuilds/darwin-x64/a.node").other_system);
        assert!(platform("x/prebuilds/linux-x64/a.musl.node").musl);
        assert!(!platform("x/build/Release/a.node").is_named);
    }
}
