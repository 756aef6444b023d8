//! Dynamic string tokens: the expansion of `$ORIGIN`, `$LIB` and `$PLATFORM` in the paths of an ELF file (ld.so(8)).

use crate::runtime::LoaderFacts;

/// Expands `$ORIGIN`, `$LIB` and `$PLATFORM`; `None` when one of them has no value. `opened` is the path by which the object
/// that contains `path` was opened; `loader` is that of its machine.
pub(super) fn expand(path: &str, opened: &str, loader: Option<&LoaderFacts>) -> Option<String> {
    if !path.contains('$') {
        return Some(path.to_owned());
    }
    let stands_for = |token: &str| match token {
        "ORIGIN" => Some(opened.rsplit_once('/').map_or("", |(directory, _)| directory)),
        "LIB" => loader.map(|loader| loader.lib.as_str()),
        _ => loader.map(|loader| loader.platform.as_str()),
    };
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('$') {
        out += &rest[..at];
        rest = &rest[at + 1..];
        let after = |token: &str| {
            let braced = rest.strip_prefix('{').and_then(|r| r.strip_prefix(token)).and_then(|r| r.strip_prefix('}'));
            // "$ORIGINAL" is not the token $ORIGIN followed by more.
            let goes_on = |after: &str| after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            braced.or_else(|| rest.strip_prefix(token).filter(|after| !goes_on(after)))
        };
        let token = ["ORIGIN", "PLATFORM", "LIB"].into_iter().find_map(|token| Some((token, after(token)?)));
        match token {
            Some((token, after)) => {
                out += stands_for(token).filter(|value| !value.is_empty())?;
                rest = after;
            }
            None => out.push('$'),
        }
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_whole_name_with_or_without_braces() {
        for (path, expected) in [
            ("$ORIGIN/../lib", Some("/opt/bin/../lib")),
            ("${ORIGIN}al", Some("/opt/binal")),
            ("$ORIGINAL/$", Some("$ORIGINAL/$")),
            ("/plain", Some("/plain")),
            // Without a loader for its machine these are not known.
            ("/x/$LIB", None),
            ("/x/${PLATFORM}/y", None),
        ] {
            assert_eq!(expand(path, "/opt/bin/program", None).as_deref(), expected, "{path}");
        }
    }
}
