//! R code as installed packages have it: lazy-load databases and serialized lists, in R's own form ("R Internals", 1.8).

/// A part of a function.
#[derive(Clone)]
pub(crate) enum Code<'a> {
    /// A name.
    Name(&'a str),
    /// A string.
    Text(&'a str),
    /// A call of a function with arguments.
    Call(Vec<Code<'a>>),
    /// An environment that the database has as a record of its own.
    Environment(&'a str),
}

/// `package::name()`
pub(crate) fn qualified<'a>(package: &'a str, name: &'a str) -> Code<'a> {
    Code::Call(vec![Code::Call(vec![Code::Name("::"), Code::Name(package), Code::Name(name)])])
}

/// `function(argument)`
pub(crate) fn call<'a>(function: &'a str, argument: Code<'a>) -> Code<'a> {
    Code::Call(vec![Code::Name(function), argument])
}

const HEAD: &[u32] = &[2, 0x4_0202, 0x2_0300];
const SYMBOL: u32 = 1;
const PAIRS: u32 = 2;
const CLOSURE: u32 = 3;
const CALL: u32 = 6;
const STRING: u32 = 9;
const LOGICAL: u32 = 10;
const INTEGERS: u32 = 13;
const STRINGS: u32 = 16;
const LIST: u32 = 19;
const PERSISTENT: u32 = 247;
const GLOBAL: u32 = 253;
const NULL: u32 = 254;
const WITH_ATTRIBUTES: u32 = 1 << 9;
const WITH_TAG: u32 = 1 << 10;

fn words(out: &mut Vec<u8>, numbers: &[u32]) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

fn length(of: usize) -> u32 {
    u32::try_from(of).expect("short")
}

fn string(out: &mut Vec<u8>, text: &str) {
    words(out, &[STRING, length(text.len())]);
    out.extend(text.as_bytes());
}

fn strings(out: &mut Vec<u8>, texts: &[&str]) {
    words(out, &[STRINGS, length(texts.len())]);
    for text in texts {
        string(out, text);
    }
}

fn names(out: &mut Vec<u8>, names: &[&str]) {
    words(out, &[PAIRS | WITH_TAG, SYMBOL]);
    string(out, "names");
    strings(out, names);
    words(out, &[NULL]);
}

fn code(out: &mut Vec<u8>, part: &Code<'_>) {
    match part {
        Code::Name(name) => {
            words(out, &[SYMBOL]);
            string(out, name);
        }
        Code::Text(text) => strings(out, &[text]),
        Code::Call(parts) => {
            for (number, part) in parts.iter().enumerate() {
                words(out, &[if number == 0 { CALL } else { PAIRS }]);
                code(out, part);
            }
            words(out, &[NULL]);
        }
        Code::Environment(name) => {
            words(out, &[PERSISTENT, 0, 1]);
            string(out, name);
        }
    }
}

fn serialized() -> Vec<u8> {
    let mut out = b"X\n".to_vec();
    words(&mut out, HEAD);
    out
}

/// The index and the database of a package with these functions, each with its body, and these environments, each with what
/// it holds.
pub(crate) fn database(functions: &[(&str, Code<'_>)], environments: &[(&str, Code<'_>)]) -> (Vec<u8>, Vec<u8>) {
    let mut database = Vec::new();
    let mut index = serialized();
    words(&mut index, &[LIST | WITH_ATTRIBUTES, 3]);
    for (of, head) in [(functions, &[CLOSURE | WITH_TAG, GLOBAL, NULL][..]), (environments, &[])] {
        words(&mut index, &[LIST | WITH_ATTRIBUTES, length(of.len())]);
        for (_, body) in of {
            let mut record = serialized();
            words(&mut record, head);
            code(&mut record, body);
            words(&mut index, &[INTEGERS, 2, length(database.len()), length(record.len())]);
            database.extend(record);
        }
        names(&mut index, &of.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
    // Records that are not compressed.
    words(&mut index, &[LOGICAL, 1, 0]);
    names(&mut index, &["variables", "references", "compressed"]);
    (index, database)
}

/// `Meta/nsInfo.rds` of a namespace that imports from these packages, and loads a library.
pub(crate) fn namespace_info(imports: &[&str], library: &str) -> Vec<u8> {
    let mut out = serialized();
    words(&mut out, &[LIST | WITH_ATTRIBUTES, 2, LIST, length(imports.len())]);
    for package in imports {
        // `importFrom(package, a)`
        words(&mut out, &[LIST, 2]);
        strings(&mut out, &[package]);
        strings(&mut out, &["a"]);
    }
    strings(&mut out, &[library]);
    names(&mut out, &["imports", "dynlibs"]);
    out
}
