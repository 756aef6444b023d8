//! The names of layers.

/// The name of the layer of a group with this number, from 0: a named one has the name itself first.
pub(super) fn numbered(name: &str, number: usize) -> String {
    match (name, number) {
        ("layer", number) => format!("layer-{}", number + 1),
        (name, 0) => name.to_owned(),
        (name, number) => format!("{name}-{}", number + 1),
    }
}

/// Whether a layer can have this name, which is also its zip's: letters, digits, `-` and `_`.
pub(crate) fn is_layer_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
