//! With --handler: code that a function never runs is not missed, code that some versions run is, and what is named in other ways
//! than by an import stays. Each case was decided by Python, Node.js or R itself.

use std::fs;

use serde_json::Value;

use crate::support::{World, assert_finding, assert_no_finding, findings};

/// A tree with distributions pa, pb and pc.
fn python() -> World {
    let world = World::new();
    for name in ["pa", "pb", "pc"] {
        let info = format!("{name}-1.0.dist-info");
        world.file(format!("python/{name}/__init__.py"), "");
        world.file(format!("python/{name}/sub.py"), "");
        world.file(format!("python/{info}/METADATA"), format!("Name: {name}\nVersion: 1.0\n\n"));
        let record = format!("{name}/__init__.py,,\n{name}/sub.py,,\n{info}/METADATA,,\n{info}/RECORD,,\n");
        world.file(format!("python/{info}/RECORD"), record);
    }
    world
}

/// A tree with packages pa, pb and pc of npm.
fn node() -> World {
    let world = World::new();
    for name in ["pa", "pb", "pc"] {
        let manifest = format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\"}}");
        world.file(format!("nodejs/node_modules/{name}/package.json"), manifest);
        world.file(format!("nodejs/node_modules/{name}/index.js"), "");
    }
    world
}

/// R, with packages pa, pb and pc.
fn r() -> World {
    let world = World::new();
    world.r().program("R/lib/R/bin/exec/R", &[], &[]);
    for name in ["pa", "pb", "pc"] {
        world.package("R/lib/R/library", name, "1.0", "");
    }
    world
}

fn code(world: &World, files: &[(&str, &[u8])]) {
    let directory = world.beside("code");
    let _ = fs::remove_dir_all(&directory);
    for (name, bytes) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, bytes).expect("written");
    }
}

/// The packages pa to pd that are kept, and the others of them that are missed, each with the severity.
fn outcome(world: &World, more: &[&str]) -> (Vec<String>, Vec<String>, Value) {
    let (_, report) = world.json(&[&["plan", "ROOT", "--handler", "code"], more].concat());
    let packages = report["packages"].as_array().unwrap_or_else(|| panic!("{report:#}")).iter();
    let names = packages.filter_map(|package| package["name"].as_str());
    let kept = names.filter(|name| ["pa", "pb", "pc", "pd"].contains(name)).map(str::to_owned).collect();
    let missed = report["findings"].as_array().expect("findings").iter().filter(|finding| finding["code"] == "R108");
    let missed = missed.map(|finding| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let message = text("message");
        let mut words = message.split(|c: char| !c.is_alphanumeric());
        let named = words.find(|word| ["pa", "pb", "pc", "pd"].contains(word));
        format!("{} {}", text("severity"), named.unwrap_or(&message))
    });
    let missed = missed.collect();
    (kept, missed, report)
}

/// Asserts what is kept for a source, and then what is missed in a tree without any of the packages.
#[track_caller]
fn assert_source(world: &World, none: &World, runtime: &str, files: &[(&str, &[u8])], kept: &[&str], missed: &[&str]) {
    code(world, files);
    code(none, files);
    let more = ["--runtime", runtime];
    let shown = String::from_utf8_lossy(files[0].1);
    assert_eq!(outcome(world, &more).0, kept, "kept: {shown}");
    let mut found = outcome(none, &more).1;
    found.sort();
    assert_eq!(found, missed, "missed: {shown}");
}

#[test]
fn conditions_of_python_decide_what_is_needed() {
    let (world, none) = (python(), World::new());
    none.file("python/other.py", "");
    for (text, kept, missed) in [
        // What is run as a program is no part of a function.
        (
            "if __name__ == '__main__':\n    import pb\nelse:\n    import pc\n",
            &["pb", "pc"][..],
            &["error pc", "info pb"][..],
        ),
        ("if '__main__' != __name__:\n    import pb\n", &["pb"], &["error pb"]),
        ("if TYPE_CHECKING and x:\n    import pa\n", &[], &[]),
        ("if not t.TYPE_CHECKING:\n    import pa\nelse:\n    import pb\n", &["pa"], &["error pa"]),
        ("if x:\n    import pa\nelif tt.TYPE_CHECKING:\n    import pb\n", &["pa"], &["error pa"]),
        ("if True:\n    import pa\nelse:\n    import pb\n", &["pa"], &["error pa"]),
        ("if sys.platform == 'win32':\n    import pa\nelse:\n    import pb\n", &["pb"], &["error pb"]),
        ("if os.name == 'nt' or x:\n    import pa\n", &["pa"], &["info pa"]),
        // Which version it is, is known.
        (
            "if sys.version_info >= (3, 11):\n    import pa\nelif sys.version_info >= (3, 9):\n    import pb\n",
            &["pa", "pb"],
            &["error pa", "info pb"],
        ),
        ("if sys.version_info[0] == 2:\n    import pa\nelse:\n    import pb\n", &["pb"], &["error pb"]),
        ("if sys.version_info < (3, 12) and x:\n    import pa\n", &["pa"], &["info pa"]),
        (
            "try:\n    if sys.version_info >= (3, 11):\n        import pa\nexcept ImportError:\n    pass\n",
            &["pa"],
            &["info pa"],
        ),
        // Only what can go on does without.
        ("try:\n    import pa\nexcept ImportError:\n    raise\nexcept Exception:\n    pass\n", &["pa"], &["error pa"]),
        (
            "try:\n    import pa\nexcept ImportError as e:\n    if x:\n        raise\n    else:\n        raise E from e\n",
            &["pa"],
            &["error pa"],
        ),
        ("try:\n    import pa\nexcept ImportError:\n    if x:\n        raise\n    pa = None\n", &["pa"], &["info pa"]),
        (
            "def f():\n  try:\n    import pa\n  except ImportError:\n    if x:\n        return\n    raise\n",
            &["pa"],
            &["info pa"],
        ),
        ("class C:\n    import pa\n", &["pa"], &["error pa"]),
    ] {
        assert_source(&world, &none, "python3.11", &[("app.py", text.as_bytes())], kept, missed);
    }
    // The other version.
    let text = "import sys\nif sys.version_info >= (3, 11):\n    import pa\nelse:\n    import pb\n";
    assert_source(&world, &none, "python3.10", &[("app.py", text.as_bytes())], &["pa", "pb"], &["error pb", "info pa"]);
    // A source that the function's own bootstrap, or other code, runs as a program.
    let main: &[u8] = b"if __name__ == '__main__':\n    import pb\n";
    let files: [(&str, &[u8]); 2] = [("app.py", main), ("bootstrap", b"#!/bin/sh\nexec python3 app.py\n")];
    assert_source(&world, &none, "python3.11", &files, &["pb"], &["error pb"]);
    let files: [(&str, &[u8]); 2] = [("app.py", b"subprocess.run([sys.executable, 'work.py'])\n"), ("work.py", main)];
    assert_source(&world, &none, "python3.11", &files, &["pb"], &["error pb"]);
}

#[test]
fn names_of_modules_in_lists_loops_and_command_lines_are_followed() {
    let (world, none) = (python(), World::new());
    none.file("python/other.py", "");
    for (text, kept) in [
        ("[import_module(m) for m in ('pa', 'pb')]\n", &["pa", "pb"][..]),
        ("NAMES = ['pa', 'pb']\nx = {m: import_module(m) for m in NAMES}\n", &["pa", "pb"]),
        ("D = {'x': 'pa', 'y': 'pb'}\nfor k, m in D.items():\n    import_module(m)\n", &["pa", "pb"]),
        ("D = {'x': 'pa', 'y': 'pb'}\ndef f(e):\n    return import_module(D[e['k']])\n", &["pa", "pb"]),
        ("D = {'x': 'pa'}\ndef f(e):\n    return import_module(D.get(e['k'], 'pb'))\n", &["pa", "pb"]),
        ("tuple(import_module(m) for m, _ in (('pa', 1), ('pb', 2)))\n", &["pa", "pb"]),
        ("m = 'pa'\n[import_module(m) for m in ['pb']]\n", &["pa", "pb"]),
        ("import_module('pa' if x else 'pb')\n", &["pa", "pb"]),
        ("import_module('p' + 'a')\n", &["pa"]),
        ("import_module('.sub', 'pa')\n", &["pa"]),
        ("import_module('.sub', package='pa')\n", &["pa"]),
        ("subprocess.run([sys.executable, '-m', 'pa', '--x'], check=True)\n", &["pa"]),
        ("command = ['python3', '-W', 'error', '-m', 'pa.sub']\n", &["pa"]),
        ("os.system('cd /tmp && python3 -m pa > out')\n", &["pa"]),
        ("subprocess.run([sys.executable, '-c', 'import pa'])\n", &["pa"]),
    ] {
        // Of some, only one is imported: which one is not known.
        let is_one_of = ["D[e", "D.get(", " if x else "].iter().any(|choice| text.contains(choice));
        let level = if is_one_of { "info" } else { "error" };
        let missed: Vec<String> = kept.iter().map(|name| format!("{level} {name}")).collect();
        let missed: Vec<&str> = missed.iter().map(String::as_str).collect();
        assert_source(&world, &none, "python3.11", &[("app.py", text.as_bytes())], kept, &missed);
        assert_no_finding(&outcome(&world, &["--runtime", "python3.11"]).2, "R109");
    }
    // What is not known, and nearly looks like it.
    for text in [
        "name = 'pa'\ndef f(name):\n    import_module(name)\n",
        "[import_module(m) for m in names()]\n",
        "D = {'x': 'pa', 'y': other}\nimport_module(D[k])\n",
    ] {
        code(&world, &[("app.py", text.as_bytes())]);
        let (kept, _, report) = outcome(&world, &[]);
        assert_eq!(kept, Vec::<String>::new(), "{text}");
        assert_finding(&report, "R109", "code/app.py", "the name of the module is computed");
    }
    code(&world, &[("app.py", b"import_module(f'pa.{name}')\n")]);
    let (kept, _, report) = outcome(&world, &[]);
    assert_eq!(kept, ["pa"]);
    assert_finding(&report, "R109", "code/app.py", "the name of the module is computed");
    code(&world, &[("app.py", b"'''Usage: python -m pa'''\nx = ['node', '-m', 'pa']\nprint('python -m pa')\n")]);
    assert_eq!(outcome(&world, &[]).0, Vec::<String>::new());
}

#[test]
fn configurations_and_pickles_of_the_function_name_modules() {
    let (world, none) = (python(), World::new());
    none.file("python/other.py", "");
    let ini: &[u8] = b"[handlers]\nkeys=h\n[handler_h]\nclass=pb.Handler\nargs=()\n[handler_i]\nclass=StreamHandler\n";
    for text in [
        "logging.config.fileConfig('log.ini')\n",
        "logging.config.fileConfig(os.path.join(os.path.dirname(__file__), 'log.ini'))\n",
        "from logging.config import fileConfig\nfileConfig(Path(__file__).parent / 'log.ini')\n",
    ] {
        let files: [(&str, &[u8]); 2] = [("app.py", text.as_bytes()), ("log.ini", ini)];
        assert_source(&world, &none, "python3.11", &files, &["pb"], &["error pb"]);
    }
    code(&world, &[("app.py", b"logging.config.fileConfig(name())\n")]);
    assert_finding(&outcome(&world, &[]).2, "R109", "code/app.py", "the classes that it names are computed");
    // `pickle.dumps(pb.C(), protocol=4)`, and with protocol 2.
    let four: &[u8] = b"\x80\x04\x95\x18\0\0\0\0\0\0\0\x8c\x02pb\x94\x8c\x01C\x94\x93\x94)\x81\x94.";
    let two: &[u8] = b"\x80\x02cpb\nC\nq\0)\x81q\x01.";
    for (text, model) in [
        ("pickle.load(open('model.pkl', 'rb'))\n", four),
        ("with open('model.pkl', 'rb') as f:\n    m = pickle.load(f)\n", two),
        ("m = joblib.load(os.path.join(os.environ['LAMBDA_TASK_ROOT'], 'model.pkl'))\n", four),
    ] {
        let files: [(&str, &[u8]); 2] = [("app.py", text.as_bytes()), ("model.pkl", model)];
        assert_source(&world, &none, "python3.11", &files, &["pb"], &["error pb"]);
        assert_no_finding(&outcome(&world, &[]).2, "R109");
    }
    // One that no code names may be read all the same; what is read from elsewhere is not known.
    let files: [(&str, &[u8]); 2] = [("app.py", b"pickle.load(fetch())\n"), ("models/model.pkl", four)];
    assert_source(&world, &none, "python3.11", &files, &["pb"], &["warning pb"]);
    assert_finding(&outcome(&world, &[]).2, "R109", "code/app.py", "known only at run time");
    code(&world, &[("app.py", b"pickle.load(open('model.pkl', 'rb'))\n"), ("model.pkl", b"\x80\x04\x95\x18")]);
    assert_finding(&outcome(&world, &[]).2, "R109", "code/model.pkl", "cannot be read");
}

#[test]
fn conditions_of_javascript_decide_what_is_needed() {
    let (world, none) = (node(), World::new());
    none.file("nodejs/other.json", "{}");
    for (text, kept, missed) in [
        (
            "if (require.main === module) { require('pa') } else { require('pb') }\n",
            &["pa", "pb"][..],
            &["error pb", "info pa"][..],
        ),
        ("if (module !== require.main) require('pa')\n", &["pa"], &["error pa"]),
        ("!module.parent && require('pa')\n", &["pa"], &["info pa"]),
        ("if (process.platform === 'win32') { require('pa') } else { require('pb') }\n", &["pb"], &["error pb"]),
        ("if (false) require('pa')\n", &[], &[]),
        ("const a = x === 'win32' ? require('pa') : require('pb')\n", &["pa", "pb"], &["error pa", "error pb"]),
        (
            "try { require('pa') } catch (e) { if (x) { throw e } else { throw new Error(e) } }\n",
            &["pa"],
            &["error pa"],
        ),
        ("try { require('pa') } catch (e) { if (e.code !== 'MODULE_NOT_FOUND') throw e }\n", &["pa"], &["info pa"]),
        ("import('pa').catch(e => { throw e })\n", &["pa"], &["error pa"]),
        ("import('pa').catch(e => { log(e) })\n", &["pa"], &["info pa"]),
    ] {
        assert_source(&world, &none, "nodejs20.x", &[("app.js", text.as_bytes())], kept, missed);
    }
}

#[test]
fn modules_that_a_version_of_node_does_not_have_are_errors() {
    let world = node();
    code(
        &world,
        &[(
            "app.js",
            b"const { DatabaseSync } = require('node:sqlite')\nrequire('node:fs/promises')\nrequire('node:test')\n",
        )],
    );
    let (_, missed, report) = outcome(&world, &["--runtime", "nodejs20.x"]);
    assert_eq!(missed.len(), 1);
    assert_finding(
        &report,
        "R108",
        "code/app.js",
        "line 1 uses the Node.js package node:sqlite, which Node.js 20 does not have",
    );
    assert!(report["findings"].to_string().contains("choose a runtime with Node.js 22 or newer"));
    assert_eq!(outcome(&world, &["--runtime", "nodejs22.x"]).1, Vec::<String>::new());
    assert_eq!(outcome(&world, &["--runtime", "provided.al2023"]).1, Vec::<String>::new());
    world.file("nodejs/node_modules/pa/index.js", "const a = require('node:sqlite')\n");
    let (_, report) = world.json(&["check", "ROOT", "--runtime", "nodejs18.x"]);
    assert_finding(&report, "R102", "pkg:pa", "requires node:sqlite, which Node.js 18 does not have");
    assert_no_finding(&world.json(&["check", "ROOT", "--runtime", "nodejs22.x"]).1, "R102");
}

#[test]
fn code_that_functions_share_in_a_layer_keeps_what_it_loads() {
    let world = node();
    world
        .file("nodejs/shared/index.js", "require('./more')\n")
        .file("nodejs/shared/more.js", "const a = require('pb')\n");
    code(&world, &[("app.js", b"require('/opt/nodejs/shared')\n")]);
    let (kept, missed, _) = outcome(&world, &["--runtime", "nodejs20.x"]);
    assert_eq!((kept, missed), (vec!["pb".to_owned()], vec![]));
    let none = World::new();
    none.file("nodejs/shared/index.js", "require('./more')\n")
        .file("nodejs/shared/more.js", "const a = require('pb')\n");
    code(&none, &[("app.js", b"require('/opt/nodejs/shared')\nrequire('/opt/nodejs/gone')\n")]);
    let (_, _, report) = outcome(&none, &["--runtime", "nodejs20.x"]);
    let message = "line 1 uses the Node.js package /opt/nodejs/shared, whose nodejs/shared/more.js loads pb, which is not in the tree";
    let found: Vec<String> = findings(&report, "R108").into_iter().map(|(_, message)| message).collect();
    assert_eq!(found, [message, "line 2 uses the Node.js package /opt/nodejs/gone, which is not in the tree"]);
    // What it does without is not missed.
    none.file("nodejs/shared/more.js", "try { require('pb') } catch { }\n");
    code(&none, &[("app.js", b"require('/opt/nodejs/shared')\n")]);
    assert_eq!(outcome(&none, &["--runtime", "nodejs20.x"]).1, Vec::<String>::new());
}

#[test]
fn a_function_finds_itself_by_its_name_and_packages_by_its_own_node_path() {
    let world = node();
    let manifest: &[u8] = br#"{"name": "self", "exports": {"./x": "./lib/x.js"}}"#;
    let files: [(&str, &[u8]); 3] =
        [("app.js", b"require('self/x')\n"), ("package.json", manifest), ("lib/x.js", b"require('pb')\n")];
    code(&world, &files);
    let (kept, missed, _) = outcome(&world, &["--runtime", "nodejs20.x"]);
    assert_eq!((kept, missed), (vec!["pb".to_owned()], vec![]));
    // Without `exports`, Node.js does not.
    code(&world, &[files[0], ("package.json", br#"{"name": "self"}"#), files[2]]);
    assert_eq!(outcome(&world, &["--runtime", "nodejs20.x"]).1.len(), 1);
    // A variable of the function replaces that of the runtime.
    code(&world, &[("app.js", b"require('pb')\n")]);
    let more = ["--runtime", "nodejs20.x", "--env", "NODE_PATH=/opt/nodejs/more"];
    assert_eq!(outcome(&world, &more).1, ["error pb"]);
    let more = ["--runtime", "nodejs20.x", "--env", "NODE_PATH=/opt/nodejs/more:/opt/nodejs/node_modules"];
    assert_eq!(outcome(&world, &more).1, Vec::<String>::new());
}

#[test]
fn an_addon_for_another_system_that_a_package_does_without_is_a_warning() {
    let macho = [&b"\xcf\xfa\xed\xfe\x07\0\0\x01"[..], &[0; 200]].concat();
    for (text, severity) in [
        ("let a;\ntry { a = require('./a.node') } catch { a = require('./a.js') }\n", "warning"),
        ("let a;\ntry { a = require('bindings')('a') } catch { a = null }\n", "warning"),
        ("const a = require('./a.node')\n", "error"),
        ("let a;\ntry { a = require('./a.node') } catch (e) { throw e }\n", "error"),
    ] {
        let world = node();
        world.file("nodejs/node_modules/pa/index.js", text).file("nodejs/node_modules/pa/a.js", "");
        world.file("nodejs/node_modules/pa/a.node", &macho);
        let (_, report) = world.json(&["analyze", "ROOT", "--runtime", "nodejs20.x"]);
        let found = report["findings"].as_array().expect("findings").iter().find(|one| one["code"] == "L101");
        assert_eq!(found.map(|found| found["severity"].clone()), Some(severity.into()), "{text}");
    }
}

/// An installed package in a library of the function's code.
fn own(world: &World, library: &str, name: &str, more: &str) {
    let at = world.beside("code").join(library).join(name);
    fs::create_dir_all(at.join("Meta")).expect("a directory");
    let description = format!("Package: {name}\nVersion: 1.0\n{more}Built: R 4.2.2; ; 2022-11-24 00:43:29 UTC; unix\n");
    fs::write(at.join("DESCRIPTION"), description).expect("written");
    fs::write(at.join("Meta/package.rds"), crate::support::RDS).expect("written");
}

#[test]
fn packages_in_a_library_of_the_functions_own_code_are_not_missing() {
    let world = r();
    let of = |text: &str, more: &[&str]| {
        code(&world, &[("app.R", text.as_bytes())]);
        own(&world, "rlib", "pd", "Imports: pc\n");
        let (kept, missed, _) = outcome(&world, more);
        (kept, missed)
    };
    for text in [
        "library(pd, lib.loc = '/var/task/rlib')\n",
        "library(pd, lib.loc = 'rlib')\n",
        ".libPaths('/var/task/rlib/')\nlibrary(pd)\n",
        ".libPaths(c(file.path(Sys.getenv('LAMBDA_TASK_ROOT'), 'rlib'), .libPaths()))\npd::f()\n",
    ] {
        assert_eq!(of(text, &[]), (vec!["pc".to_owned()], vec![]), "{text}");
    }
    let by_variable = ["--env", "R_LIBS_USER=/var/task/rlib:/opt/x"];
    assert_eq!(of("library(pd)\n", &by_variable), (vec!["pc".to_owned()], vec![]));
    // A library that nothing adds is not searched.
    assert_eq!(of("library(pd)\n", &[]), (vec![], vec!["error pd".to_owned()]));
    assert_eq!(of("library(pd, lib.loc = 'other')\n", &[]), (vec![], vec!["error pd".to_owned()]));
    // What its packages import can be missing.
    fs::remove_dir_all(world.root().join("R/lib/R/library/pc")).expect("removed");
    assert_eq!(of("library(pd, lib.loc = 'rlib')\n", &[]), (vec![], vec!["error pc".to_owned()]));
    own(&world, "rlib", "pc", "");
    let (_, missed, _) = outcome(&world, &[]);
    assert_eq!(missed, Vec::<String>::new());
    // One file, and not its directory.
    let run = world.json(&["plan", "ROOT", "--handler", "code/app.R"]).1;
    assert_no_finding(&run, "R108");
}

#[test]
fn conditions_of_r_decide_what_is_needed() {
    let (world, none) = (r(), World::new());
    none.r().program("R/lib/R/bin/exec/R", &[], &[]);
    for (text, kept, missed) in [
        ("if (interactive() && x) library(pa) else library(pb)\n", &["pa", "pb"][..], &["error pb", "info pa"][..]),
        ("interactive() && library(pa)\n", &["pa"], &["info pa"]),
        ("if (!interactive()) library(pa)\n", &["pa"], &["error pa"]),
        ("if (isFALSE(interactive())) library(pa) else library(pb)\n", &["pa", "pb"], &["error pa", "info pb"]),
        ("if (0) library(pa)\n", &["pa"], &["info pa"]),
        ("if (!TRUE) library(pa)\n", &["pa"], &["info pa"]),
        ("if (sys.nframe() == 0L) library(pa)\n", &["pa"], &["warning pa"]),
        ("if (sys.nframe() != 0L) library(pa)\n", &["pa"], &["error pa"]),
        ("if (sys.nframe() == 0L && interactive()) library(pa)\n", &["pa"], &["info pa"]),
        ("main <- function() library(pa)\nif (sys.nframe() == 0L) main()\n", &["pa"], &["error pa"]),
    ] {
        assert_source(&world, &none, "provided.al2023", &[("app.R", text.as_bytes())], kept, missed);
    }
}

#[test]
fn packages_that_r_attaches_by_a_variable_of_the_function_stay() {
    let world = r();
    code(&world, &[("app.R", b"handler <- function() 1\n")]);
    assert_eq!(outcome(&world, &[]).0, Vec::<String>::new());
    let more = ["--env", "R_DEFAULT_PACKAGES=pb,stats"];
    let (kept, _, report) = outcome(&world, &more);
    assert_eq!(kept, ["pb"]);
    assert_no_finding(&report, "R102");
    let (_, _, report) = outcome(&world, &["--env", "R_DEFAULT_PACKAGES=stats,gone"]);
    assert_finding(&report, "R102", "R_DEFAULT_PACKAGES", "names gone, which is not in the tree");
    assert_no_finding(&outcome(&world, &["--env", "R_DEFAULT_PACKAGES=NULL"]).2, "R102");
}
