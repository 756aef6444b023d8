//! What no DT_NEEDED names and is loaded all the same: plugins, what an ELF note tells of; and what nothing loads at all.

use crate::support::elf::Elf;
use crate::support::{World, assert_finding, assert_no_finding, findings};
use serde_json::Value;

const NOTE: &str = "__attribute__((section(\".note.dlopen\"), used, aligned(4)))\n\
    static const struct { unsigned namesz, descsz, type; char name[4]; char desc[DESC]; } note =\n\
    { 4, sizeof note.desc, 0x407c0c0a, \"FDO\", JSON };\nint f(void) { return 0; }\n";

fn with_note(world: &World, json: &str) {
    let source = NOTE.replace("DESC", &(json.len() + 1).div_ceil(4).saturating_mul(4).to_string());
    let source = source.replace("JSON", &format!("{json:?}"));
    world.c("lib/libuser.so", &source, &[], &["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libuser.so"]);
    world.program("bin/tool", &["lib/libuser.so"], &[]);
}

fn unloaded(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let libraries = report["unused_libraries"].as_array().expect("unloaded").iter();
    libraries.map(|library| (text(&library["path"]), text(&library["why"]))).collect()
}

#[test]
fn what_a_note_names_is_loaded_and_is_missed_by_its_priority() {
    let note =
        |priority: &str| format!("[{{\"soname\":[\"libopt.so.2\",\"libopt.so.1\"],\"priority\":\"{priority}\"}}]");
    for (priority, severity) in [("required", "error"), ("recommended", "warning"), ("suggested", "")] {
        let world = World::new();
        with_note(&world, &note(priority));
        let (_, report) = world.json(&["analyze", "ROOT"]);
        if severity.is_empty() {
            assert_no_finding(&report, "L201");
        } else {
            assert_finding(&report, "L201", "lib/libuser.so", "needs libopt.so.2");
            let finding = report["findings"].as_array().expect("findings").iter().find(|f| f["code"] == "L201");
            assert_eq!(finding.expect("there")["severity"], severity);
        }
        // One of the names is enough, and what it leads to is not unloaded.
        world.library("lib/libopt.so.1", &[], &[]);
        let (code, report) = world.json(&["analyze", "ROOT"]);
        assert_eq!(code, 0);
        assert_no_finding(&report, "L201");
        assert_eq!(unloaded(&report), []);
    }
}

#[test]
fn a_note_that_is_damaged_says_nothing() {
    let world = World::new();
    with_note(&world, "[{\"soname\": 7}]");
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 0);
}

#[test]
fn plugins_are_loaded_by_their_directory_and_what_they_lack_is_a_warning() {
    let world = World::new();
    world.library("lib/libneeded.so.1", &[], &[]).library("lib/engines-3/own.so", &["lib/libneeded.so.1"], &[]);
    assert_eq!(unloaded(&world.json(&["analyze", "ROOT"]).1), []);
    std::fs::remove_file(world.root().join("lib/libneeded.so.1")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "L201", "lib/engines-3/own.so", "needs libneeded.so.1");
}

#[test]
fn the_libraries_of_a_jvm_are_loaded_in_whichever_directory_it_is() {
    for (home, beside) in [
        ("jre17/lib", "server/libjvm.so"),
        ("lib", "server/libjvm.so"),
        ("tools/java-8/lib/amd64", "jvm.cfg"),
        ("app/runtime/lib", "minimal/libjvm.so"),
    ] {
        let world = World::new();
        if beside == "jvm.cfg" {
            world.file(format!("{home}/{beside}"), "-server KNOWN\n");
        } else {
            world.library(&format!("{home}/{beside}"), &[], &[]);
        }
        for name in ["libjava.so", "libzip.so", "jli/libjli.so"] {
            world.library(&format!("{home}/{name}"), &[], &[]);
        }
        // What is not a JVM's, in its directory and in another one.
        world.library(&format!("{home}/libidle.so.1"), &[], &[]).library("other/libidle.so", &[], &[]);
        let (_, report) = world.json(&["plan", "ROOT", "--select", "unloaded-libraries"]);
        let dropped = report["pruned"].as_array().expect("rules").iter().find(|rule| rule["rule"] == "D901");
        assert_eq!(dropped.expect("on")["files"], 2, "{home}");
    }
}

#[test]
fn extension_modules_of_python_with_names_like_libraries_are_loaded() {
    let world = World::new();
    for name in ["lib.cpython-311-x86_64-linux-gnu.so", "libx.abi3.so"] {
        world.library(&format!("app/pkg/{name}"), &[], &[]);
    }
    assert_eq!(unloaded(&world.json(&["analyze", "ROOT"]).1), []);
}

#[test]
fn libraries_that_nothing_loads_are_listed_and_dropped_when_asked() {
    let world = World::new();
    // The image has libz and it comes first; nothing asks for libidle, which alone asks for libonly.
    world.library("lib/libz.so.1", &[], &[]).library("lib/libonly.so", &[], &[]);
    world.library("lib/libidle.so.1", &["lib/libonly.so"], &[]).link("lib/libidle.so", "libidle.so.1");
    world.library("lib/libused.so", &[], &[]).program("bin/tool", &["lib/libz.so.1", "lib/libused.so"], &[]);
    let (code, report) = world.json(&["plan", "ROOT"]);
    assert_eq!(code, 0);
    let expected = [
        ("lib/libidle.so", "unreached"),
        ("lib/libidle.so.1", "unreached"),
        ("lib/libonly.so", "unreached"),
        ("lib/libz.so.1", "shadowed"),
    ];
    assert_eq!(unloaded(&report), expected.map(|(path, why)| (path.to_owned(), why.to_owned())));
    assert_finding(&report, "L206", "libraries", "nothing loads 3 libraries");

    let (_, report) = world.json(&["plan", "ROOT", "--select", "unloaded-libraries"]);
    let rule = report["pruned"].as_array().expect("rules").iter().find(|rule| rule["rule"] == "D901").expect("on");
    assert_eq!(rule["files"], 4);
    assert_eq!(unloaded(&report), []);
    assert_no_finding(&report, "L206");
}

#[test]
fn a_library_that_only_a_dropped_program_loads_is_unloaded_with_it() {
    let world = World::new();
    world.library("lib/libcrypto.so.3", &[], &[]).program("bin/openssl", &["lib/libcrypto.so.3"], &[]);
    world.file("share/data", "kept");
    let al2 = ["--runtime", "provided.al2", "--select", "network-commands,unloaded-libraries"];
    let (_, report) = world.json(&[&["plan", "ROOT"], &al2[..]].concat());
    assert_eq!(report["totals"]["kept"]["files"], 1, "{:#}", report["pruned"]);
}

#[test]
fn what_nothing_loads_lacks_is_no_error() {
    let world = World::new();
    world.library("lib/libgone.so", &[], &[]).library("lib/libidle.so", &["lib/libgone.so"], &[]);
    std::fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert!(findings(&report, "L201")[0].1.ends_with("nothing in the tree loads it"), "{report:#}");
}

#[test]
fn a_module_that_needs_a_display_is_a_warning_and_another_an_error() {
    for (module, code) in [("R_X11.so", 0), ("lapack.so", 1)] {
        let world = World::new();
        world.r().library("lib/libgone.so.6", &[], &[]).program("R/lib/R/bin/exec/R", &[], &[]);
        world.library(&format!("R/lib/R/modules/{module}"), &["lib/libgone.so.6"], &[]);
        std::fs::remove_file(world.root().join("lib/libgone.so.6")).expect("removed");
        assert_eq!(world.json(&["analyze", "ROOT"]).0, code, "{module}");
    }
}

#[test]
fn files_for_another_machine_are_an_error_that_lists_them() {
    let world = World::new();
    world.library("lib/liba.so", &[], &[]).library("lib/libb.so", &[], &[]).library("lib/libother.so", &[], &[]);
    assert_no_finding(&world.json(&["analyze", "ROOT"]).1, "L301");
    world.change_byte("lib/libother.so", 18, |machine| if machine == 183 { 62 } else { 183 });
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 1);
    let (of_tree, other) = if cfg!(target_arch = "x86_64") { ("x86-64", "aarch64") } else { ("aarch64", "x86-64") };
    assert_finding(&report, "L301", other, &format!("the others are for {of_tree}: lib/libother.so"));
    let arch = if other == "aarch64" { "arm64" } else { "x86_64" };
    let (_, report) = world.json(&["analyze", "ROOT", "--arch", arch]);
    assert_finding(&report, "L301", of_tree, "lib/liba.so, lib/libb.so");
}

#[test]
fn a_prebuilt_addon_for_another_machine_beside_what_is_used_is_a_remark() {
    let world = World::new();
    world.program("bin/tool", &[], &[]).library("node_modules/x/arm64/x.node", &[], &[]);
    world.library("node_modules/x/x64/x.node", &[], &[]);
    // e_machine, at byte 18.
    world.change_byte("node_modules/x/arm64/x.node", 18, |_| 183);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_finding(&report, "L301", "aarch64", "nothing loads them");
}

#[test]
fn libraries_of_a_jvm_find_the_jvm_that_loads_them() {
    for (libraries, jvm) in [
        ("lib/jvm/j17/lib", Some("server/libjvm.so")),
        ("app/custom/lib", Some("server/libjvm.so")),
        ("jre/lib/amd64", Some("client/libjvm.so")),
        ("lib/jvm/j17/lib", None),
    ] {
        let world = World::new();
        world.elf(&format!("{libraries}/libawt.so"), &Elf::library("libawt.so").needs("libjvm.so").needs("libX.so.6"));
        world.file(format!("{libraries}/jvm.cfg"), "-server KNOWN\n");
        if let Some(jvm) = jvm {
            world.elf(&format!("{libraries}/{jvm}"), &Elf::library("libjvm.so"));
        }
        let (_, report) = world.json(&["analyze", "ROOT"]);
        let missing = findings(&report, "L201");
        let needs = |name: &str| missing.iter().any(|(_, message)| message.contains(&format!("needs {name}")));
        assert!(needs("libX.so.6") && needs("libjvm.so") == jvm.is_none(), "{libraries} {jvm:?}: {missing:?}");
    }
}

#[test]
fn a_plugin_takes_what_its_program_has_loaded() {
    let world = World::new();
    world.library("private/libown.so.1", &[], &[]);
    world.program("bin/tool", &["private/libown.so.1"], &["-Wl,-rpath,/opt/private,--disable-new-dtags"]);
    world.library("lib/engines-3/own.so", &["private/libown.so.1"], &[]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_no_finding(&report, "L201");
    // Without the program there is nobody who has loaded it.
    std::fs::remove_file(world.root().join("bin/tool")).expect("removed");
    assert_finding(&world.json(&["analyze", "ROOT"]).1, "L201", "lib/engines-3/own.so", "needs libown.so.1");
}

#[test]
fn libraries_that_nothing_loads_find_each_other_as_the_one_that_nothing_asks_for_finds_them() {
    let world = World::new();
    // `a` and `b` have no search path of their own: `top` hands on its RPATH.
    world.library("wheel/libs/liba.so", &[], &[]).library("wheel/libs/libb.so", &["wheel/libs/liba.so"], &[]);
    world.library("wheel/top.so", &["wheel/libs/libb.so"], &["-Wl,-rpath,$ORIGIN/libs,--disable-new-dtags"]);
    let (code, report) = world.json(&["analyze", "ROOT"]);
    assert_eq!(code, 0);
    assert_no_finding(&report, "L201");
}

#[test]
fn debug_data_in_a_file_of_its_own_is_no_damaged_library() {
    let world = World::new();
    world.library("lib/liba.so", &[], &["-g"]);
    let [library, debug] = ["lib/liba.so", "lib/liba.so.dbg"].map(|path| world.root().join(path));
    let made = std::process::Command::new("objcopy").arg("--only-keep-debug").args([&library, &debug]).status();
    assert!(made.expect("objcopy").success());
    for command in [["analyze", "ROOT"], ["plan", "ROOT"]] {
        let (code, report) = world.json(&command);
        assert_eq!(code, 0);
        assert_no_finding(&report, "L101");
        assert!(!unloaded(&report).iter().any(|(path, _)| path.contains(".dbg")), "{:?}", unloaded(&report));
    }
}
