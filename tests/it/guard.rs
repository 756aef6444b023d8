//! A rule never removes what a kept file or package needs: the guard takes the drop back and says so.

use crate::support::{World, assert_finding, assert_no_finding, findings, zip_entries};

const LIBRARY: &str = "R/lib/R/library";

fn dropped(report: &serde_json::Value, rule: &str) -> u64 {
    let pruned = report["pruned"].as_array().expect("pruned");
    pruned.iter().find(|p| p["rule"] == rule).and_then(|p| p["files"].as_u64()).expect("the rule is on")
}

#[test]
fn tcltk_goes_when_nothing_imports_it() {
    let world = World::new();
    world.r().package(LIBRARY, "tcltk", "4.2.2", "");
    let (_, report) = world.json(&["plan", "ROOT"]);
    assert_no_finding(&report, "P101");
    let tcltk = report["packages"].as_array().expect("packages").iter().find(|p| p["name"] == "tcltk").expect("tcltk");
    assert_eq!((tcltk["kept"].as_bool(), tcltk["unzipped_bytes"].as_u64()), (Some(false), Some(0)));
}

#[test]
fn tcltk_stays_when_a_handler_uses_it_and_goes_when_it_works_without_it() {
    let world = World::new();
    world.r().package(LIBRARY, "tcltk", "4.2.2", "");
    let kept = |handler: &str| {
        std::fs::write(world.beside("handler.R"), handler).expect("written");
        let (_, report) = world.json(&["plan", "ROOT", "--handler", "handler.R"]);
        let tcltk = report["packages"].as_array().expect("packages").iter().find(|p| p["name"] == "tcltk").cloned();
        (tcltk.is_some_and(|package| package["kept"] == true), findings(&report, "P101"))
    };
    let (is_kept, held_back) = kept("library(tcltk)\n");
    assert!(is_kept && held_back[0].1.contains("but is kept: a handler needs it"), "{held_back:?}");
    assert!(!kept("if (requireNamespace(\"tcltk\")) tcltk::tclvalue(\"x\")\n").0);
    assert!(!kept("library(stats)\n").0);
}

#[test]
fn tcltk_stays_whole_when_a_package_imports_it_and_other_rules_still_apply_to_it() {
    let world = World::new();
    world.r().package(LIBRARY, "tcltk", "4.2.2", "").file(format!("{LIBRARY}/tcltk/exec/x.tcl"), "tcl");
    world.package(LIBRARY, "gui", "1.0", "Imports: middle\n").package(LIBRARY, "middle", "1.0", "Depends: tcltk\n");
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_finding(&report, "P101", "pkg:tcltk", "but is kept: pkg:middle needs it");
    let names: Vec<String> =
        zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, _, _)| name).collect();
    for kept in ["R/tcltk.rdb", "NAMESPACE", "Meta/package.rds", "exec/x.tcl"] {
        assert!(names.contains(&format!("{LIBRARY}/tcltk/{kept}")), "{kept} in {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("tcltk/help")), "help goes all the same");
}

#[test]
fn a_library_that_something_loads_stays_with_its_link_and_what_it_loads() {
    let world = World::new();
    world.library("lib/libdeep.so", &[], &[]).library(
        "lib/libx.so.1.0",
        &["lib/libdeep.so"],
        &["-Wl,-soname,libx.so.1"],
    );
    world.link("lib/libx.so.1", "libx.so.1.0").library("lib/libunused.so", &[], &[]);
    world.program("bin/tool", &["lib/libx.so.1.0"], &[]);
    let rule = world.beside("mine.toml");
    std::fs::write(
        &rule,
        "[[rule]]\ncode = \"X1\"\nname = \"libs\"\nwhat = \"w\"\nwhy_safe = \"w\"\nbreaks = \"b\"\nlevel = \"safe\"\n\
         match = [\"lib/**\"]\ndrops = [\"lib/a\"]\nkeeps = [\"bin/a\"]\n",
    )
    .expect("written");
    let (code, report) = world.json(&["plan", "ROOT", "--rules", rule.to_str().expect("UTF-8")]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    let stays: Vec<String> = findings(&report, "P101").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(stays, ["lib/libdeep.so", "lib/libx.so.1", "lib/libx.so.1.0"]);
    assert_eq!(dropped(&report, "X1"), 1);
}

#[test]
fn what_a_kept_link_points_to_stays_and_a_link_to_an_emptied_directory_goes() {
    let world = World::new();
    world.file("share/man/man1/a.1", ".PP\n").link("bin/page", "../share/man/man1/a.1");
    world.file("share/doc/x/readme", "text").link("documentation", "share/doc");
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "P101", "share/man/man1/a.1", "bin/page needs it");
    assert_no_finding(&report, "S102");
    assert_eq!(report["totals"]["kept"]["files"], 2, "the page and its link");
}

#[test]
fn a_link_that_another_leads_through_stays() {
    let world = World::new();
    world.file("share/page", ".PP\n").link("share/man/man1/a.1", "../../page").link("page", "share/man/man1/a.1");
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "P101", "share/man/man1/a.1", "page needs it");
    assert_eq!(report["totals"]["kept"]["files"], 3);
}

#[test]
fn a_rule_cannot_take_what_r_needs_to_start() {
    let world = World::new();
    world.r();
    let rule = world.beside("mine.toml");
    std::fs::write(
        &rule,
        "[[rule]]\ncode = \"X1\"\nname = \"r\"\nwhat = \"w\"\nwhy_safe = \"w\"\nbreaks = \"b\"\nlevel = \"safe\"\n\
         match = [\"{r_home}/**\"]\ndrops = [\"R/lib64/R/a\"]\nkeeps = [\"bin/a\"]\n",
    )
    .expect("written");
    let (code, report) = world.json(&["plan", "ROOT", "--rules", rule.to_str().expect("UTF-8")]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    let stays: Vec<String> = findings(&report, "P101").into_iter().map(|(subject, _)| subject).collect();
    for needed in ["R/lib/R/bin/R", "R/lib/R/etc/Renviron", "R/lib/R/etc/ldpaths", "pkg:compiler", "pkg:stats"] {
        assert!(stays.contains(&needed.to_owned()), "{needed} in {stays:?}");
    }
}

#[test]
fn rules_are_turned_on_and_off_by_code_or_name() {
    let world = World::new();
    world.package(LIBRARY, "a", "1.0", "").file(format!("{LIBRARY}/a/CITATION"), "cite");
    assert_eq!(dropped(&world.json(&["plan", "ROOT"]).1, "D101"), 1);
    let (_, report) = world.json(&["plan", "ROOT", "--ignore", "help", "--select", "D117"]);
    assert!(report["pruned"].as_array().expect("pruned").iter().all(|p| p["rule"] != "D101"));
    assert_eq!(dropped(&report, "D117"), 1);
    assert_eq!(dropped(&world.json(&["plan", "ROOT", "--select", "extra"]).1, "D117"), 1);
    let run = world.run(&["plan", "ROOT", "--select", "D17"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--select: no rule or check is called D17"), "{}", run.stderr);
}

#[test]
fn rules_that_matched_nothing_are_said() {
    let world = World::new();
    world.package(LIBRARY, "a", "1.0", "");
    let (_, report) = world.json(&["plan", "ROOT"]);
    let said = findings(&report, "P102");
    assert!(said[0].1.contains("D503") && !said[0].1.contains("D101"), "{said:?}");
}

/// The files of the layer that `pack` makes of a tree of these files.
fn packed(files: &[(&str, &str)]) -> Vec<String> {
    let world = World::new();
    for (path, content) in files {
        world.file(path, content);
    }
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, _, _)| name).collect()
}

#[test]
fn what_code_of_python_loads_stays_and_what_only_tests_load_goes() {
    let test = "python/acme/tests/test_base.py";
    for code in [
        "from .tests.test_base import Base\n",
        "from .tests import (  # one\n    test_base,\n)\n",
        "import acme.tests.test_base\n",
        "try:\n    from acme.tests import test_base\nexcept ImportError:\n    pass\n",
        "from importlib import import_module\nimport_module('.tests.test_base', __package__)\n",
        "from . import tests\n",
        // It may be called.
        "def run():\n    from .tests.test_base import Base\n    return Base\n",
        "class A:\n    async def run(self):\n        from acme.tests import test_base\n",
    ] {
        let tests = if code.ends_with("tests\n") { "from .test_base import Base\n" } else { "" };
        let names = packed(&[
            ("python/acme/__init__.py", code),
            ("python/acme/tests/__init__.py", tests),
            (test, "from .test_other import x\n"),
            ("python/acme/tests/test_other.py", "x = 1\n"),
            ("python/other/__init__.py", ""),
            ("python/other/tests/test_base.py", ""),
        ]);
        assert!(names.iter().any(|name| name == test), "{code}: {names:?}");
        assert!(names.iter().any(|name| name.ends_with("test_other.py")), "{code}: {names:?}");
        assert!(!names.iter().any(|name| name.starts_with("python/other/tests")), "{code}: {names:?}");
    }
    for code in [
        "def test():\n    from .tests import test_base\n",
        "def _run_tests():\n    from .tests import test_base\n",
        "def run():\n    '''>>> from .tests import test_base'''\n",
        "if __name__ == '__main__':\n    import acme.tests.test_base\n",
    ] {
        // A module that stays, though it is only for tests, keeps none.
        let names = packed(&[
            ("python/acme/__init__.py", code),
            ("python/acme/tests/common.py", "from .test_base import x\n"),
            (test, ""),
        ]);
        assert!(!names.iter().any(|name| name == test), "{code}: {names:?}");
    }
}

#[test]
fn what_scripts_of_the_layer_name_stays() {
    for script in [
        "cat /opt/share/doc/x/NEWS.txt\n",
        "cd \"$(dirname \"$0\")/..\"\ncat ./share/doc/x/NEWS.txt\n",
        "cat \"$(dirname \"$0\")/../share/doc/x/NEWS.txt\"\n",
        "here=$(dirname \"$0\")/..\nwhile read -r l; do echo $l; done <\"$here/share/doc/x/NEWS.txt\"\n",
        "sed -n 1p ${ROOT}/share/doc/x/NEWS.txt\n",
    ] {
        let world = World::new();
        let text = "share/doc/x/NEWS.txt";
        world.file("bin/run", format!("#!/bin/sh\n{script}")).mode("bin/run", 0o755).file(text, "news");
        world.file("share/doc/y/NEWS.txt", "news");
        let pack = || {
            world.json(&["pack", "ROOT", "-o", "OUT"]);
            zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, _, _)| name).collect::<Vec<_>>()
        };
        let names = pack();
        assert!(names.iter().any(|name| name == text), "{script}: {names:?}");
        assert!(!names.iter().any(|name| name == "share/doc/y/NEWS.txt"), "{script}: {names:?}");
        world.file("bin/run", "#!/bin/sh\necho share/doc/x/NEWS.txt\n");
        let names = pack();
        assert!(!names.iter().any(|name| name == text), "{script}: {names:?}");
    }
}

#[test]
fn entry_points_and_sources_that_code_names_stay() {
    let kernel = "python/acme/csrc/kernel.c";
    for code in [
        "open(os.path.join(os.path.dirname(__file__), 'csrc', 'kernel.c')).read()\n",
        "SOURCE = (Path(__file__).parent / 'csrc' / 'kernel.c').read_text()\n",
        "open(os.path.dirname(__file__) + '/csrc/kernel.c')\n",
        "pkgutil.get_data('acme', 'csrc/kernel.c')\n",
        "importlib.resources.files('acme').joinpath('csrc/kernel.c')\n",
        "importlib.resources.files('acme') / 'csrc' / 'kernel.c'\n",
    ] {
        let names =
            packed(&[("python/acme/__init__.py", code), (kernel, "int x;"), ("python/other/csrc/kernel.c", "")]);
        assert!(names.iter().any(|name| name == kernel), "{code}: {names:?}");
        assert!(!names.iter().any(|name| name == "python/other/csrc/kernel.c"), "{code}: {names:?}");
    }
    let test = "python/acme/tests/test_all.py";
    for (script, is_run) in [
        ("exec python3 -m acme.tests.test_all\n", true),
        ("python3.12 -I -m acme.tests.test_all -v\n", true),
        ("echo acme.tests.test_all\n", false),
    ] {
        let names = packed(&[
            ("bin/run", &format!("#!/bin/sh\n{script}")),
            ("python/acme/__init__.py", ""),
            ("python/acme/tests/__init__.py", ""),
            (test, "x = 1\n"),
        ]);
        assert_eq!(names.iter().any(|name| name == test), is_run, "{script}: {names:?}");
    }
    let info = "python/acme-1.0.dist-info";
    let names = packed(&[
        ("python/acme/__init__.py", ""),
        ("python/acme/tests/test_plugin.py", ""),
        (&format!("{info}/METADATA"), "Name: acme\nVersion: 1.0\n"),
        (&format!("{info}/RECORD"), "acme/__init__.py,,\nacme/tests/test_plugin.py,,\n"),
        (&format!("{info}/entry_points.txt"), "[console_scripts]\na = acme.tests.test_plugin:main\n"),
    ]);
    assert!(names.iter().any(|name| name == "python/acme/tests/test_plugin.py"), "{names:?}");
}

#[test]
fn what_code_of_node_loads_stays_and_what_only_tests_load_goes() {
    let cases: &[(&str, &str, &str)] = &[
        ("lib/index.js", "require('./__tests__/fixture')", "lib/__tests__/fixture.js"),
        ("lib/index.js", "require(\"./__tests__\")", "lib/__tests__/index.js"),
        ("lib/index.js", "export * from './a.spec.mjs'", "lib/a.spec.mjs"),
        ("lib/index.js", "const a = () => import(`./a.spec.mjs`)", "lib/a.spec.mjs"),
        ("lib/index.js", "new Worker(path.join(__dirname, '..', 'work', 'a.test.js'))", "work/a.test.js"),
        ("lib/index.js", "fs.readFileSync(__dirname + '/../README.md')", "README.md"),
        ("lib/index.js", "fs.readFileSync(`${__dirname}/README.md`)", "lib/README.md"),
        ("lib/index.js", "require.resolve('./lib.d.ts')", "lib/lib.d.ts"),
        ("lib/index.js", "readFileSync(new URL('../src/abi.h', import.meta.url))", "src/abi.h"),
        ("lib/more.js", "require('./a.test')", "lib/a.test.js"),
    ];
    for (from, code, needed) in cases {
        let at = "nodejs/node_modules";
        let needed = format!("{at}/a/{needed}");
        let (directory, _) = needed.rsplit_once('/').expect("a directory");
        let next = format!("{directory}/b.test.js");
        let names = packed(&[
            (&format!("{at}/a/package.json"), "{\"version\": \"1.0.0\", \"main\": \"lib\"}"),
            (&format!("{at}/a/lib/index.js"), "require('./more')"),
            (&format!("{at}/a/{from}"), code),
            (&needed, "require('./b.test')"),
            (&next, ""),
            (&format!("{at}/b/package.json"), "{\"version\": \"1.0.0\"}"),
            (&format!("{at}/b/index.js"), "require('./lib')"),
            (&format!("{at}/b/lib/index.js"), ""),
            (&format!("{at}/b/a.test.js"), "require('./b.test')"),
            (&format!("{at}/b/b.test.js"), ""),
            (&format!("{at}/b/README.md"), "text"),
        ]);
        assert!(names.contains(&needed), "{code}: {names:?}");
        assert_eq!(names.contains(&next), needed.ends_with("js"), "{code}: {names:?}");
        let of_b: Vec<&String> = names.iter().filter(|name| name.starts_with(&format!("{at}/b/"))).collect();
        assert_eq!(of_b.len(), 3, "{of_b:?}");
        assert!(!of_b.iter().any(|name| name.ends_with("test.js") || name.ends_with("md")), "{code}: {of_b:?}");
    }
    for manifest in [
        "\"main\": \"a.test.js\"",
        "\"main\": \"./a.test\"",
        "\"exports\": \"./a.test.js\"",
        "\"exports\": {\".\": {\"types\": \"./i.d.ts\", \"require\": \"./a.test.js\"}}",
        "\"exports\": {\".\": \"./i.js\", \"./x\": [\"./a.test.js\"]}",
        "\"imports\": {\"#x\": \"./a.test.js\"}",
        "\"bin\": \"a.test.js\"",
        "\"bin\": {\"a\": \"./a.test.js\"}",
    ] {
        let names = packed(&[
            ("nodejs/node_modules/a/package.json", &format!("{{\"version\": \"1.0.0\", {manifest}}}")),
            ("nodejs/node_modules/a/i.js", ""),
            ("nodejs/node_modules/a/i.d.ts", ""),
            ("nodejs/node_modules/a/a.test.js", ""),
        ]);
        assert!(names.iter().any(|name| name.ends_with("a.test.js")), "{manifest}: {names:?}");
        assert!(!names.iter().any(|name| name.ends_with(".d.ts")), "{manifest}: {names:?}");
    }
}
