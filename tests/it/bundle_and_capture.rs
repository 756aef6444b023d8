//! `--bundle` takes what only the build host has, with what that needs; `runtime capture` writes a profile of any root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::support::elf::Elf;
use crate::support::{
    World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings, oracle, zip_entries,
};
use layerfit::base::finding::Code;
use serde_json::Value;

/// The root of a build host beside the tree: this machine's loader, and libraries made by the test in /usr/lib64.
pub(crate) fn host(world: &World) -> PathBuf {
    let root = world.beside("host");
    fs::create_dir_all(root.join("usr/lib64")).expect("made");
    fs::create_dir_all(root.join("usr/bin")).expect("made");
    symlink("/usr/lib64", root.join("lib64")).expect("linked");
    // Not through the link, which leads out of this root for everybody but layerfit.
    let inside = oracle::INTERPRETER.trim_start_matches('/');
    let interpreter = if inside.starts_with("lib64/") { root.join("usr").join(inside) } else { root.join(inside) };
    fs::create_dir_all(interpreter.parent().expect("a directory")).expect("made");
    // The directories that the loader has compiled in are changed to those of Amazon Linux.
    let mut loader = fs::read(fs::canonicalize(oracle::INTERPRETER).expect("there")).expect("read");
    let array = loader.windows(5).position(|w| w == b"\0/lib" || w == b"\0/usr").map(|at| at + 1);
    let array = array.and_then(|from| (from..loader.len()).find(|at| is_array(&loader[*at..])));
    let at = array.expect("the loader's directories");
    let end = at + array_length(&loader[at..]);
    loader[at..end].fill(0);
    loader[at..at + 19].copy_from_slice(b"/lib64/\0/usr/lib64/");
    // Another copy of the array, where there is one, goes as well.
    let mut from = end;
    while let Some(next) = (from..loader.len()).find(|at| is_array(&loader[*at..])) {
        from = next + array_length(&loader[next..]);
        loader[next..from].fill(0);
    }
    let real = root.join("usr/lib64/ld.so");
    fs::write(&real, loader).expect("written");
    symlink("/usr/lib64/ld.so", interpreter).expect("linked");
    root
}

fn array_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    while bytes[length..].starts_with(b"/") {
        let end = bytes[length..].iter().position(|b| *b == 0).expect("ends");
        if end == 0 || bytes[length + end - 1] != b'/' {
            break;
        }
        length += end + 1;
    }
    length
}

fn is_array(bytes: &[u8]) -> bool {
    (bytes.starts_with(b"/lib") || bytes.starts_with(b"/usr/lib")) && array_length(bytes) > 9
}

/// Moves a library from the tree to the host.
pub(crate) fn to_host(world: &World, host: &Path, path: &str) {
    let name = Path::new(path).file_name().expect("a name");
    fs::rename(world.root().join(path), host.join("usr/lib64").join(name)).expect("moved");
}

pub(crate) fn bundled(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let taken = report["bundled"].as_array().expect("bundled").iter();
    taken.map(|bundled| (text(&bundled["path"]), text(&bundled["needed_by"]))).collect()
}

/// The next step that copies missing libraries, if it is offered.
fn step(report: &Value) -> Option<Value> {
    report["suggestions"].as_array().expect("suggestions").iter().find(|step| step["name"] == "bundle").cloned()
}

#[test]
fn what_would_not_load_in_the_image_is_not_offered_for_bundling() {
    for (needs, version, offered) in
        [(None, "GLIBC_2.34", true), (None, "GLIBC_2.38", false), (Some("libnowhere.so.1"), "GLIBC_2.34", false)]
    {
        let world = World::new();
        let host = host(&world);
        let mut library = Elf::library("libx.so.1").needs("libc.so.6").needs_version("libc.so.6", version);
        if let Some(soname) = needs {
            library = library.needs(soname);
        }
        world.elf("lib/libx.so.1", &library).elf("bin/tool", &Elf::program().needs("libx.so.1"));
        to_host(&world, &host, "lib/libx.so.1");
        fs::write(world.beside("layerfit.toml"), format!("sysroot = {:?}\n", host.display().to_string()))
            .expect("written");
        let (_, report) = world.json(&["plan", "ROOT"]);
        assert_eq!(step(&report).is_some(), offered, "{version} {needs:?}: {:#}", report["findings"]);
    }
}

#[test]
fn what_only_the_build_host_has_is_taken_with_what_it_needs_and_nothing_that_the_image_has() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libquadmath.so.0", &[], &[]).library("lib/libz.so.1", &[], &[]).library(
        "lib/libc.so.6",
        &[],
        &[],
    );
    let needed = ["lib/libquadmath.so.0", "lib/libz.so.1", "lib/libc.so.6"];
    world.library("lib/libgfortran.so.5", &needed, &[]).program("bin/tool", &["lib/libgfortran.so.5"], &[]);
    for path in [&needed[..], &["lib/libgfortran.so.5"]].concat() {
        to_host(&world, &host, path);
    }
    // A link on the host: what is taken is the file.
    fs::rename(host.join("usr/lib64/libquadmath.so.0"), host.join("usr/lib64/libquadmath.so.0.0.0")).expect("renamed");
    symlink("libquadmath.so.0.0.0", host.join("usr/lib64/libquadmath.so.0")).expect("linked");
    let sysroot = host.to_str().expect("UTF-8");

    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT"]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", "bin/tool", "needs libgfortran.so.5");
    assert_no_finding(&report, "L209");
    fs::write(world.beside("layerfit.toml"), format!("sysroot = {sysroot:?}\n")).expect("written");
    let offered = step(&world.json(&["plan", "ROOT"]).1).expect("offered");
    assert_eq!((&offered["corrects"], &offered["files"]), (&1.into(), &2.into()));
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT", "--bundle", "--sysroot", sysroot]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_eq!(step(&report), None);
    let expected = [("lib/libgfortran.so.5", "bin/tool"), ("lib/libquadmath.so.0", "lib/libgfortran.so.5")];
    assert_eq!(bundled(&report), expected.map(|(path, by)| (path.to_owned(), by.to_owned())));
    let from = format!("copied from {}/usr/lib64/libquadmath.so.0.0.0", host.display());
    assert!(findings(&report, "L209").iter().any(|(_, message)| message.contains(&from)), "{report:#}");
    let zipped = zip_entries(&world.beside("out/layer-1.zip"));
    let content = fs::read(host.join("usr/lib64/libquadmath.so.0.0.0")).expect("read");
    assert!(
        zipped
            .iter()
            .any(|(name, mode, bytes)| name == "lib/libquadmath.so.0" && mode & 0o444 == 0o444 && *bytes == content)
    );
    // The tree itself is as it was, and the finished zips check out.
    assert!(!world.root().join("lib/libgfortran.so.5").exists());
    assert_eq!(world.json(&["check", "out"]).0, 0);
    assert_fired_and_nearly_missed(Code::Bundled);
}

#[test]
fn what_extension_modules_and_addons_load_is_taken_too() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libonlyhere.so.1", &[], &[]);
    let module = "python/pkg/m.cpython-312-x86_64-linux-gnu.so";
    world.library(module, &["lib/libonlyhere.so.1"], &[]);
    to_host(&world, &host, "lib/libonlyhere.so.1");
    let bundle = ["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")];
    let (_, report) = world.json(&bundle);
    assert_eq!(bundled(&report), [("lib/libonlyhere.so.1".to_owned(), module.to_owned())]);
    assert_no_finding(&report, "L201");
    // Something that nothing is known to load is not a reason to copy anything.
    fs::rename(world.root().join(module), world.root().join("python/unknown.so")).expect("renamed");
    fs::create_dir_all(world.root().join("share")).expect("made");
    fs::rename(world.root().join("python/unknown.so"), world.root().join("share/unknown.so")).expect("renamed");
    assert_eq!(bundled(&world.json(&bundle).1), []);
}

#[test]
fn what_r_packages_load_is_taken_for_a_layer_without_r_and_what_r_has_is_not_missed_there() {
    let world = World::new();
    world.package("library", "apl", "1.0", "Imports: methods\n").file("library/apl/NAMESPACE", "import(methods)\n");
    world.library("lib/libR.so", &[], &["-Wl,-soname,libR.so"]).library(
        "lib/libown.so.1",
        &[],
        &["-Wl,-soname,libown.so.1"],
    );
    world.library("library/apl/libs/apl.so", &["lib/libR.so", "lib/libown.so.1"], &[]);
    let host = host(&world);
    to_host(&world, &host, "lib/libown.so.1");
    to_host(&world, &host, "lib/libR.so");
    let (code, report) = world.json(&["check", "ROOT"]);
    assert_eq!((code, findings(&report, "R102")), (0, Vec::new()), "{:#}", report["findings"]);
    let missing = findings(&report, "L201");
    assert!(missing.len() == 1 && missing[0].1.contains("R, which is not in the tree, loads it"), "{missing:?}");
    let (_, report) = world.json(&["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]);
    let taken = ("lib/libown.so.1".to_owned(), "library/apl/libs/apl.so".to_owned());
    assert_eq!((bundled(&report), findings(&report, "L201")), (vec![taken], Vec::new()));
    // Beside R, it has to be there.
    world.r().program("R/lib/R/bin/exec/R", &[], &[]);
    let (_, report) = world.json(&["check", "ROOT"]);
    let missing = findings(&report, "L201");
    assert!(missing.iter().any(|(_, message)| message.contains("needs libown.so.1")), "{missing:?}");
    assert!(!missing.iter().any(|(_, message)| message.contains("loads it")), "{missing:?}");
}

#[test]
fn a_copied_library_is_searched_for_in_the_directories_that_its_dependent_lists_on_the_host() {
    let world = World::new();
    let host = host(&world);
    world.library("private/libinner.so.1", &[], &[]);
    world.library("lib/libouter.so.1", &["private/libinner.so.1"], &["-Wl,-rpath,$ORIGIN/outer"]);
    world.program("bin/tool", &["lib/libouter.so.1"], &[]);
    to_host(&world, &host, "lib/libouter.so.1");
    fs::create_dir_all(host.join("usr/lib64/outer")).expect("made");
    fs::rename(world.root().join("private/libinner.so.1"), host.join("usr/lib64/outer/libinner.so.1")).expect("moved");
    let (code, report) = world.json(&["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]);
    let taken: Vec<String> = bundled(&report).into_iter().map(|(path, _)| path).collect();
    assert_eq!(taken, ["lib/libinner.so.1", "lib/libouter.so.1"], "{:#}", report["findings"]);
    assert_eq!(code, 0);
}

#[test]
fn a_library_for_another_machine_is_reported_as_that() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libother.so.1", &[], &[]).program("bin/tool", &["lib/libother.so.1"], &[]);
    let machine = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    fs::remove_file(world.root().join("lib/libother.so.1")).expect("removed");
    fs::write(host.join("usr/lib64/libother.so.1"), Elf::library("libother.so.1").machine(machine).bytes())
        .expect("written");
    let (code, report) = world.json(&["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]);
    assert_eq!((code, bundled(&report)), (1, vec![]));
    let help = report["findings"].to_string();
    let other = if machine == 183 { "aarch64" } else { "x86-64" };
    assert!(help.contains(&format!("--bundle found libother.so.1 on the build host for {other} only")), "{help}");
}

#[test]
fn paths_that_only_the_build_host_has_are_counted_and_listed_for_each_library() {
    let world = World::new();
    let host = host(&world);
    let source = "const char *p[] = {\"/usr/share/own/data\", \"/usr/share/doc/own\", \"/usr/share/gone\", \"/usr/share\", 0};\n\
                  int entry(void) { return p[0][0]; }\n";
    world.c("lib/libown.so.1", source, &[], &["-nostdlib", "-fPIC", "-shared", "-Wl,-soname,libown.so.1"]);
    world.program("bin/tool", &["lib/libown.so.1"], &[]);
    for directory in ["usr/share/own/data", "usr/share/doc/own"] {
        fs::create_dir_all(host.join(directory)).expect("made");
        fs::write(host.join(directory).join("file"), "1").expect("written");
    }
    let sysroot = host.to_str().expect("UTF-8");
    let (_, report) = world.json(&["plan", "ROOT", "--bundle", "--sysroot", sysroot]);
    assert_finding(&report, "N105", "compiled-in paths", "1 path compiled into 1 file exist");
    assert!(findings(&report, "N105")[0].1.ends_with(": /usr/share/own/data"), "{report:#}");
    let (_, why) = world.json(&["why", "libown.so.1", "ROOT", "--bundle", "--sysroot", sysroot]);
    assert_eq!(why["things"][0]["host_paths"].to_string(), "[\"/usr/share/own/data\"]");
    // Nothing is lost with a directory that has nothing.
    fs::remove_file(host.join("usr/share/own/data/file")).expect("removed");
    assert_no_finding(&world.json(&["plan", "ROOT", "--bundle", "--sysroot", sysroot]).1, "N105");
    assert_fired_and_nearly_missed(Code::CompiledPaths);
}

#[test]
fn data_that_only_the_build_host_has_is_taken_and_no_more_of_it_than_is_needed() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libproj.so.25", &[], &[]).library("lib/libgdal.so.32", &["lib/libproj.so.25"], &[]);
    world.program("bin/tool", &["lib/libgdal.so.32"], &[]);
    to_host(&world, &host, "lib/libproj.so.25");
    for file in ["proj/proj.db", "proj/CH", "gdal/header.dxf", "gdal/gcs.csv"] {
        let file = host.join("usr/share").join(file);
        fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        fs::write(file, "data").expect("written");
    }
    let bundle = ["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")];
    let (_, report) = world.json(&bundle);
    let taken: Vec<(String, String)> = bundled(&report);
    let expected = [
        ("lib/libproj.so.25", "lib/libgdal.so.32"),
        ("share/gdal/gcs.csv", "lib/libgdal.so.32"),
        ("share/gdal/header.dxf", "lib/libgdal.so.32"),
        ("share/proj/proj.db", "lib/libproj.so.25"),
    ];
    assert_eq!(taken, expected.map(|(path, by)| (path.to_owned(), by.to_owned())), "{:#}", report["findings"]);
    // PROJ finds it beside the library; for GDAL the variable has to be set.
    assert_no_finding(&report, "N101");
    assert_finding(&report, "N102", "lib/libgdal.so.32", "the tree has share/gdal/header.dxf instead");
    let (_, report) = world.json(&[&bundle[..], &["--env", "GDAL_DATA=/opt/share/gdal"]].concat());
    assert_no_finding(&report, "N102");
    // Below a link nothing could be unzipped.
    world.directory("elsewhere").link("share", "elsewhere");
    let (_, report) = world.json(&bundle);
    assert_eq!(bundled(&report).len(), 1, "{:#}", report["bundled"]);
}

/// Writes files of the host.
fn of_host(host: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let file = host.join(path);
        fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        fs::write(file, content).expect("written");
    }
}

#[test]
fn a_library_that_does_nothing_without_the_rest_is_not_taken_alone() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libjvm.so", &[], &[]).program("bin/tool", &["lib/libjvm.so"], &[]);
    to_host(&world, &host, "lib/libjvm.so");
    let (code, report) = world.json(&["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]);
    assert_eq!((code, bundled(&report)), (1, vec![]));
    let help = report["findings"].to_string();
    assert!(help.contains("a part of a Java runtime") && help.contains("R_JAVA_LD_LIBRARY_PATH"), "{help}");
}

#[test]
fn a_font_is_taken_with_a_configuration_that_names_its_directory() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libfontconfig.so.1", &[], &[]).program("bin/tool", &["lib/libfontconfig.so.1"], &[]);
    let fonts = "usr/share/fonts/truetype";
    of_host(
        &host,
        &[
            (&format!("{fonts}/a/Another-Regular.ttf"), "ttf"),
            (&format!("{fonts}/dejavu/DejaVuSans.ttf"), "ttf"),
            (&format!("{fonts}/dejavu/DejaVuSans-Bold.ttf"), "ttf"),
            (&format!("{fonts}/dejavu/DejaVuSerif.ttf"), "ttf"),
            ("etc/fonts/fonts.conf", "<fontconfig><include>/etc/fonts/conf.d</include></fontconfig>"),
        ],
    );
    let bundle = ["pack", "ROOT", "-o", "OUT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")];
    let (_, report) = world.json(&bundle);
    let taken: Vec<String> = bundled(&report).into_iter().map(|(path, _)| path).collect();
    let dejavu = ["DejaVuSans-Bold.ttf", "DejaVuSans.ttf"].map(|name| format!("share/fonts/truetype/dejavu/{name}"));
    assert_eq!(taken, [&["etc/fonts/fonts.conf".to_owned()], &dejavu[..]].concat());
    assert_eq!(report["bundled"][0]["from"], "layerfit");
    let zipped = zip_entries(&world.beside("out/layer-1.zip"));
    let (_, _, content) = zipped.iter().find(|(name, ..)| name == "etc/fonts/fonts.conf").expect("packed");
    let text = String::from_utf8_lossy(content);
    assert!(text.contains("<dir>/opt/share/fonts</dir>") && text.contains("/tmp/fontconfig"), "{text}");
    assert_eq!(report["bundled"][0]["bytes"], content.len());
    // Each finding names the one variable that makes both found.
    let misplaced = findings(&report, "N102");
    assert!(
        misplaced.len() == 2 && misplaced[0].1.contains("the tree has etc/fonts/fonts.conf instead"),
        "{misplaced:?}"
    );
    let with_path = [&bundle[..], &["--env", "FONTCONFIG_PATH=/opt/etc/fonts"]].concat();
    let (_, report) = world.json(&with_path);
    assert_eq!(bundled(&report).len(), 3, "the variable does not hide what the host has: {report:#}");
    assert_no_finding(&report, "N101");
    assert_no_finding(&report, "N102");
    // Where no known font is, any is taken, but only one.
    fs::remove_dir_all(host.join(fonts).join("dejavu")).expect("removed");
    let (_, report) = world.json(&with_path);
    assert!(bundled(&report).iter().any(|(path, _)| path == "share/fonts/truetype/a/Another-Regular.ttf"));
}

#[test]
fn drivers_that_a_copied_configuration_names_are_taken_and_it_names_their_new_paths() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libodbc.so.2", &[], &[]).program("bin/tool", &["lib/libodbc.so.2"], &[]);
    world.library("lib/libinner.so.1", &[], &[]).library("lib/libdriver.so", &["lib/libinner.so.1"], &[]);
    to_host(&world, &host, "lib/libdriver.so");
    to_host(&world, &host, "lib/libinner.so.1");
    let ini = "[Own]\nDriver=/usr/lib64/libdriver.so\nSetup = /usr/lib64/libdriver.so\n\
               [Gone]\nDriver=/usr/lib64/libgone.so\nUsageCount=1\n";
    of_host(&host, &[("etc/odbcinst.ini", ini), ("etc/odbc.ini", "[data]\nPassword=secret\n")]);
    let bundle = ["pack", "ROOT", "-o", "OUT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")];
    let (_, report) = world.json(&[&bundle[..], &["--env", "ODBCSYSINI=/opt/etc"]].concat());
    let taken: Vec<String> = bundled(&report).into_iter().map(|(path, _)| path).collect();
    assert_eq!(taken, ["etc/odbcinst.ini", "lib/libinner.so.1", "lib/odbc/libdriver.so"], "no passwords");
    let changed = report["bundled"][0]["changed"].to_string();
    assert_eq!(changed, r#"[{"from":"/usr/lib64/libdriver.so","to":"/opt/lib/odbc/libdriver.so"}]"#);
    let zipped = zip_entries(&world.beside("out/layer-1.zip"));
    let (_, _, content) = zipped.iter().find(|(name, ..)| name == "etc/odbcinst.ini").expect("packed");
    let expected = ini.replace("/usr/lib64/libdriver.so", "/opt/lib/odbc/libdriver.so");
    assert_eq!(String::from_utf8_lossy(content), expected);
    // What the host lacks too is reported.
    assert_finding(&report, "N103", "etc/odbcinst.ini", "/usr/lib64/libgone.so");
    assert_no_finding(&report, "N102");
    assert!(
        findings(&report, "L209")
            .iter()
            .any(|(_, m)| m.contains("/usr/lib64/libdriver.so as /opt/lib/odbc/libdriver.so"))
    );
}

#[test]
fn the_time_zone_of_the_function_is_taken_where_the_image_has_none() {
    let world = World::new();
    let host = host(&world);
    world.r();
    of_host(
        &host,
        &[
            ("usr/share/zoneinfo/Europe/Berlin", "tz"),
            ("usr/share/zoneinfo/Europe/Paris", "tz"),
            ("usr/share/zoneinfo/UTC", "tz"),
        ],
    );
    let sysroot = host.to_str().expect("UTF-8");
    let bundle = [
        "plan",
        "ROOT",
        "--bundle",
        "--sysroot",
        sysroot,
        "--env",
        "TZ=Europe/Berlin",
        "--env",
        "TZDIR=/opt/share/zoneinfo",
    ];
    let (_, report) = world.json(&bundle);
    let taken: Vec<String> = bundled(&report).into_iter().map(|(path, _)| path).collect();
    assert_eq!(taken, ["share/zoneinfo/Europe/Berlin", "share/zoneinfo/UTC"]);
    assert_no_finding(&report, "N101");
    // Every image of Lambda has the database itself.
    assert_eq!(bundled(&world.json(&bundle[..bundle.len() - 2]).1), []);
}

#[test]
fn certificates_are_taken_only_where_the_image_has_none() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libz.so.1", &[], &[]);
    to_host(&world, &host, "lib/libz.so.1");
    let sysroot = host.to_str().expect("UTF-8");
    assert_eq!(world.run(&["runtime", "capture", "--sysroot", sysroot, "bare"]).code, 0);
    of_host(&host, &[("etc/ssl/certs/ca-certificates.crt", "pem")]);
    let source =
        "const char *p[] = {\"/etc/ssl/certs/ca-certificates.crt\", 0};\nint entry(void) { return p[0][0]; }\n";
    let rpath = "-Wl,--disable-new-dtags,-rpath,/opt/lib";
    world.c("lib/libcurl.so.4", source, &[], &["-nostdlib", "-fPIC", "-shared", "-Wl,-soname,libcurl.so.4"]).program(
        "bin/tool",
        &["lib/libcurl.so.4"],
        &[rpath],
    );
    let bundle = ["plan", "ROOT", "--bundle", "--sysroot", sysroot];
    assert_eq!(bundled(&world.json(&bundle).1), [], "Lambda's images have a bundle");
    let bare = [&bundle[..], &["--runtime", "bare.toml"]].concat();
    let (_, report) = world.json(&bare);
    let of_curl: Vec<String> =
        bundled(&report).into_iter().map(|(path, _)| path).filter(|p| p.contains("ssl")).collect();
    assert_eq!(of_curl, ["etc/ssl/certs/ca-certificates.crt"], "{report:#}");
    let help = report["findings"].to_string();
    assert!(help.contains("CURL_CA_BUNDLE = \\\"/opt/etc/ssl/certs/ca-certificates.crt\\\""), "{help}");
}

#[test]
fn what_a_run_looked_for_in_vain_is_reported_where_only_the_build_host_has_it() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libown.so.1", &[], &[]).program("bin/tool", &["lib/libown.so.1"], &[]);
    of_host(&host, &[("usr/share/own/data.bin", "data"), ("usr/share/other/found.bin", "data")]);
    let log = "openat(AT_FDCWD, \"/usr/share/own/data.bin\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
               openat(AT_FDCWD, \"/usr/share/other/found.bin\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
               openat(AT_FDCWD, \"/opt/lib/found.bin\", O_RDONLY) = 3\n\
               openat(AT_FDCWD, \"/usr/share/own/nowhere.bin\", O_RDONLY) = -1 ENOENT (No such file or directory)\n";
    fs::write(world.beside("run.log"), log).expect("written");
    let traced = ["check", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8"), "--trace", "run.log"];
    let (_, report) = world.json(&traced);
    let found: Vec<String> = findings(&report, "N107").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(found, ["/usr/share/own/data.bin"]);
    // Of zips, too.
    fs::write(world.beside("layerfit.toml"), format!("sysroot = {host:?}\n")).expect("written");
    assert_eq!(world.run(&["pack", "ROOT", "-o", "OUT", "--trace", "run.log"]).code, 0);
    for zips in ["OUT", "out/layer-1.zip"] {
        let zips = if zips == "OUT" { zips.to_owned() } else { world.beside(zips).display().to_string() };
        assert_finding(&world.json(&["check", &zips, "--trace", "run.log"]).1, "N107", "/usr/share/own/data.bin", "");
        assert_no_finding(&world.json(&["check", &zips]).1, "N107");
    }
    // Wherever it is now, other findings are about that place.
    world.file("share/own/data.bin", "data");
    assert_no_finding(&world.json(&traced).1, "N107");
    assert_fired_and_nearly_missed(Code::LookedForInVain);
}

#[test]
fn a_rule_that_drops_what_a_run_tried_to_open_is_named_and_the_file_is_kept() {
    let world = World::new();
    world.program("bin/tool", &[], &[]).file("share/doc/tool/README", "text").file("share/doc/tool/NEWS", "text");
    let log = "openat(AT_FDCWD, \"/opt/share/doc/tool/README\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
               access(\"/opt/share/doc/tool/NEWS\", R_OK) = -1 ENOENT (No such file or directory)\n";
    fs::write(world.beside("run.log"), log).expect("written");
    let run = ["pack", "ROOT", "-o", "OUT", "--trace", "run.log"];
    let (_, report) = world.json(&run);
    let found = findings(&report, "P105");
    assert!(found.len() == 1 && found[0].1.contains("share/doc/tool/README"), "{:#}", report["findings"]);
    let names: Vec<String> = zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["bin/tool", "share/doc/tool/README"]);
}

#[test]
fn nothing_is_taken_for_what_no_handler_uses() {
    let world = World::new();
    let host = host(&world);
    world.r();
    let library = "R/lib/R/library";
    world.library("lib/libproj.so.25", &[], &[]).library("lib/libinner.so.1", &[], &[]);
    world.package(library, "sf", "1.0", "");
    world.library(&format!("{library}/sf/libs/sf.so"), &["lib/libproj.so.25", "lib/libinner.so.1"], &[]);
    to_host(&world, &host, "lib/libinner.so.1");
    of_host(&host, &[("usr/share/proj/proj.db", "db")]);
    let taken = |handler: &str| -> Vec<String> {
        fs::write(world.beside("handler.R"), handler).expect("written");
        let bundle = ["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8"), "--handler", "handler.R"];
        bundled(&world.json(&bundle).1).into_iter().map(|(path, _)| path).collect()
    };
    assert_eq!(taken("library(sf)\n"), ["lib/libinner.so.1", "share/proj/proj.db"]);
    assert_eq!(taken("library(stats)\n"), Vec::<String>::new());
}

#[test]
fn a_captured_profile_has_the_data_of_the_root() {
    let world = World::new();
    let host = host(&world);
    for (file, content) in [
        ("etc/ssl/certs/ca-certificates.crt", "pem"),
        ("usr/share/zoneinfo/UTC", "tz"),
        ("usr/lib/locale/de_DE.utf8/LC_CTYPE", "locale"),
        ("usr/share/fonts/truetype/A.ttf", "ttf"),
        ("usr/lib64/gconv/CP1250.so", "elf"),
    ] {
        fs::create_dir_all(host.join(file).parent().expect("a directory")).expect("made");
        fs::write(host.join(file), content).expect("written");
    }
    assert_eq!(world.run(&["runtime", "capture", "--sysroot", host.to_str().expect("UTF-8"), "mine"]).code, 0);
    let text = fs::read_to_string(world.beside("mine.toml")).expect("written");
    for there in
        ["/etc/ssl/certs/ca-certificates.crt", "de_DE.utf8", "/usr/share/zoneinfo", "truetype/A.ttf", "gconv/CP1250.so"]
    {
        assert!(text.contains(there), "{there}: {text}");
    }
    world.r();
    let check = ["check", "ROOT", "--runtime", "mine.toml", "--env"];
    assert_no_finding(&world.json(&[&check[..], &["LC_ALL=de_DE.UTF-8"]].concat()).1, "N101");
    assert_finding(&world.json(&[&check[..], &["LC_ALL=fr_FR.UTF-8"]].concat()).1, "N101", "LC_ALL", "fr_FR.utf8");
}

#[test]
fn where_lib_is_a_link_the_library_goes_where_it_leads_and_where_it_is_a_file_that_is_an_error() {
    let world = World::new();
    let host = host(&world);
    world.library("x/libown.so.1", &[], &[]).program("bin/tool", &["x/libown.so.1"], &[]);
    to_host(&world, &host, "x/libown.so.1");
    world.directory("lib64").file("lib64/note", "x").link("lib", "lib64");
    let bundle = ["pack", "ROOT", "-o", "OUT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")];
    let (code, report) = world.json(&bundle);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_eq!(bundled(&report), [("lib64/libown.so.1".to_owned(), "bin/tool".to_owned())]);
    let names: Vec<String> = zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, ..)| name).collect();
    assert!(names.contains(&"lib64/libown.so.1".to_owned()) && !names.iter().any(|name| name.starts_with("lib/")));
    fs::remove_file(world.root().join("lib")).expect("removed");
    world.file("lib", "a file");
    let run = world.run(&bundle);
    assert!(run.code == 2 && run.stderr.contains("lib in the tree is a file"), "{}", run.stderr);
}

#[test]
fn a_part_of_glibc_is_never_taken() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libnsl.so.1", &[], &[]).program("bin/tool", &["lib/libnsl.so.1"], &[]);
    to_host(&world, &host, "lib/libnsl.so.1");
    let (code, report) = world.json(&["analyze", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]);
    assert_eq!(code, 1);
    assert_finding(&report, "L201", "bin/tool", "needs libnsl.so.1");
    assert_eq!(bundled(&report), []);
}

#[test]
fn what_the_host_has_not_stays_missing_and_a_root_that_is_not_there_is_an_error() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libgone.so", &[], &[]).program("bin/tool", &["lib/libgone.so"], &[]);
    fs::remove_file(world.root().join("lib/libgone.so")).expect("removed");
    let (code, report) = world.json(&["analyze", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]);
    assert_eq!((code, findings(&report, "L201").len()), (1, 1));
    let help = |report: &serde_json::Value| report["findings"][0]["help"].as_str().expect("help").to_owned();
    assert!(help(&report).starts_with("--bundle did not find libgone.so"), "{}", help(&report));
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert!(help(&report).starts_with("--bundle copies libgone.so"), "{}", help(&report));
    let run = world.run(&["analyze", "ROOT", "--bundle", "--sysroot", "nowhere"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--sysroot nowhere: is neither a directory nor an image"), "{}", run.stderr);
    let empty = world.beside("empty-root");
    fs::create_dir(&empty).expect("a directory");
    let run = world.run(&["analyze", "ROOT", "--bundle", "--sysroot", empty.to_str().expect("UTF-8")]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("contains none of /lib64/ld-linux-x86-64.so.2"), "{}", run.stderr);
    assert_eq!(world.run(&["analyze", "ROOT", "--sysroot", "/"]).code, 2, "--sysroot goes with --bundle");
}

#[test]
fn a_captured_profile_has_the_libraries_versions_and_commands_of_the_root() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libown.so.1", &[], &[]).program("bin/tool", &["lib/libown.so.1"], &[]);
    to_host(&world, &host, "lib/libown.so.1");
    fs::write(host.join("usr/bin/owncommand"), "x").expect("written");
    let sysroot = host.to_str().expect("UTF-8");
    let run = world.run(&["runtime", "capture", "--sysroot", sysroot, "mine"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "mine.toml: use it with --runtime mine.toml\n"), "{}", run.stderr);
    let text = fs::read_to_string(world.beside("mine.toml")).expect("written");
    assert!(text.contains("/usr/lib64/libown.so.1") && text.contains("\"owncommand\""), "{text}");
    assert!(text.contains("\"/lib64\"") && text.contains("glibc-hwcaps") == cfg!(target_arch = "x86_64"), "{text}");

    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "mine.toml"]);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_eq!(report["runtime"], "mine");
    assert_eq!(world.json(&["analyze", "ROOT"]).0, 1, "the built-in runtime has no such library");
    // What is there is not written over; what the root lacks is said.
    let run = world.run(&["runtime", "capture", "--sysroot", sysroot, "mine"]);
    assert!(run.code == 2 && run.stderr.contains("mine.toml: already exists"), "{}", run.stderr);
    fs::create_dir(world.beside("empty")).expect("made");
    let run = world.run(&["runtime", "capture", "--sysroot", "empty", "other"]);
    assert!(run.code == 2 && run.stderr.contains("contains none of /lib64/ld-linux"), "{}", run.stderr);
    assert_eq!(world.run(&["runtime", "capture", "--sysroot", sysroot, "provided"]).code, 2, "a built-in name");
}

#[test]
fn a_captured_host_says_what_the_host_says() {
    let world = World::new();
    world.c(
        "bin/tool",
        "#include <math.h>\nint main(int c, char **v) { return (int)log((double)c); }\n",
        &[],
        &["-lm"],
    );
    world.mode("bin/tool", 0o755);
    assert_eq!(world.run(&["runtime", "capture", "--sysroot", "/", "here"]).code, 0);
    let (code, captured) = world.json(&["analyze", "ROOT", "--runtime", "here.toml"]);
    assert_eq!(code, 0, "{:#}", captured["findings"]);
    let (code, read) = world.json(&["analyze", "ROOT", "--runtime", "host"]);
    assert_eq!(code, 0);
    let sonames = |report: &Value| -> Vec<Value> {
        report["objects"][0]["needed"]
            .as_array()
            .expect("needed")
            .iter()
            .map(|needed| needed["soname"].clone())
            .collect()
    };
    assert_eq!(sonames(&captured), sonames(&read));
    // Versions are compared too: one that no glibc has is missed in both.
    let text = fs::read_to_string(world.beside("here.toml")).expect("read");
    fs::write(world.beside("older.toml"), text.replace("\"GLIBC_2.29\"", "\"GLIBC_2.29x\"")).expect("written");
    let (code, report) = world.json(&["analyze", "ROOT", "--runtime", "older.toml"]);
    assert_eq!(code, 1);
    assert!(findings(&report, "L204").iter().any(|(_, message)| message.contains("GLIBC_2.29 from libm.so.6")));
    assert_no_finding(&captured, "L204");
}

#[test]
fn a_bundled_library_can_be_dropped_and_does_not_come_back() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libdeep.so.1", &[], &[]).library("lib/libh.so.1", &["lib/libdeep.so.1"], &[]);
    world.program("bin/tool", &["lib/libh.so.1"], &[]);
    to_host(&world, &host, "lib/libh.so.1");
    to_host(&world, &host, "lib/libdeep.so.1");
    let bundle = ["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")];
    let (code, report) = world.json(&bundle);
    let names: Vec<String> = bundled(&report).into_iter().map(|(path, _)| path).collect();
    assert_eq!((code, names), (0, vec!["lib/libdeep.so.1".to_owned(), "lib/libh.so.1".to_owned()]));
    // What only it needs goes with it, though that came from the host too.
    let (code, report) = world.json(&[&bundle[..], &["--drop", "libh.so.1"]].concat());
    assert_eq!((code, bundled(&report)), (1, vec![]));
    assert_finding(&report, "L201", "bin/tool", "needs libh.so.1");
    let (code, report) = world.json(&[&bundle[..], &["--keep", "libh.so.1"]].concat());
    assert_eq!((code, bundled(&report).len()), (0, 2), "what is to be kept may come by --bundle");
}

/// `ld.so.cache` as ldconfig writes it (glibc's `struct cache_file_new`): flags, name and path of each entry.
fn loader_cache(entries: &[(i32, &str, &str)]) -> Vec<u8> {
    let start = 48 + 24 * entries.len();
    let (mut table, mut strings) = (Vec::new(), Vec::new());
    for (flags, name, path) in entries {
        let mut string = |text: &str| {
            let at = u32::try_from(start + strings.len()).expect("short");
            strings.extend(text.bytes().chain([0]));
            at.to_le_bytes()
        };
        let (name, path) = (string(name), string(path));
        table.extend([flags.to_le_bytes(), name, path, [0; 4]].concat());
        table.extend([0; 8]);
    }
    let mut out = b"glibc-ld.so.cache1.1".to_vec();
    out.extend(u32::try_from(entries.len()).expect("few").to_le_bytes());
    out.extend(u32::try_from(strings.len()).expect("short").to_le_bytes());
    out.resize(48, 0);
    [out, table, strings].concat()
}

#[test]
fn a_library_is_taken_from_where_the_hosts_cache_says_for_the_right_machine_and_any_processor() {
    let world = World::new();
    let host = host(&world);
    world.library("lib/libown.so.1", &[], &[]).program("bin/tool", &["lib/libown.so.1"], &[]);
    let content = fs::read(world.root().join("lib/libown.so.1")).expect("read");
    // The tree has no lib yet.
    fs::remove_dir_all(world.root().join("lib")).expect("removed");
    for directory in ["usr/other", "usr/own", "usr/own/glibc-hwcaps/x86-64-v3", "usr/lib64", "usr/arm", "usr/exec"] {
        fs::create_dir_all(host.join(directory)).expect("made");
        fs::write(host.join(directory).join("libown.so.1"), &content).expect("written");
    }
    fs::write(host.join("usr/other/libown.so.1"), [&content[..], b"other"].concat()).expect("written");
    // One for another machine, and a program: the loader passes over them, whatever the cache says.
    let machine = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    fs::write(host.join("usr/arm/libown.so.1"), Elf::library("libown.so.1").machine(machine).bytes()).expect("written");
    let mut program = content.clone();
    program[16] = 2;
    fs::write(host.join("usr/exec/libown.so.1"), program).expect("written");
    let (ours, others) = if cfg!(target_arch = "aarch64") { (0x0a03, 0x0303) } else { (0x0303, 0x0a03) };
    let name = "libown.so.1";
    fs::create_dir_all(host.join("etc")).expect("made");
    let entries = [
        (others, name, "/usr/other/libown.so.1"),
        (ours, "libother.so.1", "/usr/other/libown.so.1"),
        (ours, name, "/usr/arm/libown.so.1"),
        (ours, name, "/usr/exec/libown.so.1"),
        (ours, name, "/usr/own/glibc-hwcaps/x86-64-v3/libown.so.1"),
        (ours, name, "/usr/own/libown.so.1"),
    ];
    fs::write(host.join("etc/ld.so.cache"), loader_cache(&entries)).expect("written");
    let bundle = ["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")];
    let (code, report) = world.json(&bundle);
    assert_eq!(code, 0, "{:#}", report["findings"]);
    assert_eq!(bundled(&report), [("lib/libown.so.1".to_owned(), "bin/tool".to_owned())]);
    assert_eq!(report["bundled"][0]["from"], format!("{}/usr/own/libown.so.1", host.display()));
    assert_eq!(report["bundled"][0]["bytes"], content.len());
    // Without the cache it is where the loader looks by itself.
    fs::remove_file(host.join("etc/ld.so.cache")).expect("removed");
    let (_, report) = world.json(&bundle);
    assert_eq!(report["bundled"][0]["from"], format!("{}/usr/lib64/libown.so.1", host.display()));
    // What is a program, or damaged, is not taken for a library.
    fs::write(host.join("usr/lib64/libown.so.1"), "no library").expect("written");
    let (code, report) = world.json(&bundle);
    assert_eq!((code, bundled(&report)), (1, vec![]));
}

#[test]
fn where_lib_leads_out_of_the_tree_nothing_is_bundled() {
    let world = World::new();
    let host = host(&world);
    world.library("x/libown.so.1", &[], &[]).program("bin/tool", &["x/libown.so.1"], &[]);
    to_host(&world, &host, "x/libown.so.1");
    world.link("lib", "/usr/lib");
    let run = world.run(&["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]);
    assert!(run.code == 2 && run.stderr.contains("leads out of the tree"), "{}", run.stderr);
    // A link to nothing is a link all the same.
    fs::remove_file(world.root().join("lib")).expect("removed");
    world.link("lib", "gone");
    let run = world.run(&["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]);
    assert!(run.code == 2 && run.stderr.contains("make it a directory"), "{}", run.stderr);
}

#[test]
fn modules_for_character_sets_are_taken_from_a_host_with_the_same_glibc() {
    let world = World::new();
    let host = host(&world);
    world.r();
    fs::create_dir(world.beside("code")).expect("made");
    fs::write(world.beside("code/handler.R"), "handler <- function(e) iconv(e, 'EUC-JP', 'UTF-8')\n").expect("written");
    world.library("lib/libJIS.so", &[], &[]).library("lib/EUC-JP.so", &["lib/libJIS.so"], &[]);
    fs::create_dir(host.join("usr/lib64/gconv")).expect("made");
    for name in ["libJIS.so", "EUC-JP.so"] {
        fs::rename(world.root().join("lib").join(name), host.join("usr/lib64/gconv").join(name)).expect("moved");
    }
    let plan = |release: &str| {
        of_host(&host, &[("usr/lib64/libc.so.6", &format!("GNU C Library stable release version {release}.\n"))]);
        world.json(&["plan", "ROOT", "--handler", "code", "--bundle", "--sysroot", host.to_str().expect("UTF-8")]).1
    };
    let report = plan("2.34");
    let taken: Vec<String> = bundled(&report).into_iter().map(|(path, _)| path).collect();
    assert_eq!(taken, ["lib/gconv/EUC-JP.so", "lib/gconv/gconv-modules", "lib/gconv/libJIS.so"]);
    assert!(bundled(&report)[0].1.ends_with("code/handler.R:1"), "{:?}", bundled(&report));
    let found = findings(&report, "N102");
    assert!(found.iter().any(|(_, message)| message.contains("EUC-JP.so")), "{found:?}");
    assert!(report["findings"].to_string().contains("GCONV_PATH=/opt/lib/gconv"), "{:#}", report["findings"]);
    let report = plan("2.36");
    assert_eq!(bundled(&report), []);
    let why = "the build host's is of glibc 2.36, and the image has glibc 2.34";
    assert!(findings(&report, "N101").iter().any(|(_, message)| message.contains(why)), "{:#}", report["findings"]);
}

#[test]
fn what_belongs_together_is_taken_from_above_the_place_that_is_looked_for() {
    let world = World::new();
    let host = host(&world);
    let init = "/usr/share/ghostscript/10.00.0/Resource/Init";
    let source = format!("const char *path = \"{init}:/usr/share/fonts\";\nint entry(void) {{ return path[0]; }}\n");
    let flags = ["-nostdlib", "-fPIC", "-shared", "-Wl,-soname,libgs.so.10"];
    world.c("lib/libgs.so.10", &source, &[], &flags).program("bin/tool", &["lib/libgs.so.10"], &[]);
    let resources = "usr/share/ghostscript/10.00.0";
    let files = ["Resource/Init/gs_init.ps", "Resource/Font/Helvetica", "Resource/CMap/Identity-H", "lib/other.ps"];
    for file in files {
        of_host(&host, &[(&format!("{resources}/{file}"), "%!PS")]);
    }
    // As Debian has them.
    of_host(&host, &[("usr/share/color/icc/ghostscript/srgb.icc", "profile")]);
    symlink("../../color/icc/ghostscript", host.join(resources).join("iccprofiles")).expect("linked");
    let bundle = ["plan", "ROOT", "--bundle", "--sysroot", host.to_str().expect("UTF-8")];
    let (_, report) = world.json(&bundle);
    let taken: Vec<String> = bundled(&report).into_iter().map(|(path, _)| path).collect();
    let below = ["Resource/Font/Helvetica", "Resource/Init/gs_init.ps", "iccprofiles/srgb.icc"];
    assert_eq!(taken, below.map(|path| format!("share/ghostscript/{path}")));
    let set = "GS_LIB=/opt/share/ghostscript/Resource/Init:/opt/share/ghostscript/Resource/Font";
    assert!(report["findings"].to_string().contains(set), "{:#}", report["findings"]);
    let (_, report) = world.json(&[&bundle[..], &["--env", set]].concat());
    assert_eq!(bundled(&report).len(), 3);
    assert_no_finding(&report, "N101");
    assert_no_finding(&report, "N102");
}
