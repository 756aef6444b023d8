//! Safe rules drop what they name, and nothing of an application that is in the same directories.

use std::collections::BTreeSet;

use layerfit::prune::{Level, PruneRules};

use crate::support::{World, zip_entries};

/// Code, configuration and data as applications have them.
const OF_APPLICATIONS: &[(&str, &str)] = &[
    ("app.py", "import os\n"),
    ("__init__.py", "x = 1\n"),
    ("index.js", "module.exports = 1\n"),
    ("main.mjs", "export default 1\n"),
    ("index.php", "<?php echo 1;\n"),
    ("db.inc", "<?php $db = 1;\n"),
    ("app.rb", "puts 1\n"),
    ("run.sh", "#!/bin/sh\necho 1\n"),
    ("run", "#!/bin/sh\necho 1\n"),
    ("site.conf", "key = value\n"),
    ("app.ini", "[app]\n"),
    ("settings.json", "{}\n"),
    ("app.yaml", "a: 1\n"),
    ("app.toml", "a = 1\n"),
    ("app.R", "f <- function() 1\n"),
    ("data.csv", "a,b\n"),
    ("model.rds", "data"),
    ("app.sqlite", "SQLite format 3\0"),
    ("data.orig", "1 2 3\n"),
    ("myapp.mo", "catalog"),
    ("Thumbs.db", "x = 1\n"),
    ("desktop.ini", "[app]\nkey=1\n"),
    ("._settings", "key = value\n"),
];

/// What is not an application's in the directories of the examples: the rule, a part of the path, and why.
const OWNED: &[(&str, &str, &str)] = &[
    ("D107", "/demo/app.R", "demo/*.R are demos by R's convention"),
    ("D108", "/", "tests of a package by R's convention"),
    ("D113", "/app.R", "scripts of MASS and nlme"),
    ("D301", "/tcltk/", "the tcltk package"),
    ("D604", "/model.rds", "word lists in R's own directory"),
    ("D706", ".git/", "git's own directory"),
    ("D708", "/00LOCK", "what R CMD INSTALL moved aside"),
];

#[test]
fn files_of_an_application_stay_in_every_directory_that_a_safe_rule_names() {
    let rules = PruneRules::load(&[]).expect("the built-in rules");
    let safe: Vec<_> = rules.iter().map(|(rule, _)| rule).filter(|rule| rule.level == Level::Safe).collect();
    assert!(safe.len() > 40);
    let world = World::new();
    world.r();
    let mut planted: BTreeSet<(String, String)> = BTreeSet::new();
    for rule in safe {
        for example in &rule.drops {
            // The world's R is in R/lib/R, that of the examples in R/lib64/R.
            let example = example.replace("R/lib64/R", "R/lib/R");
            let directory = example.rsplit_once('/').map_or("", |(directory, _)| directory);
            for (name, content) in OF_APPLICATIONS {
                let path = if directory.is_empty() { (*name).to_owned() } else { format!("{directory}/{name}") };
                world.file(&path, content);
                planted.insert((rule.code.clone(), path));
            }
        }
    }
    for package in ["curl", "xml2", "httr", "askpass", "digest", "data.table", "foo", "BH", "RcppEigen", "BOOM"] {
        world.package("local/lib/R/site-library", package, "1.0", "");
    }
    for package in ["survival", "Matrix", "MASS", "nlme", "tcltk"] {
        world.package("R/lib/R/library", package, "4.2.2", "");
    }
    let run = world.run(&["pack", "ROOT", "-o", "OUT", "--quiet"]);
    let entries = zip_entries(&world.beside("out/layer-1.zip"));
    let kept: BTreeSet<String> = entries.into_iter().map(|(name, ..)| name).collect();
    assert!(kept.contains("R/lib/R/bin/R"), "{}{}", run.stdout, run.stderr);
    let is_owned = |code: &str, path: &str| OWNED.iter().any(|(owned, part, _)| *owned == code && path.contains(part));
    let lost: Vec<_> = planted.iter().filter(|(code, path)| !kept.contains(path) && !is_owned(code, path)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

/// What a rule with a requirement of content drops, and the same names with other content.
#[test]
fn what_a_file_is_decides_where_its_name_does_not() {
    let world = World::new();
    let dropped: &[(&str, &[u8])] = &[
        ("include/vector", b"// -*- C++ -*-\n#ifndef V\n#define V\n#endif\n"),
        ("include/blas.inc", b"      INTEGER N\n"),
        ("include/x/y.hpp", b"x"),
        ("bin/x-config", b"#!/bin/sh\ncase $1 in --cflags) echo;; esac\n"),
        ("lib/xConf.sh", b"X_LIBS=\"-lx\"\n"),
        ("app/Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("app/._index.js", b"\0\x05\x16\x07\0\x02\0\0"),
        ("app/desktop.ini", b"[\0.\0S\0h\0e\0l\0l\0C\0l\0a\0s\0s\0I\0n\0f\0o\0]\0"),
        ("app/a.py~", b"old"),
        ("app/a.py.orig", b"old"),
        ("app/#a.py#", b"old"),
        ("app/.a.py.swp", b"b0VIM 9.0"),
        ("share/doc/x/README", b"read me"),
        ("share/doc/x/NEWS.gz", b"gz"),
        ("share/doc/x/README.VMS", b"read me"),
        ("app/share/doc/x.html", b"html"),
        ("share/locale/de/LC_MESSAGES/xz.mo", b"mo"),
        ("share/man/de/man3/x.3pm.gz", b".\\\" Automatically generated\n.TH X 3pm\n"),
        ("man/man1/y.1", b"'\\\" t\n.TH Y 1\n"),
        ("man/man1/alias.1", b".so man1/y.1\n"),
        ("man/man1/z.1.bz2", b"BZh91AY&SY"),
        ("share/info/x.info-1", b"This is x.info, produced by makeinfo version 6.8 from x.texi.\n"),
        ("share/info/dir", b"\x1f\nFile: dir\n* Menu:\n"),
        ("include/f.mod", b"GFORTRAN module version '10' created from f.f90\n"),
        ("lib/libx.a", b"!<arch>\n"),
        ("lib/libm.a", b"/* GNU ld script\n*/\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libm-2.31.a )\n"),
        ("lib/libx.la", b"# libx.la - a libtool library file\n"),
        ("lib/pkgconfig/x.pc", b"prefix=/opt\n\nName: x\nVersion: 1\n"),
        ("lib/libx.dylib", b"\xcf\xfa\xed\xfe\x07\0\0\x01"),
        ("lib/debug/lib/libx.so.1.debug", b"x"),
        ("lib/libx.so.1-gdb.py", b"import gdb"),
    ];
    let kept: &[(&str, &[u8])] = &[
        ("include/go.mod", b"module example.org/app\n\ngo 1.22\n"),
        ("include/tune.mod", b"Title\0\0\0\0M.K."),
        ("man/man1/x.1", b"{\"id\": 1}\n"),
        ("man/man1/numbers.3", b"0.5\n0.7\n"),
        ("share/info/build.info", b"commit 0a1b\n"),
        ("app/libdata.a", b"\x01\x02\x03"),
        ("app/libwords.la", b"rosa rosae\n"),
        ("app/pkgconfig/map.pc", b"point cloud"),
        ("app/sound.dylib", b"notes"),
        ("include/loader", b"#!/bin/sh\n. /opt/x\n"),
        ("include/db.inc", b"<?php $db = 1;\n"),
        ("include/notes", b"# if you define a port,\n# include it here\ninteger values\n"),
        ("bin/load-config", b"#!/bin/sh\ncat /opt/etc/x.conf\n"),
        ("lib/appConfig.sh", b"HOST=example.org\n"),
        ("data/Thumbs.db", b"SQLite format 3\0"),
        ("data/._index", b"key"),
        ("data/desktop.ini", b"[app]\n"),
        ("data/b.py~", b"only this one"),
        ("data/b.py.orig", b"only this one"),
        ("data/#b#", b"only this one"),
        ("data/.b.swp", b"a swap of values"),
        ("app/a.py", b"new"),
        ("app/lib/libapp.so.1.txt", b"x"),
        ("share/doc/x/start", b"#!/bin/sh\n"),
        ("share/doc/x/serve.py", b"x"),
        ("nodejs/node_modules/x/share/doc/x.html", b"html"),
        ("web/share/doc/x.html", b"html"),
        ("python/pkg/share/doc/x.html", b"html"),
        ("share/locale/de/LC_MESSAGES/app.mo", b"mo"),
        ("share/man/man1/x.py", b"x"),
        ("lib/debug/lib/levels", b"x"),
        ("lib/my-gdb.py", b"x"),
    ];
    for (path, content) in dropped.iter().chain(kept) {
        world.file(path, content);
    }
    // What `objcopy --only-keep-debug` leaves is debug data under any name; the library itself is not.
    world.library("app/lib/libapp.so.1", &[], &["-g"]).library("lib/debug/lib/libdev.so.1", &[], &["-g"]);
    world.library("python/pkg/lib/libpkg.so.1", &[], &[]);
    let companion = world.root().join("lib/debug/lib/libapp.so.1");
    let objcopy = std::process::Command::new("objcopy")
        .arg("--only-keep-debug")
        .args([world.root().join("app/lib/libapp.so.1"), companion])
        .status();
    assert!(objcopy.expect("objcopy is installed (apt-get install binutils)").success());
    world.run(&["pack", "ROOT", "-o", "OUT", "--quiet"]);
    let packed: BTreeSet<String> =
        zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, ..)| name).collect();
    let wrong: Vec<&str> = dropped.iter().map(|(path, _)| *path).filter(|path| packed.contains(*path)).collect();
    assert!(wrong.is_empty() && !packed.contains("lib/debug/lib/libapp.so.1"), "kept: {wrong:?}");
    let wrong: Vec<&str> = kept.iter().map(|(path, _)| *path).filter(|path| !packed.contains(*path)).collect();
    assert!(wrong.is_empty() && packed.contains("lib/debug/lib/libdev.so.1"), "dropped: {wrong:?}");
}
