//! R objects as R writes them (`serialize()`, `saveRDS()`, the records of lazy-load databases): values that code is made of.
//!
//! The form is that of "R Internals", section 1.8 (Serialization Formats), and of `ReadItem`, `ReadBC1` and `ReadBCLang` in
//! R's src/main/serialize.c: XDR, versions 2 and 3. Vectors of numbers, raw vectors and what only a running R can hold are passed over;
//! symbols, calls, closures, strings and lists are kept. Byte-compiled code is read as the expression that was compiled,
//! which is among its constants.

use std::collections::BTreeSet;
use std::rc::Rc;

/// Items that lie deeper in each other are refused: they are read by functions that call themselves, which takes less than
/// [`STACK_BYTES`]. Code that people write is not a tenth as deep.
const MAX_DEPTH: usize = 1000;

/// The stack that a thread needs to read an object, in bytes.
pub const STACK_BYTES: usize = 8 << 20;

/// An R object, as far as code is made of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `NULL`, and what is passed over.
    Nothing,
    /// A symbol.
    Symbol(Rc<str>),
    /// Strings; `None` is NA.
    Strings(Vec<Option<Rc<str>>>),
    /// Whole numbers.
    Integers(Vec<i32>),
    /// Logicals; `None` is NA.
    Logicals(Vec<Option<bool>>),
    /// A number that is not whole to R, alone.
    Number(f64),
    /// A call: the function, and the arguments.
    Call(Vec<Argument>),
    /// A pairlist: formals, attributes.
    Pairs(Vec<Argument>),
    /// A list or an expression vector, with the names of its items where it has any; also strings with names, each an item.
    List {
        /// The items.
        items: Vec<Value>,
        /// Their names; none where the list has none.
        names: Vec<Option<Rc<str>>>,
    },
    /// A function.
    Closure {
        /// The arguments, with their defaults.
        formals: Box<Value>,
        /// The body.
        body: Box<Value>,
    },
    /// A reference to an environment that a database has as a record of its own: `env::1`.
    Reference(Rc<str>),
    /// Anything that holds other values and has no use by itself: constants of byte code, environments, S4 objects.
    Holder(Vec<Value>),
}

/// An item of a call or pairlist, with its tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The tag: `package` in `library(package = x)`.
    pub tag: Option<Rc<str>>,
    /// The value.
    pub value: Value,
}

impl Value {
    /// The item of a list with this name.
    pub fn item(&self, name: &str) -> Option<&Value> {
        let Value::List { items, names } = self else { return None };
        let at = names.iter().position(|other| other.as_deref() == Some(name))?;
        items.get(at)
    }

    /// The strings that a value holds, whether it is a vector of them or a list of vectors; NA is left out.
    pub fn strings(&self) -> Vec<&str> {
        match self {
            Value::Strings(strings) => strings.iter().filter_map(Option::as_deref).collect(),
            Value::List { items, .. } => items.iter().flat_map(Value::strings).collect(),
            _ => Vec::new(),
        }
    }

    /// A name, or one string, which code can have in place of a name.
    pub fn word(&self) -> Option<&str> {
        match self {
            Value::Symbol(name) => Some(name),
            Value::Strings(strings) => match strings.as_slice() {
                [Some(one)] => Some(one),
                _ => None,
            },
            _ => None,
        }
    }

    /// The name of a function that is called or passed on, without its package.
    pub fn function_name(&self) -> Option<&str> {
        match self {
            Value::Call(parts) => qualified(parts).map(|(_, name)| name),
            value => value.word(),
        }
    }

    /// Every value directly inside this one.
    pub fn children(&self) -> Vec<&Value> {
        match self {
            Value::Call(arguments) | Value::Pairs(arguments) => {
                arguments.iter().map(|argument| &argument.value).collect()
            }
            Value::List { items, .. } | Value::Holder(items) => items.iter().collect(),
            Value::Closure { formals, body } => vec![formals, body],
            Value::Nothing
            | Value::Symbol(_)
            | Value::Strings(_)
            | Value::Integers(_)
            | Value::Logicals(_)
            | Value::Number(_)
            | Value::Reference(_) => Vec::new(),
        }
    }
}

/// The package and the name of the call that `package::name` or `package:::name` is.
pub fn qualified(parts: &[Argument]) -> Option<(&str, &str)> {
    match parts {
        [Argument { value: Value::Symbol(colons), .. }, package, name] if matches!(&**colons, "::" | ":::") => {
            Some((package.value.word()?, name.value.word()?))
        }
        _ => None,
    }
}

/// Reads a serialized object; `bytes` is not compressed.
///
/// # Errors
/// Says what is wrong with bytes that R would not read either, or that are in another form than XDR.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    Ok(read_with_mentions(bytes)?.0)
}

/// What an object names besides the values that code is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// The packages of its namespaces, of the environments of packages, and of its S4 classes.
    pub packages: BTreeSet<Rc<str>>,
    /// The attribute `class` of each object in it, with `/` between the classes of one.
    pub classes: BTreeSet<String>,
    /// The classes whose packages are known.
    pub defined: BTreeSet<Rc<str>>,
}

/// Reads a serialized object as [`read`] does, with what it names.
///
/// # Errors
/// Those of [`read`].
pub fn read_with_mentions(bytes: &[u8]) -> Result<(Value, Mentions), String> {
    let mut reader = Reader { rest: bytes, references: Vec::new(), mentions: Mentions::default(), depth: 0 };
    let magic = reader.bytes(2)?;
    if magic != b"X\n" {
        return Err("it is not an object in R's XDR form".to_owned());
    }
    let version = reader.integer()?;
    reader.bytes(8)?;
    match version {
        2 => {}
        3 => {
            let length = reader.length()?;
            reader.bytes(length)?;
        }
        other => return Err(format!("it is in version {other} of R's form")),
    }
    let value = reader.item()?;
    Ok((value, reader.mentions))
}

/// The kinds of items (`SEXPTYPE` in R's Rinternals.h, and the pseudo types of serialize.c).
mod kind {
    pub(super) const SYMBOL: u32 = 1;
    pub(super) const PAIRS: u32 = 2;
    pub(super) const CLOSURE: u32 = 3;
    pub(super) const ENVIRONMENT: u32 = 4;
    pub(super) const PROMISE: u32 = 5;
    pub(super) const CALL: u32 = 6;
    pub(super) const SPECIAL: u32 = 7;
    pub(super) const BUILTIN: u32 = 8;
    pub(super) const STRING: u32 = 9;
    pub(super) const LOGICALS: u32 = 10;
    pub(super) const INTEGERS: u32 = 13;
    pub(super) const DOUBLES: u32 = 14;
    pub(super) const COMPLEX: u32 = 15;
    pub(super) const STRINGS: u32 = 16;
    pub(super) const DOTS: u32 = 17;
    pub(super) const LIST: u32 = 19;
    pub(super) const EXPRESSION: u32 = 20;
    pub(super) const BYTE_CODE: u32 = 21;
    pub(super) const POINTER: u32 = 22;
    pub(super) const WEAK_REFERENCE: u32 = 23;
    pub(super) const RAW: u32 = 24;
    pub(super) const S4: u32 = 25;
    pub(super) const ALTREP: u32 = 238;
    pub(super) const PAIRS_WITH_ATTRIBUTES: u32 = 239;
    pub(super) const CALL_WITH_ATTRIBUTES: u32 = 240;
    pub(super) const BASE_ENVIRONMENT: u32 = 241;
    pub(super) const EMPTY_ENVIRONMENT: u32 = 242;
    pub(super) const SHARED: u32 = 243;
    pub(super) const TO_BE_SHARED: u32 = 244;
    pub(super) const PERSISTENT: u32 = 247;
    pub(super) const PACKAGE: u32 = 248;
    pub(super) const NAMESPACE: u32 = 249;
    pub(super) const BASE_NAMESPACE: u32 = 250;
    pub(super) const MISSING_ARGUMENT: u32 = 251;
    pub(super) const UNBOUND: u32 = 252;
    pub(super) const GLOBAL_ENVIRONMENT: u32 = 253;
    pub(super) const NULL: u32 = 254;
    pub(super) const REFERENCE: u32 = 255;
}

struct Reader<'a> {
    rest: &'a [u8],
    /// What a later item can refer to, by number: symbols, environments and the like.
    references: Vec<Value>,
    mentions: Mentions,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<u32, String> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_be_bytes(bytes.try_into().map_err(|_| "it ends too early")?))
    }

    fn integer(&mut self) -> Result<i32, String> {
        Ok(self.word()?.cast_signed())
    }

    /// A length; one over 2^31 - 1 is -1 and then two words.
    fn length(&mut self) -> Result<usize, String> {
        let length = self.integer()?;
        if length == -1 {
            let (high, low) = (u64::from(self.word()?), u64::from(self.word()?));
            return usize::try_from(high << 32 | low).map_err(|_| "a length is too long".to_owned());
        }
        usize::try_from(length).map_err(|_| "a length is negative".to_owned())
    }

    /// A length of things that have at least `least` bytes each: what cannot be there is not reserved.
    fn count(&mut self, least: usize) -> Result<usize, String> {
        let count = self.length()?;
        if count.checked_mul(least).is_none_or(|bytes| bytes > self.rest.len()) {
            return Err("it ends too early".to_owned());
        }
        Ok(count)
    }

    fn item(&mut self) -> Result<Value, String> {
        let flags = self.word()?;
        self.deeper(|reader| reader.of_kind(flags))
    }

    /// So many items. A loop takes less of the stack than an iterator.
    fn items(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.item()?);
        }
        Ok(items)
    }

    /// Reads something that lies in what is read now.
    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        if self.depth == MAX_DEPTH {
            return Err("its items lie too deep in each other".to_owned());
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn of_kind(&mut self, flags: u32) -> Result<Value, String> {
        let has_attributes = flags & 1 << 9 != 0;
        let value = match flags & 0xff {
            kind::NULL
            | kind::EMPTY_ENVIRONMENT
            | kind::BASE_ENVIRONMENT
            | kind::GLOBAL_ENVIRONMENT
            | kind::UNBOUND
            | kind::MISSING_ARGUMENT
            | kind::BASE_NAMESPACE => return Ok(Value::Nothing),
            kind::REFERENCE => {
                let number = match flags >> 8 {
                    0 => self.word()?,
                    number => number,
                };
                let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                return at.and_then(|at| self.references.get(at)).cloned().ok_or("it refers to nothing".to_owned());
            }
            kind::SYMBOL => {
                let name = self.string()?.unwrap_or_else(|| Rc::from("NA"));
                return Ok(self.remembered(Value::Symbol(name)));
            }
            kind::PERSISTENT => {
                let name = self.string_vector()?.into_iter().next().flatten();
                return Ok(self.remembered(name.map_or(Value::Nothing, Value::Reference)));
            }
            kind::PACKAGE | kind::NAMESPACE => {
                // A namespace has its version as well; a package is `package:stats`.
                let name = self.string_vector()?.into_iter().next().flatten();
                let name = name.map(|name| Rc::<str>::from(name.strip_prefix("package:").unwrap_or(&name)));
                self.mentions.packages.extend(name);
                return Ok(self.remembered(Value::Nothing));
            }
            kind::ENVIRONMENT => {
                self.integer()?;
                self.remembered(Value::Nothing);
                let parts = self.items(4)?;
                if let Some(attributes) = parts.last() {
                    self.notes(&Value::Nothing, attributes);
                }
                return Ok(Value::Holder(parts));
            }
            kind::PAIRS | kind::CALL | kind::DOTS => return self.pairs(flags),
            kind::CLOSURE | kind::PROMISE => return self.closure(flags),
            kind::POINTER => {
                self.remembered(Value::Nothing);
                Value::Holder(vec![self.item()?, self.item()?])
            }
            kind::WEAK_REFERENCE => self.remembered(Value::Nothing),
            kind::SPECIAL | kind::BUILTIN => {
                let length = self.length()?;
                self.bytes(length)?;
                Value::Nothing
            }
            kind::STRING => Value::Strings(vec![self.string_of(flags)?]),
            kind::LOGICALS => {
                let count = self.count(4)?;
                let logical = |word| (word != i32::MIN).then_some(word != 0);
                Value::Logicals((0..count).map(|_| self.integer().map(logical)).collect::<Result<_, _>>()?)
            }
            kind::INTEGERS => {
                let count = self.count(4)?;
                Value::Integers((0..count).map(|_| self.integer()).collect::<Result<_, _>>()?)
            }
            kind::DOUBLES => self.doubles()?,
            kind::COMPLEX => self.passed_over(16)?,
            kind::RAW => self.passed_over(1)?,
            kind::STRINGS => {
                let count = self.count(4)?;
                Value::Strings((0..count).map(|_| self.string()).collect::<Result<_, _>>()?)
            }
            kind::LIST | kind::EXPRESSION => {
                let count = self.count(4)?;
                Value::List { items: self.items(count)?, names: Vec::new() }
            }
            kind::BYTE_CODE => {
                self.integer()?;
                self.byte_code()?
            }
            kind::S4 => Value::Nothing,
            kind::ALTREP => {
                return Ok(Value::Holder(self.items(3)?));
            }
            other => return Err(format!("it has an item of the unknown kind {other}")),
        };
        if !has_attributes {
            return Ok(value);
        }
        let attributes = self.item()?;
        self.notes(&value, &attributes);
        Ok(with_attributes(value, attributes))
    }

    /// Notes the classes of a value, and their package.
    fn notes(&mut self, value: &Value, attributes: &Value) {
        let Value::Pairs(pairs) = attributes else { return };
        for pair in pairs {
            match (pair.tag.as_deref(), &pair.value) {
                (Some("class"), classes) => {
                    let classes = classes.strings().join("/");
                    if !classes.is_empty() {
                        self.mentions.classes.insert(classes);
                    }
                }
                // The attribute of the names of classes.
                (Some("package"), Value::Strings(package)) => {
                    if let (Value::Strings(classes), [Some(package)]) = (value, package.as_slice()) {
                        self.mentions.defined.extend(classes.iter().flatten().cloned());
                        self.mentions.packages.insert(Rc::clone(package));
                    }
                }
                _ => {}
            }
        }
    }

    fn remembered(&mut self, value: Value) -> Value {
        self.references.push(value.clone());
        value
    }

    fn passed_over(&mut self, width: usize) -> Result<Value, String> {
        let count = self.count(width)?;
        self.bytes(count * width)?;
        Ok(Value::Nothing)
    }

    /// Numbers: code has them one by one, and data is passed over.
    fn doubles(&mut self) -> Result<Value, String> {
        let count = self.count(8)?;
        let bytes = self.bytes(count * 8)?;
        Ok(bytes.try_into().map_or(Value::Nothing, |bytes| Value::Number(f64::from_be_bytes(bytes))))
    }

    fn string(&mut self) -> Result<Option<Rc<str>>, String> {
        let flags = self.word()?;
        match flags & 0xff {
            kind::STRING => self.string_of(flags),
            other => Err(format!("it has an item of kind {other} where a string belongs")),
        }
    }

    fn string_of(&mut self, _flags: u32) -> Result<Option<Rc<str>>, String> {
        let length = self.integer()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| "a length is negative")?;
        Ok(Some(Rc::from(String::from_utf8_lossy(self.bytes(length)?))))
    }

    /// The strings of a reference: a zero, how many, and each.
    fn string_vector(&mut self) -> Result<Vec<Option<Rc<str>>>, String> {
        self.integer()?;
        let count = self.count(4)?;
        (0..count).map(|_| self.string()).collect()
    }

    /// A pairlist or call: item after item, until the rest is not another of the kind.
    fn pairs(&mut self, mut flags: u32) -> Result<Value, String> {
        let is_call = flags & 0xff == kind::CALL;
        let mut arguments = Vec::new();
        let mut held = Vec::new();
        loop {
            if flags & 1 << 9 != 0 {
                held.push(self.item()?);
            }
            let tag = if flags & 1 << 10 != 0 { self.tag()? } else { None };
            arguments.push(Argument { tag, value: self.item()? });
            flags = self.word()?;
            match flags & 0xff {
                // The rest of a call is a pairlist; so is the rest of a pairlist.
                kind::PAIRS | kind::CALL | kind::DOTS => {}
                kind::NULL => break,
                _ => {
                    arguments.push(Argument { tag: None, value: self.deeper(|reader| reader.of_kind(flags))? });
                    break;
                }
            }
        }
        let value = if is_call { Value::Call(arguments) } else { Value::Pairs(arguments) };
        Ok(if held.iter().all(|held| *held == Value::Nothing) { value } else { holding(value, held) })
    }

    fn tag(&mut self) -> Result<Option<Rc<str>>, String> {
        Ok(match self.item()? {
            Value::Symbol(name) => Some(name),
            _ => None,
        })
    }

    /// A closure: attributes, environment, formals, body. A promise has its value and its expression in their places.
    fn closure(&mut self, flags: u32) -> Result<Value, String> {
        let mut held = Vec::new();
        if flags & 1 << 9 != 0 {
            let attributes = self.item()?;
            self.notes(&Value::Nothing, &attributes);
            held.push(attributes);
        }
        if flags & 1 << 10 != 0 {
            held.push(self.item()?);
        }
        let (formals, body) = (Box::new(self.item()?), Box::new(self.item()?));
        let value = Value::Closure { formals, body };
        Ok(if held.iter().all(|held| *held == Value::Nothing) { value } else { holding(value, held) })
    }

    /// Byte code: the instructions, and the constants, the first of which is the expression that was compiled.
    fn byte_code(&mut self) -> Result<Value, String> {
        self.item()?;
        let count = self.count(4)?;
        let mut constants = Vec::new();
        for _ in 0..count {
            let of = self.word()?;
            constants.push(match of {
                kind::BYTE_CODE => self.deeper(Self::byte_code)?,
                _ => self.of_byte_code(of)?,
            });
        }
        Ok(Value::Holder(constants))
    }

    /// A constant, or a part of one, whose kind was read before it.
    fn of_byte_code(&mut self, of: u32) -> Result<Value, String> {
        self.deeper(|reader| reader.language_of_byte_code(of))
    }

    fn language_of_byte_code(&mut self, mut of: u32) -> Result<Value, String> {
        let (mut arguments, mut is_call, mut held) = (Vec::new(), None, Vec::new());
        loop {
            match of {
                // What is shared was read where it is defined.
                kind::SHARED => {
                    self.word()?;
                    break;
                }
                kind::TO_BE_SHARED
                | kind::CALL
                | kind::PAIRS
                | kind::CALL_WITH_ATTRIBUTES
                | kind::PAIRS_WITH_ATTRIBUTES => {
                    if of == kind::TO_BE_SHARED {
                        self.word()?;
                        of = self.word()?;
                    }
                    if matches!(of, kind::CALL_WITH_ATTRIBUTES | kind::PAIRS_WITH_ATTRIBUTES) {
                        held.push(self.item()?);
                    }
                    is_call.get_or_insert(matches!(of, kind::CALL | kind::CALL_WITH_ATTRIBUTES));
                    let tag = self.tag()?;
                    let car = self.word()?;
                    arguments.push(Argument { tag, value: self.of_byte_code(car)? });
                    of = self.word()?;
                }
                _ => {
                    let value = self.item()?;
                    if is_call.is_none() {
                        return Ok(value);
                    }
                    if value != Value::Nothing {
                        arguments.push(Argument { tag: None, value });
                    }
                    break;
                }
            }
        }
        let value = match is_call {
            Some(true) => Value::Call(arguments),
            Some(false) => Value::Pairs(arguments),
            None => Value::Nothing,
        };
        Ok(if held.is_empty() { value } else { holding(value, held) })
    }
}

/// A value with what it holds besides. A function, a call and a list stay what they are where nothing else is of use.
fn holding(value: Value, mut held: Vec<Value>) -> Value {
    held.insert(0, value);
    Value::Holder(held)
}

/// A value with its attributes: a list takes its names from them.
fn with_attributes(value: Value, attributes: Value) -> Value {
    let Value::Pairs(pairs) = &attributes else { return value };
    let named = pairs.iter().find(|pair| pair.tag.as_deref() == Some("names"));
    let has_code = pairs.iter().any(|pair| pair.tag.as_deref() != Some("names") && holds_code(&pair.value));
    let value = match (value, named.map(|pair| &pair.value)) {
        (Value::List { items, .. }, Some(Value::Strings(names))) => Value::List { items, names: names.clone() },
        (Value::Strings(strings), Some(Value::Strings(names))) => Value::List {
            items: strings.into_iter().map(|string| Value::Strings(vec![string])).collect(),
            names: names.clone(),
        },
        (
            value @ (Value::List { .. }
            | Value::Strings(_)
            | Value::Integers(_)
            | Value::Logicals(_)
            | Value::Number(_)),
            _,
        ) => value,
        (value, _) => return holding(value, vec![attributes]),
    };
    // Formulas and templates of code are attributes of lists.
    if has_code { holding(value, vec![attributes]) } else { value }
}

/// Whether code is in a value, or in an environment that it refers to.
fn holds_code(value: &Value) -> bool {
    let mut stack = vec![value];
    while let Some(value) = stack.pop() {
        if matches!(value, Value::Call(_) | Value::Closure { .. } | Value::Reference(_)) {
            return true;
        }
        stack.extend(value.children());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object of these words, each in the one before it, around `NULL`.
    fn nested(words: &[u32], times: usize) -> Vec<u8> {
        let head = [2_u32, 0, 0];
        let all = head.into_iter().chain(words.iter().copied().cycle().take(words.len() * times)).chain([kind::NULL]);
        b"X\n".iter().copied().chain(all.flat_map(u32::to_be_bytes)).collect()
    }

    #[test]
    fn code_in_the_attributes_of_a_list_is_kept_and_other_attributes_are_not() {
        let text = |flags: &[u32], text: &str| {
            let mut bytes: Vec<u8> = flags.iter().flat_map(|word| word.to_be_bytes()).collect();
            bytes.extend(kind::STRING.to_be_bytes());
            bytes.extend(u32::try_from(text.len()).expect("short").to_be_bytes());
            bytes.extend(text.as_bytes());
            bytes
        };
        // list(), with the attribute `expression`
        let with = |value: Vec<u8>| {
            let mut bytes = b"X\n".to_vec();
            bytes.extend([2, 0, 0, kind::LIST | 1 << 9, 0].iter().flat_map(|word: &u32| word.to_be_bytes()));
            bytes.extend(text(&[kind::PAIRS | 1 << 10, kind::SYMBOL], "expression"));
            bytes.extend(value);
            bytes.extend(kind::NULL.to_be_bytes());
            read(&bytes).expect("read")
        };
        let mut call = text(&[kind::CALL, kind::SYMBOL], "f");
        call.extend(kind::NULL.to_be_bytes());
        let found = with(call);
        let Value::Holder(parts) = &found else { panic!("{found:?}") };
        assert!(matches!(parts.as_slice(), [Value::List { .. }, Value::Pairs(_)]), "{parts:?}");
        assert_eq!(with(text(&[kind::STRINGS, 1], "f")), Value::List { items: Vec::new(), names: Vec::new() });
    }

    #[test]
    fn items_as_deep_as_allowed_fit_on_a_stack_and_deeper_ones_are_refused() {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(deep_ones);
        thread.expect("started").join().expect("passed");
    }

    fn deep_ones() {
        let with_attributes = 1 << 9;
        for words in [
            &[kind::LIST, 1][..],
            &[kind::PAIRS],
            &[kind::CALL],
            &[kind::CLOSURE],
            &[kind::ENVIRONMENT, 0],
            &[kind::ALTREP],
            &[kind::PAIRS | with_attributes],
            &[kind::CLOSURE | with_attributes],
        ] {
            // It ends too early, or does not, but is read to its innermost item.
            let allowed = read(&nested(words, MAX_DEPTH - 1));
            assert!(allowed.is_ok() || allowed.is_err_and(|why| why == "it ends too early"), "{words:?}");
            let why = read(&nested(words, 1_000_000)).expect_err("too deep");
            assert_eq!(why, "its items lie too deep in each other", "{words:?}");
        }
        // Byte code in the constants of byte code: code, how many constants, and of which kind the first is.
        let byte_code = [kind::NULL, 1, kind::BYTE_CODE];
        let object = |times: usize| {
            let mut object = nested(&byte_code, times);
            let first = [kind::BYTE_CODE, 0].into_iter().flat_map(u32::to_be_bytes);
            object.splice(14..14, first);
            object
        };
        assert_eq!(read(&object(MAX_DEPTH - 3)).expect_err("no end"), "it ends too early");
        assert_eq!(read(&object(1_000_000)).expect_err("too deep"), "its items lie too deep in each other");
    }
}
