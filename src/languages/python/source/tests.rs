//! What is concluded from Python sources.

use super::*;

fn read(text: &str) -> Source {
    parse(text.as_bytes()).expect("text")
}

/// The modules that a source imports, with `?` for optional ones, if none is a file of the function.
fn modules(text: &str) -> Vec<String> {
    let mark = |optional: bool| if optional { "?" } else { "" };
    let of = |follow: crate::languages::Follow| follow.otherwise.map(|name| format!("{name}{}", mark(follow.optional)));
    read(text).follows.into_iter().filter_map(of).collect()
}

fn dynamic(text: &str) -> Vec<usize> {
    read(text).dynamic.into_iter().map(|one| one.line).collect()
}

#[test]
fn every_form_of_import_is_read() {
    for (text, expected) in [
        ("import a", &["a"][..]),
        ("import a.b as c, d", &["a.b", "d"]),
        ("from a import b", &["a.b"]),
        ("from a.b import (c as d, # e\n  f)", &["a.b.c", "a.b.f"]),
        ("from a import *", &["a"]),
        ("def f():\n    import a", &["a"]),
        ("from __future__ import annotations", &[]),
        ("import importlib\nx = importlib.import_module('a.b')", &["importlib", "a.b"]),
        (
            "from importlib import import_module as m, import_module\nimport_module(name='a')",
            &["importlib.import_module", "importlib.import_module", "a"],
        ),
        ("__import__(\"a\")", &["a"]),
        ("for m in ('a', 'b'):\n    __import__(m)", &["a", "b"]),
        ("M = 'a'\n__import__(M)", &["a"]),
        ("s = '''\nimport a\n'''  # import b", &[]),
        ("runpy.run_module('a')", &["a"]),
    ] {
        let mut expected: Vec<&str> = expected.to_vec();
        expected.dedup();
        assert_eq!(modules(text), expected, "{text}");
        assert_eq!(dynamic(text), [0; 0], "{text}");
    }
}

#[test]
fn what_a_source_works_without_is_optional() {
    for text in [
        "try:\n    import a\nexcept ImportError:\n    a = None",
        "try:\n    import a\nexcept (ValueError, ModuleNotFoundError) as e:\n    pass",
        "try:\n    import a\nexcept:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    import a",
        "if sys.version_info < (3, 11) and x:\n    import a",
        "if __name__ == '__main__':\n    import a",
        "if find_spec_of_it:\n    pass\nelif True:\n    pass\nwith contextlib.suppress(ImportError):\n    import a",
        "importlib.util.find_spec('a')",
        "a = pytest.importorskip('a')",
    ] {
        assert_eq!(modules(text), ["a?"], "{text}");
    }
    for text in [
        "try:\n    import a\nexcept ValueError:\n    pass",
        "try:\n    import a\nexcept ImportError as e:\n    raise RuntimeError('install a') from e",
        "try:\n    import a\nexcept ImportError:\n    sys.exit(1)",
        "try:\n    import a\nfinally:\n    pass",
        "if x:\n    import a",
        "if TYPE_CHECKING:\n    import b\nelse:\n    import a",
        "try:\n    pass\nexcept ImportError:\n    pass\nelse:\n    import a",
    ] {
        assert_eq!(modules(text), ["a"], "{text}");
    }
    assert_eq!(modules("if typing.TYPE_CHECKING:\n    import a"), [""; 0]);
    // By Python 3.10 and older.
    assert_eq!(modules("if sys.version_info < (3, 11):\n    import a"), ["minors:7ff a", "a?"]);
}

#[test]
fn modules_of_the_function_are_followed() {
    let paths = |text: &str| read(text).follows.into_iter().flat_map(|follow| follow.paths).collect::<Vec<_>>();
    assert_eq!(paths("import a.b"), ["a", "a/b"]);
    assert_eq!(paths("from . import a"), ["./a", "./__init__"]);
    assert_eq!(paths("from .a import b"), ["./a/b", "./a", "./__init__"]);
    assert_eq!(paths("from ..a.b import c"), ["../a/b/c", "../a/b", "../a", "../__init__"]);
    assert_eq!(paths("importlib.import_module('.a', __package__)"), ["./a", "./__init__"]);
    assert_eq!(paths("runpy.run_path('x/y.py')"), ["x/y.py"]);
}

#[test]
fn clients_of_aws_name_their_services() {
    let data = |text: &str| {
        let source = read(text);
        (source.data.into_iter().collect::<Vec<_>>().join(","), source.names_more_data)
    };
    assert_eq!(data("boto3.client('s3'); boto3.Session().resource(service_name='sqs')"), ("s3,sqs".to_owned(), false));
    assert_eq!(data("s = 'sns'\nsession.client(s, region_name=x)"), ("sns".to_owned(), false));
    assert_eq!(data("boto3.client(name)"), (String::new(), true));
    assert_eq!(data("redis.client(name)"), (String::new(), false));
}

#[test]
fn what_imports_by_name_is_followed() {
    for (text, expected) in [
        ("pkgutil.get_data('a', 'f')", "a"),
        ("pkgutil.resolve_name('a.b:C')", "a.b"),
        ("import importlib.resources as r\nr.files('a')", "importlib.resources a"),
        ("from importlib.resources import files as f\nf('a.b')", "importlib.resources.files a.b"),
        ("from importlib import resources\nresources.files('a')", "importlib.resources a"),
        ("functools.partial(importlib.import_module, 'a')", "a"),
        ("list(map(importlib.import_module, ['a', 'b']))", "a b"),
        ("NAMES = ['a', 'b']\npool.map(__import__, NAMES)", "a b"),
        ("x = eval(\"__import__('a')\")", "a"),
        ("exec('import a')", "a"),
        ("with unittest.mock.patch('a.x'): pass", "a.x"),
        ("from unittest.mock import patch\n@patch('a.x')\ndef f(): pass", "unittest.mock.patch a.x"),
        ("dictConfig({'f': {'class': 'a.F'}, 'g': {'()': 'ext://b.G'}, 'h': {'class': 'x'}})", "a.F? b.G?"),
        ("INSTALLED_APPS = ['a', 'b.c']", "a? b.c?"),
        ("x = {'class': 'a.F'}", ""),
        ("files('a'); version('a'); load('a')", ""),
    ] {
        assert_eq!(modules(text).join(" "), expected, "{text}");
        assert_eq!(dynamic(text), [0; 0], "{text}");
    }
}

#[test]
fn distributions_and_files_that_are_named_are_used_where_they_are_installed() {
    let uses = |text: &str| read(text).uses.into_iter().map(|it| it.package).collect::<Vec<_>>().join(" ");
    for (text, expected) in [
        ("importlib.metadata.version('A')", "dist:A"),
        ("from importlib.metadata import version as v\nv('a')", "dist:a"),
        ("import importlib.metadata as m\nm.distribution('a')", "dist:a"),
        ("pkg_resources.require('a>=1')", "dist:a>=1"),
        ("importlib.metadata.version(__name__)", ""),
        ("open('/opt/python/a/b.json')", "/opt/python/a/b.json"),
    ] {
        assert_eq!(uses(text), expected, "{text}");
        assert_eq!(dynamic(text), [0; 0], "{text}");
    }
}

#[test]
fn what_reads_objects_is_reported() {
    for text in [
        "import pickle\npickle.load(f)",
        "from pickle import loads as l\nl(b)",
        "import joblib as j\nj.load(f)",
        "import torch\ntorch.load(f)",
        "import pandas as pd\npd.read_pickle(f)",
        "import numpy as np\nnp.load(f, allow_pickle=True)",
    ] {
        assert_eq!(dynamic(text), [2], "{text}");
    }
    // What it reads is a file of the function.
    let follows = read("joblib.load('m.joblib')").follows;
    assert_eq!(follows[0].followed, Followed::Pickled);
    assert_eq!(dynamic("torch.load(f, weights_only=True); json.load(f); yaml.load(f); np.load(f)"), [0; 0]);
}

#[test]
fn what_is_computed_is_reported_with_its_line() {
    for text in [
        "\nimportlib.import_module(name)",
        "\n__import__(f'a.{b}')",
        "\nexec(open('a').read())",
        "\nentry_points(group='a')",
        "\neval(code)",
        "\nregister(importlib.import_module)",
        "\nmap(import_module, names)",
        "\nimportlib.metadata.version(name)",
        "\nlogging.config.dictConfig(json.load(f))",
        "m = 'a'\nimport_module(m); m = f()",
        "\nimport )",
    ] {
        assert_eq!(dynamic(text), [2], "{text}");
    }
}

#[test]
fn what_is_made_to_be_costly_is_bounded() {
    let n = 20_000;
    for text in ["(".repeat(n), "try:\n ".repeat(n), "f(".repeat(n), "'''".repeat(n), "[".repeat(n), "a.".repeat(n)] {
        parse(text.as_bytes()).expect("read");
    }
    assert!(parse(b"import a\0").expect_err("binary").contains("NUL"));
    assert_eq!(read(&" ".repeat(MAX_BYTES + 1)).dynamic.len(), 1);
}

#[test]
fn scripts_are_known_by_their_first_lines() {
    for (bytes, is) in [("#!/usr/bin/env python3\n", true), ("#!/opt/bin/python3.12\n", true), ("#!/bin/sh\n", false)] {
        assert_eq!(read_as("run", bytes), is, "{bytes}");
    }
    assert!(read_as("a.py", "") && !read_as("a.pyi", ""));
}

fn read_as(name: &str, text: &str) -> bool {
    super::read(name, text.as_bytes(), None).is_some()
}
