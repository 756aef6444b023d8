//! R's `etc/ldpaths`: the LD_LIBRARY_PATH with which the script `bin/R` runs R.
//!
//! The file is a shell script that configure generates from etc/ldpaths.in in R's sources, and people edit: it is run as the
//! shell would, with the variables that the scripts before it set. It sets R_LD_LIBRARY_PATH unless the environment does, appends
//! R_JAVA_LD_LIBRARY_PATH, and puts the result in front of LD_LIBRARY_PATH.

use std::collections::BTreeSet;

use crate::formats::shell::{Environment, Files};

/// The variable.
const NAME: &str = "LD_LIBRARY_PATH";

/// The directories, in order, for R in `r_home`, started with `environment`, which the file changes or leaves as they are, and whether
/// they are all: when what it sets is not known, R_HOME/lib is in front of what is.
pub fn directories(text: &str, r_home: &str, environment: &Environment, files: &dyn Files) -> (Vec<String>, bool) {
    let before = environment.get(NAME).unwrap_or_default();
    let mut environment = environment.clone();
    environment.set("R_HOME", r_home);
    if environment.run_among(text.as_bytes(), files).is_ok() && !environment.is_unknown(NAME) {
        return (elements(environment.get(NAME).unwrap_or_default()), true);
    }
    let fallback = format!("{r_home}/lib");
    let own = environment.get("R_LD_LIBRARY_PATH").filter(|own| !own.is_empty()).unwrap_or(&fallback);
    let known = environment.known_elements(NAME).join(":");
    let mut directories = elements(&format!("{own}:{before}:{known}"));
    let mut seen = BTreeSet::new();
    directories.retain(|directory| seen.insert(directory.clone()));
    (directories, false)
}

/// Reduces LD_LIBRARY_PATH to what is known of it; whether that is all.
pub(super) fn keep_known(environment: &mut Environment) -> bool {
    if !environment.is_unknown(NAME) {
        return true;
    }
    match environment.known_elements(NAME) {
        known if known.is_empty() => environment.remove(NAME),
        known => environment.set(NAME, known.join(":")),
    }
    false
}

/// The directories that a value lists. An empty one, the working directory, is the function's code, which is not in the tree.
pub(super) fn elements(value: &str) -> Vec<String> {
    value.split([':', ';']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: &str = r#": ${JAVA_HOME=/usr/lib/jvm/default-java}
: ${R_JAVA_LD_LIBRARY_PATH=${JAVA_HOME}/lib/server}
if test -n "/opt/lib"; then
: ${R_LD_LIBRARY_PATH=${R_HOME}/lib:/opt/lib}
else
: ${R_LD_LIBRARY_PATH=${R_HOME}/lib}
fi
if test -n "${R_JAVA_LD_LIBRARY_PATH}"; then
  R_LD_LIBRARY_PATH="${R_LD_LIBRARY_PATH}:${R_JAVA_LD_LIBRARY_PATH}"
fi
if test -z "${LD_LIBRARY_PATH}"; then
  LD_LIBRARY_PATH="${R_LD_LIBRARY_PATH}"
else
  LD_LIBRARY_PATH="${R_LD_LIBRARY_PATH}:${LD_LIBRARY_PATH}"
fi
export LD_LIBRARY_PATH
"#;

    struct Here;

    impl Files for Here {
        fn exists(&self, path: &str) -> Option<bool> {
            path.starts_with("/opt/").then_some(path != "/opt/no")
        }
    }

    fn of(text: &str, set: &[(&str, &str)]) -> Vec<String> {
        let mut environment = Environment::default();
        for (name, value) in set {
            environment.set(name, *value);
        }
        environment.set_output("uname -m", "x86_64");
        directories(text, "/opt/R", &environment, &Here).0
    }

    #[test]
    fn the_directories_of_java_follow_rs_own() {
        assert_eq!(of(STOCK, &[]), ["/opt/R/lib", "/opt/lib", "/usr/lib/jvm/default-java/lib/server"]);
        assert_eq!(of(STOCK, &[("JAVA_HOME", "/opt/jdk")]), ["/opt/R/lib", "/opt/lib", "/opt/jdk/lib/server"]);
        assert_eq!(of(STOCK, &[("R_JAVA_LD_LIBRARY_PATH", "")]), ["/opt/R/lib", "/opt/lib"]);
        assert_eq!(of(STOCK, &[("R_LD_LIBRARY_PATH", "/opt/x"), ("JAVA_HOME", "/j")]), ["/opt/x", "/j/lib/server"]);
        let nested = STOCK.replace("=/usr/lib/jvm/default-java}", "=${JDK-/opt/java}}");
        assert_eq!(of(&nested, &[]).last().map(String::as_str), Some("/opt/java/lib/server"));
    }

    #[test]
    fn loops_and_cases_set_directories() {
        let each = "for d in /opt/a /opt/no /opt/b; do\n  if [ -d \"$d\" ]; then\n    \
                    R_LD_LIBRARY_PATH=\"${R_LD_LIBRARY_PATH}:$d\"\n  fi\ndone\n";
        assert_eq!(of(&format!("{STOCK}{each}"), &[("R_JAVA_LD_LIBRARY_PATH", "")]), ["/opt/R/lib", "/opt/lib"]);
        assert_eq!(
            of(&format!("{each}{STOCK}"), &[("R_JAVA_LD_LIBRARY_PATH", ""), ("R_LD_LIBRARY_PATH", "/opt/R/lib")]),
            ["/opt/R/lib", "/opt/a", "/opt/b"]
        );
        let case = "case \"$(uname -m)\" in\n  aarch64) R_LD_LIBRARY_PATH=/opt/arm ;;\n  x86_64|amd64) \
                    R_LD_LIBRARY_PATH=/opt/intel ;;\nesac\n";
        assert_eq!(of(&format!("{case}{STOCK}"), &[("R_JAVA_LD_LIBRARY_PATH", "")]), ["/opt/intel"]);
    }

    #[test]
    fn what_is_there_before_and_what_is_appended_counts() {
        let before = [("LD_LIBRARY_PATH", "/opt/mine:/lib64"), ("R_JAVA_LD_LIBRARY_PATH", "")];
        assert_eq!(of(STOCK, &before), ["/opt/R/lib", "/opt/lib", "/opt/mine", "/lib64"]);
        let appended = format!("{STOCK}export LD_LIBRARY_PATH=\"$LD_LIBRARY_PATH:/opt/more\"\n");
        assert_eq!(of(&appended, &before), ["/opt/R/lib", "/opt/lib", "/opt/mine", "/lib64", "/opt/more"]);
        assert_eq!(of("LD_LIBRARY_PATH=/opt/only\n", &before), ["/opt/only"]);
        assert_eq!(of("LD_LIBRARY_PATH=$(cat x)\n", &before), ["/opt/R/lib", "/opt/mine", "/lib64"]);
        assert_eq!(of("", &before), ["/opt/mine", "/lib64"]);
    }

    #[test]
    fn with_nothing_configured_the_other_branch_counts() {
        let text = "if test -n \"\"; then\n: ${R_LD_LIBRARY_PATH=${R_HOME}/lib:}\nelse\n\
                    : ${R_LD_LIBRARY_PATH=${R_HOME}/lib}\nfi\nLD_LIBRARY_PATH=$R_LD_LIBRARY_PATH:$LD_LIBRARY_PATH\n";
        assert_eq!(of(text, &[]), ["/opt/R/lib"]);
    }

    #[test]
    fn what_is_not_known_leaves_rs_own_directory_and_a_file_that_sets_nothing_none() {
        assert_eq!(of("", &[]), [""; 0]);
        assert_eq!(of("R_LD_LIBRARY_PATH=/opt/R/lib\n", &[]), [""; 0]);
        assert_eq!(of("LD_LIBRARY_PATH=$(cat x)\n", &[]), ["/opt/R/lib"]);
        assert_eq!(of("R_LD_LIBRARY_PATH=/opt/a\nLD_LIBRARY_PATH=$(cat x)\n", &[]), ["/opt/a"]);
        assert_eq!(of("LD_LIBRARY_PATH=/opt/a:$LD_LIBRARY_PATH\n", &[]), ["/opt/a"]);
        // The elements that are known count.
        assert_eq!(of("LD_LIBRARY_PATH=/opt/a:$(cat x):/opt/b/$(cat y)\n", &[]), ["/opt/R/lib", "/opt/a"]);
    }
}
