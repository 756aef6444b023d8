//! The absolute paths that are compiled into an ELF file: where a program or library looks for its data and configuration.

use super::Section;

/// How many paths of one file are remembered.
const MAX_PATHS: usize = 256;

/// A longer string is not a path, but text.
const MAX_LENGTH: usize = 1024;

/// Names at the top of paths that no tree and no image provides as files: they exist in every process or are written by it.
const NOT_DATA: [&str; 5] = ["dev", "proc", "sys", "tmp", "run"];

/// The absolute paths among the NUL-terminated strings of the data sections, in the order of the file, each once. A string
/// that lists several, separated by colons, counts as each of them.
pub(super) fn compiled_in(bytes: &[u8], sections: &[Section]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for section in sections.iter().filter(|section| is_data(&section.name)) {
        let Some(start) = usize::try_from(section.offset).ok() else { continue };
        let Some(end) = usize::try_from(section.bytes).ok().and_then(|length| start.checked_add(length)) else {
            continue;
        };
        let Some(data) = bytes.get(start..end.min(bytes.len())) else { continue };
        // Only a slash at the start of a string begins a path: the search is for these two bytes.
        let first = data.first().filter(|byte| **byte == b'/').map(|_| 0);
        let others = memchr::memmem::find_iter(data, b"\0/").map(|at| at + 1);
        for at in first.into_iter().chain(others) {
            let text = &data[at..data.len().min(at + MAX_LENGTH)];
            let Some(text) = memchr::memchr(0, text).map(|end| &text[..end]) else { continue };
            for path in text.split(|byte| *byte == b':') {
                let path = path.strip_suffix(b"/").unwrap_or(path);
                // Directories are often joined with a slash too many.
                let Some(path) = as_path(path).map(|path| path.replace("//", "/")) else { continue };
                if !paths.contains(&path) {
                    paths.push(path);
                }
                if paths.len() == MAX_PATHS {
                    return paths;
                }
            }
        }
    }
    paths
}

fn is_data(section: &str) -> bool {
    section.starts_with(".rodata") || section.starts_with(".data")
}

/// The text of an absolute path with at least two components; `None` for anything else, such as `/s` or `/MATCH: %s`.
fn as_path(bytes: &[u8]) -> Option<&str> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-@".contains(byte);
    let text = std::str::from_utf8(bytes).ok().filter(|_| bytes.iter().all(is_part))?;
    let mut parts = text.strip_prefix('/')?.split('/');
    let first = parts.next().filter(|first| first.starts_with(|c: char| c.is_ascii_lowercase()))?;
    let second = parts.next().filter(|second| second.len() > 1)?;
    let goes_down = second != ".." && parts.all(|part| part != "..");
    (first.len() > 1 && goes_down && !NOT_DATA.contains(&first)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str, offset: usize, bytes: usize) -> Section {
        Section { name: name.to_owned(), bytes: bytes as u64, loaded: true, offset: offset as u64, is_dynsym: false }
    }

    #[test]
    fn paths_begin_a_string_of_a_data_section() {
        let data = b"/usr/share/a\0/usr/lib/b//c\0x /usr/share/no\0/etc/b.conf:/etc/cc\0/s\0/dev/null\0/usr/%s/d\0/usr/share/a/\0\0/var/lib/end\0";
        let found = compiled_in(data, &[section(".rodata", 0, data.len())]);
        assert_eq!(found, ["/usr/share/a", "/usr/lib/b/c", "/etc/b.conf", "/etc/cc", "/var/lib/end"]);
        assert_eq!(compiled_in(data, &[section(".text", 0, data.len())]), Vec::<String>::new());
    }

    #[test]
    fn a_damaged_section_and_a_flood_of_paths_are_bounded() {
        assert_eq!(compiled_in(b"/usr/a", &[section(".rodata", 3, usize::MAX)]), Vec::<String>::new());
        let many: Vec<u8> = (0..2000).flat_map(|n| format!("/usr/share/{n:04}\0").into_bytes()).collect();
        assert_eq!(compiled_in(&many, &[section(".rodata", 0, many.len())]).len(), MAX_PATHS);
    }
}
