//! Image variables: those of a container image that name places in /opt. A function does not get them, as Lambda attaches
//! layers to its own image.

use crate::base::bytes::plural;
use crate::base::finding::{Code, Finding};
use crate::base::path::TreePath;
use crate::base::safe::cut;
use crate::base::subject::Subject;
use crate::container::About;
use crate::runtime::Environment;

/// How many variables are named, and how many bytes of each are shown.
const MAX_VARIABLES: usize = 20;
const MAX_SHOWN: usize = 400;

/// A warning with the variables of an image that the function lacks, or has without these places.
pub(super) fn finding(about: &About, environment: &Environment) -> Option<Finding> {
    let lacking = |(name, value): &(String, String)| {
        let has = environment.elements(name);
        let places: Vec<&str> = value
            .split(':')
            .filter(|place| TreePath::from_mounted(place.as_bytes()).is_some() && !has.contains(place))
            .collect();
        (!places.is_empty()).then(|| cut(&format!("{name} has {}", places.join(":")), MAX_SHOWN).into_owned())
    };
    let lacking: Vec<String> = about.variables.iter().filter_map(lacking).take(MAX_VARIABLES).collect();
    (!lacking.is_empty()).then(|| {
        Finding::warning(
            Code::ImageVariables,
            Subject::whole("variables of the image"),
            format!(
                "{} of the image name places in /opt, and a function does not get them: {}",
                plural(lacking.len(), "variable", "variables"),
                lacking.join("; ")
            ),
            "set what the function needs of them in [env] of layerfit.toml and in the function's configuration",
        )
    })
}
