use std::collections::BTreeMap;

use super::*;

fn runs(text: &str) -> Vec<(usize, String)> {
    let script = Script::parse(text.as_bytes(), &BTreeMap::new()).expect("read");
    script.runs.into_iter().map(|run| (run.line, run.commands.join("|"))).collect()
}

fn names(text: &str) -> Vec<String> {
    runs(text).into_iter().map(|(_, name)| name).collect()
}

#[test]
fn commands_are_found_wherever_they_are_run() {
    assert_eq!(
        runs(
            "#!/bin/sh\nset -e\nif a; then b | c; fi\nx=$(d \"`e`\")\ncase $x in y) f ;; esac\nwhile g; do h & done\n"
        ),
        [(3, "a"), (3, "b"), (3, "c"), (4, "d"), (4, "e"), (5, "f"), (6, "g"), (6, "h")]
            .map(|(line, name)| (line, name.to_owned()))
    );
    assert_eq!(names("cat <<EOF\n$(inside)\nEOF\n"), ["cat", "inside"]);
    assert_eq!(names("( a && b ) || { c; }\n! d\nVAR=1 e\n"), ["a", "b", "c", "d", "e"]);
}

#[test]
fn builtins_and_functions_are_no_commands() {
    assert_eq!(names("f() { g; }\nf\ntest -n x && [ -d / ] && echo y\nexport A=1\n"), ["g"]);
}

#[test]
fn what_runs_another_command_is_seen_through() {
    assert_eq!(
        names("exec curl -sS\nenv -i A=1 jq .\ntimeout 3 nice -n 5 tar x\n"),
        ["curl", "env", "jq", "nice", "tar", "timeout"]
    );
    assert_eq!(names("sh -c 'a | b'\ntrap 'rm -f x' EXIT\n"), ["a", "b", "sh", "rm"]);
}

#[test]
fn variables_are_followed_where_they_are_written_out() {
    assert_eq!(names("SED=/bin/sed\nHOME_=/opt/R\n${SED} x\n\"$HOME_/bin/R\" y\n"), ["/bin/sed", "/opt/R/bin/R"]);
    assert_eq!(names(": ${R_ARCH=}\n. /opt/etc${R_ARCH}/ldpaths\n"), ["/opt/etc/ldpaths"]);
    assert_eq!(names("if x; then T=a; else T=b; fi\n$T\n"), ["x", "a|b"]);
    assert_eq!(names("\"${EDITOR:-vi}\" file\n"), ["vi"]);
}

#[test]
fn keywords_and_what_a_variable_brings_are_seen_through() {
    assert_eq!(names("time curl x | grep y\ncoproc jq .\n"), ["curl", "grep", "jq"]);
    assert_eq!(names("CMD='curl -sS'\n$CMD x\n\"$CMD\" y\n"), ["curl", "curl -sS"]);
    assert_eq!(names("exec {fd}>/tmp/x\nexec 3<&0\nalias g='grep -x'\ng y\n"), ["grep"]);
    assert_eq!(
        names("timeout ${T:-10} a\ntimeout .5 b\ntimeout --signal KILL 10 c\nnice --adjustment 5 d\n"),
        ["a", "timeout", "b", "timeout", "c", "timeout", "d", "nice"]
    );
    assert_eq!(names("cat <<X\n$((1 + 2)) $(( (3) * 4 )) $((e) | (f))\nX\n"), ["cat", "e", "f"]);
}

#[test]
fn what_is_not_shell_is_said_as_that() {
    let script = Script::parse(b"a\nif b; then (((\nc\n", &BTreeMap::new()).expect("read");
    assert!(script.unresolved.iter().any(|u| u.why == UnresolvedReason::Syntax), "{:?}", script.unresolved);
    let script = Script::parse(b"a\nif b; then c; fi\n", &BTreeMap::new()).expect("read");
    assert_eq!(script.unresolved, []);
}

#[test]
fn values_that_double_are_let_go() {
    let text = format!("A=x\n{}$A\n", "A=$A$A\n".repeat(64));
    let script = Script::parse(text.as_bytes(), &BTreeMap::new()).expect("read");
    assert!(script.unresolved.iter().any(|u| u.what == "$A"), "{script:?}");
}

#[test]
fn what_cannot_be_followed_is_said_with_its_line() {
    let script = Script::parse(b"a\n${debugger} --version\neval \"$x\"\n. \"$y\"\n", &BTreeMap::new()).expect("read");
    let lines: Vec<usize> = script.unresolved.iter().map(|unresolved| unresolved.line).collect();
    assert_eq!(lines, [2, 3, 4]);
    assert_eq!(script.unresolved[0].what, "${debugger} --version");
}

#[test]
fn a_command_that_is_asked_for_first_is_guarded() {
    let text = b"if command -v jq >/dev/null; then jq .; fi\ncurl x\n";
    let script = Script::parse(text, &BTreeMap::new()).expect("read");
    let guarded: Vec<(&str, bool)> = script.runs.iter().map(|run| (run.commands[0].as_str(), run.guarded)).collect();
    assert_eq!(guarded, [("jq", true), ("curl", false)]);
}

#[test]
fn what_is_tested_or_may_fail_is_guarded() {
    let text = b"[ -f /etc/p ] && . /etc/p\nif [ -x /usr/bin/py ]; then /usr/bin/py x; fi\ntar x || true\n\
                 test -r /a && /a\nif jq .; then curl; fi\nfalse || less\n";
    let script = Script::parse(text, &BTreeMap::new()).expect("read");
    let certain: Vec<&str> =
        script.runs.iter().filter(|run| !run.guarded).map(|run| run.commands[0].as_str()).collect();
    assert_eq!(certain, ["curl", "less"]);
}

#[test]
fn a_script_may_nest_as_deep_as_it_likes() {
    let deep = format!("{}a{}", "$( ".repeat(20_000), " )".repeat(20_000));
    assert!(Script::parse(deep.as_bytes(), &BTreeMap::new()).is_ok());
    assert!(Script::parse(&[0xff, b'\n', b'(', b'{'], &BTreeMap::new()).is_ok());
}

#[test]
fn arguments_have_the_values_that_are_written_out() {
    let variables = BTreeMap::from([("0".to_owned(), std::collections::BTreeSet::from(["/opt/bootstrap".to_owned()]))]);
    let arguments = |text: &str| {
        let script = Script::parse(text.as_bytes(), &variables).expect("read");
        let run = script.runs.into_iter().find(|run| run.commands == ["r"]).expect("a command r");
        run.arguments.into_iter().map(|values| values.into_iter().collect::<Vec<_>>().join("|")).collect::<Vec<_>>()
    };
    assert_eq!(arguments("exec r \"${0%/*}/a.R\" -x $UNKNOWN"), ["/opt/a.R", "-x", ""]);
    assert_eq!(arguments("r \"$(dirname \"$0\")/a.R\""), ["/opt/a.R"]);
    assert_eq!(arguments("D=$(dirname $0)\nA=1 r $D/a.R > x"), ["/opt/a.R"]);
}
