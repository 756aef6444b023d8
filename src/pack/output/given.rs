//! The options of the command line that shaped layers, as a manifest records them: what layerfit.toml sets is not among them, as
//! the file itself has it. Nothing in them depends on the machine: of options that name its files, only the name is recorded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options that were given on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GivenOptions {
    /// `--level`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// `--strip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip: Option<String>,
    /// `--no-strip`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_strip: Vec<String>,
    /// `--repack-rdb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repack_rdb: Option<bool>,
    /// `--bundle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<bool>,
    /// `--select`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
    /// `--ignore`, of rules: those of checks shape nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// `--drop`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// `--autoremove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoremove: Option<bool>,
    /// `--keep`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// `--strategy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// `--slack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<String>,
    /// The options that name files or set variables, whose content is not recorded, such as `--handler`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_recorded: Vec<String>,
}

/// An option with its values, each of which is a word of a command line. A switch that is on has none.
pub type GivenOption = (&'static str, Vec<String>);

impl GivenOptions {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Those whose values are recorded.
    pub fn recorded(&self) -> Vec<GivenOption> {
        let text = |text: &Option<String>| Some(vec![text.clone()?]);
        let switch = |on: Option<bool>| on.map(|on| if on { Vec::new() } else { vec!["false".to_owned()] });
        let list = |list: &[String]| (!list.is_empty()).then(|| vec![list.join(",")]);
        // A glob can have commas, so this option has one each time.
        let globs = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        let options = [
            ("--level", text(&self.level)),
            ("--strip", text(&self.strip)),
            ("--no-strip", globs(&self.no_strip)),
            ("--repack-rdb", switch(self.repack_rdb)),
            ("--bundle", switch(self.bundle)),
            ("--select", list(&self.select)),
            ("--ignore", list(&self.ignore)),
            ("--drop", list(&self.drop)),
            ("--autoremove", switch(self.autoremove)),
            ("--keep", list(&self.keep)),
            ("--strategy", text(&self.strategy)),
            ("--slack", text(&self.slack)),
        ];
        options.into_iter().filter_map(|(option, value)| Some((option, value?))).collect()
    }
}
