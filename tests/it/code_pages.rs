//! docs/rules/ has the page of every rule and check, as `layerfit rules CODE` prints it, and an index of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::support::{World, names};

/// What the folder is to hold, by name.
fn generated() -> BTreeMap<String, String> {
    let world = World::new();
    let page = |arguments: &[&str]| {
        let run = world.run(&[&["rules"], arguments].concat());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
        run.stdout
    };
    let mut index = "# Rules and checks\n\nThe prune rules (D) and the checks (all others). `layerfit rules CODE` prints these pages \
                     too. Safe rules are on by\ndefault; `--select CODE` turns on an extra rule, `--ignore CODE` turns off a rule \
                     or a check. Requested rules stand for\nwhat `--drop` and `--handler` remove.\n\n"
        .to_owned();
    let mut pages = BTreeMap::new();
    for (number, row) in page(&["--format", "markdown"]).lines().enumerate() {
        let code = row.split('|').nth(1).unwrap_or_default().trim();
        // The first two lines are the table's head.
        if number < 2 {
            index += &format!("{row}\n");
        } else {
            index += &format!("{}\n", row.replacen(code, &format!("[{code}]({code}.md)"), 1));
            pages.insert(format!("{code}.md"), page(&[code, "--format", "markdown"]));
        }
    }
    assert!(pages.contains_key("D101.md") && pages.contains_key("L201.md"));
    pages.insert("README.md".to_owned(), index);
    pages
}

#[test]
fn the_pages_are_those_that_the_program_prints() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules"));
    let generated = generated();
    if std::env::var_os("LAYERFIT_BLESS").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("made");
        for (name, text) in &generated {
            fs::write(folder.join(name), text).expect("written");
        }
    }
    let bless = "is out of date: LAYERFIT_BLESS=1 cargo test --test it code_pages";
    assert!(names(&folder).iter().eq(generated.keys()), "the list of pages {bless}");
    for (name, text) in generated {
        assert!(fs::read_to_string(folder.join(&name)).expect("read") == text, "{name} {bless}");
    }
}
