//! R's `etc/ldpaths`: the directories that the script `bin/R` prepends to LD_LIBRARY_PATH.
//!
//! The file is a shell script that configure generates from etc/ldpaths.in in R's sources, and people edit: it is run as the
//! shell would, with the variables that the bootstrap sets. It sets R_LD_LIBRARY_PATH unless the environment does, appends
//! R_JAVA_LD_LIBRARY_PATH, and puts the result in front of LD_LIBRARY_PATH.

use crate::formats::shell::Environment;

/// Stands for the directories that are in LD_LIBRARY_PATH before.
const BEFORE: &str = "//before//";

/// The directories, in order, for R in `r_home`, started with `environment`: none when the file sets none, and R_HOME/lib when
/// what it sets is not known. `exists` tells whether a path exists, if that is known.
pub fn directories(
    text: &str,
    r_home: &str,
    environment: &Environment,
    exists: &dyn Fn(&str) -> Option<bool>,
) -> Vec<String> {
    let mut environment = environment.clone();
    environment.set("R_HOME", r_home);
    environment.set("LD_LIBRARY_PATH", BEFORE);
    let is_known = environment.run_among(text.as_bytes(), exists).is_ok() && !environment.is_unknown("LD_LIBRARY_PATH");
    let own = environment.get("R_LD_LIBRARY_PATH").filter(|own| !own.is_empty());
    let fallback = format!("{r_home}/lib");
    let value =
        if is_known { environment.get("LD_LIBRARY_PATH").unwrap_or_default() } else { own.unwrap_or(&fallback) };
    value.split(':').take_while(|part| *part != BEFORE).filter(|part| !part.is_empty()).map(str::to_owned).collect()
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

    fn of(text: &str, set: &[(&str, &str)]) -> Vec<String> {
        let mut environment = Environment::default();
        for (name, value) in set {
            environment.set(name, *value);
        }
        environment.set_output("uname -m", "x86_64");
        let exists = |path: &str| path.starts_with("/opt/").then_some(path != "/opt/no");
        directories(text, "/opt/R", &environment, &exists)
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
    }
}
