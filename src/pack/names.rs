//! The names of layers.

/// The name of the layer of a group with this number, from 0: a named one has the name itself first.
pub(super) fn numbered(name: &str, number: usize) -> String {
    match (name, number) {
        ("layer", number) => format!("layer-{}", number + 1),
        (name, 0) => name.to_owned(),
        (name, number) => format!("{name}-{}", number + 1),
    }
}
