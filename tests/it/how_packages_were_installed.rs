//! Packages of Python and npm that were installed for something else than Lambda: on another system, in another place, with
//! their code elsewhere, or without naming the runtime. Each has a finding that names the package and the remedy.

use std::fs;

use crate::support::{World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings};
use layerfit::base::finding::Code;

const MACH_O: &[u8] = b"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x06\0\0\0";

/// A distribution `x` 1.0 in this directory with these files, each with its name as content.
fn distribution(world: &World, at: &str, files: &[&str]) {
    for file in files {
        world.file(format!("{at}/{file}"), format!("# {file}\n"));
    }
    let record: String = files.iter().map(|file| format!("{file},,\n")).collect();
    world.file(format!("{at}/x-1.0.dist-info/METADATA"), "Name: x\nVersion: 1.0\n");
    world.file(format!("{at}/x-1.0.dist-info/RECORD"), record);
}

fn npm(world: &World, path: &str, more: &str) {
    world.file(format!("nodejs/{path}/package.json"), format!("{{\"version\": \"1.0.0\"{more}}}"));
    world.file(format!("nodejs/{path}/index.js"), "//");
}

fn check(world: &World, runtime: &str) -> (i32, serde_json::Value) {
    world.json(&["check", "ROOT", "--runtime", runtime])
}

#[test]
fn extension_modules_for_another_system_are_an_error_and_beside_code_a_warning() {
    for (name, system) in
        [("_m.cpython-312-darwin.so", "macOS"), ("_m.cp312-win_amd64.pyd", "Windows"), ("_m.pyd", "Windows")]
    {
        let world = World::new();
        distribution(&world, "python", &["x/__init__.py"]);
        world.file(format!("python/x/{name}"), MACH_O);
        world.file("python/x-1.0.dist-info/RECORD", format!("x/__init__.py,,\nx/{name},,\n"));
        let (code, report) = check(&world, "python3.12");
        assert_eq!(code, 1);
        assert_finding(
            &report,
            "R101",
            "pkg:x",
            &format!("x 1.0 cannot be imported: its extension modules are for {system}"),
        );
        // A pure wheel works without them.
        world.file("python/x-1.0.dist-info/WHEEL", "Tag: py3-none-any\n");
        let (code, report) = check(&world, "python3.12");
        assert_eq!(code, 0);
        assert_finding(&report, "R101", "pkg:x", "its only extension modules are for");
        // Python code of the same name is imported instead.
        world.file("python/x/_m.py", "");
        assert_no_finding(&check(&world, "python3.12").1, "R101");
    }
    // One for Linux is beside it.
    let world = World::new();
    let machine = std::env::consts::ARCH;
    let linux = format!("x/_m.cpython-312-{machine}-linux-gnu.so");
    distribution(&world, "python", &["x/__init__.py", "x/_m.cpython-312-darwin.so", &linux]);
    world.file("python/x/_m.cpython-312-darwin.so", MACH_O).library(&format!("python/{linux}"), &[], &[]);
    assert_no_finding(&check(&world, "python3.12").1, "R101");
}

#[test]
fn a_wheel_for_a_newer_stable_abi_is_an_error() {
    let world = World::new();
    distribution(&world, "python", &["x/__init__.py", "x/_m.abi3.so"]);
    world.library("python/x/_m.abi3.so", &[], &[]);
    world.file("python/x-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp313-abi3-manylinux_2_28_x86_64\n");
    let (code, report) = check(&world, "python3.12");
    assert_eq!(code, 1);
    assert_finding(&report, "R105", "pkg:x", "x 1.0 cannot be imported: its wheel is for CPython 3.13 and newer");
    assert_no_finding(&check(&world, "python3.13").1, "R105");
    world.file(
        "python/x-1.0.dist-info/WHEEL",
        "Tag: cp39-abi3-manylinux_2_28_x86_64\nTag: cp313-abi3-manylinux_2_34_x86_64\n",
    );
    assert_no_finding(&check(&world, "python3.12").1, "R105");
}

#[test]
fn extension_modules_for_another_build_of_python_are_an_error() {
    let machine = std::env::consts::ARCH;
    for (tag, of) in [
        (format!("cpython-312t-{machine}-linux-gnu"), "free-threaded CPython 3.12"),
        (format!("cpython-312d-{machine}-linux-gnu"), "a debug build of CPython 3.12"),
        (format!("pypy310-pp73-{machine}-linux-gnu"), "PyPy"),
    ] {
        let world = World::new();
        distribution(&world, "python", &["x/__init__.py", &format!("x/_m.{tag}.so")]);
        world.library(&format!("python/x/_m.{tag}.so"), &[], &[]);
        let (code, report) = check(&world, "python3.12");
        assert_eq!(code, 1);
        let message = format!(
            "x 1.0 cannot be imported: a module is for {of}, but python3.12 has Python 3.12: python/x/_m.{tag}.so"
        );
        assert_finding(&report, "R105", "pkg:x", &message);
        // One that is imported is beside it.
        world.library(&format!("python/x/_m.cpython-312-{machine}-linux-gnu.so"), &[], &[]);
        assert_no_finding(&check(&world, "python3.12").1, "R105");
    }
}

#[test]
fn distributions_and_packages_without_their_code_are_named() {
    let world = World::new();
    let module = "x/_m.cpython-312-x86_64-linux-gnu.so";
    distribution(&world, "python", &["x/core.py"]);
    let record = format!("x/__init__.py,,\n{module},,\nx/core.py,,\nx/gone.py,,\nx/tests/_t.abi3.so,,\n../bin/x,,\n");
    world.file("python/x-1.0.dist-info/RECORD", record);
    let (code, report) = check(&world, "python3.12");
    assert_eq!(code, 0);
    let message = format!("x 1.0 is not complete: its RECORD lists x/__init__.py, {module}, which are not in the tree");
    assert_finding(&report, "R101", "pkg:x", &message);
    world.file("python/x/__init__.py", "").library(&format!("python/{module}"), &[], &[]);
    assert_no_finding(&check(&world, "python3.12").1, "R101");

    let world = World::new();
    let package = |name: &str, more: &str, files: &[&str]| {
        world.file(format!("nodejs/node_modules/{name}/package.json"), format!("{{\"version\": \"1.0.0\"{more}}}"));
        for file in files {
            world.file(format!("nodejs/node_modules/{name}/{file}"), "//");
        }
    };
    package("main", ", \"main\": \"./dist/main\"", &["src/main.ts"]);
    let (code, report) = check(&world, "nodejs20.x");
    assert_eq!(code, 0);
    let message = "main 1.0.0 cannot be loaded: its package.json names ./dist/main, which is not in the tree";
    assert_finding(&report, "R101", "pkg:main", message);
    package("main", ", \"main\": \"./dist/main\"", &["dist/main/index.js"]);
    let exports =
        ", \"exports\": {\".\": {\"types\": \"./a.d.ts\", \"import\": \"./a.mjs\", \"require\": \"./a.cjs\"}}";
    package("exports", exports, &["a.d.ts"]);
    let (_, report) = check(&world, "nodejs20.x");
    assert_finding(&report, "R101", "pkg:exports", "exports 1.0.0 cannot be loaded: its package.json names ./a.");
    // What Node.js takes for them, and packages that have no code.
    package("exports", exports, &["a.mjs", "a.cjs"]);
    package("index", ", \"main\": \"gone.js\"", &["index.js"]);
    package("types", ", \"types\": \"a.d.ts\"", &["a.d.ts"]);
    package("styles", ", \"exports\": {\"./a.css\": \"./a.css\"}", &[]);
    package("module", ", \"exports\": \"./m.js\"", &["m.js"]);
    package("empty", ", \"main\": \"\"", &[]);
    assert_no_finding(&check(&world, "nodejs20.x").1, "R101");
}

#[test]
fn packages_in_zips_of_yarn_cannot_be_loaded() {
    let world = World::new();
    world.file("nodejs/.pnp.cjs", "//").file("nodejs/.yarn/cache/a-npm-1.0.0.zip", "PK");
    world.file("nodejs/node_modules/.yarn-state.yml", "");
    let (code, report) = check(&world, "nodejs20.x");
    assert_eq!(code, 1);
    assert_finding(&report, "R101", "nodejs/.pnp.cjs", "Yarn keeps the packages in zips (Plug'n'Play)");
    assert!(report["findings"].to_string().contains("yarn config set nodeLinker node-modules"));
    // What an earlier installation left.
    npm(&world, "node_modules/a", "");
    assert_no_finding(&check(&world, "nodejs20.x").1, "R101");
}

#[test]
fn a_distribution_that_was_installed_editable_has_its_code_elsewhere() {
    let world = World::new();
    distribution(&world, "python", &["__editable___x_1_0_finder.py"]);
    let url = |directory: &str| format!("{{\"dir_info\": {{\"editable\": true}}, \"url\": \"file://{directory}\"}}");
    world.file("python/x-1.0.dist-info/direct_url.json", url("/home/me/x"));
    let (code, report) = check(&world, "python3.12");
    assert_eq!(code, 1);
    let message = "x 1.0 cannot be imported: it was installed with --editable, so its code is still in /home/me/x";
    assert_finding(&report, "R101", "pkg:x", message);
    // A directory of the layer is found, and what was installed from a directory is there.
    world.directory("src/x").file("python/x-1.0.dist-info/direct_url.json", url("/opt/src/x"));
    assert_no_finding(&check(&world, "python3.12").1, "R101");
    world.file("python/x-1.0.dist-info/direct_url.json", "{\"dir_info\": {}, \"url\": \"file:///home/me/x\"}");
    assert_no_finding(&check(&world, "python3.12").1, "R101");
}

#[test]
fn packages_where_the_runtime_does_not_search_are_named_unless_they_are_elsewhere_too() {
    let world = World::new();
    distribution(&world, "python/lib/python3.11/site-packages", &["x/__init__.py"]);
    let (_, report) = check(&world, "python3.12");
    let library = "python/lib/python3.11/site-packages";
    assert_finding(&report, "R107", library, "python3.12 does not search it: x cannot be imported");
    assert_no_finding(&check(&world, "python3.11").1, "R107");
    let (_, report) =
        world.json(&["check", "ROOT", "--runtime", "python3.12", "--env", &format!("PYTHONPATH=/opt/{library}")]);
    assert_no_finding(&report, "R107");
    // A layer for several versions.
    distribution(&world, "python/lib/python3.12/site-packages", &["x/__init__.py"]);
    assert_no_finding(&check(&world, "python3.12").1, "R107");

    let world = World::new();
    npm(&world, "node18/node_modules/x", "");
    let (_, report) = check(&world, "nodejs20.x");
    assert_finding(&report, "R107", "nodejs/node18/node_modules", "nodejs20.x does not search it: x cannot be loaded");
    assert_no_finding(&check(&world, "nodejs18.x").1, "R107");
    npm(&world, "node_modules/x", "");
    assert_no_finding(&check(&world, "nodejs20.x").1, "R107");
}

#[test]
fn a_remedy_names_no_runtime_that_there_is_not() {
    let world = World::new();
    distribution(&world, "python/lib/python3.8/site-packages", &["x/__init__.py"]);
    npm(&world, "node16/node_modules/y", "");
    npm(&world, "node18/node_modules/z", "");
    for (runtime, help) in [
        ("python3.12", "add /opt/python/lib/python3.8/site-packages to the function's sys.path"),
        ("nodejs20.x", "move it to nodejs/node_modules"),
        ("nodejs20.x", "move it to nodejs/node_modules, or choose --runtime nodejs18.x, which does"),
        ("provided.al2023", "name the function's runtime: --runtime python3.9, "),
    ] {
        let (_, report) = check(&world, runtime);
        let helps: Vec<&str> = report["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .filter_map(|finding| finding["help"].as_str())
            .collect();
        assert!(helps.iter().any(|text| text.starts_with(help) || text.ends_with(help)), "{help}: {helps:?}");
        assert!(
            !helps.iter().any(|text| text.contains("--runtime python3.8") || text.contains("nodejs16.x")),
            "{helps:?}"
        );
    }
}

#[test]
fn a_directory_that_python_does_not_search_is_told_once() {
    let world = World::new();
    distribution(&world, "lib/python3.12/site-packages", &["x/__init__.py"]);
    let (_, report) = check(&world, "python3.12");
    assert_eq!((findings(&report, "S110").len(), findings(&report, "R107").len()), (1, 0));
    // No rule of where packages usually are has this one.
    let world = World::new();
    distribution(&world, "vendored", &["x/__init__.py"]);
    let (_, report) = check(&world, "python3.12");
    assert_eq!((findings(&report, "S110").len(), findings(&report, "R107").len()), (0, 1));
}

#[test]
fn a_module_that_hides_one_of_the_standard_library_is_an_error_where_the_runtime_imports_it_itself() {
    let world = World::new();
    distribution(&world, "python", &["enum/__init__.py", "typing_extensions.py", "x/typing.py", "test/__init__.py"]);
    let (code, report) = check(&world, "python3.12");
    assert_eq!(code, 1);
    assert_finding(
        &report,
        "R112",
        "python/enum/__init__.py",
        "the module enum of x 1.0 is found before that of Python 3.12",
    );
    let world = World::new();
    distribution(&world, "python", &["uuid.py"]);
    let (code, report) = check(&world, "python3.12");
    assert_eq!(code, 0);
    assert_finding(&report, "R112", "python/uuid.py", "the module uuid of x 1.0 is found before");
    // Python 3.12 has no distutils.
    let world = World::new();
    distribution(&world, "python", &["distutils/__init__.py"]);
    assert_no_finding(&check(&world, "python3.12").1, "R112");
    assert_eq!(findings(&check(&world, "python3.11").1, "R112").len(), 1);
    // With PYTHONPATH, Lambda does not search it.
    let elsewhere = ["check", "ROOT", "--runtime", "python3.11", "--env", "PYTHONPATH=/opt/other"];
    assert_no_finding(&world.json(&elsewhere).1, "R112");
    assert_fired_and_nearly_missed(Code::HidesStandardModule);
}

#[test]
fn a_runtime_without_the_language_is_named_with_the_one_that_fits() {
    let world = World::new();
    distribution(&world, "python", &["x/__init__.py", "x/_m.cpython-311-x86_64-linux-gnu.so"]);
    let run = world.run(&["check", "ROOT"]);
    assert_eq!(run.code, 1, "the module is not an ELF file");
    let (_, report) = world.json(&["check", "ROOT"]);
    let message = "the tree has 1 package for Python, but neither it nor provided.al2023 has Python";
    assert_finding(&report, "R113", "Python", message);
    let help = report["findings"].as_array().expect("findings").iter().find(|finding| finding["code"] == "R113");
    assert_eq!(help.expect("there")["help"], "name the function's runtime: --runtime python3.11");
    assert_no_finding(&check(&world, "python3.11").1, "R113");
    assert_no_finding(&check(&world, "host").1, "R113");
    npm(&world, "node_modules/y", "");
    assert_finding(&check(&world, "python3.11").1, "R113", "Node.js", "neither it nor python3.11 has Node.js");
    // The tree has an interpreter of its own.
    let world = World::new();
    distribution(&world, "lib/python3.11/site-packages", &["x/__init__.py"]);
    world.program("bin/python3.11", &[], &[]);
    assert_no_finding(&world.json(&["check", "ROOT"]).1, "R113");
    assert_fired_and_nearly_missed(Code::LanguageNotThere);
}

#[test]
fn a_package_with_its_part_for_other_platforms_only_is_an_error() {
    let optional = r#", "optionalDependencies": {"@img/x-darwin-arm64": "1", "@img/x-linux-x64": "1", "@img/x-linuxmusl-x64": "1"}"#;
    for (there, is_wrong) in [
        (&["@img/x-darwin-arm64"][..], true),
        (&["@img/x-linuxmusl-x64"], true),
        (&["@img/x-darwin-arm64", "@img/x-linux-x64"], false),
        // They are optional: it may do without.
        (&[], false),
    ] {
        let world = World::new();
        npm(&world, "node_modules/x", optional);
        for name in there {
            npm(&world, &format!("node_modules/{name}"), "");
        }
        let (code, report) = check(&world, "nodejs20.x");
        if is_wrong {
            assert_eq!(code, 1, "{there:?}");
            let message =
                format!("x 1.0.0 cannot be loaded: the tree only has its part for {}, not @img/x-linux-x64", there[0]);
            assert_finding(&report, "R101", "pkg:x", &message);
            // It was compiled.
            world.library("nodejs/node_modules/x/build/Release/x.node", &[], &[]);
            assert_no_finding(&check(&world, "nodejs20.x").1, "R101");
        } else {
            assert_no_finding(&report, "R101");
        }
    }
}

#[test]
fn packages_of_a_workspace_and_of_stores_are_found_through_links() {
    let world = World::new();
    npm(&world, "node_modules/a", r#", "dependencies": {"mine": "*", "stored": "*"}"#);
    npm(&world, "packages/mine", r#", "dependencies": {"gone": "*"}"#);
    npm(&world, "node_modules/.pnpm/stored@1.0.0/node_modules/stored", r#", "dependencies": {"deep": "*"}"#);
    npm(&world, "node_modules/.pnpm/deep@1.0.0/node_modules/deep", "");
    world
        .link("nodejs/node_modules/mine", "../packages/mine")
        .link("nodejs/node_modules/stored", ".pnpm/stored@1.0.0/node_modules/stored")
        .link("nodejs/node_modules/.pnpm/stored@1.0.0/node_modules/deep", "../../deep@1.0.0/node_modules/deep");
    let (_, report) = check(&world, "nodejs20.x");
    assert_finding(&report, "R102", "pkg:mine", "declares that it needs the package gone");
    let names: Vec<&str> = report["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|one| one["name"].as_str().expect("text"))
        .collect();
    assert_eq!(names, ["a", "deep", "mine", "stored"]);
    // What a handler loads is kept, with the links that lead there.
    fs::create_dir(world.beside("fn")).expect("made");
    fs::write(world.beside("fn/index.js"), "require('mine'); require('stored');\n").expect("written");
    let run = world.run(&["pack", "ROOT", "-o", "OUT", "--runtime", "nodejs20.x", "--handler", "fn"]);
    assert!(run.code < 2, "{}", run.stderr);
    let mut kept: Vec<String> =
        crate::support::zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, _, _)| name).collect();
    kept.retain(|name| !name.ends_with("package.json") && !name.ends_with("index.js"));
    let links = [".pnpm/stored@1.0.0/node_modules/deep", "mine", "stored"];
    assert_eq!(kept, links.map(|link| format!("nodejs/node_modules/{link}")));
}

#[test]
fn older_distributions_are_packages_too() {
    let world = World::new();
    world
        .file("python/old/__init__.py", "")
        .file("python/old_helper.py", "")
        .file("python/old-2.0-py3.12.egg-info/PKG-INFO", "Name: Old\nVersion: 2.0\n")
        .file("python/old-2.0-py3.12.egg-info/top_level.txt", "old\nold_helper\n")
        .file("python/old-2.0-py3.12.egg-info/requires.txt", "gone>=1\n\n[extra]\nother\n")
        .file("python/single.py", "")
        .file("python/single-1.0.egg-info", "Name: single\nVersion: 1.0\n");
    let (_, report) = check(&world, "python3.12");
    assert_finding(&report, "R102", "pkg:old", "declares that it needs the package gone");
    let units: Vec<(String, u64)> = report["units"]
        .as_array()
        .expect("units")
        .iter()
        .map(|unit| (unit["name"].as_str().expect("text").to_owned(), unit["files"].as_u64().expect("a count")))
        .collect();
    assert_eq!(units, [("pkg:old".to_owned(), 5), ("pkg:single".to_owned(), 2)]);
    // Names that are given again and again, or are not modules, give it nothing more.
    let list = format!("{}.\n..\nold/deep\n", "old\nold_helper\n".repeat(900));
    world.file("python/old-2.0-py3.12.egg-info/top_level.txt", list);
    let (_, report) = check(&world, "python3.12");
    let units = report["units"].as_array().expect("units").iter();
    assert_eq!(units.map(|unit| unit["files"].as_u64().expect("a count")).collect::<Vec<_>>(), [5, 2]);
}

#[test]
fn scripts_and_data_of_a_record_go_with_their_distribution() {
    // As `pip install --target` leaves it, and as in an environment.
    for (library, up, prefix) in [("python", "../..", "python"), ("lib/python3.12/site-packages", "../../..", ".")] {
        let world = World::new();
        distribution(&world, library, &["x/__init__.py"]);
        let record = format!("x/__init__.py,,\n{up}/share/x/data.txt,,\n{up}/bin/x,,\n{up}/etc/gone.conf,,\n");
        world.file(format!("{library}/x-1.0.dist-info/RECORD"), record);
        for name in ["share/x/data.txt", "bin/x", "share/other.txt"] {
            world.file(if prefix == "." { name.to_owned() } else { format!("{prefix}/{name}") }, name);
        }
        let run = world.run(&["pack", "ROOT", "-o", "OUT", "--drop", "pkg:x", "--runtime", "python3.12"]);
        assert!(run.code < 2, "{}", run.stderr);
        let left = crate::support::zip_entries(&world.beside("out/layer-1.zip"));
        let names: Vec<&str> = left.iter().map(|(name, _, _)| name.as_str()).collect();
        let other = if prefix == "." { "share/other.txt" } else { "python/share/other.txt" };
        assert_eq!(names, [other], "{library}");
    }
}

#[test]
fn a_package_that_lists_two_hundred_thousand_others_is_read_within_a_bound() {
    let world = World::new();
    let listed: Vec<String> = (0..200_000).map(|at| format!("\"d{at}\": \"*\"")).collect();
    npm(&world, "node_modules/x", &format!(", \"dependencies\": {{{}}}", listed.join(",")));
    let (code, report) = check(&world, "nodejs20.x");
    assert_eq!(code, 0);
    assert_eq!(findings(&report, "R102").len(), 5_000);
}

#[test]
fn addons_for_both_machines_are_for_that_of_the_function() {
    let world = World::new();
    npm(&world, "node_modules/x", "");
    let at = "nodejs/node_modules/x/prebuilds";
    // Only the loader of its own machine is needed by each.
    for (machine, code, interpreter) in
        [("x64", 62_u8, "ld-linux-x86-64.so.2"), ("arm64", 183, "ld-linux-aarch64.so.1"), ("extra", 183, "none.so")]
    {
        world.library(&format!("lib/{interpreter}"), &[], &[]);
        let path = if machine == "extra" {
            format!("{at}/android-arm64/x.bare")
        } else {
            format!("{at}/linux-{machine}/x.node")
        };
        world.library(&path, &[&format!("lib/{interpreter}")], &[]).change_byte(&path, 18, |_| code);
        fs::remove_file(world.root().join(format!("lib/{interpreter}"))).expect("removed");
    }
    for more in [&[][..], &["--arch", "arm64"]] {
        let (code, report) = world.json(&[&["check", "ROOT", "--runtime", "nodejs20.x"], more].concat());
        assert_eq!(code, 0, "{:#}", report["findings"]);
        assert_no_finding(&report, "L201");
        assert_eq!(report["architecture"]["name"], if more.is_empty() { "x86_64" } else { "arm64" });
    }
}

#[test]
fn a_configuration_for_another_language_has_no_lines_for_r() {
    let world = World::new();
    distribution(&world, "python/lib/python3.11/site-packages", &["x/__init__.py"]);
    world.library("python/lib/python3.12/site-packages/y/_m.cpython-312-x86_64-linux-gnu.so", &[], &[]);
    assert_eq!(world.run(&["init", "ROOT"]).code, 0);
    let text = fs::read_to_string(world.beside("layerfit.toml")).expect("written");
    assert!(text.contains("runtime = \"python3.12\""), "{text}");
    for line in ["r-libs-user", "repack-rdb", "relocate", "nlme", "prefix = \"r-\""] {
        assert!(!text.contains(line), "{line}: {text}");
    }
    // Without comments, it is accepted.
    fs::write(world.beside("layerfit.toml"), text.replace("# strip", "strip").replace("# select", "select"))
        .expect("written");
    assert_eq!(world.run(&["plan", "ROOT"]).code, 0);
}

/// A pointer of Git LFS.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

#[test]
fn a_distribution_that_imports_a_module_that_is_gone_is_an_error() {
    for (init, other) in [
        ("from .core import f\n", ""),
        ("from . import core\n", ""),
        ("import x.core\n", ""),
        ("from x import a\n", "from .core import (\n    f,\n)\n"),
    ] {
        let world = World::new();
        distribution(&world, "python", &["x/__init__.py", "x/a.py", "x/core.py"]);
        world.file("python/x/__init__.py", init).file("python/x/a.py", other);
        assert_no_finding(&check(&world, "python3.12").1, "R101");
        fs::remove_file(world.root().join("python/x/core.py")).expect("removed");
        let (code, report) = check(&world, "python3.12");
        assert_eq!(code, 1, "{init}");
        let message = "imports x/core.py, which its RECORD lists and which is not in the tree";
        assert_finding(&report, "R101", "pkg:x", message);
        // It is there compiled, or as an extension module.
        world.file("python/x/core.pyc", "compiled");
        assert_no_finding(&check(&world, "python3.12").1, "R101");
        fs::remove_file(world.root().join("python/x/core.pyc")).expect("removed");
        world.file("python/x/core.py", POINTER);
        let (code, report) = check(&world, "python3.12");
        assert_eq!(code, 1, "{init}");
        assert_finding(&report, "R101", "pkg:x", "x/core.py is a pointer of Git LFS in place of the file");
    }
    for init in [
        "try:\n    from .core import f\nexcept ImportError:\n    f = None\n",
        "def g():\n    from .core import f\n",
        "",
    ] {
        let world = World::new();
        distribution(&world, "python", &["x/__init__.py", "x/a.py", "x/core.py"]);
        // Nothing that is loaded with the distribution imports a.py.
        world.file("python/x/__init__.py", init).file("python/x/a.py", "from .core import f\n");
        fs::remove_file(world.root().join("python/x/core.py")).expect("removed");
        assert_no_finding(&check(&world, "python3.12").1, "R101");
    }
}

#[test]
fn a_package_of_npm_that_cannot_be_loaded_is_an_error() {
    let at = "nodejs/node_modules/a";
    let world = World::new();
    for (content, is_broken) in [("{\"name\": \"a\",", true), ("", true), ("\u{feff}{\"version\": \"1.0.0\"}", false)] {
        world.file(format!("{at}/package.json"), content).file(format!("{at}/index.js"), "");
        let (code, report) = check(&world, "nodejs20.x");
        assert_eq!(code, i32::from(is_broken), "{content}");
        if is_broken {
            assert_finding(
                &report,
                "R101",
                &format!("{at}/package.json"),
                "is not JSON: Node.js cannot load the package",
            );
        } else {
            assert_eq!(report["packages"][0]["name"], "a");
        }
    }
    let of = |main: &str, files: &[(&str, &str)]| {
        let world = World::new();
        npm(&world, "node_modules/a", main);
        for (file, content) in files {
            world.file(format!("{at}/{file}"), content);
        }
        check(&world, "nodejs20.x")
    };
    let gone = "requires ./lib/gone, which is not in the tree";
    for (files, message) in [
        (&[("index.js", "const a = require('./lib/gone');\n")][..], gone),
        (&[("index.js", "const {\n} = 1;\nmodule.exports = require('./lib/gone')\n")], gone),
        (&[("index.js", "import b from './lib/gone';\n")], "imports ./lib/gone, which is not in the tree"),
        (
            &[("index.js", "require('./b')\n"), ("b/index.js", "exports.a = require('../lib/gone')\n")],
            "requires ../lib/gone",
        ),
        (&[("index.js", "const data = require('./data.json')\n")], "requires ./data.json"),
        (&[("index.js", "var a = require('./build/Release/a.node')\n")], "requires ./build/Release/a.node"),
        (&[("index.js", POINTER)], "is a pointer of Git LFS"),
    ] {
        let (code, report) = of("", files);
        assert_eq!(code, 1, "{files:?}");
        assert_finding(&report, "R101", "pkg:a", message);
    }
    assert_finding(
        &of(", \"main\": \"lib\"", &[("lib/index.js", POINTER)]).1,
        "R101",
        "pkg:a",
        "is a pointer of Git LFS",
    );
    for code in [
        "try {\n  module.exports = require('./lib/gone')\n} catch {}\n",
        "let a;\ntry {\na = require('./lib/gone')\n} catch (e) { a = null }\n",
        "exports.f = () => require('./lib/gone')\n",
        "function f() {\n  return require('./lib/gone')\n}\n",
        "/*\nconst a = require('./lib/gone')\n*/\n",
        "if (process.env.A) require('./lib/gone')\n",
        "const a = require('./lib')\nconst b = require('./b.json')\nconst c = require('./d')\nconst d = require('./c.node')\n",
        "const a = require('../../../../../outside')\n",
    ] {
        let files = [("index.js", code), ("lib/index.js", ""), ("b.json", "{}"), ("c.node", "x"), ("e/f.js", "")];
        let directory = [("d/package.json", "{\"main\": \"../e/f.js\"}")];
        assert_no_finding(&of("", &[&files[..], &directory[..]].concat()).1, "R101");
    }
}

/// A layer for several versions has a directory for each, of which a function's Python searches one.
#[test]
fn what_only_another_version_of_python_searches_is_neither_a_copy_nor_what_is_required() {
    let at = |minor: &str| format!("python/lib/python3.{minor}/site-packages");
    let world = World::new();
    for minor in ["11", "12"] {
        distribution(&world, &at(minor), &["x/__init__.py"]);
    }
    world.file(format!("{}/x-1.0.dist-info/METADATA", at("11")), "Name: x\nVersion: 1.0\nRequires-Python: <3.12\n");
    let (code, report) = check(&world, "python3.12");
    assert_eq!(code, 0, "{report:#}");
    for check in ["R103", "R104", "R107"] {
        assert_no_finding(&report, check);
    }
    // Both are searched.
    distribution(&world, "python", &["x/__init__.py"]);
    assert_finding(&check(&world, "python3.12").1, "R104", "pkg:x", "python (1.0)");

    // What is required is only there for the other version, or too old for this one.
    let world = World::new();
    distribution(&world, &at("12"), &["x/__init__.py"]);
    world.file(format!("{}/x-1.0.dist-info/METADATA", at("12")), "Name: x\nVersion: 1.0\nRequires-Dist: y>=2\n");
    for (minor, version) in [("11", "2.0"), ("12", "1.0")] {
        let info = format!("{}/y-{version}.dist-info", at(minor));
        world.file(format!("{info}/METADATA"), format!("Name: y\nVersion: {version}\n"));
        world.file(format!("{info}/RECORD"), "y.py,,\n").file(format!("{}/y.py", at(minor)), "");
    }
    assert_finding(&check(&world, "python3.12").1, "R103", "pkg:x", "needs y (>=2), but the tree has 1.0");
}

#[test]
fn modules_of_no_distribution_that_only_another_version_searches_are_named() {
    let world = World::new();
    let other = "python/lib/python3.11/site-packages";
    world.file(format!("{other}/one.py"), "").file(format!("{other}/two/__init__.py"), "");
    world.file(format!("{other}/both.py"), "").file("python/both/__init__.py", "");
    let (_, report) = check(&world, "python3.12");
    assert_finding(&report, "R107", other, "one, two cannot be imported");
    assert_no_finding(&check(&world, "python3.11").1, "R107");
    let (_, report) =
        world.json(&["check", "ROOT", "--runtime", "python3.12", "--env", &format!("PYTHONPATH=/opt/{other}")]);
    assert_no_finding(&report, "R107");
    world.file("python/one.py", "").file("python/two.py", "");
    assert_no_finding(&check(&world, "python3.12").1, "R107");
}

/// What `git merge` leaves in a file.
const CONFLICT: &str = "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> main\n";

#[test]
fn modules_that_are_not_the_code_that_was_installed_are_an_error() {
    let with = |record: &str, core: &str| {
        let world = World::new();
        distribution(&world, "python", &["x/__init__.py", "x/core.py"]);
        world.file("python/x/__init__.py", "from .core import x\n").file("python/x/core.py", core);
        world.file("python/x-1.0.dist-info/RECORD", format!("x/__init__.py,sha256=a,500\n{record}"));
        world
    };
    let world = with("x/core.py,sha256=a,500\n", "");
    assert_finding(&check(&world, "python3.12").1, "R101", "pkg:x", "x/core.py is empty, and has 500 B in its RECORD");
    assert_no_finding(&check(&with("x/core.py,sha256=a,0\n", ""), "python3.12").1, "R101");
    assert_no_finding(&check(&with("x/core.py,,\n", ""), "python3.12").1, "R101");
    world.file("python/x/core.py", "x = 1\n").file("python/x/__init__.py", "");
    let (code, report) = check(&world, "python3.12");
    assert_eq!(code, 1);
    assert_finding(&report, "R101", "pkg:x", "x/__init__.py is empty");
    // A merge that was not finished, in a distribution and in code of one's own; not in a text.
    world.file("python/x/__init__.py", format!("import os\n{CONFLICT}"));
    assert_finding(&check(&world, "python3.12").1, "R101", "pkg:x", "has a conflict of a merge on line 2");
    for text in [format!("\"\"\"\n{CONFLICT}\"\"\"\n"), "x = 1\n=======\n".to_owned(), "# <<<<<<< HEAD\n".to_owned()] {
        world.file("python/x/__init__.py", text);
        assert_no_finding(&check(&world, "python3.12").1, "R101");
    }
    for (content, message) in [(CONFLICT, "has a conflict of a merge on line 1"), (POINTER, "is a pointer of Git LFS")]
    {
        world.file("python/own.py", content);
        let (code, report) = check(&world, "python3.12");
        assert_eq!(code, 1);
        assert_finding(&report, "R101", "python/own.py", message);
    }
}

#[test]
fn data_that_is_gone_and_that_code_names_is_a_warning_unless_layerfit_dropped_it() {
    let world = World::new();
    distribution(&world, "python", &["x/__init__.py", "x/core.py", "x/cacert.pem"]);
    let open = "import os\nP = os.path.join(os.path.dirname(__file__), 'cacert.pem')\n";
    world.file("python/x/core.py", open);
    assert_no_finding(&check(&world, "python3.12").1, "R101");
    // A rule drops it, and so does the command line: those have findings of their own, if any.
    let dropped = ["check", "ROOT", "--runtime", "python3.12", "--drop", "python/x/cacert.pem"];
    assert_no_finding(&world.json(&dropped).1, "R101");
    fs::remove_file(world.root().join("python/x/cacert.pem")).expect("removed");
    let message = "python/x/core.py names x/cacert.pem, which its RECORD lists and which is not in the tree";
    assert_finding(&check(&world, "python3.12").1, "R101", "pkg:x", message);
    for code in ["", "P = 'old-cacert.pem'\n", "# cacert.pem\n"] {
        world.file("python/x/core.py", code);
        assert_no_finding(&check(&world, "python3.12").1, "R101");
    }
    // What rules drop is not in the zips.
    world.file("python/x/core.py", "A = 'a.pyi', 'k.c', 'py.typed', 'iris.csv'\n");
    let record = ["x/a.pyi", "x/k.c", "x/py.typed", "x/datasets/data/iris.csv", "x/__init__.py", "x/core.py"];
    world.file("python/x-1.0.dist-info/RECORD", record.map(|path| format!("{path},,\n")).concat());
    assert_no_finding(&check(&world, "python3.12").1, "R101");
}

#[test]
fn what_exports_lead_to_is_looked_at_for_each_way_of_loading_a_package() {
    let at = "nodejs/node_modules/a";
    let of = |exports: &str, files: &[(&str, &str)]| {
        let world = World::new();
        npm(&world, "node_modules/a", &format!(", \"exports\": {exports}"));
        for (file, content) in files {
            world.file(format!("{at}/{file}"), content);
        }
        let (code, report) = check(&world, "nodejs20.x");
        (code, findings(&report, "R101"))
    };
    let both = r#"{".": {"types": "./a.d.ts", "import": "./a.mjs", "require": "./a.cjs"}}"#;
    let gone = "names ./a.mjs, which is not in the tree";
    for (exports, files, expected) in [
        (both, &[("a.mjs", ""), ("a.cjs", "")][..], None),
        (both, &[("a.cjs", "")], Some((0, format!("a 1.0.0 cannot be loaded by import: its package.json {gone}")))),
        (r#"{"import": "./a.mjs"}"#, &[], Some((0, format!("a 1.0.0 cannot be loaded: its package.json {gone}")))),
        (
            r#"{"import": "./a.mjs", "default": "./a.js"}"#,
            &[("a.js", "")],
            Some((0, format!("by import: its package.json {gone}"))),
        ),
        (r#"{"./b": "./b.js"}"#, &[], None),
        // What it is loaded by requires something that is not there, or is not code.
        (
            r#""./a.js""#,
            &[("a.js", "const b = require('./gone')\n")],
            Some((1, "cannot be loaded: nodejs/node_modules/a/a.js requires ./gone".to_owned())),
        ),
        (
            both,
            &[("a.cjs", "const b = require('./gone')\n"), ("a.mjs", "")],
            Some((0, "cannot be loaded by require(): nodejs/node_modules/a/a.cjs requires ./gone".to_owned())),
        ),
        (
            both,
            &[("a.cjs", "const b = require('./gone')\n"), ("a.mjs", POINTER)],
            Some((1, "cannot be loaded: nodejs/node_modules/a/a.cjs requires ./gone".to_owned())),
        ),
        (
            r#"{"node": "./n.js", "require": "./a.js"}"#,
            &[("n.js", ""), ("a.js", "const b = require('./gone')\n")],
            None,
        ),
        // Which of two import gets is not known.
        (
            r#"{"node": "./n.js", "import": "./a.mjs"}"#,
            &[("n.js", "const b = require('./gone')\n"), ("a.mjs", "")],
            Some((0, "cannot be loaded by require(): nodejs/node_modules/a/n.js requires ./gone".to_owned())),
        ),
    ] {
        let (code, told) = of(exports, files);
        match expected {
            None => assert!(told.is_empty(), "{exports}: {told:?}"),
            Some((expected, message)) => {
                assert_eq!((code, told.len()), (expected, 1), "{exports}: {told:?}");
                assert!(told[0].1.contains(&message), "{exports}: {told:?}");
            }
        }
    }
}

#[test]
fn an_addon_that_a_package_of_its_own_finds_has_to_be_there() {
    let at = "nodejs/node_modules/a";
    let of = |code: &str, files: &[&str]| {
        let world = World::new();
        npm(&world, "node_modules/a", "");
        for name in ["bindings", "node-gyp-build", "@mapbox/node-pre-gyp"] {
            npm(&world, &format!("node_modules/{name}"), "");
        }
        world.file(format!("{at}/index.js"), code);
        for file in files {
            world.library(&format!("{at}/{file}"), &[], &[]);
        }
        let (code, report) = check(&world, "nodejs20.x");
        (code, findings(&report, "R101"))
    };
    for (code, by) in [
        ("module.exports = require('bindings')('a')\n", "bindings"),
        ("const addon = require(\"node-gyp-build\")(__dirname)\n", "node-gyp-build"),
        ("var bindings = require('bindings')\nvar a = bindings('a.node')\n", "bindings"),
        (
            "const gyp = require('@mapbox/node-pre-gyp')\nconst path = require('path')\n\
             const found = gyp.find(path.join(__dirname, 'package.json'))\nmodule.exports = require(found)\n",
            "@mapbox/node-pre-gyp",
        ),
    ] {
        let (status, told) = of(code, &[]);
        assert_eq!((status, told.len()), (1, 1), "{code}: {told:?}");
        assert!(
            told[0].1.contains(&format!("loads an addon with {by}, and the package has no .node file")),
            "{told:?}"
        );
        assert_eq!(of(code, &["build/Release/a.node"]).1, [], "{code}");
    }
    for code in [
        "try {\n  module.exports = require('bindings')('a')\n} catch (e) {\n  module.exports = null\n}\n",
        "exports.load = () => require('bindings')('a')\n",
        "const bindings = require('bindings')\nexports.load = () => bindings('a')\n",
        "/*\nconst a = require('bindings')('a')\n*/\n",
    ] {
        assert_eq!(of(code, &[]).1, [], "{code}");
    }
    // A merge that was not finished is no code either.
    let (status, told) = of(CONFLICT, &[]);
    assert_eq!(status, 1);
    assert!(told[0].1.contains("index.js has a conflict of a merge on line 1"), "{told:?}");
    assert_eq!(of(&format!("/*\n{CONFLICT}*/\nconst a = `\n{CONFLICT}`\n"), &[]).1, []);
}
