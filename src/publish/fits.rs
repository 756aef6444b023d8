//! Fits: whether a function in AWS can use the layers. AWS attaches layers of any runtime to any function, and publishes them
//! before it refuses to. It does no input or output.

use super::command::Word;
use super::plan::{Function, Layer, Version};
use crate::base::bytes::size;
use crate::base::error::{Error, Result};
use crate::base::finding::{Code, Finding};
use crate::base::subject::Subject;
use crate::runtime::RuntimeProfile;

/// What is in the layers, as far as it decides which runtimes can use them.
#[expect(clippy::struct_excessive_bools, reason = "each is an observation of its own, and none rules out another")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Whether they have programs or libraries.
    pub(super) compiled: bool,
    /// Whether they have a `bootstrap`.
    pub(super) bootstrap: bool,
    /// Whether they have something where the runtime looks that they were packed for.
    pub(super) of_packed: bool,
    /// Whether they have something where the function's runtime looks.
    pub(super) of_function: bool,
    /// Whether they have something where only the version of the runtime looks that they were packed for.
    pub(super) of_version: bool,
}

impl Contents {
    /// The contents of layers with these paths, packed for a runtime, for a function in another.
    pub(super) fn of(paths: &[String], compiled: bool, packed: &str, function: &str) -> Self {
        let is_any = |below: &[String]| paths.iter().any(|path| below.iter().any(|place| path.starts_with(place)));
        Self {
            compiled,
            bootstrap: paths.iter().any(|path| path == "bootstrap"),
            of_packed: is_any(&place(packed)),
            of_function: is_any(&place(function)),
            of_version: is_any(&place_of_version(packed)) && !is_any(&place_of_version(function)),
        }
    }
}

/// Whether a function can use layers that were packed for another runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// It has the runtime that they were packed for, or that is not known.
    Same,
    /// Nothing speaks against it, but they were not checked for it: why that matters.
    Unchecked(String),
    /// It cannot, for this reason.
    No(String),
}

/// The letters that a runtime's name begins with: `python`, `provided`.
fn kind(runtime: &str) -> &str {
    runtime.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or(runtime)
}

/// The numbers of a runtime's version: 3 and 12 of `python3.12`.
fn version(runtime: &str) -> Vec<u32> {
    let numbers = runtime[kind(runtime).len()..].split(|c: char| !c.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// The directory of a layer where a runtime looks for packages.
fn place(runtime: &str) -> Vec<String> {
    let name = kind(runtime);
    let has_packages = ["python", "nodejs", "ruby", "java"].contains(&name);
    if has_packages { vec![format!("{name}/")] } else { Vec::new() }
}

/// The directories where only this version looks.
fn place_of_version(runtime: &str) -> Vec<String> {
    match (kind(runtime), version(runtime).as_slice()) {
        ("python", [major, minor]) => vec![format!("python/lib/python{major}.{minor}/")],
        ("nodejs", [major]) => vec![format!("nodejs/node{major}/")],
        _ => Vec::new(),
    }
}

/// Whether a function in one runtime can use layers that were packed for another.
pub(super) fn fit(packed: &str, function: &str, contents: Contents) -> Fit {
    if packed == function {
        return Fit::Same;
    }
    let (from, to) = (kind(packed), kind(function));
    let bases = RuntimeProfile::base_of(packed).zip(RuntimeProfile::base_of(function));
    let other_system = bases.is_some_and(|(one, other)| one != other);
    let unchecked = || Fit::Unchecked(format!("what they need was not looked for in {function}"));
    if contents.compiled && other_system && from != to {
        return Fit::No(format!(
            "{function} has other libraries, and they have programs or libraries for those of {packed}"
        ));
    }
    if from != to {
        return if from == "provided" && contents.bootstrap {
            Fit::No(format!("{function} does not start the bootstrap that they have"))
        } else if contents.of_packed && !contents.of_function {
            Fit::No(format!("{function} does not look in {}", place(packed).concat()))
        } else {
            unchecked()
        };
    }
    if contents.of_version {
        return Fit::No(format!("{function} does not look in {}", place_of_version(packed).concat()));
    }
    if contents.compiled {
        return Fit::No(if from == "provided" {
            format!("{function} has other libraries than {packed}")
        } else {
            format!("they have compiled code, which need not load in {function}")
        });
    }
    if from != "provided" && version(function) < version(packed) {
        return Fit::No(format!("{function} is older than what their code may be written for"));
    }
    unchecked()
}

/// A warning, for people, that a function may not be able to use layers that were packed for `packed`.
///
/// # Errors
/// The finding that it cannot.
pub(super) fn check(
    function: &Function,
    packed: &str,
    contents: Contents,
) -> std::result::Result<Option<String>, Finding> {
    let Some(runtime) = function.runtime.as_deref() else { return Ok(None) };
    let again = if RuntimeProfile::is_lambda(runtime) {
        format!("pack the tree with --runtime {runtime}, or change the function's runtime")
    } else {
        format!("change the function's runtime to {packed}")
    };
    let runs = format!("the function runs {runtime}, and the layers were packed for {packed}");
    match fit(packed, runtime, contents) {
        Fit::Same => Ok(None),
        Fit::Unchecked(why) => Ok(Some(format!("{}: {runs}: {why}; {again}", function.name))),
        Fit::No(why) => Err(Finding::error(
            Code::BuiltForAnotherR,
            Subject::whole(&function.name),
            format!("{runs}: {why}"),
            format!(
                "{again}; if they work in both, name both: --compatible-runtimes {packed},{runtime}; nothing was published"
            ),
        )),
    }
}

/// Refuses a function that cannot have layers.
///
/// # Errors
/// When it is a container image.
pub(super) fn require_zip(function: &Function) -> Result<()> {
    if !function.is_image {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!(
            "{}: is a container image (PackageType Image), and such a function cannot have layers; nothing was published",
            function.name
        ),
        help: "copy the tree to /opt when the image is built (COPY opt /opt), or name a function whose code is a zip"
            .to_owned(),
    })
}

/// A warning if the function will probably be too large with these layers, its code and the layers that it keeps: of what is
/// not ours, AWS only tells the sizes of the zips, and unzipped it is hardly ever smaller.
pub(super) fn too_large(
    function: &Function,
    words: &[Word],
    layers: &[(Layer, Option<Version>)],
    unzipped: u64,
    limit: u64,
) -> Option<String> {
    let is_ours = |arn: &str| layers.iter().any(|(_, newest)| newest.as_ref().is_some_and(|newest| newest.arn == arn));
    let kept = words.iter().filter_map(|word| match word {
        Word::Text(arn) if !is_ours(arn) => function.layer_bytes.get(arn),
        _ => None,
    });
    let others = kept.fold(function.code_bytes, |sum, bytes| sum.saturating_add(*bytes));
    (unzipped.saturating_add(others) > limit).then(|| {
        format!(
            "{}: the layers are {} unzipped, and its code and other layers are {} even zipped: Lambda will probably refuse them, as \
             more than {} unzipped; remove layers from the function, or pack less",
            function.name,
            size(unzipped),
            size(others),
            size(limit)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::ALL;

    const PURE: Contents =
        Contents { compiled: false, bootstrap: false, of_packed: true, of_function: true, of_version: false };
    const COMPILED: Contents = Contents { compiled: true, ..PURE };

    fn refused(packed: &str, function: &str, contents: Contents) -> bool {
        matches!(fit(packed, function, contents), Fit::No(_))
    }

    #[test]
    fn the_system_and_the_version_of_the_language_have_to_be_those_that_compiled_code_was_packed_for() {
        for (packed, function) in [
            ("provided.al2023", "provided.al2"),
            ("provided.al2", "provided.al2023"),
            ("python3.12", "python3.11"),
            ("python3.12", "python3.13"),
            ("nodejs20.x", "nodejs22.x"),
            ("provided.al2", "python3.12"),
            ("provided.al2023", "python3.11"),
        ] {
            assert!(refused(packed, function, COMPILED), "{packed} {function}");
            assert_eq!(fit(packed, packed, COMPILED), Fit::Same);
        }
        // The same system: only what they have for a language counts.
        assert!(!refused("provided.al2023", "python3.12", COMPILED));
        assert!(!refused("provided.al2023", "java21", COMPILED));
    }

    #[test]
    fn pure_code_may_run_in_a_newer_version_and_not_in_an_older_one() {
        assert!(matches!(fit("python3.12", "python3.13", PURE), Fit::Unchecked(_)));
        assert!(matches!(fit("python3.9", "python3.10", PURE), Fit::Unchecked(_)));
        assert!(refused("python3.10", "python3.9", PURE));
        assert!(matches!(fit("nodejs20.x", "nodejs100.x", PURE), Fit::Unchecked(_)));
        assert!(matches!(fit("provided.al2023", "provided.al2", PURE), Fit::Unchecked(_)));
    }

    #[test]
    fn what_the_functions_runtime_does_not_look_at_is_refused() {
        let of = |paths: &[&str], packed, function| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            refused(packed, function, Contents::of(&paths, false, packed, function))
        };
        assert!(of(&["python/x.py"], "python3.12", "nodejs22.x"));
        assert!(of(&["python/x.py"], "python3.12", "provided.al2023"));
        assert!(!of(&["python/x.py", "nodejs/node_modules/x/index.js"], "python3.12", "nodejs22.x"));
        assert!(!of(&["models/a.bin"], "python3.12", "nodejs22.x"));
        assert!(of(&["bootstrap"], "provided.al2023", "python3.12"));
        assert!(!of(&["fonts/a.ttf"], "provided.al2023", "python3.12"));
        let of_version = "python/lib/python3.12/site-packages/x.py";
        assert!(of(&[of_version], "python3.12", "python3.13"));
        assert!(!of(&[of_version, "python/lib/python3.13/site-packages/x.py"], "python3.12", "python3.13"));
        assert!(of(&["nodejs/node20/node_modules/x/index.js"], "nodejs20.x", "nodejs22.x"));
    }

    #[test]
    fn every_language_has_its_place() {
        for managed in ALL.iter().filter_map(|language| language.managed()) {
            let name = (managed.name)("1");
            assert!(place(&name).iter().any(|place| format!("{}/", managed.place).starts_with(place)), "{name}");
        }
    }
}
