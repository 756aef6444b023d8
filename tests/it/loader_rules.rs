//! Each rule of the dynamic loader, in a tree made for it, with the real ld.so as the judge. A test that only said what we
//! expect could be wrong in the same way as the code.

use std::fs;

use crate::support::World;
use crate::support::oracle::{self, Trace};
use layerfit::resolve::{LibraryLookup, LoaderView, NeededLibrary, Process, ProcessEnvironment};
use layerfit::runtime::{Image, RuntimeProfile};
use layerfit::tree::{Place, read_objects, scan_directory};

/// The environment of Lambda's programs, with a working directory that every tree here has.
fn environment() -> ProcessEnvironment {
    let profile = RuntimeProfile::load("host").expect("built in");
    ProcessEnvironment { library_path: profile.environment.ld_library_path, working_directory: "/opt/place".to_owned() }
}

struct Judged {
    ours: Vec<NeededLibrary>,
    /// None where this machine allows no mounts.
    real: Option<Trace>,
}

impl Judged {
    /// The path that was opened for a name, after ld.so has agreed.
    #[track_caller]
    fn path(&self, name: &str) -> Option<String> {
        let ours = oracle::answers(&self.ours);
        if let Some(real) = &self.real {
            assert_eq!(oracle::differences(&real.answers, &ours), Vec::<String>::new(), "{real:#?} {:#?}", self.ours);
        }
        ours.get(name).unwrap_or_else(|| panic!("{name} in {ours:?}")).clone()
    }

    /// Asserts that the loader stops at a name, and that ld.so complains of the same file in these words.
    #[track_caller]
    fn stops(&self, name: &str, words: &str) {
        let edge = self.ours.iter().find(|edge| edge.soname == name).expect("needed");
        assert!(matches!(&edge.outcome, LibraryLookup::Missing { stopped: Some(_), .. }), "{edge:?}");
        if let Some(real) = &self.real {
            assert!(real.errors.contains(words), "{words:?} in {}", real.errors);
        }
    }
}

/// What layerfit and ld.so say of the program or library at `path`.
fn judge_in(world: &World, path: &str, environment: &ProcessEnvironment) -> Judged {
    world.directory("place");
    let profile = RuntimeProfile::load("host").expect("built in");
    let (tree, _) = scan_directory(&world.root()).expect("readable");
    let (objects, _) = read_objects(&tree);
    let image = Image::new(&profile);
    let view = LoaderView::new(&tree, &objects, &image);
    let mounted = format!("/opt/{path}");
    let Place::Inside(id) = tree.locate(mounted.as_bytes()) else { panic!("{path} is there") };
    let program = objects[&id].interpreter.is_some();
    Judged {
        ours: Process::new(&view, environment.clone()).start(id),
        real: oracle::command_in(&world.root())
            .map(|command| oracle::trace(command, &mounted, program, environment, false)),
    }
}

fn judge(world: &World, path: &str) -> Judged {
    judge_in(world, path, &environment())
}

const RUNPATH: &str = "-Wl,--enable-new-dtags";
const RPATH: &str = "-Wl,--disable-new-dtags";

#[test]
fn libraries_are_loaded_breadth_first() {
    // Depth first, libmid would be asked before libb, and libx be that of its RUNPATH.
    let world = World::new();
    world.library("one/libx.so", &[], &[]).library("two/libx.so", &[], &[]);
    world.library("lib/libmid.so", &["one/libx.so"], &[RUNPATH, "-Wl,-rpath,/opt/one"]);
    world.library("lib/liba.so", &["lib/libmid.so"], &[]);
    world.library("lib/libb.so", &["two/libx.so"], &[RUNPATH, "-Wl,-rpath,/opt/two"]);
    world.program("bin/tool", &["lib/liba.so", "lib/libb.so"], &[]);
    assert_eq!(judge(&world, "bin/tool").path("libx.so").as_deref(), Some("/opt/two/libx.so"));
}

#[test]
fn what_is_loaded_answers_to_its_soname_whatever_its_file_is_called() {
    let world = World::new();
    world.library("own/libx.so.1", &[], &[]).library("lib/libneeds.so", &["own/libx.so.1"], &[]);
    // The program has it under another name; its soname is what libneeds asks for.
    fs::rename(world.root().join("own/libx.so.1"), world.root().join("own/other.so")).expect("renamed");
    world.link("own/libx.so.1", "other.so");
    world.program("bin/tool", &["own/libx.so.1", "lib/libneeds.so"], &[RUNPATH, "-Wl,-rpath,/opt/own"]);
    assert_eq!(judge(&world, "bin/tool").path("libx.so.1").as_deref(), Some("/opt/own/libx.so.1"));
}

#[test]
fn one_file_under_two_names_is_loaded_once() {
    let world = World::new();
    world.library("lib/libfirst.so", &[], &["-Wl,-soname,libfirst.so"]);
    world.program("bin/tool", &["lib/libfirst.so"], &[]);
    world.library("lib/libsecond.so", &[], &[]).library("lib/libuser.so", &["lib/libsecond.so"], &[]);
    world.program("bin/tool", &["lib/libfirst.so", "lib/libuser.so"], &[]);
    fs::remove_file(world.root().join("lib/libsecond.so")).expect("removed");
    world.link("lib/libsecond.so", "libfirst.so");
    let judged = judge(&world, "bin/tool");
    assert_eq!(judged.path("libsecond.so"), judged.path("libfirst.so"));
}

#[test]
fn rpath_is_inherited_from_those_that_loaded_the_object() {
    let world = World::new();
    world.library("far/libleaf.so", &[], &[]).library("far/libmid.so", &["far/libleaf.so"], &[]);
    world.library("lib/libtop.so", &["far/libmid.so"], &[RPATH, "-Wl,-rpath,/opt/far"]);
    world.program("bin/tool", &["lib/libtop.so"], &[]);
    assert_eq!(judge(&world, "bin/tool").path("libleaf.so").as_deref(), Some("/opt/far/libleaf.so"));
}

#[test]
fn rpath_of_those_above_does_not_count_for_an_object_with_runpath() {
    let world = World::new();
    world.library("far/libleaf.so", &[], &[]);
    world.library("far/libmid.so", &["far/libleaf.so"], &[RUNPATH, "-Wl,-rpath,/opt/nowhere"]);
    world.program("bin/tool", &["far/libmid.so"], &[RPATH, "-Wl,-rpath,/opt/far"]);
    assert_eq!(judge(&world, "bin/tool").path("libleaf.so"), None);
}

#[test]
fn the_programs_own_rpath_counts_for_everything() {
    let world = World::new();
    world.library("far/libleaf.so", &[], &[]).library("lib/libmid.so", &["far/libleaf.so"], &[]);
    world.program("bin/tool", &["lib/libmid.so"], &[RPATH, "-Wl,-rpath,/opt/far"]);
    assert_eq!(judge(&world, "bin/tool").path("libleaf.so").as_deref(), Some("/opt/far/libleaf.so"));
}

#[test]
fn rpath_is_ignored_when_the_same_object_has_runpath() {
    let world = World::new();
    world.library("run/libx.so", &[], &[]).library("r/libx.so", &[], &[]);
    // No linker writes both, so the entry of a soname that looks like a path is made one of RPATH.
    world.library("lib/libboth.so", &["run/libx.so"], &[RUNPATH, "-Wl,-rpath,/opt/run", "-Wl,-soname,/opt/r"]);
    world.change_dynamic_tag("lib/libboth.so", 14, 15);
    assert_eq!(judge(&world, "lib/libboth.so").path("libx.so").as_deref(), Some("/opt/run/libx.so"));
}

#[test]
fn ld_library_path_comes_between_rpath_and_runpath() {
    for (dtags, expected) in [(RPATH, "/opt/own/libx.so"), (RUNPATH, "/opt/lib/libx.so")] {
        let world = World::new();
        world.library("own/libx.so", &[], &[]).library("lib/libx.so", &[], &[]);
        world.program("bin/tool", &["own/libx.so"], &[dtags, "-Wl,-rpath,/opt/own"]);
        assert_eq!(judge(&world, "bin/tool").path("libx.so").as_deref(), Some(expected));
    }
}

#[test]
fn runpath_is_not_inherited() {
    let world = World::new();
    world.library("far/libleaf.so", &[], &[]).library("far/libmid.so", &["far/libleaf.so"], &[]);
    world.program("bin/tool", &["far/libmid.so"], &[RUNPATH, "-Wl,-rpath,/opt/far"]);
    assert_eq!(judge(&world, "bin/tool").path("libleaf.so"), None);
}

#[test]
fn origin_of_a_library_is_where_it_was_opened_not_where_its_file_is() {
    let world = World::new();
    world.library("real/libb.so", &[], &[]).library("lib/libb2.so", &[], &["-Wl,-soname,libb.so"]);
    world.library("real/liba.so", &["real/libb.so"], &[RUNPATH, "-Wl,-rpath,$ORIGIN/beside"]);
    world.program("bin/tool", &["real/liba.so"], &[]);
    world.link("lib/liba.so", "../real/liba.so");
    world.library("lib/beside/libb.so", &[], &[]).library("real/beside/libb.so", &[], &[]);
    assert_eq!(judge(&world, "bin/tool").path("libb.so").as_deref(), Some("/opt/lib/beside/libb.so"));
}

#[test]
fn origin_of_a_program_is_where_its_file_is() {
    let world = World::new();
    world.library("app/own/libx.so", &[], &[]).library("bin/own/libx.so", &[], &[]);
    world.program("app/tool", &["app/own/libx.so"], &[RUNPATH, "-Wl,-rpath,$ORIGIN/own"]);
    world.link("bin/tool", "../app/tool");
    assert_eq!(judge(&world, "bin/tool").path("libx.so").as_deref(), Some("/opt/app/own/libx.so"));
}

#[test]
fn tokens_may_stand_in_braces_and_with_more_after_them() {
    let world = World::new();
    world.library("app/ownlib/libx.so", &[], &[]);
    world.program("app/own", &["app/ownlib/libx.so"], &[RUNPATH, "-Wl,-rpath,${ORIGIN}/../app/ownlib:$ORIGINAL:$NOT"]);
    assert_eq!(judge(&world, "app/own").path("libx.so").as_deref(), Some("/opt/app/../app/ownlib/libx.so"));
    for (after, is_token) in [("-x", true), (".x", true), ("x", false), ("_x", false), ("9", false)] {
        let world = World::new();
        let library = format!("app{after}/libx.so");
        world.library(&library, &[], &[]);
        world.program("app/tool", &[&library], &[RUNPATH, &format!("-Wl,-rpath,$ORIGIN{after}")]);
        let expected = is_token.then(|| format!("/opt/{library}"));
        assert_eq!(judge(&world, "app/tool").path("libx.so"), expected, "$ORIGIN{after}");
    }
}

#[test]
fn lib_and_platform_are_the_loaders_own() {
    let world = World::new();
    let profile = RuntimeProfile::load("host").expect("built in");
    let image = Image::new(&profile);
    world.program("bin/any", &[], &[]);
    let elf = layerfit::formats::elf::Elf::parse(&fs::read(world.root().join("bin/any")).expect("read")).expect("ELF");
    let loader = image.loader(elf.machine).expect("this machine has a loader").clone();
    let (lib, platform) = (format!("own/{}/libx.so", loader.lib), format!("own/{}/liby.so", loader.platform));
    world.library(&lib, &[], &[]).library(&platform, &[], &[]);
    world.program("bin/tool", &[&lib, &platform], &[RUNPATH, "-Wl,-rpath,/opt/own/$LIB:/opt/own/${PLATFORM}"]);
    let judged = judge(&world, "bin/tool");
    assert_eq!(judged.path("libx.so"), Some(format!("/opt/{lib}")));
    assert_eq!(judged.path("liby.so"), Some(format!("/opt/{platform}")));
}

#[test]
fn ld_library_paths_origin_is_the_programs() {
    let world = World::new();
    world.library("app/own/libx.so", &[], &[]).library("lib/libmid.so", &["app/own/libx.so"], &[]);
    world.program("app/tool", &["lib/libmid.so"], &[]);
    let mut environment = environment();
    environment.library_path = vec!["$ORIGIN/own".to_owned(), "/opt/lib".to_owned()];
    let judged = judge_in(&world, "app/tool", &environment);
    assert_eq!(judged.path("libx.so").as_deref(), Some("/opt/app/own/libx.so"));
}

#[test]
fn an_empty_element_is_the_working_directory() {
    let world = World::new();
    world.library("place/libx.so", &[], &[]).program("bin/tool", &["place/libx.so"], &[]);
    assert_eq!(judge(&world, "bin/tool").path("libx.so"), None);
    let mut environment = environment();
    environment.library_path = vec!["/opt/nowhere".to_owned(), String::new(), "/opt/lib".to_owned()];
    let judged = judge_in(&world, "bin/tool", &environment);
    // ld.so keeps the path as relative as it is: it prints "./libx.so", or "libx.so" where the element is empty.
    let ours = oracle::answers(&judged.ours);
    assert_eq!(ours["libx.so"].as_deref(), Some("/opt/place/libx.so"));
    if let Some(real) = judged.real {
        assert!(real.answers["libx.so"].as_deref().is_some_and(|path| !path.starts_with('/')), "{real:?}");
    }
    let world = World::new();
    world.library("place/libx.so", &[], &[]);
    world.program("bin/tool", &["place/libx.so"], &[RUNPATH, "-Wl,-rpath,/opt/nowhere:"]);
    let judged = judge(&world, "bin/tool");
    assert_eq!(oracle::answers(&judged.ours)["libx.so"].as_deref(), Some("/opt/place/libx.so"));
    if let Some(real) = judged.real {
        assert!(real.answers["libx.so"].is_some(), "{real:?}");
    }
}

#[test]
fn nodeflib_leaves_out_the_default_directories_and_what_the_cache_has_of_them() {
    let world = World::new();
    world.program("bin/plain", &[], &["-lm"]).program("bin/strict", &[], &["-lm", "-Wl,-z,nodefaultlib"]);
    let mut environment = environment();
    environment.library_path = vec!["/opt/lib".to_owned()];
    assert!(judge_in(&world, "bin/plain", &environment).path("libm.so.6").is_some());
    assert_eq!(judge_in(&world, "bin/strict", &environment).path("libm.so.6"), None);
}

#[test]
fn subdirectories_for_the_processor_come_before_their_directory() {
    let profile = RuntimeProfile::load("host").expect("built in");
    let image = Image::new(&profile);
    let world = World::new();
    world.library("lib/libx.so", &[], &[]).program("bin/tool", &["lib/libx.so"], &[]);
    let elf = layerfit::formats::elf::Elf::parse(&fs::read(world.root().join("bin/tool")).expect("read")).expect("ELF");
    let subdirectories = image.loader(elf.machine).expect("a loader").subdirectories.clone();
    assert_eq!(judge(&world, "bin/tool").path("libx.so").as_deref(), Some("/opt/lib/libx.so"));
    // The least first, so that each has to win over all that were there before it.
    for subdirectory in subdirectories.iter().rev() {
        let path = format!("lib/{subdirectory}/libx.so");
        world.library(&path, &[], &[]);
        assert_eq!(judge(&world, "bin/tool").path("libx.so"), Some(format!("/opt/{path}")));
    }
    // One for another processor is not searched.
    world.library("lib/glibc-hwcaps/x86-64-v9/libx.so", &[], &[]);
    let first = subdirectories.first().map_or("lib/libx.so".to_owned(), |first| format!("lib/{first}/libx.so"));
    assert_eq!(judge(&world, "bin/tool").path("libx.so"), Some(format!("/opt/{first}")));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_library_of_another_class_is_passed_over() {
    let world = World::new();
    world.library("first/libx.so", &[], &["-m32"]).library("lib/libx.so", &[], &[]);
    world.program("bin/tool", &["lib/libx.so"], &[RPATH, "-Wl,-rpath,/opt/first"]);
    assert_eq!(judge(&world, "bin/tool").path("libx.so").as_deref(), Some("/opt/lib/libx.so"));
}

#[test]
fn a_library_of_another_machine_is_passed_over() {
    let world = World::new();
    world.library("first/libx.so", &[], &[]).library("lib/libx.so", &[], &[]);
    world.program("bin/tool", &["lib/libx.so"], &[RPATH, "-Wl,-rpath,/opt/first"]);
    world.change_byte("first/libx.so", 18, |machine| if machine == 183 { 62 } else { 183 });
    assert_eq!(judge(&world, "bin/tool").path("libx.so").as_deref(), Some("/opt/lib/libx.so"));
}

#[test]
fn a_library_of_another_byte_order_stops_the_loader() {
    let world = World::new();
    world.library("lib/libx.so", &[], &[]).program("bin/tool", &["lib/libx.so"], &[]);
    world.change_byte("lib/libx.so", 5, |_| 2);
    judge(&world, "bin/tool").stops("libx.so", "data encoding");
}

#[test]
fn a_file_that_is_no_elf_file_stops_the_loader() {
    let world = World::new();
    world.library("lib/libx.so", &[], &[]).program("bin/tool", &["lib/libx.so"], &[]);
    world.file("lib/libx.so", "INPUT(libx.so.1), as a linker script says; ".repeat(9));
    judge(&world, "bin/tool").stops("libx.so", "invalid ELF header");
}

#[test]
fn a_directory_of_that_name_stops_the_loader() {
    let world = World::new();
    world.library("lib/libx.so", &[], &[]).program("bin/tool", &["lib/libx.so"], &[]);
    fs::remove_file(world.root().join("lib/libx.so")).expect("removed");
    world.directory("lib/libx.so");
    judge(&world, "bin/tool").stops("libx.so", "cannot read file data");
}

#[test]
fn a_program_is_no_library() {
    let world = World::new();
    world.library("lib/libx.so", &[], &[]).program("bin/tool", &["lib/libx.so"], &[]);
    fs::remove_file(world.root().join("lib/libx.so")).expect("removed");
    world.program("lib/libx.so", &[], &[]);
    judge(&world, "bin/tool").stops("libx.so", "cannot dynamically load");
    world.compile("lib/libx.so", &[], &["-no-pie", "-Wl,-e,entry"]);
    judge(&world, "bin/tool").stops("libx.so", "cannot dynamically load");
}

#[test]
fn a_link_that_runs_in_a_circle_ends_one_list_of_directories_only() {
    let world = World::new();
    world.library("last/libx.so", &[], &[]).library("skipped/libx.so", &[], &[]);
    world.program("bin/tool", &["last/libx.so"], &[RUNPATH, "-Wl,-rpath,/opt/last"]);
    world.link("circle/libx.so", "libx.so");
    let mut environment = environment();
    // Both are LD_LIBRARY_PATH: the circle ends that list, and RUNPATH is tried.
    environment.library_path = vec!["/opt/circle".to_owned(), "/opt/skipped".to_owned()];
    let judged = judge_in(&world, "bin/tool", &environment);
    assert_eq!(judged.path("libx.so").as_deref(), Some("/opt/last/libx.so"));
}

#[test]
fn a_dangling_link_is_passed_over() {
    let world = World::new();
    world.library("last/libx.so", &[], &[]).program("bin/tool", &["last/libx.so"], &[]);
    world.link("first/libx.so", "nowhere.so");
    let mut environment = environment();
    environment.library_path = vec!["/opt/first".to_owned(), "/opt/last".to_owned()];
    assert_eq!(judge_in(&world, "bin/tool", &environment).path("libx.so").as_deref(), Some("/opt/last/libx.so"));
}

#[test]
fn the_interpreter_is_loaded_whatever_the_search_path_has() {
    let world = World::new();
    let name = oracle::INTERPRETER.rsplit('/').next().expect("a name");
    let copy = format!("lib/{name}");
    world.library(&copy, &[], &[]);
    world.program("bin/tool", &[&copy], &[]);
    let judged = judge(&world, "bin/tool");
    assert_eq!(judged.path(name).as_deref(), Some(oracle::INTERPRETER));
}

#[test]
fn a_needed_name_with_a_slash_is_a_path() {
    let world = World::new();
    world.library("own/libx.so", &[], &["-Wl,-soname,/opt/own/libx.so"]).library("lib/libx.so", &[], &[]);
    world.program("bin/tool", &["own/libx.so"], &[]);
    // ld.so prints such a name without an arrow: name and path are one.
    let judged = judge(&world, "bin/tool");
    assert_eq!(judged.path("/opt/own/libx.so").as_deref(), Some("/opt/own/libx.so"));
    fs::remove_file(world.root().join("own/libx.so")).expect("removed");
    assert_eq!(judge(&world, "bin/tool").path("/opt/own/libx.so"), None);
}

#[test]
fn tokens_in_a_needed_name_are_replaced() {
    let world = World::new();
    world.library("own/libx.so", &[], &["-Wl,-soname,$ORIGIN/../own/libx.so"]);
    world.program("bin/tool", &["own/libx.so"], &[]);
    let judged = judge(&world, "bin/tool");
    let ours = oracle::answers(&judged.ours);
    assert_eq!(ours["$ORIGIN/../own/libx.so"].as_deref(), Some("/opt/bin/../own/libx.so"));
    if let Some(real) = judged.real {
        assert!(real.answers.values().flatten().any(|path| path == "/opt/bin/../own/libx.so"), "{real:?}");
    }
}

#[test]
fn default_directories_and_the_cache_come_last() {
    let world = World::new();
    world.program("bin/tool", &[], &["-lm"]);
    let mut environment = environment();
    environment.library_path = vec!["/opt/lib".to_owned()];
    let system = judge_in(&world, "bin/tool", &environment).path("libm.so.6").expect("the system has it");
    assert!(!system.starts_with("/opt"));
    world.library("lib/libm.so.6", &[], &[]);
    assert_eq!(judge_in(&world, "bin/tool", &environment).path("libm.so.6").as_deref(), Some("/opt/lib/libm.so.6"));
}

#[test]
fn what_is_opened_at_run_time_has_the_programs_rpath_and_its_own_but_not_its_callers() {
    for (program_rpath, found) in [("/opt/lib", false), ("/opt/lib:/opt/far", true)] {
        let world = World::new();
        world.library("far/libleaf.so", &[], &[]).library("plugins/plugin.so", &["far/libleaf.so"], &[]);
        let caller = "#include <dlfcn.h>\nvoid *call(const char *p) { return dlopen(p, RTLD_NOW | RTLD_LOCAL); }\n";
        let flags = ["-shared", "-fPIC", "-Wl,-soname,libcaller.so", RPATH, "-Wl,-rpath,/opt/far"];
        world.c("lib/libcaller.so", caller, &[], &flags);
        let main = "#define _GNU_SOURCE\n#include <link.h>\n#include <stdio.h>\nvoid *call(const char *);\n\
                    static int show(struct dl_phdr_info *i, size_t n, void *p) { puts(i->dlpi_name); return 0; }\n\
                    int main(void) { call(\"/opt/plugins/plugin.so\"); dl_iterate_phdr(show, 0); return 0; }\n";
        let rpath = format!("-Wl,-rpath,{program_rpath}");
        world.c("bin/host", main, &["lib/libcaller.so"], &[RPATH, &rpath]).mode("bin/host", 0o755);

        let profile = RuntimeProfile::load("host").expect("built in");
        let (tree, _) = scan_directory(&world.root()).expect("readable");
        let (objects, _) = read_objects(&tree);
        let image = Image::new(&profile);
        let view = LoaderView::new(&tree, &objects, &image);
        let id = |path: &str| tree.find(&layerfit::base::path::TreePath::new(path).expect("inside")).expect("there");
        let mut process = Process::new(&view, environment());
        process.start(id("bin/host"));
        let edges = process.dlopen(id("plugins/plugin.so"));
        assert_eq!(oracle::answers(&edges)["libleaf.so"].is_some(), found, "{edges:?}");

        if let Some(mut command) = oracle::command_in(&world.root()) {
            let output = command.args(["env", "-i", "/opt/bin/host"]).output().expect("runs");
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(printed.contains("libcaller.so"), "{printed}{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(printed.lines().any(|line| line == "/opt/far/libleaf.so"), found, "{printed}");
        }
    }
}
