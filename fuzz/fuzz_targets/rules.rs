//! Any text as a rule file: read, or refused with a reason; what is read can be asked about paths.
#![no_main]

use layerfit::base::path::TreePath;
use layerfit::languages::Roots;
use layerfit::prune::PruneRules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(rules) = PruneRules::parse("fuzz.toml", text) else { return };
    let path = |text: &str| TreePath::new(text).expect("inside");
    let mut roots = Roots::default();
    roots.add("{r_home}", [path("R/lib64/R")]);
    roots.add("{library}", [path("R/lib64/R/library"), path("[a]/{b}")]);
    let compiled = rules.compile(&roots).expect("what was loaded compiles");
    let off = compiled.all().filter(|(_, on)| !on).map(|(rule, _)| rule);
    for rule in compiled.on().chain(off) {
        rule.could_drop(&path("R/lib64/R/library/stats/help/stats.rdb"));
        rule.could_drop(&path("[a]/{b}/x/y"));
    }
});
