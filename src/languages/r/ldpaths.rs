//! R's `etc/ldpaths`: the directories that the script `bin/R` prepends to LD_LIBRARY_PATH.
//!
//! The file is a shell script that configure generates from etc/ldpaths.in in R's sources. It contains the default of
//! R_LD_LIBRARY_PATH twice, in the two branches of `if test -n "DIRECTORIES"`; which one applies depends on whether
//! DIRECTORIES is empty. Debian's variant has one line and no test.

use regex::Regex;

/// The directories, in order, with `${R_HOME}` replaced by `r_home`. Only R_HOME/lib when the file sets none.
pub fn directories(text: &str, r_home: &str) -> Vec<String> {
    let default = Regex::new(r"(?m)^\s*:\s*\$\{R_LD_LIBRARY_PATH=(?P<path>(?:[^{}]|\$\{[^{}]*\})*)\}").map(|pattern| {
        let mut branches = pattern.captures_iter(text).map(|found| found["path"].to_owned()).collect::<Vec<_>>();
        let configured_empty = Regex::new(r#"test\s+-n\s+"";?"#).is_ok_and(|test| test.is_match(text));
        if branches.len() > 1 && configured_empty {
            branches.swap_remove(1)
        } else {
            branches.into_iter().next().unwrap_or_default()
        }
    });
    let value = default.unwrap_or_default();
    let value = if value.is_empty() { "${R_HOME}/lib".to_owned() } else { value };
    value
        .replace("${R_HOME}", r_home)
        .replace("$R_HOME", r_home)
        .split(':')
        .filter(|directory| !directory.is_empty() && !directory.contains('$'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_directories_follow_rs_own() {
        let text = "if test -n \"/opt/lib\"; then\n: ${R_LD_LIBRARY_PATH=${R_HOME}/lib:/opt/lib}\nelse\n\
                    : ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\nfi\n";
        assert_eq!(directories(text, "/opt/R/lib64/R"), ["/opt/R/lib64/R/lib", "/opt/lib"]);
    }

    #[test]
    fn with_nothing_configured_the_other_branch_counts() {
        let text = "if test -n \"\"; then\n: ${R_LD_LIBRARY_PATH=${R_HOME}/lib:}\nelse\n\
                    : ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\nfi\n";
        assert_eq!(directories(text, "/opt/R"), ["/opt/R/lib"]);
    }

    #[test]
    fn a_file_that_sets_nothing_leaves_rs_own_directory() {
        assert_eq!(directories("", "/opt/R"), ["/opt/R/lib"]);
    }
}
