//! What a package of Node.js or Python loads when it is loaded itself, and does not get, is an error before the first invocation; what
//! it does without, or loads in a function, is not. Node.js and Python themselves are asked, where they are installed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{World, assert_finding, assert_no_finding, findings};

/// A package.json with these further members.
fn manifest(name: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\"{more}}}")
}

/// A package by its name, what package.json has beside it, and its files with their texts.
type NpmPackage<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A tree with packages of npm: the name of each, more of its package.json, and its files.
fn npm(packages: &[NpmPackage<'_>]) -> World {
    let world = World::new();
    for (name, more, files) in packages {
        world.file(format!("nodejs/node_modules/{name}/package.json"), manifest(name, more));
        for (file, content) in *files {
            world.file(format!("nodejs/node_modules/{name}/{file}"), content);
        }
    }
    world
}

/// Whether an interpreter of this machine loads what a program names; `None` if there is none.
fn loads(program: &str, arguments: &[&str], variable: &str, directory: &Path) -> Option<bool> {
    let mut command = Command::new(program);
    command.args(arguments).env(variable, directory).env("PYTHONDONTWRITEBYTECODE", "1").current_dir("/");
    let ran = command.output().ok().filter(|_| Command::new(program).arg("--version").output().is_ok());
    if ran.is_none() {
        println!("{program} is not installed: what it does was not compared");
    }
    ran.map(|output| output.status.success())
}

fn severe(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().expect("findings").iter();
    let severe = findings.filter(|finding| finding["severity"] != "info");
    severe.map(|finding| (finding["code"].to_string(), finding["message"].to_string())).collect()
}

/// Asserts that `check` tells of the package `a` what is expected, and that Node.js agrees.
#[track_caller]
fn assert_node(packages: &[NpmPackage<'_>], by_import: bool, expected: Option<(&str, &str)>) {
    let world = npm(packages);
    let modules = world.root().join("nodejs/node_modules");
    let import = format!("await import(\"{}\")", modules.join("a/index.js").display());
    let arguments: &[&str] = if by_import { &["--input-type=module", "-e", &import] } else { &["-e", "require('a')"] };
    if let Some(works) = loads("node", arguments, "NODE_PATH", &modules) {
        assert_eq!(works, expected.is_none(), "Node.js differs: {packages:?}");
    }
    let (code, report) = world.json(&["check", "ROOT", "--runtime", "nodejs20.x"]);
    match expected {
        None => assert_eq!(severe(&report), [], "{packages:?}"),
        Some((check, words)) => {
            assert_finding(&report, check, "pkg:a", words);
            assert_eq!(code, 1, "{packages:?}");
        }
    }
}

const NOT_EXPORTED: &str = "does not export for require() (ERR_PACKAGE_PATH_NOT_EXPORTED)";
const DEPENDS: &str = r#""dependencies": {"b": "*"}"#;

#[test]
fn a_path_in_another_package_has_to_be_exported_and_there() {
    let sub = "const b = require('b/sub')\n";
    for (code, exports, files, expected) in [
        (sub, r#""exports": {".": "./i.js"}"#, &["i.js", "sub.js"][..], Some(NOT_EXPORTED)),
        (
            sub,
            r#""exports": {"./sub": "./gone.js"}"#,
            &["i.js"],
            Some("leads to ./gone.js, and that is not in the tree"),
        ),
        (sub, r#""exports": {"./*": "./dist/*.js"}"#, &["dist/sub.js"], None),
        (sub, r#""exports": {"./*": "./dist/*.js"}"#, &["dist/other.js"], Some("leads to ./dist/sub.js")),
        (sub, r#""exports": {"./*": "./dist/*.js", "./s*": null}"#, &["dist/sub.js"], Some(NOT_EXPORTED)),
        (sub, r#""exports": {"./sub": {"import": "./s.mjs"}}"#, &["s.mjs"], Some(NOT_EXPORTED)),
        (sub, r#""exports": {"./sub": {"node": {"require": "./s.js"}, "default": "./gone.js"}}"#, &["s.js"], None),
        (
            sub,
            r#""exports": {"./sub": {"node": {"import": "./s.js"}, "default": "./gone.js"}}"#,
            &["s.js"],
            Some("./gone.js"),
        ),
        (sub, r#""exports": {"./sub": {"require": null, "default": "./s.js"}}"#, &["s.js"], Some(NOT_EXPORTED)),
        (sub, r#""exports": {"./sub": ["./s.js", "./gone.js"]}"#, &["s.js"], None),
        (sub, r#""exports": "./s.js""#, &["s.js", "sub.js"], Some(NOT_EXPORTED)),
        (sub, "", &["sub.js"], None),
        (sub, "", &["sub.json"], None),
        (sub, "", &["sub/index.js"], None),
        (sub, "", &["sub.cjs"], Some("b/sub, which nodejs/node_modules/b does not have")),
        ("const b = require('b')\n", r#""exports": {"./sub": "./s.js"}"#, &["s.js"], Some(NOT_EXPORTED)),
        ("const b = require('b/package.json')\n", r#""exports": "./s.js""#, &["s.js"], Some(NOT_EXPORTED)),
        ("const b = require('b/package.json')\n", "", &["index.js"], None),
        ("const b = t(require(\"b/gone\"))\n", "", &["index.js"], Some("requires b/gone")),
        ("const x = 1,\n  b = require('b/gone')\n", "", &["index.js"], Some("requires b/gone")),
        // What need not run, or is no code.
        ("try {\nrequire('b/gone')\n} catch {}\n", "", &["index.js"], None),
        ("function f() {\nreturn require('b/gone')\n}\n", "", &["index.js"], None),
        ("if (process.env.NONE)\nrequire('b/gone')\n", "", &["index.js"], None),
        ("/*\nrequire('b/gone')\n*/\nconst t = `\nrequire('b/gone')\n`\n", "", &["index.js"], None),
    ] {
        let files: Vec<(&str, &str)> =
            files.iter().map(|file| (*file, if file.ends_with("json") { "{}" } else { "" })).collect();
        let packages: &[NpmPackage<'_>] = &[("a", DEPENDS, &[("index.js", code)]), ("b", exports, &files)];
        assert_node(packages, false, expected.map(|words| ("R101", words)));
    }
    // What a path leads to is followed into the other package, and from file to file in this one.
    let files: &[(&str, &str)] = &[("index.js", ""), ("sub.js", "require('./gone')\n")];
    let packages: &[NpmPackage<'_>] = &[("a", DEPENDS, &[("index.js", sub)]), ("b", "", files)];
    assert_node(
        packages,
        false,
        Some(("R101", "nodejs/node_modules/b/sub.js requires ./gone, which is not in the tree")),
    );
    let own: &[(&str, &str)] = &[("index.js", "require('./k')\n"), ("k.js", "require('b/gone')\n")];
    let packages: &[NpmPackage<'_>] = &[("a", DEPENDS, own), ("b", "", &[("index.js", "")])];
    assert_node(packages, false, Some(("R101", "nodejs/node_modules/a/k.js requires b/gone")));
}

#[test]
fn import_takes_no_endings_and_no_directories() {
    let module = &format!("\"type\": \"module\", {DEPENDS}");
    for (code, b, files, expected) in [
        ("import b from 'b/sub'\n", "", &["sub.js"][..], Some("imports b/sub")),
        ("import 'b/sub.js'\n", "", &["sub.js"], None),
        ("import {\n x\n} from 'b/lib'\n", "", &["lib/index.js"], Some("imports b/lib")),
        ("import 'b'\n", "", &["index.js"], None),
        ("import 'b/sub'\n", r#""exports": {"./sub": {"import": "./s.mjs"}}"#, &["s.mjs"], None),
        (
            "export * from 'b/sub'\n",
            r#""exports": {"./sub": {"require": "./s.js"}}"#,
            &["s.js"],
            Some("does not export for import"),
        ),
        ("import fs from 'node:fs'\nimport 'fs/promises'\n", "", &["index.js"], None),
        ("import './gone.js'\n", "", &["index.js"], Some("imports ./gone.js")),
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "")).collect();
        let packages: &[NpmPackage<'_>] = &[("a", module, &[("index.js", code)]), ("b", b, &files)];
        assert_node(packages, true, expected.map(|words| ("R101", words)));
    }
}

#[test]
fn names_that_begin_with_a_hash_are_what_the_package_defines() {
    let undefined = "which nodejs/node_modules/a/package.json does not define (ERR_PACKAGE_IMPORT_NOT_DEFINED)";
    for (name, imports, files, expected) in [
        ("#x", r##"{"#x": "./x.js"}"##, &["x.js"][..], None),
        ("#x", r##"{"#x": "./x.js"}"##, &["y.js"], Some("leads to ./x.js")),
        ("#y", r##"{"#x": "./x.js"}"##, &["x.js"], Some(undefined)),
        ("#x", r##"{"#x": null}"##, &["x.js"], Some(undefined)),
        ("#x", r##"{"#x": {"node": "./x.js", "default": "./gone.js"}}"##, &["x.js"], None),
        ("#x", r##"{"#x": {"browser": "./x.js", "default": "./gone.js"}}"##, &["x.js"], Some("leads to ./gone.js")),
        ("#i/x", r##"{"#i/*": "./src/*.js"}"##, &["src/x.js"], None),
        ("#i/x", r##"{"#i/*": "./src/*.js"}"##, &["src/y.js"], Some("leads to ./src/x.js")),
        ("#x", r##"{"#x": "b/s.js"}"##, &[], None),
        ("#x", r##"{"#x": "b/gone.js"}"##, &[], Some("requires #x, which nodejs/node_modules/b does not have")),
    ] {
        let code = format!("const x = require('{name}')\n");
        let mut own: Vec<(&str, &str)> = files.iter().map(|file| (*file, "")).collect();
        own.push(("index.js", &code));
        let imports = format!("{DEPENDS}, \"imports\": {imports}");
        let packages: &[NpmPackage<'_>] = &[("a", &imports, &own), ("b", "", &[("s.js", "")])];
        assert_node(packages, false, expected.map(|words| ("R101", words)));
    }
    // A package gets itself by its name as others do.
    let own: &[(&str, &str)] = &[("index.js", "require('a/k')\n"), ("k.js", "")];
    assert_node(&[("a", r#""exports": {".": "./index.js", "./k": "./k.js"}"#, own)], false, None);
    assert_node(&[("a", r#""exports": "./index.js""#, own)], false, Some(("R101", NOT_EXPORTED)));
}

#[test]
fn a_package_that_is_nowhere_is_an_error_where_it_is_loaded_for_certain() {
    let absent = "a 1.0.0 cannot be loaded: nodejs/node_modules/a/index.js requires gone, which is not in the tree";
    let peer = r#""peerDependencies": {"gone": "*"}, "peerDependenciesMeta": {"gone": {"optional": true}}"#;
    for (code, more, expected) in [
        ("const x = require('gone')\n", "", true),
        ("const x = require('gone')\n", r#""dependencies": {"gone": "*"}"#, true),
        ("const x = require('gone')\n", peer, true),
        ("let x\ntry {\nx = require('gone')\n} catch {}\n", peer, false),
        ("exports.f = () => require('gone')\n", peer, false),
        ("require('string_decoder')\nrequire('util/types')\nrequire('node:test')\n", "", false),
    ] {
        assert_node(&[("a", more, &[("index.js", code)])], false, expected.then_some(("R102", absent)));
    }
    let sub: &[(&str, &str)] = &[("index.js", "require('@s/gone/sub')\n")];
    assert_node(&[("a", "", sub)], false, Some(("R102", "requires @s/gone/sub, which is not in the tree")));
    assert_node(
        &[("a", "", &[("index.js", "require('string_decoder/')\n")])],
        false,
        Some(("R102", "string_decoder/")),
    );
    // A package in the package, a file beside it, and what another directory of NODE_PATH has.
    let inside: &[(&str, &str)] = &[
        ("index.js", "require('gone')\n"),
        ("node_modules/gone/package.json", r#"{"name": "gone", "version": "1.0.0"}"#),
        ("node_modules/gone/index.js", ""),
    ];
    assert_node(&[("a", "", inside)], false, None);
    let world = npm(&[("a", "", &[("index.js", "require('gone')\n")])]);
    world.file("nodejs/node_modules/gone.js", "");
    assert_no_finding(&world.json(&["check", "ROOT", "--runtime", "nodejs20.x"]).1, "R102");
    // The image has the SDK.
    let world = npm(&[("a", "", &[("index.js", "require('@aws-sdk/client-s3')\n")])]);
    assert_no_finding(&world.json(&["check", "ROOT", "--runtime", "nodejs20.x"]).1, "R102");
    // One of two ways of loading it.
    let both = r#""exports": {"import": "./m.mjs", "require": "./c.cjs"}"#;
    let world = npm(&[("a", both, &[("m.mjs", "import 'gone'\n"), ("c.cjs", "")])]);
    let (code, report) = world.json(&["check", "ROOT", "--runtime", "nodejs20.x"]);
    assert_eq!(code, 0);
    assert_finding(&report, "R102", "pkg:a", "cannot be loaded by import: nodejs/node_modules/a/m.mjs imports gone");
}

#[test]
fn a_test_that_another_package_loads_by_its_path_stays() {
    let files: &[(&str, &str)] =
        &[("index.js", ""), ("test/help.js", "require('./deep')\n"), ("test/deep.js", ""), ("test/other.js", "")];
    for (b, name, user) in [
        ("", "b/test/help", "a"),
        (r#""exports": {"./*": "./test/*.js"}"#, "b/help.js", "none"),
        (r#""exports": {"./*": "./test/*.js"}"#, "b/help", "a"),
        (r##""imports": {"#t/*": "./test/*.js"}"##, "#t/help", "b"),
    ] {
        let code = format!("const help = require('{name}')\n");
        let code = |package: &str| if package == user || user == "none" && package == "a" { code.as_str() } else { "" };
        let of_b: Vec<(&str, &str)> = files.iter().copied().skip(1).chain([("index.js", code("b"))]).collect();
        let world = npm(&[("a", DEPENDS, &[("index.js", code("a"))]), ("b", b, &of_b)]);
        let (_, report) = world.json(&["plan", "ROOT", "--runtime", "nodejs20.x", "--select", "extra"]);
        let pruned = report["pruned"].as_array().expect("pruned").iter().find(|pruned| pruned["rule"] == "D844");
        let files = pruned.and_then(|pruned| pruned["files"].as_u64());
        assert_eq!(files, Some(if user == "none" { 3 } else { 1 }), "{b} {name}");
    }
}

/// A tree with a distribution of these files that requires others.
fn distribution(requires: &[&str], files: &[(&str, &str)]) -> World {
    let world = World::new();
    let requires: String = requires.iter().map(|name| format!("Requires-Dist: {name}\n")).collect();
    let metadata = format!("Metadata-Version: 2.1\nName: a\nVersion: 1.0\n{requires}");
    let record: String = files.iter().map(|(file, content)| format!("{file},,{}\n", content.len())).collect();
    world.file("python/a-1.0.dist-info/METADATA", metadata).file("python/a-1.0.dist-info/RECORD", record);
    for (file, content) in files {
        world.file(format!("python/{file}"), content);
    }
    world
}

/// Asserts what `check` tells of the module `a`, and that Python agrees.
#[track_caller]
fn assert_python(world: &World, expected: Option<(&str, &str, &str)>) {
    if let Some(works) = loads("python3", &["-c", "import a"], "PYTHONPATH", &world.root().join("python")) {
        assert_eq!(works, expected.is_none(), "Python differs");
    }
    let (code, report) = world.json(&["check", "ROOT", "--runtime", "python3.11"]);
    match expected {
        None => assert_eq!(severe(&report), []),
        Some((check, subject, words)) => {
            assert_finding(&report, check, subject, words);
            assert_eq!(code, 1);
        }
    }
}

#[test]
fn a_module_that_is_nowhere_is_an_error_where_it_is_imported_for_certain() {
    let init = "a/__init__.py";
    let absent = "a 1.0 cannot be imported: python/a/__init__.py imports gone, which is not in the tree";
    for code in ["import gone\n", "import gone.part as g\n", "from gone import x\n", "import os, gone\n"] {
        for requires in [&[][..], &["gone"]] {
            assert_python(&distribution(requires, &[(init, code)]), Some(("R102", "pkg:a", absent)));
        }
    }
    let own = &[(init, "from . import k\n"), ("a/k.py", "import gone\n")];
    assert_python(&distribution(&[], own), Some(("R102", "pkg:a", "python/a/k.py imports gone")));
    assert_python(
        &distribution(&[], &[("a.py", "import gone\n")]),
        Some(("R102", "pkg:a", "python/a.py imports gone")),
    );
    let beside = &[(init, "from .gone import x\n")];
    assert_python(&distribution(&[], beside), Some(("R101", "pkg:a", "imports a.gone, which is not in the tree")));
    // Without a distribution, as what was copied.
    let world = World::new();
    world.file("python/a/__init__.py", "import gone\n");
    assert_python(
        &world,
        Some(("R102", "python/a/__init__.py", "cannot be imported: python/a/__init__.py imports gone")),
    );
    for code in [
        "try:\n    import gone\nexcept ImportError:\n    gone = None\n",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import gone\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import gone\n",
        "import sys\nif sys.platform == 'win32':\n    import gone\n",
        "def f():\n    import gone\n",
        "\"\"\"\nimport gone\n\"\"\"\n",
        "import sys, types\nsys.modules['gone'] = types.ModuleType('gone')\nimport gone\n",
        "import os.path, _socket, xml.etree.ElementTree, distutils\nfrom __future__ import annotations as b\n",
    ] {
        // A name after `from __future__` has to be first.
        let code = code.replace("\nfrom __future__ import annotations as b", "");
        assert_python(&distribution(&[], &[(init, &code)]), None);
    }
    assert_python(&distribution(&[], &[(init, ""), ("a/contrib.py", "import gone\n")]), None);
    // What the code is for another version of Python.
    let world = distribution(&[], &[(init, "import distutils\n")]);
    let (_, report) = world.json(&["check", "ROOT", "--runtime", "python3.12"]);
    assert_finding(&report, "R102", "pkg:a", "imports distutils, which Python 3.12 does not have");
}

#[test]
fn a_module_for_another_system_is_an_error_where_it_is_imported_for_certain() {
    let macho = "\u{feed}".repeat(20);
    let for_mac = [&[0xcf, 0xfa, 0xed, 0xfe][..], macho.as_bytes()].concat();
    for (code, file, bytes, expected) in [
        ("from . import _c\n", "_c.cp311-win_amd64.pyd", &b"MZ\0\0"[..], Some("is for Windows")),
        ("from . import _c\n", "_c.cpython-311-darwin.so", &for_mac, Some("is for macOS")),
        ("from ._c import x\n", "_c.pyd", b"MZ\0\0", Some("is for Windows")),
        ("from ._c import x\n", "_c.abi3.so", &for_mac, Some("is for macOS")),
        ("try:\n    from . import _c\nexcept ImportError:\n    _c = None\n", "_c.pyd", b"MZ\0\0", None),
        ("", "_c.cp311-win_amd64.pyd", b"MZ\0\0", None),
    ] {
        let world = World::new();
        world.file("python/a/__init__.py", code).file(format!("python/a/{file}"), bytes);
        let (_, report) = world.json(&["check", "ROOT", "--runtime", "python3.11"]);
        match expected {
            Some(words) => assert_finding(&report, "R101", "python/a/__init__.py", words),
            None => assert_no_finding(&report, "R101"),
        }
    }
    let world = World::new();
    world.file("python/a.cpython-311-darwin.so", &for_mac).file("python/b.pyd", "MZ").file("python/b.py", "");
    let (code, report) = world.json(&["check", "ROOT", "--runtime", "python3.11"]);
    assert_finding(&report, "R101", "python/a.cpython-311-darwin.so", "cannot be imported: it is for macOS");
    assert_eq!(code, 1);
    // An addon for others only.
    for (files, expected) in [
        (&["prebuilds/darwin-arm64/a.node"][..], true),
        (&["prebuilds/win32-x64/a.node", "prebuilds/linux-x64/a.musl.node"], true),
        (&["prebuilds/darwin-arm64/a.node", "prebuilds/linux-x64/a.node"], false),
    ] {
        let world = npm(&[
            ("a", "", &[("index.js", "module.exports = require('node-gyp-build')(__dirname)\n")]),
            ("node-gyp-build", "", &[("index.js", "")]),
        ]);
        for file in files {
            world.library(&format!("nodejs/node_modules/a/{file}"), &[], &[]);
        }
        let (_, report) = world.json(&["check", "ROOT", "--runtime", "nodejs20.x"]);
        if expected {
            assert_finding(&report, "R101", "pkg:a", "the package has no .node file for Linux with glibc");
        } else {
            assert_no_finding(&report, "R101");
        }
    }
}

#[test]
fn a_library_that_is_nowhere_is_an_error_where_importing_a_module_loads_it() {
    for (code, expected) in [
        ("import ctypes\nlib = ctypes.CDLL('libgone.so.1')\n", Some("error")),
        ("from ctypes import cdll\nlib = cdll.LoadLibrary(\"libgone.so.1\")\n", Some("error")),
        ("import ctypes\ndef f():\n    return ctypes.CDLL('libgone.so.1')\n", Some("info")),
        ("import ctypes\ntry:\n    lib = ctypes.CDLL('libgone.so.1')\nexcept OSError:\n    lib = None\n", None),
        ("import ctypes\nlib = ctypes.CDLL('libc.so.6')\n", None),
    ] {
        let world = distribution(&[], &[("a/__init__.py", code)]);
        if let Some(works) = loads("python3", &["-c", "import a"], "PYTHONPATH", &world.root().join("python")) {
            assert_eq!(works, expected != Some("error"), "Python differs: {code}");
        }
        let (_, report) = world.json(&["check", "ROOT", "--runtime", "python3.11"]);
        let told: Vec<&Value> = report["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .filter(|finding| finding["code"] == "L201")
            .collect();
        assert_eq!(
            told.first().map(|finding| finding["severity"].as_str().expect("text")),
            expected,
            "{code}: {told:?}"
        );
        // A library of the tree can be loaded before, wherever it is.
        world.library("lib/libgone.so.1", &[], &[]);
        assert_no_finding(&world.json(&["check", "ROOT", "--runtime", "python3.11"]).1, "L201");
    }
}

#[test]
fn an_addon_uses_what_node_defines_or_a_library_that_it_is_linked_with() {
    let init = "void *napi_register_module_v1(void *e, void *x) {\n  if (!e) ";
    let addon = "nodejs/node_modules/a/build/Release/a.node";
    let of = |called: &str, node: Option<&str>| {
        let world = npm(&[("a", "", &[("index.js", "module.exports = require('./build/Release/a.node')\n")])]);
        world.c(
            addon,
            &format!("int {called}(void);\n{init}{called}();\n  return x;\n}}\n"),
            &[],
            &["-shared", "-fPIC"],
        );
        if let Some(defined) = node {
            let source =
                format!("int napi_create_object(void) {{ return 0; }}\n{defined}\nint main(void) {{ return 0; }}\n");
            world.c("bin/node", &source, &[], &["-rdynamic"]);
        }
        let (_, report) = world.json(&["check", "ROOT", "--runtime", "nodejs20.x"]);
        findings(&report, "L205")
    };
    for called in ["napi_create_object", "uv_now", "SSL_new", "deflate", "node_module_register", "u_strlen_72", "puts"]
    {
        assert_eq!(of(called, None), [], "{called}");
    }
    let told = of("gone_symbol", None);
    assert_eq!(told.len(), 1);
    let words = "uses gone_symbol, which no library loaded with it defines: the first call fails";
    assert!(told[0].0 == addon && told[0].1.contains(words), "{told:?}");
    // A Node.js in the tree has what it has.
    assert_eq!(of("napi_create_object", Some("")), []);
    assert_eq!(of("gone_symbol", Some("int gone_symbol(void) { return 0; }")), []);
    assert_eq!(of("napi_of_another_version", Some("")).len(), 1);
}

#[test]
fn a_name_that_a_package_imports_from_itself_has_to_be_bound_or_a_module() {
    let init = "a/__init__.py";
    let gone = Some(("R101", "python/a/__init__.py", "imports a.m, which is not in the tree"));
    let plain = |files: &[(&str, &str)]| {
        let world = World::new();
        for (name, text) in files {
            world.file(format!("python/{name}"), text);
        }
        world
    };
    for code in [
        "from . import m\n",
        "from a import m\n",
        "from . import b, m\n",
        "from . import (\n    b,\n    m,\n)\n",
        "from . import m as n\n__all__ = [\"m\"]\n",
    ] {
        assert_python(&plain(&[(init, code), ("a/b.py", "")]), gone);
    }
    let of_distribution = distribution(&[], &[(init, "from . import m\n")]);
    assert_python(&of_distribution, Some(("R101", "pkg:a", "imports a.m, which is not in the tree")));
    for (code, file) in [
        ("try:\n    from . import m\nexcept ImportError:\n    m = None\n", "a/b.py"),
        ("def f():\n    from . import m\n", "a/b.py"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import m\n", "a/b.py"),
        ("m = 1\nfrom . import m\n", "a/b.py"),
        ("def __getattr__(name):\n    return 1\nfrom . import m\n", "a/b.py"),
        ("from .b import *\nfrom . import m\n", "a/b.py"),
        ("from . import b\nfrom . import m\n", "a/b.py"),
        ("from . import m\n", "a/m.py"),
        ("from . import m\n", "a/m/data.txt"),
        ("from . import __name__\n", "a/b.py"),
    ] {
        assert_python(&plain(&[(init, code), (file, "import a\na.m = 1\nm = 1\n")]), None);
    }
}

#[test]
fn a_plain_name_that_is_imported_for_certain_has_to_be_an_extension_module() {
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n", "a".repeat(64));
    for (content, words) in [
        ("", "m.so, which is empty"),
        (&pointer, "m.so, which is a Git LFS pointer"),
        ("<html>", "m.so, which is not an ELF file"),
    ] {
        for directory in ["python", "python/lib/python3.12/site-packages"] {
            let told = |code: &str| {
                let world = World::new();
                world.file(format!("{directory}/a/__init__.py"), code).file(format!("{directory}/a/m.so"), content);
                world.json(&["check", "ROOT", "--runtime", "python3.12"])
            };
            for code in ["from . import m\n", "import a.m\n", "from .m import x\n"] {
                let (status, report) = told(code);
                assert_eq!(status, 1, "{code}: {:#}", report["findings"]);
                assert_finding(&report, "R101", &format!("{directory}/a/__init__.py"), words);
            }
            for code in
                ["", "try:\n    from . import m\nexcept ImportError:\n    m = None\n", "m = 1\nfrom . import m\n"]
            {
                let (status, report) = told(code);
                assert_eq!((status, findings(&report, "R101")), (0, Vec::new()), "{code}: {:#}", report["findings"]);
            }
        }
    }
    // A library without the function that an import calls, for whatever machine.
    let world = World::new();
    world.library("python/a/n.so", &[], &[]).file("python/a/__init__.py", "from . import n\n");
    let (status, report) = world.json(&["check", "ROOT", "--runtime", "python3.12"]);
    assert_eq!(status, 1);
    assert_finding(&report, "R101", "python/a/__init__.py", "n.so, which does not define PyInit_n");
    // One that only ctypes loads is none.
    world.file("python/a/__init__.py", "import ctypes\nctypes.CDLL(__file__.replace('__init__.py', 'n.so'))\n");
    assert_eq!(findings(&world.json(&["check", "ROOT", "--runtime", "python3.12"]).1, "R101"), []);
}
