//! With --handler, distributions and npm packages that a function's sources in Python or JavaScript do not use are dropped;
//! what is used keeps what it requires and loads.

use std::fs;

use crate::support::{World, assert_finding, assert_no_finding, findings};
use serde_json::Value;

/// A distribution whose modules have these texts.
fn distribution(world: &World, name: &str, files: &[(&str, &str)], metadata: &str) {
    let info = format!("{name}-1.0.dist-info");
    let mut record = String::new();
    for (file, text) in files {
        world.file(format!("python/{file}"), *text);
        record += &format!("{file},sha256=x,1\n");
    }
    world.file(format!("python/{info}/METADATA"), format!("Name: {name}\nVersion: 1.0\n{metadata}\n\n"));
    world.file(format!("python/{info}/RECORD"), format!("{record}{info}/METADATA,,\n{info}/RECORD,,\n"));
}

fn package(world: &World, path: &str, manifest: &str, code: &str) {
    world.file(
        format!("nodejs/node_modules/{path}/package.json"),
        format!("{{\"name\": \"x\", \"version\": \"1.0.0\"{manifest}}}"),
    );
    world.file(format!("nodejs/node_modules/{path}/index.js"), code);
}

fn code(world: &World, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = world.beside("code").join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("written");
    }
}

fn plan(world: &World, more: &[&str]) -> (i32, Value) {
    world.json(&[&["plan", "ROOT", "--handler", "code"], more].concat())
}

fn kept(report: &Value) -> Vec<String> {
    let packages = report["packages"].as_array().expect("packages").iter();
    packages.map(|package| package["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_module_that_the_function_may_bring_itself_is_a_warning() {
    let world = python();
    let of = |text: &str, own: &str| {
        let _ = fs::remove_dir_all(world.beside("code"));
        code(&world, &[("app.py", text), (own, "x = 1\n")]);
        let (exit, report) = plan(&world, &[]);
        let found = report["findings"].as_array().expect("findings").iter().find(|one| one["code"] == "R108").cloned();
        (exit, found.map(|found| (found["severity"].to_string(), found["help"].to_string())))
    };
    let text = "import sys\nsys.path.append(compute())\nimport mylib\nimport PIL\n";
    for own in ["lib/mylib.py", "vendor/mylib/__init__.py"] {
        let (exit, found) = of(text, own);
        let (severity, help) = found.expect("a finding");
        assert_eq!((exit, severity.as_str()), (0, "\"warning\""), "{own}");
        assert!(help.contains(&format!("code/{own}, which the function has")), "{help}");
    }
    let (exit, found) = of(text, "lib/mylib2.py");
    assert_eq!((exit, found.expect("a finding").0.as_str()), (1, "\"error\""));
}

/// pillow and PyYAML, whose modules have other names; aa, which requires bb, bb with its extra x, and loads dd without
/// declaring it; plus, which plugs into aa; and what nothing needs.
fn python() -> World {
    let world = World::new();
    distribution(&world, "pillow", &[("PIL/__init__.py", ""), ("PIL/Image.py", "")], "");
    distribution(&world, "PyYAML", &[("yaml/__init__.py", "")], "");
    distribution(
        &world,
        "aa",
        &[
            ("aa/__init__.py", "from . import core\n"),
            ("aa/core.py", "import dd\ntry:\n    import ee\nexcept ImportError:\n    pass\n"),
        ],
        "License: of\n        \n        many lines\nRequires-Dist: bb[x]>=1\nRequires-Dist: old; python_version < '3.10'\nProvides-Extra: more\n\
         Requires-Dist: ff; extra == 'more'",
    );
    distribution(&world, "bb", &[("bb.py", "")], "Provides-Extra: x\nRequires-Dist: cc; extra == 'x'");
    for name in ["cc", "dd", "ee", "ff", "old", "idle"] {
        distribution(&world, name, &[(&format!("{name}.py"), "")], "");
    }
    distribution(&world, "plus", &[("plus.py", "")], "");
    world.file("python/plus-1.0.dist-info/entry_points.txt", "[aa.plugins]\nplus = plus\n");
    world
}

#[test]
fn distributions_are_kept_for_the_modules_that_are_imported_and_what_these_load() {
    let world = python();
    code(
        &world,
        &[
            ("app.py", "import json, tomllib\nfrom PIL import Image\nfrom aa.core import f\nfrom lib.util import g\n"),
            ("lib/util.py", "from . import more\n"),
            ("lib/more.py", "import yaml\n"),
            ("tests/test_app.py", "import pytest\n"),
            ("conftest.py", "import pytest\n"),
        ],
    );
    let (status, report) = plan(&world, &["--runtime", "python3.12"]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    assert_eq!(kept(&report), ["aa", "bb", "cc", "dd", "pillow", "pyyaml"]);
    let options = &findings(&report, "R110")[0].1;
    for option in ["aa calls ee (aa.core)", "ff (suggested by aa)", "plus (aa.plugins)"] {
        assert!(options.contains(option), "{option}: {options}");
    }
    let why = world.run(&["why", "pkg:cc", "ROOT", "--handler", "code", "--runtime", "python3.12"]);
    assert!(why.stdout.contains("code/app.py:3 → pkg:aa → pkg:cc"), "{}", why.stdout);
    // What an older Python needs besides.
    let (_, report) = plan(&world, &["--runtime", "python3.9"]);
    assert!(kept(&report).contains(&"old".to_owned()));
    let (_, report) = plan(&world, &["--keep", "suggested:aa"]);
    assert!(["ee", "ff", "plus"].iter().all(|name| kept(&report).iter().any(|kept| kept == name)));
}

#[test]
fn code_of_the_layer_in_no_distribution_keeps_what_it_imports() {
    let world = python();
    world.file("python/common/__init__.py", "import idle\n");
    code(&world, &[("app.py", "import common\n")]);
    let (status, report) = plan(&world, &[]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    assert_eq!(kept(&report), ["idle"]);
}

/// As `site.addsitedir()` does, in Lambda and in `invoke`.
#[test]
fn directories_that_pth_files_name_are_searched() {
    let world = World::new();
    world.file("python/more.pth", "# more\nimport os\nsub\n/opt/python/other\ngone\n");
    world.file("python/sub/inner.py", "import idle\n").file("python/other/outer.py", "");
    distribution(&world, "idle", &[("idle.py", "")], "");
    code(&world, &[("app.py", "import inner, outer\n")]);
    let (status, report) = plan(&world, &["--runtime", "python3.12"]);
    assert_eq!((status, kept(&report)), (0, vec!["idle".to_owned()]), "{:#}", report["findings"]);
    world.file("python/more.pth", "/opt/python/other\n");
    let (_, report) = plan(&world, &["--runtime", "python3.12"]);
    assert_finding(&report, "R108", "code/app.py", "line 1 uses the Python module inner");
}

#[test]
fn modules_of_the_package_that_a_named_file_is_in_are_followed() {
    let world = python();
    code(&world, &[("src/handlers/app.py", "from src.lib import helper\n"), ("src/lib/helper.py", "import yaml\n")]);
    let (status, report) = world.json(&["plan", "ROOT", "--handler", "code/src/handlers/app.py"]);
    assert_eq!((status, kept(&report)), (0, vec!["pyyaml".to_owned()]), "{:#}", report["findings"]);
}

#[test]
fn a_module_that_is_nowhere_is_an_error_with_the_distribution_to_install() {
    let world = python();
    let text = "import boto3, dateutil\nimport cv2\ntry:\n    import orjson\nexcept ImportError:\n    pass\nimport distutils\n\
                import aa.gone\n";
    code(&world, &[("app.py", text)]);
    let (status, report) = plan(&world, &["--runtime", "python3.12"]);
    assert_eq!(status, 1);
    let found = findings(&report, "R108");
    let messages: Vec<&str> = found.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "line 2 uses the Python module cv2, which is not in the tree",
            "line 7 uses the Python module distutils, which is not in the tree",
            "line 4 uses the Python module orjson, which is not in the tree, but works without it",
        ]
    );
    assert!(report["findings"].to_string().contains("install opencv-python-headless into the tree"));
    // Python 3.11 has distutils.
    let (_, report) = plan(&world, &["--runtime", "python3.11"]);
    assert!(!report["findings"].to_string().contains("distutils"));
    // A runtime of another language has no boto3.
    let (_, report) = plan(&world, &["--runtime", "nodejs22.x"]);
    assert!(report["findings"].to_string().contains("module boto3"));
}

#[test]
fn distributions_that_share_a_package_are_told_apart() {
    let world = World::new();
    distribution(&world, "google-cloud-storage", &[("google/cloud/storage/__init__.py", "")], "");
    distribution(&world, "google-cloud-logging", &[("google/cloud/logging/__init__.py", "")], "");
    code(&world, &[("app.py", "from google.cloud import storage\n")]);
    let (status, report) = plan(&world, &[]);
    assert_eq!((status, kept(&report)), (0, vec!["google-cloud-storage".to_owned()]));
    code(&world, &[("app.py", "from google.cloud import bigquery\n")]);
    let (status, report) = plan(&world, &[]);
    assert_eq!(status, 1);
    assert_finding(&report, "R108", "code/app.py", "line 1 uses the Python module google.cloud.bigquery");
    code(&world, &[("app.py", "from google.protobuf import message\n")]);
    let (_, report) = plan(&world, &["--runtime", "python3.12"]);
    assert!(report["findings"].to_string().contains("install protobuf into the tree"), "{:#}", report["findings"]);
}

#[test]
fn what_cannot_be_told_of_a_source_in_python_or_js_is_reported_with_its_line() {
    let world = python();
    code(&world, &[("app.py", "import importlib\nimportlib.import_module(name)\n"), ("a.js", "require(name)\n")]);
    let (_, report) = plan(&world, &[]);
    let found: Vec<String> =
        findings(&report, "R109").into_iter().map(|(file, message)| format!("{file} {message}")).collect();
    let only = "some packages that it uses are known only at run time";
    assert_eq!(
        found,
        [
            format!("code/a.js {only}: line 1: require(name) (the name of the module is computed)"),
            format!("code/app.py {only}: line 2: importlib.import_module(name) (the name of the module is computed)"),
        ]
    );
}

#[test]
fn packages_of_npm_are_kept_for_what_is_loaded_and_what_these_require() {
    let world = World::new();
    let requires = ", \"dependencies\": {\"b\": \"^1\"}, \"optionalDependencies\": {\"native\": \"1\", \"win\": \"1\"}, \
                    \"peerDependencies\": {\"peer\": \"1\", \"driver\": \"1\", \"other\": \"1\"}, \
                    \"peerDependenciesMeta\": {\"driver\": {\"optional\": true}, \"other\": {\"optional\": true}}";
    package(&world, "a", requires, "try { require('extra') } catch { }\n// require('idle')\n");
    package(&world, "a/node_modules/b", "", "");
    for name in ["b", "native", "peer", "driver", "extra", "idle", "@s/c", "ts", "own"] {
        package(&world, name, "", "");
    }
    // An optional package that is there, for another system.
    package(&world, "win", ", \"os\": [\"win32\"]", "");
    code(
        &world,
        &[
            (
                "index.mjs",
                "import fs from 'node:fs'\nimport 'a/sub'\nimport { x } from './lib'\nimport '@aws-sdk/client-s3'\n",
            ),
            (
                "lib/index.ts",
                "import type { T } from 'idle'\nimport { U } from '@s/c'\nU(import('ts'))\nimport 'mine'\n",
            ),
            ("node_modules/mine/package.json", "{\"dependencies\": {\"own\": \"1\"}}"),
            ("jest.config.js", "require('jest')"),
            ("test/a.test.js", "require('mocha')"),
        ],
    );
    let (status, report) = plan(&world, &["--runtime", "nodejs22.x"]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    let paths: Vec<&str> =
        report["packages"].as_array().expect("packages").iter().filter_map(|one| one["path"].as_str()).collect();
    let expected = ["@s/c", "a", "a/node_modules/b", "driver", "native", "own", "peer", "ts"];
    assert_eq!(paths, expected.map(|path| format!("nodejs/node_modules/{path}")));
    assert_finding(&report, "R110", "packages", "a calls extra (index.js)");
    // Node.js has no package of AWS with another runtime.
    let (status, report) = plan(&world, &["--runtime", "python3.12"]);
    assert_eq!(status, 1);
    assert_finding(&report, "R108", "code/index.mjs", "line 4 uses the Node.js package @aws-sdk/client-s3");
}

#[test]
fn versions_that_are_not_accepted_are_reported() {
    let world = World::new();
    distribution(
        &world,
        "aa",
        &[("aa.py", "")],
        "Requires-Python: >=3.13\nRequires-Dist: bb>=2,<3\nRequires-Dist: cc~=1.0",
    );
    distribution(&world, "bb", &[("bb.py", "")], "");
    distribution(&world, "cc", &[("cc.py", "")], "Requires-Python: >=3.12.4");
    package(
        &world,
        "a",
        ", \"dependencies\": {\"b\": \"^2.0.0\", \"c\": \"^1.0.0\"}, \"engines\": {\"node\": \">=22\"}",
        "",
    );
    package(&world, "b", ", \"engines\": {\"node\": \">=18\"}", "");
    package(&world, "c", "", "");
    let (status, report) = world.json(&["analyze", "ROOT", "--runtime", "python3.12"]);
    assert_eq!(status, 1);
    let mut found = findings(&report, "R103");
    found.sort();
    let found: Vec<String> = found.iter().map(|(subject, message)| format!("{subject} {message}")).collect();
    assert_eq!(
        found,
        [
            "pkg:a needs b (^2.0.0), but the tree has 1.0.0",
            "pkg:aa needs Python (>=3.13), but the image has Python 3.12",
            "pkg:aa needs bb (>=2, <3), but the tree has 1.0",
        ]
    );
    let (status, report) = world.json(&["analyze", "ROOT", "--runtime", "nodejs20.x"]);
    assert_eq!(status, 0, "npm only warns");
    let expected = ("pkg:a".to_owned(), "needs Node.js (>=22), but the image has Node.js 20".to_owned());
    assert!(findings(&report, "R103").contains(&expected), "{:#}", report["findings"]);
    let (_, report) = world.json(&["analyze", "ROOT", "--runtime", "python3.14"]);
    assert_no_finding(&report, "R108");
    assert!(findings(&report, "R103").iter().all(|(_, message)| !message.contains("Python")));
}

#[test]
fn an_addon_for_the_abi_of_another_node_is_an_error() {
    let world = World::new();
    let register = |abi: u32| format!("void node_register_module_v{abi}(void) {{}}\n");
    let addon = |path: &str, source: &str| {
        world.c(&format!("nodejs/node_modules/{path}"), source, &[], &["-shared", "-fPIC", "-nostdlib"]);
    };
    package(&world, "old", "", "");
    addon("old/build/Release/old.node", &register(108));
    package(&world, "both", "", "");
    addon("both/prebuilds/linux-x64/node.abi108.node", &register(108));
    addon("both/prebuilds/linux-x64/node.abi115.node", &register(115));
    package(&world, "napi", "", "");
    addon("napi/build/Release/napi.node", "void napi_register_module_v1(void) {}\n");
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "nodejs20.x"]);
    assert_eq!(code, 1);
    let message = "old 1.0.0 cannot be loaded: nodejs/node_modules/old/build/Release/old.node is built for Node.js 18, \
                   NODE_MODULE_VERSION 108, but nodejs20.x has Node.js 20, 115";
    assert_finding(&report, "R105", "pkg:old", message);
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "nodejs18.x"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_no_finding(&report, "R105");
}

/// With the rule, the models of services go that no source names, unless something else could make clients.
#[test]
fn models_of_services_that_no_source_names_can_be_dropped() {
    let world = World::new();
    distribution(&world, "boto3", &[("boto3/__init__.py", "")], "Requires-Dist: botocore");
    let data = ["endpoints.json", "s3/a/service-2.json", "ec2/a/service-2.json", "sts/a/service-2.json"];
    let files: Vec<String> = data.iter().map(|file| format!("botocore/data/{file}")).collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|file| (file.as_str(), "{}")).chain([("botocore/__init__.py", "")]).collect();
    distribution(&world, "botocore", &files, "");
    let dropped = |more: &[&str]| {
        let (code, report) = world.json(&[&["plan", "ROOT", "--select", "botocore-services"], more].concat());
        assert_eq!(code, 0, "{:#}", report["findings"]);
        report["totals"]["pruned"]["files"].as_u64()
    };
    assert_eq!(dropped(&[]), Some(0));
    code(&world, &[("app.py", "import boto3\nboto3.client('s3')\n")]);
    assert_eq!(dropped(&["--handler", "code"]), Some(1), "ec2");
    code(&world, &[("app.py", "import boto3\nboto3.client(name)\n")]);
    assert_eq!(dropped(&["--handler", "code"]), Some(0));
    code(&world, &[("app.py", "import boto3, more\nboto3.client('s3')\n")]);
    distribution(&world, "more", &[("more.py", "")], "Requires-Dist: botocore");
    assert_eq!(dropped(&["--handler", "code"]), Some(0));
}

#[test]
fn a_directory_is_loaded_by_its_package_json() {
    let world = World::new();
    for name in ["of-main", "of-index", "of-none"] {
        package(&world, name, "", "");
    }
    code(
        &world,
        &[
            ("index.js", "require('./one'); require('./two')\n"),
            ("one/package.json", "{\"main\": \"src/main\"}"),
            ("one/src/main.js", "require('of-main')\n"),
            ("one/other.js", "require('of-none')\n"),
            ("two/package.json", "{\"private\": true}"),
            ("two/index.js", "require('of-index')\n"),
        ],
    );
    let (_, report) = world.json(&["plan", "ROOT", "--handler", "code/index.js", "--runtime", "nodejs22.x"]);
    assert_eq!(kept(&report), ["of-index", "of-main"]);
    assert_no_finding(&report, "R109");
}

#[test]
fn what_loaded_code_of_npm_requires_undeclared_is_kept() {
    let at = "nodejs/node_modules";
    let of = |source: &str| {
        let world = World::new();
        package(&world, "a", ", \"dependencies\": {\"b\": \"*\"}", "");
        package(&world, "b", ", \"main\": \"lib.js\"", "");
        world.file(format!("{at}/b/lib.js"), "require('./more')\n").file(format!("{at}/b/more.js"), source);
        world.file(format!("{at}/b/unused.js"), "require('idle')\n");
        for name in ["ghost", "idle"] {
            package(&world, name, "", "");
        }
        code(&world, &[("index.js", "require('a')\n")]);
        kept(&plan(&world, &[]).1)
    };
    for code in ["const g = require('ghost')\n", "import g from 'ghost'\n", "require(\"ghost/sub\")\n"] {
        let names = of(code);
        assert!(names.iter().any(|name| name == "ghost"), "{code}: {names:?}");
        assert!(!names.iter().any(|name| name == "idle"), "{code}: {names:?}");
    }
    for code in [
        "try {\n  require('ghost')\n} catch {}\n",
        "exports.f = () => {\n  require('ghost')\n}\n",
        "// require('ghost')\n",
    ] {
        let names = of(code);
        assert!(!names.iter().any(|name| name == "ghost"), "{code}: {names:?}");
    }
}

#[test]
fn functions_that_import_are_known_by_their_other_names() {
    for source in [
        "from importlib import import_module as load\nload('plug')\n",
        "import importlib\nload = importlib.import_module\nload('plug')\n",
        "from importlib import import_module\nload = import_module\nload('plug')\n",
    ] {
        let world = World::new();
        distribution(&world, "plug", &[("plug/__init__.py", "")], "");
        distribution(&world, "idle", &[("idle/__init__.py", "")], "");
        code(&world, &[("app.py", source)]);
        assert_eq!(kept(&plan(&world, &[]).1), ["plug"], "{source}");
    }
}

#[test]
fn headers_of_metadata_are_read_as_those_of_e_mails() {
    for requires in ["requires-dist: dep\n", "Requires-Dist: dep>=1,\n <3\n", "REQUIRES-DIST:dep\n"] {
        let world = World::new();
        distribution(&world, "top", &[("top/__init__.py", "")], requires);
        distribution(&world, "dep", &[("dep/__init__.py", "")], "");
        code(&world, &[("app.py", "import top\n")]);
        assert_eq!(kept(&plan(&world, &[]).1), ["dep", "top"], "{requires}");
    }
}

#[test]
fn what_a_function_declares_is_kept_where_the_tree_has_it() {
    let world = python();
    code(
        &world,
        &[
            ("app.py", "print(1)\n"),
            ("requirements.txt", "aa[more]>=1\nghost\nidle; sys_platform == 'win32'\n"),
            ("package.json", "{\"dependencies\": {\"other\": \"1\"}}"),
        ],
    );
    package(&world, "unrelated", "", "");
    let (status, report) = plan(&world, &["--runtime", "python3.12"]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    // Packages of a language that the function has no code in are left alone.
    assert_eq!(kept(&report), ["aa", "bb", "cc", "dd", "ff", "unrelated"]);
    assert_no_finding(&report, "R108");
    assert_no_finding(&report, "R109");

    let world = World::new();
    for name in ["a", "b", "c", "d"] {
        package(&world, name, "", "");
    }
    code(
        &world,
        &[
            ("app.mjs", "readFileSync('/opt/nodejs/node_modules/c/index.js');\n"),
            (
                "package.json",
                "{\"dependencies\": {\"a\": \"1\", \"ghost\": \"1\"}, \"devDependencies\": {\"b\": \"1\"}}",
            ),
        ],
    );
    let (status, report) = plan(&world, &["--runtime", "nodejs22.x"]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    assert_eq!(kept(&report), ["a", "c"]);
    assert_no_finding(&report, "R108");
}

#[test]
fn a_list_of_what_is_required_is_not_code() {
    let world = python();
    code(&world, &[("requirements.txt", "aa\n")]);
    let run = world.run(&["plan", "ROOT", "--handler", "code"]);
    assert!(run.stderr.contains("contains no source"), "{}", run.stderr);
}
