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
        ("require('/opt/nodejs/a')", &["/opt/nodejs/a?", "load:/opt/nodejs/a"]),
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
                    import d = require('d');\nconst x = c(d) as string;\n";
        assert_eq!(packages_of(text, dialect), ["c", "d"]);
        assert_eq!(read(text, dialect).dynamic, []);
    }
}

#[test]
fn a_compiler_of_typescript_removes_imports_of_what_is_only_a_type() {
    for (text, expected) in [
        ("import { Context as C } from 'a'; export const f = (c: C): Promise<C> => x", &[][..]),
        ("import { type A } from 'a'", &[]),
        ("import * as a from 'a'; export const f: a.Handler = async () => 1", &[]),
        ("import a, { B } from 'a'; let x: a; f(B)", &["a"]),
        ("import { A } from 'a'; export { A }", &["a"]),
        ("import { A } from 'a'; f({ A })", &["a"]),
        ("import { A } from 'a'; class B extends A {}", &["a"]),
        ("import { A } from 'a'; class B implements A {}", &[]),
        ("import { A } from 'a'; @Injectable() class B { constructor(a: A) {} }", &["a"]),
        ("import type from 'a'; type()", &["a"]),
        ("import 'a'", &["a"]),
    ] {
        assert_eq!(packages_of(text, Dialect::TypeScript), expected, "{text}");
    }
    let text = "import React from 'react'; import C from 'c'; import { D } from 'd'; export const f = (d: D) => <C/>";
    assert_eq!(packages_of(text, Dialect::Tsx), ["c", "react"]);
    // Node.js loads what JavaScript imports, used or not.
    assert_eq!(packages("import { A } from 'a'"), ["a"]);
}

#[test]
fn functions_that_load_modules_have_many_names() {
    for text in [
        "import { createRequire as make } from 'module'; const r = make(import.meta.url); r('a')",
        "const { createRequire: make } = require('module'); make(__filename)('a')",
        "import * as m from 'module'; m.createRequire(import.meta.url)('a')",
        "import * as m from 'module'; const r = m.createRequire(import.meta.url); r.resolve('a')",
    ] {
        assert_eq!(packages(text), ["a", "module"], "{text}");
    }
}

#[test]
fn what_loads_modules_is_followed_through_its_other_names() {
    let esbuild = "var m=(a=>typeof require<\"u\"?require:typeof Proxy<\"u\"?new Proxy(a,{get:(b,c)=>(typeof require<\"u\"?require:\
                   b)[c]}):a)(function(a){if(typeof require<\"u\")return require.apply(this,arguments);throw Error('x')});";
    for text in [
        &format!(
            "import{{createRequire}} from 'module';const require=createRequire(import.meta.url);{esbuild}var q=m('a');"
        ),
        &format!(
            "import 'module';{esbuild}function f(m){{m('div');m(x)}}class C{{g(m){{return m('b')}}}}const q=()=>m('a')"
        ),
        "import 'module'; var n = n || require; n('a')",
        "import 'module'; let r = typeof require !== \"undefined\" ? require : null; r('a')",
        "import 'module'; (0, require)('a')",
        "import 'module'; eval('require')('a'); (0, eval)('require')('a')",
        "import 'module'; const e = eval(\"require\"); e('a')",
        "import 'module'; require.call(null, 'a'); require.apply(this, ['a'])",
        "import 'module'; ['a'].map(require)",
        "import 'module'; __non_webpack_require__('a')",
        "import 'module'; require.main.require('a'); module['require']('a'); module.require('a')",
        "import 'module'; const r = require; const s = r; s('a')",
        "import 'module'; const load = (name) => require(name); load('a')",
        "import 'module'; var __require = (x) => { if (typeof require !== 'undefined') return require(x); throw Error(x) }; __require('a')",
        "import 'module'; const load = new Function('s', 'return import(s)'); load('a')",
        "import{createRequire as e}from'module';var t=e(import.meta.url);function f(t,e){t('x');e('y')('z')}t('a')",
        "import * as n from 'module'; const e = (0, n.createRequire)(import.meta.url); e('a')",
        "import 'module'; globalThis.require = n.createRequire(u); require('a')",
        "import 'module'; const bound = require.bind(null); bound('a')",
        "import 'module'; ((r) => { r('a') })(require)",
        "import 'module'; export { x as y }; require('a')",
    ] {
        let mut found = packages(text);
        found.dedup();
        assert_eq!(found, ["a", "module"], "{text}");
        assert_eq!(dynamic(text), [0; 0], "{text}");
    }
}

#[test]
fn what_is_not_followed_of_what_loads_modules_is_reported() {
    for text in [
        "\nregister(require)",
        "\nmodule.exports = { require }",
        "\nmodule.exports = { load: require }",
        "\nx.load = createRequire(import.meta.url)",
        "\nnames.map(require)",
        "\nrequire.call(null, name)",
        "\nf(module.require)",
        "\neval(\"require('a')\")",
        "const r = require;\nr(name)",
        "const load = (name) => require(name);\nload(x)",
        "const load = (name) => require(name);\nf(load)",
        "const m = require;\nexport { m as x }",
    ] {
        assert_eq!(dynamic(text), [2], "{text}");
    }
    // None of these leads to a package.
    for text in [
        "if (require.main === module) f(); require.resolve.paths; typeof require; require.cache[x]; delete require.extensions['.a']",
        "if (typeof require === 'function' && require) {}",
        "function g(require, module, exports) { h(require); require(1) }",
        "(function (f) { var v = f(require, exports) })(function (require, exports) {})",
        "var a = typeof require == 'function' && require; if (!u && a) return a(o, !0)",
        "export { m as __require }; var m = require",
        "function f(e) { e('div') } function g() { var e = require }",
        "const require = createRequire(import.meta.url)",
        "eval('1 + 1'); eval('quire'.replace(/^/, 're'))(name)",
    ] {
        assert_eq!(packages(text), [""; 0], "{text}");
        assert_eq!(dynamic(text), [0; 0], "{text}");
    }
    let declare = "declare const require: NodeRequire; declare function require(name: string): any; f()";
    assert_eq!(read(declare, Dialect::TypeScript).dynamic, []);
}

#[test]
fn what_is_named_otherwise_is_used_where_it_is_installed() {
    let uses = |text: &str| packages(text).join(" ");
    assert_eq!(uses("readFileSync('/opt/nodejs/node_modules/a/b.json')"), "/opt/nodejs/node_modules/a/b.json?");
    assert_eq!(uses("pino({ transport: { target: 'pino-pretty' } })"), "npm:pino-pretty?");
    assert_eq!(uses("link({ target: 'a' })"), "");
    assert_eq!(uses("define(['require', 'exports', 'tslib', './x'], f)"), "npm:tslib?");
    let manifest = b"{\n\"dependencies\": {\"a\": \"1\"},\n\"devDependencies\": {\"b\": \"1\"}}";
    let own = super::read("package.json", manifest, None).expect("one").expect("read");
    assert_eq!(own.uses.iter().map(|it| (it.line, it.package.as_str())).collect::<Vec<_>>(), [(2, "npm:a")]);
    assert!(own.only_declares && own.dynamic.is_empty());
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
    for text in [
        "require(path.join(__dirname, 'a'))",
        "require(__dirname + '/a')",
        "require(`${__dirname}/a`)",
        "const lib = path.resolve(__dirname); require(path.join(lib, 'a'))",
        "import(new URL('./a', import.meta.url).href)",
        "import(pathToFileURL(path.join(import.meta.dirname, 'a')))",
        "require(require.resolve('./a'))",
        "new Worker(new URL('./a', import.meta.url))",
        "new threads.Worker('./a')",
        "child_process.fork(path.join(__dirname, 'a'))",
    ] {
        assert_eq!(paths(text), ["./a"], "{text}");
    }
    assert_eq!(paths("fork(name); new Worker(url); new Worker('a'); git.fork('a')"), [""; 0]);
    for (text, expected) in [
        (br#"{"main": "./lib/a.js", "dependencies": {"b": "1"}}"#.as_slice(), &["./lib/a.js", "./index"][..]),
        (br#"{"main": "lib"}"#, &["./lib", "./index"]),
        (br#"{"type": "commonjs"}"#, &["./index"]),
    ] {
        let directory = super::read("package.json", text, Some(Followed::ByName)).expect("one").expect("read");
        assert_eq!(directory.follows[0].paths, expected);
    }
    let own = super::read("package.json", br#"{"dependencies": {"b": "1"}}"#, Some(Followed::Manifest));
    assert_eq!(own.expect("one").expect("read").follows[0].otherwise.as_deref(), Some("b"));
    let manifest = br##"{"imports": {"#a": "./a.js", "#b": "b", "#c": {"browser": "./x.js", "node": "c/d"}, "#e/*": "./e/*.js"}}"##;
    let own = super::read("package.json", manifest, Some(Followed::Code)).expect("one").expect("read");
    let found: Vec<_> = own
        .follows
        .iter()
        .map(|follow| (follow.paths[0].as_str(), follow.otherwise.as_deref(), follow.optional))
        .collect();
    let expected = [
        ("./a.js", None, false),
        ("node_modules/b/package.json", Some("b"), false),
        ("node_modules/c/package.json", Some("c"), true),
    ];
    assert_eq!(found, expected);
    assert_eq!(own.dynamic[0].what, "#e/*");
}

#[test]
fn what_is_computed_is_reported_with_its_line() {
    for text in [
        "\nrequire(name)",
        "\nimport(`./a/${b}`)",
        "\nlet n = 'a'; n = f(); require(n)",
        "\nrequire(a + __dirname)",
        "\n)",
    ] {
        assert_eq!(dynamic(text), [2], "{text}");
    }
}

#[test]
fn what_is_made_to_be_costly_is_bounded() {
    let n = 20_000;
    for text in [
        "f('a'+".repeat(n),
        "require(join(".repeat(n),
        "import{a as".repeat(n),
        "(".repeat(n),
        "try {".repeat(n),
        "require(".repeat(n),
        "`${".repeat(n),
        "a=>".repeat(n),
        "[".repeat(n),
        "((e)=>e)(".repeat(n) + "require",
        "require||".repeat(n),
        "var e=require;".repeat(n),
        "function f(e){var e=require;".repeat(n),
    ] {
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
