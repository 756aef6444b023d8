//! Extension modules of Python and addons of Node.js: what an import loads is tried as the loader would, what they bring is
//! loaded by them, and what cannot be imported is an error.

use std::fs;

use serde_json::Value;

use crate::support::{World, assert_finding, assert_no_finding, findings};

/// What auditwheel writes into a module.
const RPATH: &str = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../pkg.libs";

/// The name of a module for this machine, and of one for the other.
fn names(module: &str) -> (String, String) {
    let name = |machine| format!("{module}.cpython-312-{machine}-linux-gnu.so");
    if cfg!(target_arch = "x86_64") { (name("x86_64"), name("aarch64")) } else { (name("aarch64"), name("x86_64")) }
}

fn distribution(world: &World, name: &str, files: &[&str]) {
    let info = format!("{name}-1.5.dist-info");
    let record: String = files.iter().map(|file| format!("{file},sha256=x,1\n")).collect();
    world.file(
        format!("python/{info}/METADATA"),
        format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n\ntext\n"),
    );
    world.file(format!("python/{info}/RECORD"), format!("{record}{info}/METADATA,,\n{info}/RECORD,,\n"));
}

/// A distribution `Pkg` with a module that needs `liba.so`, which needs `libb.so` in the same directory.
fn wheel(world: &World) -> String {
    let module = format!("python/pkg/{}", names("m").0);
    world.library("python/pkg.libs/libb.so", &[], &[]);
    world.library("python/pkg.libs/liba.so", &["python/pkg.libs/libb.so"], &[]);
    world.library(&module, &["python/pkg.libs/liba.so"], &[RPATH]);
    let record = [&module["python/".len()..], "pkg.libs/liba.so", "pkg.libs/libb.so"];
    distribution(world, "Pkg", &record);
    module
}

#[test]
fn libraries_of_a_wheel_are_loaded_by_its_modules_and_not_tried_alone() {
    let world = World::new();
    let module = wheel(&world);
    world.library("python/pkg.libs/libidle.so", &["python/pkg.libs/libb.so"], &[]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_no_finding(&report, "L201");
    assert_finding(&report, "L206", "libraries", "nothing loads 1 library");

    // Without the search path, they are not found, although they are in the same distribution.
    world.library(&module, &["python/pkg.libs/liba.so"], &[]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", &module, "pkg 1.5 cannot be imported: needs liba.so");
}

#[test]
fn a_module_that_cannot_be_imported_is_an_error_that_names_the_distribution() {
    let world = World::new();
    wheel(&world);
    fs::remove_file(world.root().join("python/pkg.libs/libb.so")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", "python/pkg.libs/liba.so", "pkg 1.5 cannot be imported: needs libb.so");
    assert_eq!(findings(&report, "L201").len(), 1);
    // No other machine's libb.so is the one of the wheel.
    let help = |report: &Value| report["findings"][0]["help"].as_str().expect("a help").to_owned();
    assert!(
        help(&report).contains("whose RECORD lists pkg.libs/libb.so; install that again: pip install"),
        "{report:#}"
    );
    let steps = |report: &Value| report["suggestions"].to_string().contains("--bundle");
    let (_, plan) = world.json(&["plan", "ROOT"]);
    assert!(!steps(&plan), "{:#}", plan["suggestions"]);
    // What little room there is names the library.
    let run = world.run(&["analyze", "ROOT"]);
    let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("python/pkg.libs/liba.so: needs libb.so"), "{text}");
    // One that is not in the RECORD comes from elsewhere.
    distribution(&world, "Pkg", &["pkg.libs/liba.so"]);
    let (_, plan) = world.json(&["plan", "ROOT"]);
    assert!(help(&plan).starts_with("--bundle copies libb.so") && steps(&plan), "{plan:#}");
}

#[test]
fn the_only_library_of_a_distribution_without_modules_is_loaded_by_its_code() {
    let world = World::new();
    world.library("lib/libgone.so", &[], &[]).library("python/light/lib/lib_light.so", &["lib/libgone.so"], &[]);
    distribution(&world, "light", &["light/__init__.py", "light/lib/lib_light.so"]);
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 0);
    fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", "python/light/lib/lib_light.so", "light 1.5 cannot be imported: needs libgone.so");
    // With a second one, it is not known which of them is loaded.
    world.library("python/light/lib/libextra.so", &[], &[]);
    distribution(&world, "light", &["light/__init__.py", "light/lib/lib_light.so", "light/lib/libextra.so"]);
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 0);
}

#[test]
fn a_plain_name_is_a_module_where_it_has_the_function_that_an_import_calls() {
    for (function, code) in [("PyInit_plain", 1), ("other", 0)] {
        let world = World::new();
        world.library("lib/libgone.so", &[], &[]);
        world.c(
            "python/plain.so",
            &format!("int {function}(void) {{ return 1; }}"),
            &["lib/libgone.so"],
            &["-shared", "-fPIC", "-Wl,--no-as-needed"],
        );
        fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
        assert_eq!(world.json(&["analyze", "ROOT"]).0, code, "{function}");
    }
}

#[test]
fn a_module_for_another_machine_is_an_error_unless_there_is_one_for_this() {
    let (own, other) = names("m");
    let world = World::new();
    for directory in ["a", "c"] {
        world.library(&format!("python/{directory}/{own}"), &[], &[]);
    }
    world.library(&format!("python/b/{other}"), &[], &[]);
    world.change_byte(&format!("python/b/{other}"), 18, |machine| if machine == 183 { 62 } else { 183 });
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    let machine = if cfg!(target_arch = "x86_64") { "aarch64" } else { "x86-64" };
    assert_finding(&report, "L301", machine, &format!("python/b/{other}"));
    world.library(&format!("python/b/{own}"), &[], &[]);
    for arch in [&[][..], &["--arch", if machine == "aarch64" { "x86_64" } else { "arm64" }]] {
        assert_eq!(world.json(&[&["analyze", "ROOT"], arch].concat()).0, 0);
    }
}

#[test]
fn a_tree_that_is_for_another_machine_as_a_whole_is_not_to_be_dropped() {
    let world = World::new();
    world.library("lib/libx.so", &[], &[]);
    let other = if cfg!(target_arch = "x86_64") { "arm64" } else { "x86_64" };
    let help = |world: &World| {
        let (_, report) = world.json(&["analyze", "ROOT", "--arch", other]);
        let found = report["findings"].as_array().expect("findings").iter().find(|finding| finding["code"] == "L301");
        found.expect("L301")["help"].as_str().expect("a help").to_owned()
    };
    assert!(help(&world).contains("leave --arch out") && !help(&world).contains("drop"), "{}", help(&world));
    world.library("lib/liby.so", &[], &[]);
    world.change_byte("lib/liby.so", 18, |machine| if machine == 183 { 62 } else { 183 });
    assert!(help(&world).starts_with("drop them"), "{}", help(&world));
}

#[test]
fn what_is_built_for_musl_is_an_error_that_says_so_unless_there_is_a_build_for_glibc() {
    let musl = |module: &str| names(module).0.replace("-gnu", "-musl");
    for (module, glibc, named) in [
        (format!("python/pkg/{}", musl("m")), format!("python/pkg/{}", names("m").0), "manylinux wheel"),
        (
            "nodejs/node_modules/x/prebuilds/linux-x64/x.musl.node".to_owned(),
            "nodejs/node_modules/x/prebuilds/linux-x64/x.glibc.node".to_owned(),
            "--libc=glibc",
        ),
        (
            "nodejs/node_modules/@a/b-linuxmusl-x64/lib/b-linuxmusl-x64.node".to_owned(),
            "nodejs/node_modules/@a/b-linux-x64/lib/b-linux-x64.node".to_owned(),
            "--libc=glibc",
        ),
    ] {
        let world = World::new();
        world.library("libc.musl-x86_64.so.1", &[], &[]).library(&module, &["libc.musl-x86_64.so.1"], &["-nostdlib"]);
        fs::remove_file(world.root().join("libc.musl-x86_64.so.1")).expect("removed");
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 1, "{module}");
        assert_finding(&report, "L201", &module, "is built for musl, and provided.al2023 has glibc");
        assert!(
            report["findings"].to_string().contains(named) && !report["findings"].to_string().contains("into lib/")
        );
        world.library(&glibc, &[], &[]);
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 0, "{module}");
        assert_no_finding(&report, "L201");
    }
}

#[test]
fn addons_for_other_platforms_do_no_harm_and_what_they_bring_is_not_tried_alone() {
    let world = World::new();
    let prebuilds = "nodejs/node_modules/x/prebuilds";
    world.library("libgone.so", &[], &[]);
    world.library(&format!("{prebuilds}/linux-x64/x.node"), &[], &[]);
    world.library(&format!("{prebuilds}/android-arm64/x.node"), &["libgone.so"], &[]);
    world.library(&format!("{prebuilds}/android-arm64/libx.so"), &["libgone.so"], &[]);
    world.library("nodejs/node_modules/y/build/Release/obj.target/y.node", &["libgone.so"], &[]);
    world.library("nodejs/node_modules/y/lib/liby.so", &["libgone.so"], &[]);
    fs::remove_file(world.root().join("libgone.so")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_no_finding(&report, "L201");
    // A prebuilt addon is not loaded where there is one that was built in place.
    world.library("libgone.so", &[], &[]).library(&format!("{prebuilds}/linux-x64/x.node"), &["libgone.so"], &[]);
    fs::remove_file(world.root().join("libgone.so")).expect("removed");
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 1);
    world.library("nodejs/node_modules/x/build/Release/x.node", &[], &[]);
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 0);
}

#[test]
fn of_the_addons_in_a_manifest_those_for_the_platform_are_tried_in_turn() {
    let world = World::new();
    let build = "nodejs/node_modules/x/build";
    let addon = |configuration: &str| format!("{build}/linux/x64/node/{configuration}/addon.node");
    world.library("libc.musl-x86_64.so.1", &[], &[]).library("libgone.so", &[], &[]);
    // Older releases left these behind.
    for left in ["108", "musl-127-Release"] {
        world.library(&addon(left), &["libc.musl-x86_64.so.1"], &[]);
    }
    world.library(&addon("glibc-115-Release"), &["libgone.so"], &[]).library(&addon("glibc-127-Release"), &[], &[]);
    fs::remove_file(world.root().join("libc.musl-x86_64.so.1")).expect("removed");
    fs::remove_file(world.root().join("libgone.so")).expect("removed");
    let listed = ["musl-127", "glibc-115", "glibc-127"].map(|configuration| {
        let (libc, abi) = configuration.split_once('-').expect("two words");
        let key = serde_json::json!({ "os": "linux", "arch": "x64", "abi": abi, "libc": libc }).to_string();
        (key, format!("linux/x64/node/{configuration}-Release/addon.node"))
    });
    let manifest: std::collections::BTreeMap<String, String> = listed.into();
    world.file(format!("{build}/manifest.json"), serde_json::to_vec(&manifest).expect("JSON"));
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0, "{report:#}");
    let found = findings(&report, "L201");
    assert!(found.len() == 1 && found[0].0 == addon("glibc-115-Release"), "{found:?}");
    // Another file of that name.
    world.file(format!("{build}/manifest.json"), "{\"files\": []}");
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 1);
}

#[test]
fn a_module_for_another_cpython_than_its_directorys_is_an_error() {
    let world = World::new();
    let module = format!("python/lib/python3.8/site-packages/pkg/{}", names("m").0);
    world.library(&module, &[], &[]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "R105", &module, "a module is for CPython 3.12, but only Python 3.8 searches there");
    // Python code of the same name is imported in its place.
    world.file("python/lib/python3.8/site-packages/pkg/m.py", "");
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 0);
}

#[test]
fn a_module_for_another_cpython_than_most_is_a_warning() {
    let world = World::new();
    let module = |name: &str, version: &str| names(name).0.replace("312", version);
    for name in ["a", "b"] {
        world.library(&format!("python/{}", module(name, "312")), &[], &[]);
    }
    world.library(&format!("python/{}", module("c", "312")), &[], &[]);
    world.library(&format!("python/{}", module("c", "311")), &[], &[]).library("python/d.abi3.so", &[], &[]);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "R105");
    world.library(&format!("python/{}", module("e", "311")), &[], &[]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(
        &report,
        "R105",
        &format!("python/{}", module("e", "311")),
        "but most of the tree's are for CPython 3.12",
    );
}

#[test]
fn a_managed_runtime_decides_which_cpython_imports() {
    let world = World::new();
    let module = format!("python/pkg/{}", names("m").0);
    world.library("libpython3.12.so.1.0", &[], &[]).library(&module, &["libpython3.12.so.1.0"], &[]);
    fs::remove_file(world.root().join("libpython3.12.so.1.0")).expect("removed");
    for (runtime, code) in [("python3.12", 0), ("python3.13", 1), ("provided.al2023", 0)] {
        let (found, report) = world.json(&["analyze", "ROOT", "--runtime", runtime]);
        assert_eq!(found, code, "{runtime}: {:#}", report["findings"]);
        assert_no_finding(&report, "L201");
    }
    let (_, report) = world.json(&["analyze", "ROOT", "--runtime", "python3.13"]);
    assert_finding(&report, "R105", &module, "a module is for CPython 3.12, but python3.13 has Python 3.13");
}

#[test]
fn a_module_whose_name_no_import_finds_is_an_error() {
    let machine = std::env::consts::ARCH;
    let (own, other) = names("_m");
    let check = |name: &str, init: &str| {
        let world = World::new();
        let source = format!("void {init}(void) {{}}\n");
        world.c(&format!("python/x/{name}"), &source, &[], &["-shared", "-nostdlib", "-fPIC"]);
        world.file("python/x/__init__.py", "from ._m import x\n");
        distribution(&world, "x", &["x/__init__.py", &format!("x/{name}")]);
        let architecture = if machine == "x86_64" { "x86_64" } else { "arm64" };
        world.json(&["check", "ROOT", "--runtime", "python3.12", "--arch", architecture])
    };
    let musl = format!("_m.cpython-312-{machine}-linux-musl.so");
    for (name, init, code, message) in [
        (&musl, "PyInit__m", "R105", "its name is that of a module for musl"),
        (&other, "PyInit__m", "R105", "its name is that of a module for another machine"),
        (&own, "PyInit_other", "R101", "it has the function of another module"),
    ] {
        let (exit, report) = check(name, init);
        assert_eq!(exit, 1, "{name}");
        assert_finding(&report, code, "pkg:x", message);
    }
    let (exit, report) = check(&own, "PyInit__m");
    assert_eq!(exit, 0, "{:#}", report["findings"]);

    let world = World::new();
    for (minor, errors) in [(11, 1), (12, 0)] {
        let library = format!("lib/libpython3.{minor}.so.1.0");
        world.library(&library, &[], &[]).library(&format!("python/{own}"), &[&library], &[]);
        fs::remove_file(world.root().join(library)).expect("removed");
        let (_, report) = world.json(&["check", "ROOT", "--runtime", "python3.12"]);
        assert_eq!(findings(&report, "R105").len(), errors, "{:#}", report["findings"]);
    }
}

/// A library that is loaded by its path before the import answers to its soname, though no search path leads to it.
#[test]
fn a_library_that_code_loads_with_ctypes_before_the_import_is_found() {
    let world = World::new();
    let module = names("_m").0;
    let load = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libown.so.1'))\n";
    let cases = [
        ("literal", format!("{load}from ._m import x\n"), true),
        ("pathlib", "import ctypes, pathlib\nhere = pathlib.Path(__file__).parent\nctypes.cdll.LoadLibrary(str(here / 'libown.so.1'))\nfrom . import _m\n".to_owned(), true),
        ("globbed", "import ctypes, glob\nfor f in glob.glob(__path__[0] + '/lib*.so*'):\n    ctypes.CDLL(f)\nimport globbed._m\n".to_owned(), true),
        ("function", "import ctypes, os\ndef _load(name):\n    ctypes.CDLL(os.path.join(__path__[0], f'lib{name}.so.1'))\n_load('function')\nfrom ._m import x\n".to_owned(), true),
        ("through", "from . import _first\nfrom ._m import x\n".to_owned(), true),
        ("too_late", format!("from ._m import x\n{load}"), false),
        ("of_another_name", load.replace("libown", "libq") + "from ._m import x\n", false),
        ("no_load", "names = ['libown.so.1']\nfrom ._m import x\n".to_owned(), false),
    ];
    for (name, init, _) in &cases {
        // A name of its own, as what the same name lacks is one finding.
        let library = format!("python/{name}/lib{name}.so.1");
        world.file(format!("python/{name}/__init__.py"), init.replace("libown", &format!("lib{name}")));
        world.library(&library, &[], &[]);
        world.library(&format!("python/{name}/{module}"), &[&library], &[]);
    }
    world.file("python/through/_first.py", load.replace("libown", "libthrough"));
    // What imports the module beside it, and another distribution that is imported first.
    world.library("python/brought/lib/libbrought.so.2", &[], &[]);
    world.library("python/late/lib/liblate.so.2", &[], &[]);
    world.file("python/brought/__init__.py", load.replace("libown.so.1", "lib/libbrought.so.2"));
    world.file("python/late/__init__.py", load.replace("libown.so.1", "lib/liblate.so.2"));
    for (name, init, core, library) in [
        (
            "by_module",
            "from .core import x\n",
            "import brought\nfrom . import _m\n",
            "python/brought/lib/libbrought.so.2",
        ),
        ("by_none", "from .core import x\n", "from . import _m\nimport late\n", "python/late/lib/liblate.so.2"),
    ] {
        world.file(format!("python/{name}/__init__.py"), init).file(format!("python/{name}/core.py"), core);
        world.library(&format!("python/{name}/{module}"), &[library], &[]);
    }
    let (_, report) = world.json(&["check", "ROOT", "--runtime", "python3.12"]);
    let missing: Vec<String> = findings(&report, "L201").into_iter().map(|(subject, _)| subject).collect();
    let of = |name: &str| missing.contains(&format!("python/{name}/{module}"));
    for (name, is_found) in cases.iter().map(|(name, _, is)| (*name, *is)) {
        assert_eq!(!of(name), is_found, "{name}: {missing:?}");
    }
    assert!(!of("by_module") && of("by_none"), "{missing:?}");
}

/// An import binds every symbol: what nothing can define stops it.
#[test]
fn a_symbol_that_nothing_defines_is_an_error_where_that_is_certain() {
    let world = World::new();
    let module = names("_m").0;
    let (init, call) = ("int PyInit__m(void) { return ", "(); }\n");
    world.library("python/other/libother.so.1", &[], &[]);
    world.c(
        &format!("python/other/{module}"),
        "int brought(void) { return 1; }\nint PyInit__m(void) { return 0; }\n",
        &[],
        &["-shared", "-fPIC"],
    );
    let cases = [
        ("gone", "extern int gone_symbol(void);", "gone_symbol", true),
        ("weak", "extern int gone_weak(void) __attribute__((weak));", "gone_weak", false),
        // The interpreter, libraries of glibc that it has not been linked with, and other modules have these.
        ("python", "extern int PyModule_Create2(void);", "PyModule_Create2", false),
        ("math", "extern double sinf(void); extern int pthread_create(void);", "(int)sinf() + pthread_create", false),
        ("compiler", "extern int __builtin_of_mine(void);", "__builtin_of_mine", false),
        ("of_other", "extern int brought(void);", "brought", false),
        ("versioned", "extern int puts(void);", "puts", false),
    ];
    for (name, declaration, called, _) in cases {
        let source = format!(
            "#pragma GCC diagnostic ignored \"-Wbuiltin-declaration-mismatch\"\n{declaration}\n{init}{called}{call}"
        );
        world.c(&format!("python/{name}/{module}"), &source, &[], &["-shared", "-fPIC"]);
    }
    // A library of the image whose symbols have no versions may define it.
    world.library("beside/libz.so.1", &[], &[]);
    let gone = format!("extern int gone_symbol(void);\n{init}gone_symbol{call}");
    world.c(&format!("python/zlib/{module}"), &gone, &["beside/libz.so.1"], &["-shared", "-fPIC"]);
    // What is not linked with libc.so.6 needs nothing of it with a version.
    let bare = format!("extern int strlen(void);\n{init}strlen{call}");
    world.c(&format!("python/bare/{module}"), &bare, &[], &["-shared", "-fPIC", "-nostdlib"]);
    world.c(&format!("python/bare_gone/{module}"), &gone, &[], &["-shared", "-fPIC", "-nostdlib"]);
    let (code, report) = world.json(&["check", "ROOT", "--runtime", "python3.12"]);
    assert_eq!(code, 1);
    let told = findings(&report, "L205");
    let subjects: Vec<String> = told.iter().map(|(subject, _)| subject.clone()).collect();
    let expected = cases.iter().filter(|case| case.3).map(|case| case.0).chain(["bare_gone"]);
    let mut expected: Vec<String> = expected.map(|name| format!("python/{name}/{module}")).collect();
    expected.sort();
    assert_eq!(subjects, expected, "{told:?}");
    assert!(told[0].1.contains("uses gone_symbol, which no library loaded with it defines"), "{told:?}");
}
