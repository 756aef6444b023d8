//! What a function opens besides libraries is found, kept and reported: data, configuration, and the files that configuration
//! names, in the function's own environment.

use crate::support::r_code::{Code as RCode, call, database};
use crate::support::{World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings, zip_entries};
use layerfit::base::finding::Code;

/// A library with these paths compiled in, and a program that loads it.
fn user(world: &World, library: &str, paths: &[&str]) {
    let soname = library.rsplit('/').next().expect("a name");
    let strings: String = paths.iter().map(|path| format!("\"{path}\",")).collect();
    let source = format!("const char *paths[] = {{{strings} 0}};\nint entry(void) {{ return paths[0][0]; }}\n");
    let directory = library.rsplit_once('/').expect("a directory").0;
    world.c(library, &source, &[], &["-nostdlib", "-fPIC", "-shared", &format!("-Wl,-soname,{soname}")]).program(
        "bin/user",
        &[library],
        &[&format!("-Wl,--disable-new-dtags,-rpath,/opt/{directory}")],
    );
}

fn check(world: &World, more: &[&str]) -> serde_json::Value {
    world.json(&[&["check", "ROOT"], more].concat()).1
}

#[test]
fn data_that_is_nowhere_is_reported_and_data_beside_its_library_is_not() {
    let world = World::new();
    user(&world, "lib/libproj.so.25", &["/build/share/proj"]);
    let report = check(&world, &[]);
    assert_finding(&report, "N101", "lib/libproj.so.25", "/opt/share/proj/proj.db, /build/share/proj/proj.db");
    world.file("share/proj/proj.db", "db");
    let report = check(&world, &[]);
    assert_no_finding(&report, "N101");
    assert_no_finding(&report, "N102");
    assert_fired_and_nearly_missed(Code::DataMissing);
}

#[test]
fn a_copy_of_a_library_in_a_wheel_opens_the_data_of_its_package() {
    let library = "python/pyproj.libs/libproj-9f3b1c2d.so.25.9.4.0";
    let world = World::new();
    user(&world, library, &["/usr/local/share/proj"]);
    let missing = "python/share/proj/proj.db, /usr/local/share/proj/proj.db";
    assert_finding(&check(&world, &[]), "N101", library, missing);
    // The package's code names it.
    world.file("python/pyproj/proj_dir/share/proj/proj.db", "db");
    let report = check(&world, &[]);
    assert_no_finding(&report, "N101");
    assert_no_finding(&report, "N102");
}

#[test]
fn a_library_that_nothing_loads_needs_no_data() {
    let world = World::new();
    user(&world, "lib/libproj.so.25", &[]);
    std::fs::remove_file(world.root().join("bin/user")).expect("removed");
    world.program("bin/other", &[], &[]);
    assert_no_finding(&check(&world, &[]), "N101");
}

#[test]
fn data_in_another_place_is_found_by_the_variable_that_the_finding_names() {
    let world = World::new();
    user(&world, "lib/x86_64-linux-gnu/libproj.so.25", &["/usr/share/proj"]);
    world.file("share/proj/proj.db", "db");
    let report = check(&world, &[]);
    assert_finding(&report, "N102", "lib/x86_64-linux-gnu/libproj.so.25", "the tree has share/proj/proj.db instead");
    let help = report["findings"].to_string();
    assert!(help.contains("PROJ_DATA=/opt/share/proj") && help.contains("[env]"), "{help}");
    let found = report["findings"].as_array().expect("findings").iter().find(|finding| finding["code"] == "N102");
    assert_eq!(found.expect("N102")["env"]["PROJ_DATA"], "/opt/share/proj");
    // `init` writes what is to be set, and then nothing is left.
    assert_eq!(world.run(&["init", "ROOT"]).code, 0);
    let text = std::fs::read_to_string(world.beside("layerfit.toml")).expect("written");
    assert!(text.contains("\nenv.PROJ_DATA = \"/opt/share/proj\"\n"), "{text}");
    assert_no_finding(&check(&world, &[]), "N102");
    // Each way to set it.
    assert_no_finding(&check(&world, &["--env", "PROJ_DATA=/opt/share/proj"]), "N102");
    std::fs::write(world.beside("layerfit.toml"), "[env]\nPROJ_DATA = \"/opt/share/proj\"\n").expect("written");
    assert_no_finding(&check(&world, &[]), "N102");
    // The option overrides the file, and a variable that is set is the only place.
    assert_finding(
        &check(&world, &["--env", "PROJ_DATA=/opt/nowhere"]),
        "N102",
        "lib/x86_64-linux-gnu/libproj.so.25",
        "/opt/nowhere/proj.db",
    );
    std::fs::remove_file(world.beside("layerfit.toml")).expect("removed");
    world
        .file("bootstrap", "#!/bin/sh\nexport PROJ_DATA=/opt/share/proj\nexec /opt/bin/user\n")
        .mode("bootstrap", 0o755);
    assert_no_finding(&check(&world, &[]), "N102");
    assert_fired_and_nearly_missed(Code::DataMisplaced);
}

#[test]
fn certificates_are_looked_for_where_libcurl_was_built_for() {
    let world = World::new();
    user(&world, "lib/libcurl.so.4", &["/etc/ssl/certs/ca-certificates.crt"]);
    let report = check(&world, &[]);
    assert_finding(&report, "N102", "lib/libcurl.so.4", "provided.al2023 has /etc/pki/tls/certs/ca-bundle.crt");
    assert_no_finding(&check(&world, &["--env", "CURL_CA_BUNDLE=/etc/pki/tls/certs/ca-bundle.crt"]), "N102");
    user(&world, "lib/libcurl.so.4", &["/etc/pki/tls/certs/ca-bundle.crt"]);
    assert_no_finding(&check(&world, &[]), "N102");
    user(&world, "lib/libcurl.so.4", &[]);
    assert_no_finding(&check(&world, &[]), "N102");
}

#[test]
fn certificates_of_gnutls_are_needed_by_what_asks_for_them() {
    let world = World::new();
    user(&world, "lib/libgnutls.so.30", &["/etc/ssl/certs/ca-certificates.crt"]);
    assert_no_finding(&check(&world, &[]), "N102");
    let source = "int gnutls_certificate_set_x509_system_trust(void *);\n\
                  int entry(void) { return gnutls_certificate_set_x509_system_trust(0); }\n";
    world.c("lib/libasks.so", source, &[], &["-nostdlib", "-fPIC", "-shared"]);
    assert_finding(&check(&world, &[]), "N102", "lib/libgnutls.so.30", "there is no variable that names another file");
}

#[test]
fn a_package_that_reads_no_variable_for_certificates_is_reported_until_the_version_that_does() {
    let world = World::new();
    world.r();
    let library = "R/lib/R/library";
    user(&world, "lib/libcurl.so.4", &["/etc/ssl/certs/ca-certificates.crt"]);
    let module = format!("{library}/curl/libs/curl.so");
    let set = ["--env", "CURL_CA_BUNDLE=/etc/pki/tls/certs/ca-bundle.crt"];
    for (version, reported) in [("5.1.0", 1), ("5.2.0", 0), ("6.0.1", 0)] {
        world.package(library, "curl", version, "");
        world.library(&module, &["lib/libcurl.so.4"], &["-Wl,--disable-new-dtags,-rpath,/opt/lib"]);
        let report = check(&world, &set);
        assert_eq!(findings(&report, "N102").len(), reported, "{version}: {report:#}");
    }
}

#[test]
fn a_library_of_which_the_image_has_its_own_is_reported_for_where_it_is_loaded() {
    let world = World::new();
    user(&world, "lib/libcurl.so.4", &["/etc/ssl/certs/ca-certificates.crt"]);
    world.program("bin/user", &["lib/libcurl.so.4"], &[]);
    let found = findings(&check(&world, &[]), "N102");
    assert!(found[0].1.contains("where it is loaded instead of /lib64/libcurl.so.4"), "{found:?}");
    // Nothing in the tree needs it at all.
    world.program("bin/user", &[], &[]);
    assert_no_finding(&check(&world, &[]), "N102");
}

#[test]
fn fonts_are_where_the_configuration_lists_them() {
    let world = World::new();
    user(&world, "lib/libfontconfig.so.1", &[]);
    let report = check(&world, &["--runtime", "provided.al2"]);
    assert_no_finding(&report, "N101");
    let found = findings(&check(&world, &[]), "N101");
    assert!(found.len() == 2 && found.iter().any(|(_, message)| message.contains("crash")), "{found:?}");
    // The fonts of a page of documentation are for a browser, and stay prunable.
    world.file("R/lib/R/doc/html/katex/fonts/A.ttf", "ttf");
    assert_eq!(findings(&check(&world, &[]), "N101").len(), 2);
    world
        .file("etc/fonts/fonts.conf", "<fontconfig><dir>/opt/typefaces</dir></fontconfig>")
        .file("typefaces/DejaVuSans.ttf", "ttf");
    let with_path = ["--env", "FONTCONFIG_PATH=/opt/etc/fonts"];
    let report = check(&world, &with_path);
    assert_no_finding(&report, "N101");
    assert_no_finding(&report, "N102");
    std::fs::remove_file(world.root().join("typefaces/DejaVuSans.ttf")).expect("removed");
    assert_finding(&check(&world, &with_path), "N101", "lib/libfontconfig.so.1", "/opt/typefaces");
}

#[test]
fn a_configuration_that_names_what_is_nowhere_is_reported() {
    let world = World::new();
    user(&world, "lib/libodbc.so.2", &[]);
    let environment = ["--env", "ODBCSYSINI=/opt/etc"];
    world.file("etc/odbcinst.ini", "[FreeTDS]\nDriver=/usr/lib/odbc/libtdsodbc9.so\n");
    assert_finding(&check(&world, &environment), "N103", "etc/odbcinst.ini", "/usr/lib/odbc/libtdsodbc9.so");
    // The remedy names a file of that name.
    world.library("lib/odbc/libtdsodbc9.so", &[], &[]);
    let report = check(&world, &environment);
    assert!(report["findings"].to_string().contains("write its path, /opt/lib/odbc/libtdsodbc9.so"), "{report:#}");
    world.file("etc/odbcinst.ini", "[FreeTDS]\nDriver=/opt/lib/odbc/libtdsodbc9.so\n[d]\nDriver=FreeTDS\n");
    assert_no_finding(&check(&world, &environment), "N103");
    // A bare name is searched for as the loader does.
    world.file("etc/odbcinst.ini", "[a]\nDriver = libbare.so\n");
    assert_finding(&check(&world, &environment), "N103", "etc/odbcinst.ini", "libbare.so");
    world.library("lib/libbare.so", &[], &[]);
    assert_no_finding(&check(&world, &environment), "N103");
    assert_fired_and_nearly_missed(Code::NamedFileMissing);
}

#[test]
fn an_editable_install_leads_out_of_the_layer() {
    let world = World::new();
    let pth = "python/lib/python3.12/site-packages/__editable__.mine.pth";
    world.file(pth, "/home/build/src/mine\n");
    assert_finding(&check(&world, &[]), "N103", pth, "/home/build/src/mine");
    world.file(pth, "import sys\n./vendored\n").file("python/lib/python3.12/site-packages/vendored/a.py", "");
    assert_no_finding(&check(&world, &[]), "N103");
}

#[test]
fn a_value_that_lambda_sets_and_a_package_does_not_understand_is_reported() {
    let world = World::new();
    world.r().package("R/lib/R/library", "lubridate", "1.9.2", "");
    let report = check(&world, &[]);
    assert_finding(&report, "N104", "pkg:lubridate", "TZ=:UTC");
    assert!(report["findings"].to_string().contains("set TZ=UTC for the function and under [env]"), "{report:#}");
    assert_no_finding(&check(&world, &["--env", "TZ=Europe/Berlin"]), "N104");
    // R can set it itself; a default does not replace Lambda's value.
    world.file("R/lib/R/etc/Renviron.site", "TZ=${TZ-UTC}\n");
    assert_eq!(findings(&check(&world, &[]), "N104").len(), 1);
    world.file("R/lib/R/etc/Renviron.site", "# site\nTZ='UTC'\n");
    assert_no_finding(&check(&world, &[]), "N104");
    world.file("R/lib/R/etc/Renviron.site", "").file("R/lib/R/etc/Rprofile.site", "Sys.setenv(TZ = \"UTC\")\n");
    assert_no_finding(&check(&world, &[]), "N104");
    assert_fired_and_nearly_missed(Code::SettingBreaks);
}

#[test]
fn a_variable_that_lambda_does_not_set_and_a_package_needs_is_reported() {
    let world = World::new();
    world.r().package("R/lib/R/library", "duckdb", "1.0", "");
    let found = findings(&check(&world, &[]), "N104");
    assert!(found.len() == 1 && found[0].1.contains("does not work without HOME"), "{found:?}");
    assert_no_finding(&check(&world, &["--env", "HOME=/tmp"]), "N104");
    world.file("R/lib/R/etc/Renviron.site", "HOME=/tmp\n");
    assert_no_finding(&check(&world, &[]), "N104");
}

#[test]
fn locales_and_time_zones_of_the_environment_are_those_of_the_image() {
    let world = World::new();
    world.r();
    assert_no_finding(&check(&world, &[]), "N101");
    assert_no_finding(&check(&world, &["--env", "TZ=Europe/Berlin"]), "N101");
    let nowhere = ["--env", "TZ=Europe/Berlin", "--env", "TZDIR=/opt/zones"];
    assert_finding(&check(&world, &nowhere), "N101", "TZ", "/opt/zones/Europe/Berlin");
    assert_no_finding(&check(&world, &["--env", "TZ=UTC", "--env", "TZDIR=/opt/zones"]), "N101");
    assert_finding(&check(&world, &["--env", "LC_ALL=de_DE.UTF-8"]), "N101", "LC_ALL", "/usr/lib/locale/de_DE.utf8");
    assert_no_finding(&check(&world, &["--env", "LC_ALL=de_DE.UTF-8", "--runtime", "provided.al2"]), "N101");
    assert_no_finding(&check(&world, &["--env", "LC_ALL=C.UTF-8"]), "N101");
}

#[test]
fn the_library_path_and_the_path_of_the_function_are_those_that_are_searched() {
    let world = World::new();
    world.library("deep/libdeep.so.1", &[], &[]).program("bin/deep", &["deep/libdeep.so.1"], &[]);
    assert_eq!(findings(&check(&world, &[]), "L201").len(), 1);
    assert_no_finding(&check(&world, &["--env", "LD_LIBRARY_PATH=/opt/deep:/lib64"]), "L201");
    world.file("bootstrap", "#!/bin/sh\ntool\n").mode("bootstrap", 0o755);
    world.file("tools/tool", "#!/bin/sh\n").mode("tools/tool", 0o755);
    assert_eq!(findings(&check(&world, &[]), "C102").len(), 1);
    assert_no_finding(&check(&world, &["--env", "PATH=/usr/bin:/opt/tools"]), "C102");
}

#[test]
fn the_libraries_of_the_environment_are_those_that_r_searches() {
    let world = World::new();
    world.r().package("site/library", "jsonlite", "1.8", "");
    assert_eq!(findings(&check(&world, &[]), "R107").len(), 1);
    assert_no_finding(&check(&world, &["--env", "R_LIBS=/opt/site/library"]), "R107");
}

#[test]
fn a_variable_that_cannot_be_set_is_refused_everywhere() {
    let world = World::new();
    world.file("a", "");
    for (variable, why) in
        [("1X=a", "not the name"), ("AWS_LAMBDA_X=a", "Lambda sets"), ("NOT_SET_ANYWHERE", "give its value")]
    {
        let run = world.run(&["check", "ROOT", "--env", variable]);
        assert!(run.code == 2 && run.stderr.contains(why), "{variable}: {}", run.stderr);
    }
    std::fs::write(world.beside("layerfit.toml"), "[env]\n\"a b\" = \"\"\n").expect("written");
    let run = world.run(&["plan", "ROOT"]);
    assert!(run.code == 2 && run.stderr.contains("layerfit.toml:2: env.a b"), "{}", run.stderr);
}

#[test]
fn what_is_opened_is_kept_and_goes_with_what_opens_it() {
    let world = World::new();
    user(&world, "lib/libproj.so.25", &[]);
    world.program("bin/other", &[], &[]).file("share/proj/proj.db", "db").file("share/proj/README", "text");
    std::fs::write(
        world.beside("rule.toml"),
        "[[rule]]\ncode = \"X901\"\nname = \"data\"\nwhat = \"Data.\"\nwhy_safe = \"It is not opened.\"\nbreaks = \"nothing\"\n\
         level = \"safe\"\nmatch = [\"share/proj/*.db\"]\ndrops = [\"share/proj/a.db\"]\nkeeps = [\"share/a.db\"]\n",
    )
    .expect("written");
    let packed = |arguments: &[&str]| -> Vec<String> {
        assert_eq!(world.run(&[&["pack", "ROOT", "-o", "OUT", "-q"], arguments].concat()).code, 0);
        zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, ..)| name).collect()
    };
    let kept = packed(&["--rules", "rule.toml"]);
    assert!(kept.contains(&"share/proj/proj.db".to_owned()), "{kept:?}");
    let (_, why) = world.json(&["why", "share/proj/proj.db", "ROOT"]);
    assert!(why["things"][0]["paths"].to_string().contains("opens"), "{why:#}");
    let kept = packed(&["--drop", "bin/user"]);
    assert_eq!(kept, ["bin/other"]);
    // Its bytes are a part of what dropping the program frees.
    let (_, why) = world.json(&["why", "bin/user", "ROOT"]);
    let goes_with = why["things"][0]["goes_with"].to_string();
    assert!(goes_with.contains("share/proj/proj.db") && goes_with.contains("lib/libproj.so.25"), "{goes_with}");
}

#[test]
fn a_handler_that_uses_no_package_of_it_keeps_no_data_of_it() {
    let world = World::new();
    world.r();
    let library = "R/lib/R/library";
    user(&world, "lib/libproj.so.25", &[]);
    std::fs::remove_file(world.root().join("bin/user")).expect("removed");
    world.package(library, "sf", "1.0", "").library("R/lib/R/library/sf/libs/sf.so", &["lib/libproj.so.25"], &[]);
    world.file("share/proj/proj.db", "db");
    let packed = |handler: &str| -> Vec<String> {
        std::fs::write(world.beside("handler.R"), handler).expect("written");
        let run = world.run(&["pack", "ROOT", "-o", "OUT", "-q", "--handler", "handler.R"]);
        assert!(run.code < 2, "{}", run.stderr);
        zip_entries(&world.beside("out/layer-1.zip")).into_iter().map(|(name, ..)| name).collect()
    };
    assert!(packed("library(sf)\n").contains(&"share/proj/proj.db".to_owned()));
    let kept = packed("library(stats)\n");
    assert!(!kept.iter().any(|name| name.contains("proj")), "{kept:?}");
}

#[test]
fn a_character_set_without_module_in_the_image_is_reported_where_a_handler_names_it() {
    let world = World::new();
    world.r();
    std::fs::create_dir(world.beside("code")).expect("made");
    let handler = "handler <- function(event) {\n  x <- iconv(event$x, \"latin1\", \"UTF-8\")\n  \
                   y <- iconv(x, \"UTF-8\", \"windows-1250\")\n  read.csv(\"a\", fileEncoding = \"UTF-16LE\")\n}\n";
    std::fs::write(world.beside("code/handler.R"), handler).expect("written");
    let of_charsets = |more: &[&str], code: &str| {
        let report = check(&world, &[&["--handler", "code"], more].concat());
        let all = findings(&report, code);
        all.into_iter().filter(|(_, message)| message.contains("character set")).collect::<Vec<_>>()
    };
    let found = of_charsets(&[], "N101");
    assert!(found.len() == 1 && found[0].0.ends_with("code/handler.R"), "{found:?}");
    assert!(found[0].1.starts_with("line 3 names the character set windows-1250, for which"), "{found:?}");
    assert_eq!(of_charsets(&["--runtime", "provided.al2"], "N101"), [], "it has all of glibc's");
    world.file("lib/gconv/CP1250.so", "module").file("lib/gconv/gconv-modules", "module CP1250// INTERNAL CP1250 1\n");
    assert_eq!(of_charsets(&[], "N101"), []);
    let found = of_charsets(&[], "N102");
    assert!(found.len() == 1 && found[0].1.contains("the tree has it in lib/gconv"), "{found:?}");
    assert_eq!(of_charsets(&["--env", "GCONV_PATH=/opt/lib/gconv"], "N102"), []);
}

#[test]
fn a_variable_that_points_nowhere_is_reported_and_one_of_whose_places_one_exists_is_not() {
    let world = World::new();
    world.program("bin/tool", &[], &[]).file("etc/mine.conf", "x");
    let told = |value: &str| findings(&check(&world, &["--env", value]), "N104");
    for value in [
        "MINE=/opt/etc/mine.conf",
        "MINE=/opt/nowhere:/opt/etc",
        "MINE=/var/task/mine.conf",
        "MINE=/tmp/cache",
        "MINE=https://example.org/opt/x",
        "MINE=/usr/share/unknown",
        "LD_LIBRARY_PATH=/lib64:/usr/lib64:/opt/lib:/opt/lib64",
        "SSL_CERT_FILE=/etc/pki/tls/certs/ca-bundle.crt",
        // bin/R sets it, for building packages.
        "R_INCLUDE_DIR=/opt/R/lib/R/include",
    ] {
        assert_eq!(told(value), [], "{value}");
    }
    let found = told("MINE=/opt/conf/mine.conf");
    assert_eq!(found.len(), 1);
    assert!(found[0].0 == "MINE" && found[0].1.contains("names /opt/conf/mine.conf, which neither"), "{found:?}");
    for value in
        ["MINE=/opt/a:/opt/b", "LD_PRELOAD=/opt/lib/libfast.so", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]
    {
        assert_eq!(told(value).len(), 1, "{value}");
    }
    // What a script of the tree assigns counts, and what is looked for there has one finding.
    world
        .file("bootstrap", "#!/bin/sh\nexport KRB5_CONFIG=/opt/etc/krb5.conf\nexec /opt/bin/tool\n")
        .mode("bootstrap", 0o755);
    assert_finding(&check(&world, &[]), "N104", "KRB5_CONFIG", "/opt/etc/krb5.conf");
    user(&world, "lib/libproj.so.25", &[]);
    let report = check(&world, &["--env", "PROJ_DATA=/opt/nowhere"]);
    assert_finding(&report, "N101", "lib/libproj.so.25", "/opt/nowhere/proj.db");
    assert!(!findings(&report, "N104").iter().any(|(subject, _)| subject == "PROJ_DATA"), "{report:#}");
    // The remedy names what has most of the path's end in common, not any file of that name.
    world.file("bin/R", "x").directory("share/R").directory("lib64/R");
    let report = check(&world, &["--env", "MINE=/opt/R/lib64/R"]);
    let of_mine = report["findings"].as_array().expect("findings").iter().find(|found| found["subject"] == "MINE");
    let help = of_mine.expect("a finding")["help"].as_str().expect("text");
    assert_eq!(help, "the tree has lib64/R: set the variable to /opt/lib64/R");
    // A place whose name only begins alike is another one.
    let report = check(&world, &["--env", "PROJ_DATA=/opt/nowhere", "--env", "MINE=/opt/now"]);
    assert!(findings(&report, "N104").iter().any(|(subject, _)| subject == "MINE"), "{report:#}");
}

#[test]
fn defaults_in_renviron_are_values_of_variables_that_are_not_set() {
    let world = World::new();
    world.r();
    user(&world, "lib/libtcl8.6.so", &["/usr/share/tcltk/tcl8.6"]);
    world.file("share/tcl8.6/init.tcl", "# Tcl");
    assert_finding(&check(&world, &[]), "N102", "lib/libtcl8.6.so", "share/tcl8.6/init.tcl");
    world.file("R/lib/R/etc/Renviron", "R_PLATFORM=x\nTCL_LIBRARY=${TCL_LIBRARY:-'/opt/share/tcl8.6'}\n");
    assert_no_finding(&check(&world, &[]), "N102");
    let report = check(&world, &["--env", "TCL_LIBRARY=/opt/elsewhere"]);
    assert_finding(&report, "N102", "lib/libtcl8.6.so", "/opt/elsewhere/init.tcl");
}

#[test]
fn a_time_zone_that_is_not_in_the_database_is_reported() {
    let world = World::new();
    world.file("bootstrap", "#!/bin/sh\ndate\n").mode("bootstrap", 0o755);
    let told = |value: &str| findings(&check(&world, &["--env", value]), "N101");
    for value in ["TZ=Europe/Berlin", "TZ=America/Argentina/Buenos_Aires", "TZ=:Etc/GMT+1", "TZ=UTC", "TZ=CET-1CEST"] {
        assert_eq!(told(value), [], "{value}");
    }
    let found = told("TZ=Europe/Berln");
    assert!(found.len() == 1 && found[0].0 == "TZ" && found[0].1.contains("Europe/Berln"), "{found:?}");
}

#[test]
fn a_locale_of_a_program_that_sets_one_is_looked_for() {
    let world = World::new();
    let source = "#include <locale.h>\nint main(void) { return setlocale(LC_ALL, \"\") == 0; }\n";
    world.c("bin/tool", source, &[], &[]).mode("bin/tool", 0o755);
    assert_finding(&check(&world, &["--env", "LANG=de_DE.UTF-8"]), "N101", "bin/tool", "de_DE.utf8");
    assert_no_finding(&check(&world, &["--env", "LANG=C.UTF-8"]), "N101");
    world.program("bin/tool", &[], &[]);
    assert_no_finding(&check(&world, &["--env", "LANG=de_DE.UTF-8"]), "N101");
}

#[test]
fn a_driver_of_odbc_ini_that_is_no_section_of_odbcinst_ini_is_reported() {
    let world = World::new();
    user(&world, "lib/libodbc.so.2", &[]);
    world.file("lib/libdriver.so", "driver").file("etc/odbcinst.ini", "[freetds]\nDriver=/opt/lib/libdriver.so\n");
    world.file(
        "etc/odbc.ini",
        "[a]\nDriver=FreeTDS\n[b]\nDriver = ODBC Driver 18 for SQL Server\n[c]\nDriver=/opt/lib/libdriver.so\n",
    );
    let report = check(&world, &["--env", "ODBCSYSINI=/opt/etc"]);
    let found = findings(&report, "N103");
    assert!(found.len() == 1 && found[0].1.contains("the ODBC driver ODBC Driver 18 for SQL Server"), "{found:?}");
    std::fs::remove_file(world.root().join("etc/odbcinst.ini")).expect("removed");
    assert_no_finding(&check(&world, &["--env", "ODBCSYSINI=/opt/etc"]), "N103");
}

#[test]
fn a_path_in_the_code_of_a_package_is_where_it_looks_until_an_option_names_another() {
    let world = World::new();
    let library = "R/lib/R/library";
    world.r().package(library, "rjags", "4-13", "");
    let configured = call("options", RCode::Text("/usr/lib/x86_64-linux-gnu/JAGS/modules-4"));
    let (index, records) = database(&[(".onLoad", configured), ("other", RCode::Text("modules-4"))], &[]);
    world.file(format!("{library}/rjags/R/rjags.rdx"), index).file(format!("{library}/rjags/R/rjags.rdb"), records);
    let found = findings(&check(&world, &[]), "N101");
    assert!(found.len() == 1 && found[0].1.contains("JAGS/modules-4/basemod.so"), "{found:?}");
    // What the remedy is about: the files, and the option.
    world.library("lib/JAGS/modules-4/basemod.so", &[], &[]).library("lib/JAGS/modules-4/bugs.so", &[], &[]);
    let report = check(&world, &[]);
    assert_no_finding(&report, "N101");
    assert_finding(&report, "N102", "pkg:rjags", "the tree has lib/JAGS/modules-4/basemod.so instead");
    assert!(report["findings"].to_string().contains("options(jags.moddir"), "{report:#}");
    let profile = "R/lib/R/etc/Rprofile.site";
    world.file(profile, "options(jags.moddir = \"/opt/lib/JAGS/modules-4\")\n");
    assert_no_finding(&check(&world, &[]), "N102");
    // Nothing links the modules.
    let (_, report) = world.json(&["analyze", "ROOT"]);
    assert!(!report["unused_libraries"].to_string().contains("modules-4"), "{report:#}");
    world.file(profile, "options(other = \"/opt/lib/JAGS/modules-4\")\n");
    assert_eq!(findings(&check(&world, &[]), "N102").len(), 1);
    // Code that names no such path says nothing of the place.
    let (index, records) = database(&[(".onLoad", RCode::Text("modules-4"))], &[]);
    world.file(format!("{library}/rjags/R/rjags.rdx"), index).file(format!("{library}/rjags/R/rjags.rdb"), records);
    assert_no_finding(&check(&world, &[]), "N102");
}

/// Libraries of Open MPI; libopen-pal.so.40 has this in its source.
fn open_mpi(world: &World, source: &str) {
    let shared = |soname: &str| ["-nostdlib", "-fPIC", "-shared", &format!("-Wl,-soname,{soname}")].map(str::to_owned);
    for (soname, source) in
        [("libopen-pal.so.40", source), ("libopen-rte.so.40", "int orte_init(void) { return 0; }\n")]
    {
        let options = shared(soname);
        world.c(&format!("lib/{soname}"), source, &[], &options.each_ref().map(String::as_str));
    }
    let needed = ["lib/libopen-pal.so.40", "lib/libopen-rte.so.40"];
    world.program("bin/user", &needed, &["-Wl,--disable-new-dtags,-rpath,/opt/lib"]);
}

#[test]
fn open_mpi_needs_its_components_and_its_daemon_where_it_is_started() {
    let world = World::new();
    open_mpi(&world, "int opal_init(void) { return 0; }\n");
    // Nothing starts MPI.
    assert_no_finding(&check(&world, &[]), "N101");
    let source = "int MPI_Init(void *, void *);\nint entry(void) { return MPI_Init(0, 0); }\n";
    world.c("lib/libstarts.so", source, &[], &["-nostdlib", "-fPIC", "-shared"]);
    let found = findings(&check(&world, &[]), "N101");
    let subjects: Vec<&str> = found.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["lib/libopen-pal.so.40", "lib/libopen-rte.so.40"], "{found:?}");
    assert!(found[0].1.contains("components mca_*.so") && found[1].1.contains("program orted"), "{found:?}");
    world.library("lib/openmpi3/mca_ess_singleton.so", &[], &[]);
    let report = check(&world, &["--env", "OMPI_MCA_ess_singleton_isolated=1"]);
    assert_no_finding(&report, "N101");
    assert_finding(&report, "N102", "lib/libopen-pal.so.40", "lib/openmpi3/mca_ess_singleton.so");
    assert!(report["findings"].to_string().contains("OPAL_PKGLIBDIR=/opt/lib/openmpi3"), "{report:#}");
    let set = ["--env", "OMPI_MCA_ess_singleton_isolated=1", "--env", "OPAL_PKGLIBDIR=/opt/lib/openmpi3"];
    assert_no_finding(&check(&world, &set), "N102");
    // A build with the components in the library.
    let world = World::new();
    open_mpi(&world, "int mca_shmem_mmap_component = 1;\n");
    world.c("lib/libstarts.so", source, &[], &["-nostdlib", "-fPIC", "-shared"]);
    let found = findings(&check(&world, &[]), "N101");
    assert!(found.len() == 1 && found[0].0 == "lib/libopen-rte.so.40", "{found:?}");
}

#[test]
fn rmpi_loads_open_mpi_again_by_the_name_of_its_link() {
    let library = "R/lib/R/library";
    let starts = "extern int SYMBOL;\nint *entry(void) { return &SYMBOL; }\n";
    for (symbol, version, reported) in
        [("ompi_mpi_comm_world", "0.6-9.2", 1), ("ompi_mpi_comm_world", "0.7-3", 0), ("MPIR_Process", "0.6-9.2", 0)]
    {
        let world = World::new();
        world.r().package(library, "Rmpi", version, "");
        let source = starts.replace("SYMBOL", symbol);
        world.c(&format!("{library}/Rmpi/libs/Rmpi.so"), &source, &[], &["-nostdlib", "-fPIC", "-shared"]);
        let found = findings(&check(&world, &[]), "N101");
        assert_eq!(found.len(), reported, "{symbol} {version}: {found:?}");
        world.library("lib/libmpi.so.40", &[], &[]).link("lib/libmpi.so", "libmpi.so.40");
        assert_no_finding(&check(&world, &[]), "N101");
    }
}

#[test]
fn a_database_without_content_is_not_found_and_hides_others() {
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n", "a".repeat(64));
    for content in ["", &pointer] {
        let world = World::new();
        user(&world, "lib/libproj.so.25", &["/opt/proj"]);
        world.file("share/proj/proj.db", content);
        assert_finding(&check(&world, &[]), "N101", "lib/libproj.so.25", "/opt/share/proj/proj.db, which is empty, or");
        world.file("proj/proj.db", "db");
        assert_finding(&check(&world, &[]), "N102", "lib/libproj.so.25", "the tree has proj/proj.db instead");
    }
}
