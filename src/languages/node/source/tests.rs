//! What is concluded from sources in JavaScript and TypeScript.

use super::*;

fn read(text: &str, dialect: Dialect) -> Source {
    parse(text.as_bytes(), dialect).expect("text")
}

/// The packages that a source loads, with `?` for optional ones.
fn packages_of(text: &str, dialect: Dialect) -> Vec<String> {
    let mark = |optional: bool| if optional { "?" } else { "" };
    let source = read(text, dialect);
    let uses = source.uses.into_iter().map(|used| format!("{}{}", used.package, mark(used.optional)));
    let follows = source.follows.into_iter();
    uses.chain(follows.filter_map(|one| Some(format!("{}{}", one.otherwise?, mark(one.optional))))).collect()
}

fn packages(text: &str) -> Vec<String> {
    packages_of(text, Dialect::JavaScript)
}

fn dynamic(text: &str) -> Vec<usize> {
    read(text, Dialect::JavaScript).dynamic.into_iter().map(|one| one.line).collect()
}

#[test]
fn every_form_of_loading_is_read() {
    for (text, expected) in [
        ("const a = require('a')", &["a"][..]),
        ("require(`a/b/c.js`)", &["a"]),
        ("import a from \"@s/a/b\"", &["@s/a"]),
        ("import 'a'; import * as b from 'b'; export { c } from 'c'; export * from 'd'", &["a", "b", "c", "d"]),
        ("const f = async () => (await import('a')).default", &["a"]),
        ("require.resolve('a')", &["a"]),
        (
            "import { createRequire } from 'node:module'; const r = createRequire(import.meta.url); r('a')",
            &["node:module", "a"],
        ),
        ("const name = 'a'; require(name)", &["a"]),
        ("var x = __require(\"a\")", &["a"]),
        ("const s = \"require('a')\" // require('b')", &[]),
        ("require('/opt/nodejs/a')", &["/opt/nodejs/a"]),
        ("function f(require) { require(123) }", &[]),
        ("export const a = 1", &[]),
    ] {
        assert_eq!(packages(text), expected, "{text}");
        assert_eq!(dynamic(text), [0; 0], "{text}");
    }
}

#[test]
fn types_are_not_loaded() {
    for dialect in [Dialect::TypeScript, Dialect::Tsx] {
        let text = "import type { A } from 'a';\nexport type { B } from 'b';\nimport c, { type C } from 'c';\n\
                    import d = require('d');\nconst x = y as string;\n";
        assert_eq!(packages_of(text, dialect), ["c", "d"]);
        assert_eq!(read(text, dialect).dynamic, []);
    }
}

#[test]
fn what_a_source_works_without_is_optional() {
    for text in [
        "try { require('a') } catch { }",
        "try { x = require('a') } catch (e) { x = null }",
        "try { f() } catch (e) { require('a') }",
        "import('a').catch(() => null)",
        "import('a').then(f).catch(g)",
    ] {
        assert_eq!(packages(text), ["a?"], "{text}");
    }
    for text in [
        "try { require('a') } catch (e) { throw e }",
        "try { require('a') } catch (e) { process.exit(1) }",
        "try { require('a') } finally { }",
        "import('a').then(f)",
    ] {
        assert_eq!(packages(text), ["a"], "{text}");
    }
}

#[test]
fn files_of_the_function_and_its_own_packages_are_followed() {
    let paths = |text: &str| {
        let follows = read(text, Dialect::TypeScript).follows.into_iter();
        follows.flat_map(|follow| follow.paths).collect::<Vec<_>>()
    };
    assert_eq!(paths("import './a'"), ["./a"]);
    assert_eq!(paths("import '../a.js'"), ["../a.js", "../a.ts", "../a.tsx"]);
    assert_eq!(paths("import 'a'"), ["node_modules/a/package.json"]);
    let own = super::read("package.json", br#"{"dependencies": {"b": "1"}}"#, Some(Followed::ByName));
    assert_eq!(own.expect("one").expect("read").follows[0].otherwise.as_deref(), Some("b"));
    assert!(super::read("package.json", b"{}", None).is_none());
}

#[test]
fn what_is_computed_is_reported_with_its_line() {
    for text in
        ["\nrequire(name)", "\nimport(`./a/${b}`)", "\nlet n = 'a'; n = f(); require(n)", "\nimport '#a'", "\n)"]
    {
        assert_eq!(dynamic(text), [2], "{text}");
    }
}

#[test]
fn what_is_made_to_be_costly_is_bounded() {
    let n = 20_000;
    for text in
        ["(".repeat(n), "try {".repeat(n), "require(".repeat(n), "`${".repeat(n), "a=>".repeat(n), "[".repeat(n)]
    {
        parse(text.as_bytes(), Dialect::JavaScript).expect("read");
        parse(text.as_bytes(), Dialect::Tsx).expect("read");
    }
    assert!(parse(b"1\0", Dialect::JavaScript).expect_err("binary").contains("NUL"));
}

#[test]
fn names_of_packages_end_before_their_files() {
    let of = |text| package_of(text);
    assert_eq!([of("a"), of("a/b"), of("@s/a/b")], [Some("a"), Some("a"), Some("@s/a")]);
    assert_eq!([of("@/a"), of("~/a"), of("a b"), of("@s"), of("")], [None; 5]);
}

#[test]
fn sources_are_known_by_their_names_or_first_lines() {
    for name in ["a.js", "a.mjs", "a.cjs", "a.ts", "a.mts", "a.tsx", "a.jsx"] {
        assert!(is_name(name), "{name}");
    }
    assert!(!is_name("a.d.ts") && !is_name("a.json") && !is_name("js"));
    assert!(super::read("run", b"#!/usr/bin/env node\n", None).is_some());
    assert!(super::read("run", b"#!/bin/sh\n", None).is_none());
}
