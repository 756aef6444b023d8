//! report.html: one file that loads nothing and runs nothing but its own script, whatever files are called; the same bytes
//! for the same tree; small with many files; and everything but the map without a script. What the script does is tried in
//! a browser by `scripts/page_works.py`.

use std::fs;

use crate::support::{World, noise};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;
use sha2::{Digest, Sha256};

const HOSTILE: &[&str] = &[
    "<script>alert(1)<",
    "x/\"><img src=y onerror=alert(1)>",
    "x/'-alert(1)-'",
    "x/&lt;b&gt;&amp;",
    "x/{{ 7 * 7 }}{% include 'x' %}",
    "x/<!--",
    "x/sep\u{2028}\u{2029}end",
    "x/]]><",
];

fn world() -> World {
    let world = World::new();
    world.r().package("site", "a", "1.0", "Imports: b, gone\n").package("site", "b", "1.0", "");
    world.program("R/lib/R/bin/exec/R", &[], &[]);
    world.library("lib/libdeep.so.1", &[], &[]).library("site/b/libs/b.so", &["lib/libdeep.so.1"], &[]);
    world.file("share/man/man1/x.1", ".PP\n").file("share/data", noise(1, 50_000));
    world
}

fn plan(world: &World) -> String {
    world.run(&["plan", "ROOT", "--format", "html"]).stdout
}

/// What is between the first of `from` and the next of `to`.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let start = page.find(from).unwrap_or_else(|| panic!("{from} is not there")) + from.len();
    let end = page[start..].find(to).unwrap_or_else(|| panic!("{to} is not there"));
    &page[start..start + end]
}

fn data(page: &str) -> Value {
    serde_json::from_str(between(page, "<script type=\"application/json\" id=\"data\">", "</script>")).expect("JSON")
}

/// Numbers that are written in runs: each with how many times it comes.
fn from_runs(runs: &Value) -> Vec<usize> {
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("small");
    let runs: Vec<usize> = runs.as_array().expect("runs").iter().map(number).collect();
    runs.chunks(2).flat_map(|run| std::iter::repeat_n(run[0], run[1])).collect()
}

/// The paths of the files, which are written without what each has in common with the one before.
fn paths(data: &Value) -> Vec<String> {
    let mut before: Vec<u16> = Vec::new();
    let lines = data["names"].as_str().expect("text").split('\n');
    let paths = lines.map(|line| {
        let units: Vec<u16> = line.encode_utf16().collect();
        before.truncate(usize::from(units[0]) - usize::from(b' '));
        before.extend(&units[1..]);
        String::from_utf16(&before).expect("text")
    });
    paths.collect()
}

/// Where each file is: its layer, -1 for none, -2 and less for the rule that dropped it.
fn places(data: &Value) -> Vec<i64> {
    let place = |state: usize| data["states"][state][0].as_i64().expect("a place");
    from_runs(&data["state"]).into_iter().map(place).collect()
}

/// The names of what needs something or is needed.
fn things(data: &Value) -> Vec<String> {
    let paths = paths(data);
    let name = |thing: &Value| match thing.as_u64() {
        Some(file) => format!("/opt/{}", paths[usize::try_from(file).expect("small")]),
        None => thing.as_str().expect("a name").to_owned(),
    };
    data["things"].as_array().expect("things").iter().map(name).collect()
}

/// The page without what its scripts hold.
fn without_scripts(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some(start) = rest.find("<script") {
        out += &rest[..start];
        rest = &rest[start..];
        rest = &rest[rest.find("</script>").expect("closed") + "</script>".len()..];
    }
    out + rest
}

#[test]
fn it_loads_nothing_and_its_policy_knows_its_style_and_script_alone() {
    let page = plan(&world());
    for word in ["http:", "https:", " src=", "@import", "url(", "style=\"", "onclick", "javascript:"] {
        assert!(!page.contains(word), "{word}");
    }
    let links = page.split("href=\"").skip(1).map(|rest| &rest[..1]);
    assert!(links.clone().count() > 3 && links.clone().all(|first| first == "#"));
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
            hash(style),
            hash(script)
        )
    );
}

#[test]
fn names_from_the_tree_are_text_everywhere() {
    let world = World::new();
    for name in HOSTILE {
        world.file(*name, "x");
        // A dangling link is a finding, and a package has its name in tables.
        world.link(&format!("{name}.link"), "<b>nowhere</b>");
    }
    world.package("site", "<i>p</i>", "1.0", "Imports: <u>gone</u>\n");
    let clean = World::new();
    clean.file("x/y", "x").link("y.link", "nowhere").package("site", "p", "1.0", "Imports: gone\n");
    let (page, expected) = (plan(&world), plan(&clean));
    for tag in ["<script", "<img", "<b>n", "<i>p", "<u>", "<!--", "]]>"] {
        assert_eq!(page.matches(tag).count(), expected.matches(tag).count(), "{tag}");
    }
    // All of them are there, as text.
    let paths = paths(&data(&page));
    for name in HOSTILE {
        // Line separators are shown as what they are, like other control characters.
        let shown = name.replace('\u{2028}', "\\u{2028}").replace('\u{2029}', "\\u{2029}");
        assert!(paths.contains(&shown), "{name} in {paths:?}");
    }
    assert!(without_scripts(&page).contains("&lt;script&gt;alert(1)&lt;.link"), "the finding about the link");
}

#[test]
fn names_that_are_not_utf_8_are_shown_as_elsewhere() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    world.file(OsStr::from_bytes(b"bad\xff\x1b[31m"), "x");
    let page = plan(&world);
    assert!(paths(&data(&page)).contains(&r"bad\xff\u{1b}[31m".to_owned()));
    assert!(without_scripts(&page).contains(r"bad\xff\u{1b}[31m") && !page.contains('\u{1b}'));
}

#[test]
fn the_same_tree_gives_the_same_page_wherever_it_is() {
    let (one, other) = (world(), world());
    let page =
        |world: &World, jobs| world.run(&["plan", "opt", "--format", "html", "--no-cache", "--jobs", jobs]).stdout;
    assert!(page(&one, "1") == page(&other, "2"));
}

#[test]
fn pack_writes_what_the_format_prints_and_replaces_an_old_page() {
    let world = world();
    fs::create_dir(world.beside("out")).expect("made");
    for _ in 0..2 {
        let run = world.run(&["pack", "ROOT", "-o", "OUT", "--format", "html"]);
        let page = fs::read_to_string(world.beside("out/report.html")).expect("read");
        assert!(page == run.stdout, "{}", run.stderr);
        let zip = fs::read(world.beside("out/layer-1.zip")).expect("read");
        let sha256: String = Sha256::digest(zip).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(page.contains(&sha256));
    }
    let run = world.run(&["rules", "--format", "html"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("table, json, markdown"), "{}", run.stderr);
}

#[test]
fn without_a_script_verdict_tables_and_findings_are_there() {
    let world = world();
    let page = without_scripts(&plan(&world));
    let (_, report) = world.json(&["plan", "ROOT"]);
    assert!(between(&page, "<h1>", "</h1>").starts_with("FAIL: fits in 1 layer, "));
    assert!(page.contains("<noscript>"));
    for package in report["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let row = between(&page, &format!("data-go=\"pkg:{name}\">"), "</tr>");
        for bytes in ["zipped_bytes", "unzipped_bytes", "retained_zipped_bytes"] {
            assert!(row.contains(&format!("data-v=\"{}\"", package[bytes])), "{bytes} of {name}: {row}");
        }
    }
    let rules = between(&page, "id=\"table-rules\"", "</table>");
    for rule in report["pruned"].as_array().expect("rules").iter().filter(|rule| rule["files"] != 0) {
        let row = between(rules, rule["rule"].as_str().expect("a code"), "</tr>");
        assert!(row.contains("Why it is safe:") && row.contains("Breaks:"), "{row}");
    }
    let library = between(between(&page, "id=\"table-libraries\"", "</table>"), "libdeep.so.1</span>", "</tr>");
    assert!(library.contains("<td>layer</td>") && library.contains("b.so"), "{library}");
    let findings = report["findings"].as_array().expect("findings");
    assert_eq!(page.matches("<li class=\"finding ").count(), findings.len());
}

#[test]
fn the_map_has_every_byte_and_who_needs_what() {
    let world = world();
    let (_, report) = world.json(&["plan", "ROOT"]);
    let data = data(&plan(&world));
    let number = |value: &Value| value.as_u64().expect("a number");
    let places = places(&data);
    let sum = |of: &str, kept: bool| -> u64 {
        let bytes = data[of].as_array().expect("bytes").iter().map(number);
        bytes.zip(&places).filter(|(_, place)| (**place >= 0) == kept).map(|(bytes, _)| bytes).sum()
    };
    // 22 bytes of a zip belong to no entry.
    assert_eq!(sum("zipped", true) + 22, number(&report["totals"]["kept"]["zipped_bytes"]));
    assert_eq!(sum("unzipped", true), number(&report["totals"]["kept"]["unzipped_bytes"]));
    let dropped: u64 = report["pruned"].as_array().expect("rules").iter().map(|rule| number(&rule["bytes"])).sum();
    assert_eq!(sum("unzipped", false), dropped);
    assert_eq!((&data["weighed"], sum("zipped", false)), (&Value::Bool(false), 0));

    let things = things(&data);
    let needs: Vec<usize> =
        data["needs"].as_array().expect("needs").iter().map(|n| usize::try_from(number(n)).expect("small")).collect();
    let needs: Vec<(&str, usize, &str)> =
        needs.chunks(3).map(|n| (things[n[0]].as_str(), n[1], things[n[2]].as_str())).collect();
    for need in [
        ("pkg:a", 1, "pkg:b"),
        ("pkg:b", 4, "/opt/site/b/libs/b.so"),
        ("/opt/site/b/libs/b.so", 0, "/opt/lib/libdeep.so.1"),
        ("r", 1, "pkg:stats"),
    ] {
        assert!(needs.contains(&need), "{need:?} in {needs:?}");
    }
}

#[test]
fn analyze_and_check_have_pages_too() {
    let world = world();
    let analyzed = world.run(&["analyze", "ROOT", "--format", "html"]).stdout;
    assert!(!analyzed.contains("<h2 id=\"limits-title\">") && data(&analyzed)["measured"] == false);
    assert!(data(&analyzed)["plan"].is_null() && !analyzed.contains("id=\"next-steps\""));
    world.run(&["pack", "ROOT", "-o", "OUT", "--max-zipped", "52KB", "-q"]);
    let checked = world.run(&["check", "OUT", "--format", "html"]).stdout;
    assert!(checked.contains("<h2 id=\"limits-title\">") && checked.contains("layer-2"), "{checked:.2000}");
    // Nothing can be dropped from zips.
    assert!(data(&checked)["plan"].is_null());
    let empty = World::new();
    assert!(plan(&empty).contains("S108"));
}

#[test]
fn a_page_of_20_000_files_would_be_under_1_mb() {
    // A quarter of them, in as many directories for each file, and what the page has without any file.
    let world = World::new();
    world.file("site/x", "");
    let base = plan(&world).len();
    for package in 0..25 {
        for file in 0..200 {
            let name = format!("site/package-{package:02}/extdata/directory/a-file-with-a-name-{file:03}.txt");
            world.file(name, file.to_string());
        }
    }
    let page = plan(&world);
    let files = paths(&data(&page)).len();
    assert!(files > 5000, "{files}");
    let whole = base + 4 * (page.len() - base);
    assert!(whole < 1 << 20, "{whole}");
}

#[test]
fn a_diff_is_a_page_too() {
    let world = world();
    world.run(&["pack", "ROOT", "-o", "OUT", "-q"]);
    let same = world.run(&["diff", "OUT", "ROOT", "--format", "html"]).stdout;
    assert!(same.contains("Nothing is different.") && same.contains("have the same content"), "{same:.3000}");
    for name in HOSTILE {
        world.file(*name, noise(3, 300));
    }
    fs::remove_dir_all(world.root().join("site/a")).expect("removed");
    world.package("site", "c", "1.0", "").file("share/data", noise(2, 60_000));
    let page = world.run(&["diff", "OUT", "ROOT", "--format", "html"]).stdout;
    let (_, diff) = world.json(&["diff", "OUT", "ROOT"]);
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    assert!(policy.contains(&hash(between(&page, "<script>", "</script>"))), "{policy}");
    assert!(policy.contains(&hash(between(&page, "<style>", "</style>"))), "{policy}");
    // Each change is a row with its bytes, whatever it is called.
    let text = without_scripts(&page);
    for tag in ["<script", "<img", "<!--", "]]>"] {
        assert!(!text.contains(tag), "{tag}");
    }
    let rows = |id: &str| between(&page, &format!("<table id=\"table-{id}\""), "</table>").matches("<tr><th").count();
    for list in ["packages", "files"] {
        let others = usize::from(list == "packages" && diff["others"]["before"] != diff["others"]["now"]);
        assert_eq!(rows(list), diff[list].as_array().expect("changes").len() + others, "{list}");
    }
    let row = |name: &str| between(&page, &format!("<span class=\"name\">{name}</span>"), "</tr>");
    assert!(row("c").contains(">new</span>") && row("a").contains(">gone</span>"), "{}", row("a"));
    let file =
        diff["files"].as_array().expect("files").iter().find(|file| file["path"] == "share/data").expect("changed");
    let bytes = |side: &str, part: &str| file[side][part].as_i64().expect("bytes");
    let grown = bytes("now", "zipped_bytes") - bytes("before", "zipped_bytes");
    for bytes in [grown, bytes("now", "zipped_bytes"), bytes("now", "unzipped_bytes")] {
        assert!(
            row("share&#x2f;data").contains(&format!("data-v=\"{bytes}\"")),
            "{bytes} in {}",
            row("share&#x2f;data")
        );
    }
    assert!(between(&page, "<p>From", "</p>").contains("1 new, 1 gone"), "{}", between(&page, "<p>From", "</p>"));
    // Nothing else has this format.
    assert_eq!(world.run(&["why", "pkg:b", "ROOT", "--format", "html"]).code, 2);
}

#[test]
fn what_is_far_too_long_to_be_compressed_can_be_ticked_too() {
    let world = world();
    for number in 0..12 {
        let path = world.root().join(format!("site/b/data{number}"));
        fs::File::create(path).and_then(|file| file.set_len(100 << 20)).expect("made");
    }
    let page = plan(&world);
    let data = data(&page);
    assert!(data["measured"] == false && data["zipped"].as_array().is_some_and(Vec::is_empty), "{}", data["measured"]);
    let package = |package: &Value| package[0] == "pkg:b";
    assert!(data["plan"]["packages"].as_array().expect("packages").iter().any(package), "{}", data["plan"]);
    assert!(data["plan"]["steps"].as_array().expect("steps").iter().all(|step| step["zipped"].is_null()));
    let steps = between(&page, "<table id=\"table-steps\"", "</table>");
    assert!(steps.contains(">Unzipped</th>") && !steps.contains(">Zipped</th>"), "{steps}");
}

/// The files that each rule dropped, sorted.
fn files_by_rule(data: &Value) -> std::collections::BTreeMap<String, Vec<String>> {
    let mut dropped = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (path, place) in paths(data).into_iter().zip(places(data)).filter(|(_, place)| *place < -1) {
        let rule = data["rules"][usize::try_from(-2 - place).expect("a rule")].as_str().expect("a name");
        dropped.entry(rule.to_owned()).or_default().push(path);
    }
    dropped
}

#[test]
fn each_dropped_file_has_the_rule_that_dropped_it() {
    let world = world();
    let arguments = ["plan", "ROOT", "--drop", "pkg:a", "--format", "html"];
    let data = data(&world.run(&arguments).stdout);
    let dropped = files_by_rule(&data);
    let of_a = ["DESCRIPTION", "Meta/features.rds", "Meta/package.rds", "NAMESPACE", "R/a", "R/a.rdb"];
    assert_eq!(dropped["D001 dropped-by-you"], of_a.map(|name| format!("site/a/{name}")), "{dropped:?}");
    assert!(dropped["D101 help"].contains(&"site/a/help/a.rdb".to_owned()), "{dropped:?}");
    assert_eq!(dropped["D401 man-pages"], ["share/man/man1/x.1"], "{dropped:?}");
    let (_, report) = world.json(&arguments[..4]);
    for rule in report["pruned"].as_array().expect("rules").iter().filter(|rule| rule["files"] != 0) {
        let name = format!("{} {}", rule["rule"].as_str().expect("a code"), rule["name"].as_str().expect("a name"));
        assert_eq!(Some(dropped[&name].len() as u64), rule["files"].as_u64(), "{name}");
    }
}

#[test]
fn what_can_be_ticked_is_what_the_command_line_takes() {
    let world = world();
    let run = world.run(&["plan", "ROOT", "--ignore", "D401", "--format", "html"]);
    let data = data(&run.stdout);
    let plan = &data["plan"];
    let index = |number: &Value| usize::try_from(number.as_u64().expect("a number")).expect("small");
    let rule = |number: &Value| data["rules"][index(number)].as_str().expect("a name");
    let on: Vec<&str> = plan["on"].as_array().expect("rules").iter().map(rule).collect();
    assert!(on.contains(&"D101 help") && !on.contains(&"D401 man-pages"), "{on:?}");
    // A rule that is off is there if it matches something.
    let files = paths(&data);
    let page = files.iter().position(|path| path == "share/man/man1/x.1").expect("kept");
    let set = &data["states"][from_runs(&data["state"])[page]][1];
    let matching: Vec<&str> = plan["sets"][index(set)].as_array().expect("rules").iter().map(rule).collect();
    assert_eq!(matching, ["D401 man-pages"]);
    // A package has the file that declares it, and all that `--drop` with its name drops.
    let b = plan["packages"].as_array().expect("packages").iter().find(|package| package[0] == "pkg:b").expect("b");
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("small");
    assert_eq!(files[number(&b[1])], "site/b/DESCRIPTION");
    let of_b: Vec<&String> = files[number(&b[3][0])..number(&b[3][1])].iter().collect();
    assert_eq!(of_b, files.iter().filter(|path| path.starts_with("site/b/")).collect::<Vec<_>>());
    // Steps are those of the report, with what they set.
    let (_, report) = world.json(&["plan", "ROOT", "--ignore", "D401"]);
    let named = |steps: &Value| -> Vec<String> {
        steps.as_array().expect("steps").iter().map(|step| step["name"].to_string()).collect()
    };
    assert_eq!(named(&plan["steps"]), named(&report["suggestions"]));
    let strip = plan["steps"].as_array().expect("steps").iter().find(|step| step["name"] == "strip-all");
    assert!(strip.is_some_and(|step| step["key"] == "strip" && step["values"][0] == "all"), "{}", plan["steps"]);
    assert_eq!(plan["limits"][0], report["limits"]["layer_zipped"]);
}

#[test]
fn each_need_has_its_own_verb_on_the_page() {
    let world = World::new();
    world.r().package("site", "a", "1.0", "Imports: b\n").package("site", "b", "1.0", "");
    world.library("lib/libdeep.so.1", &[], &[]).program("bin/tool", &["lib/libdeep.so.1"], &[]);
    world.file("bin/runs", "#!/opt/bin/tool\n").mode("bin/runs", 0o755).link("bin/link", "tool");
    let page = plan(&world);
    // The script's own words for the numbers.
    let verbs = between(&page, "needs: ['", "']");
    let verbs: Vec<&str> = verbs.split("', '").collect();
    let data = data(&page);
    let things = things(&data);
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("small");
    let numbers: Vec<usize> = data["needs"].as_array().expect("needs").iter().map(number).collect();
    let said: Vec<String> =
        numbers.chunks(3).map(|need| format!("{} {} {}", things[need[0]], verbs[need[1]], things[need[2]])).collect();
    for need in [
        "/opt/bin/tool loads /opt/lib/libdeep.so.1",
        "pkg:a imports pkg:b",
        "/opt/bin/runs runs /opt/bin/tool",
        "/opt/bin/link links to /opt/bin/tool",
        "pkg:a reads /opt/site/a/NAMESPACE",
    ] {
        assert!(said.contains(&need.to_owned()), "{need} in {said:#?}");
    }
}
