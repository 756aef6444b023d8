//! Sources that were installed or copied with a conflict of a merge in them, which no language accepts as code.

/// The markers of a conflict, each at the beginning of a line.
const MARKERS: [&[u8]; 3] = [b"<<<<<<< ", b"=======", b">>>>>>> "];

/// The line, from 1, on which a conflict begins. `is_text` tells of what is before a marker whether that ends inside a comment or
/// text, in which the marker is not code.
pub(super) fn line_of_marker(text: &[u8], is_text: impl Fn(&[u8]) -> bool) -> Option<usize> {
    // Most sources have no marker.
    memchr::memmem::find(text, MARKERS[0])?;
    let (mut at, mut first, mut expected) = (0, None, MARKERS.iter());
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if expected.as_slice().first().is_some_and(|marker| line.starts_with(marker)) {
            if first.is_none() && is_text(&text[..at]) {
                return None;
            }
            first.get_or_insert(number + 1);
            expected.next();
        }
        at += line.len();
    }
    first.filter(|_| expected.as_slice().is_empty())
}

/// What is wrong with a source that has one on this line.
pub(super) fn describe(line: usize) -> String {
    format!("has a conflict of a merge on line {line}, which is a syntax error")
}
