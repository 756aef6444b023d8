//! Sources that were installed or copied with a conflict of a merge in them, which no language accepts as code.

/// What a conflict begins with, at the beginning of a line. No expression of any language here has it.
const MARKER: &[u8] = b"<<<<<<< ";

/// The line, from 1, on which the first conflict begins. `is_text` tells of what is before it whether that ends inside a comment or
/// text, in which a marker is not code.
pub(super) fn line_of_marker(text: &[u8], is_text: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut markers = memchr::memmem::find_iter(text, MARKER).filter(|at| *at == 0 || text.get(at - 1) == Some(&b'\n'));
    let before = text.get(..markers.next()?)?;
    (!is_text(before)).then(|| memchr::memchr_iter(b'\n', before).count() + 1)
}

/// What is wrong with a source that has one on this line.
pub(super) fn describe(line: usize) -> String {
    format!("has a conflict of a merge on line {line}, which is a syntax error")
}
