//! DESCRIPTION files of installed R packages: Debian control format as R's `read.dcf()` reads it
//! (Writing R Extensions, section 1.1.1; src/main/dcf.c).

use std::collections::BTreeMap;
use std::str::FromStr;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::rdx::uncompressed;
use super::serialize::{self, Value};
use super::version::{Constraint, Version};

/// The fields of a DESCRIPTION that layerfit uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `Package`
    pub package: String,
    /// `Version`
    pub version: Version,
    /// `Priority`: `base` or `recommended` for R's own.
    pub priority: Option<String>,
    /// `Depends`, without R itself.
    pub depends: Vec<Dependency>,
    /// `Imports`
    pub imports: Vec<Dependency>,
    /// `LinkingTo`: needed to compile, not to run.
    pub linking_to: Vec<Dependency>,
    /// `Suggests`
    pub suggests: Vec<Dependency>,
    /// The versions of R that `Depends` requires.
    pub r: Vec<Constraint>,
    /// `Built`: only installed packages have it.
    pub built: Option<Built>,
    /// `NeedsCompilation`
    pub needs_compilation: bool,
    /// Problems for which a value was guessed, such as an undeclared encoding.
    pub notes: Vec<String>,
}

/// A package that is needed, and a constraint on its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The package's name.
    pub package: String,
    /// The constraint; any version when there is none.
    pub constraint: Option<Constraint>,
}

/// The `Built` field: `R 4.2.2; x86_64-pc-linux-gnu; 2023-01-01 00:00:00 UTC; unix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The R that installed the package.
    pub r: Version,
    /// The platform it was compiled for; empty for a package without compiled code.
    pub platform: String,
}

impl Description {
    /// Parses a DESCRIPTION.
    ///
    /// # Errors
    /// When Package or Version is missing, or R would reject a field; the message gives the reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut notes = Vec::new();
        let text = decode(bytes, &mut notes);
        let fields = fields(&text)?.into_iter().map(|(name, (_, value))| (name, value)).collect();
        Self::of_fields(&fields, notes)
    }

    /// Reads the fields in a package's `Meta/package.rds`, which R reads instead of DESCRIPTION where it is there.
    ///
    /// # Errors
    /// When R could not read it, or would reject a field; the message gives the reason.
    pub fn of_info(file: &[u8]) -> Result<Self, String> {
        let info = serialize::read(&uncompressed(file)?)?;
        let Some(Value::List { items, names }) = info.item("DESCRIPTION") else {
            return Err("it has no fields".to_owned());
        };
        let fields = names
            .iter()
            .zip(items)
            .filter_map(|(name, value)| Some((name.as_deref()?.to_owned(), (*value.strings().first()?).to_owned())));
        Self::of_fields(&fields.collect(), Vec::new())
    }

    fn of_fields(fields: &BTreeMap<String, String>, notes: Vec<String>) -> Result<Self, String> {
        let field = |name: &str| fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let list = |name: &str| field(name).map_or(Ok(Vec::new()), |value| dependencies(name, value));

        let package = field("Package").ok_or("it has no Package field")?.to_owned();
        let version = field("Version").ok_or("it has no Version field")?.parse()?;
        let mut depends = Vec::new();
        let mut r = Vec::new();
        for dependency in list("Depends")? {
            if dependency.package == "R" { r.extend(dependency.constraint) } else { depends.push(dependency) }
        }
        Ok(Self {
            package,
            version,
            priority: field("Priority").map(str::to_owned),
            depends,
            imports: list("Imports")?,
            linking_to: list("LinkingTo")?,
            suggests: list("Suggests")?,
            r,
            built: field("Built").map(str::parse).transpose()?,
            needs_compilation: field("NeedsCompilation").is_some_and(|value| value.eq_ignore_ascii_case("yes")),
            notes,
        })
    }
}

impl FromStr for Built {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(';').map(str::trim);
        let r = parts
            .next()
            .and_then(|part| part.strip_prefix("R "))
            .ok_or_else(|| format!("its Built field {text:?} does not begin with the R that built it"))?;
        Ok(Self { r: r.parse()?, platform: parts.next().unwrap_or_default().to_owned() })
    }
}

/// A package in a field of a DESCRIPTION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The field: Depends, Imports, LinkingTo or Suggests.
    pub field: &'static str,
    /// The name as written; never R itself.
    pub package: String,
    /// Its line, from 1.
    pub line: usize,
}

/// The packages in the fields of a DESCRIPTION, including that of a project, which has neither Package nor Version.
///
/// # Errors
/// When it does not have the form of a DESCRIPTION.
pub fn named(bytes: &[u8]) -> Result<Vec<Named>, String> {
    let fields = fields(&decode(bytes, &mut Vec::new()))?;
    let mut named = Vec::new();
    for field in ["Depends", "Imports", "LinkingTo", "Suggests"] {
        let Some((line, value)) = fields.get(field) else { continue };
        let mut line = *line;
        for item in value.split(',') {
            let item_line = line + item[..item.len() - item.trim_start().len()].matches('\n').count();
            line += item.matches('\n').count();
            let package = item.split('(').next().unwrap_or_default().trim().to_owned();
            if !package.is_empty() && package != "R" {
                named.push(Named { field, package, line: item_line });
            }
        }
    }
    Ok(named)
}

/// The text in UTF-8, decoded by the Encoding field, as in R; an undeclared file that is not UTF-8 is read as Latin-1.
fn decode(bytes: &[u8], notes: &mut Vec<String>) -> String {
    let declared = bytes
        .split(|b| *b == b'\n')
        .find_map(|line| line.strip_prefix(b"Encoding:"))
        .and_then(|value| std::str::from_utf8(value).ok())
        .map(str::trim);
    let encoding = match declared {
        // A name of iconv's, which R uses, that is not a WHATWG label.
        Some(name) if name.eq_ignore_ascii_case("latin9") => Some(encoding_rs::ISO_8859_15),
        Some(name) => Encoding::for_label(name.as_bytes()),
        None => None,
    };
    if let (Some(name), None) = (declared, encoding) {
        notes.push(format!("its Encoding {name:?} is unknown; it was read as Latin-1 where it is not UTF-8"));
    }
    let encoding = encoding.unwrap_or(encoding_rs::UTF_8);
    let (text, _, malformed) = encoding.decode(bytes);
    if !malformed {
        return text.into_owned();
    }
    if declared.is_none() {
        notes.push("it is not UTF-8 and declares no Encoding; it was read as Latin-1".to_owned());
    } else {
        notes.push(format!("it is not valid {}; it was read as Latin-1", encoding.name()));
    }
    WINDOWS_1252.decode(bytes).0.into_owned()
}

/// The fields of the first record, each with its line (from 1). A line that begins with white space continues the field
/// before it.
fn fields(text: &str) -> Result<BTreeMap<String, (usize, String)>, String> {
    let mut fields: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut current: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            if fields.is_empty() {
                continue;
            }
            break;
        }
        if line.starts_with([' ', '\t']) {
            let value = current.as_ref().and_then(|name| fields.get_mut(name));
            let (_, value) =
                value.ok_or_else(|| format!("line {} continues a field, but there is none", number + 1))?;
            value.push('\n');
            value.push_str(line.trim());
        } else {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| format!("line {} is neither \"Field: value\" nor a continuation", number + 1))?;
            // Of duplicate fields, R uses the last.
            fields.insert(name.trim().to_owned(), (number + 1, value.trim().to_owned()));
            current = Some(name.trim().to_owned());
        }
    }
    Ok(fields)
}

/// A list such as `R (>= 3.5), curl (>= 3.0.0), mime`.
fn dependencies(field: &str, value: &str) -> Result<Vec<Dependency>, String> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            let (package, constraint) = match item.split_once('(') {
                Some((package, rest)) => {
                    let inside = rest.split(')').next().unwrap_or(rest).trim();
                    // "R (>= r71234)" requires a revision of R's sources (Writing R Extensions, 1.1.3): every release
                    // with which the package can be installed has it, so there is nothing to compare.
                    let revision = inside.trim_start_matches(['<', '>', '=', ' ']).starts_with('r');
                    let constraint = (!revision).then(|| inside.parse()).transpose();
                    (package.trim(), constraint.map_err(|e| format!("its {field} field has \"{item}\": {e}"))?)
                }
                None => (item, None),
            };
            Ok(Dependency { package: package.to_owned(), constraint })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTR: &str = "Package: httr\nTitle: Tools for Working with URLs\nVersion: 1.4.5\nAuthor: A\n    B\n\
        Depends: R (>= 3.5), methods\nImports: curl (>= 3.0.0), jsonlite,\n    mime\nLinkingTo: cpp11\n\
        Suggests: xml2\nNeedsCompilation: no\nBuilt: R 4.2.2; ; 2022-11-24 00:43:29 UTC; unix\n";

    fn names(list: &[Dependency]) -> Vec<&str> {
        list.iter().map(|d| d.package.as_str()).collect()
    }

    #[test]
    fn fields_are_read_across_continuation_lines() {
        let d = Description::parse(HTTR.as_bytes()).expect("a description");
        assert_eq!((d.package.as_str(), d.version.to_string().as_str()), ("httr", "1.4.5"));
        assert_eq!(names(&d.imports), ["curl", "jsonlite", "mime"]);
        assert_eq!(d.imports[0].constraint.as_ref().map(ToString::to_string), Some(">= 3.0.0".to_owned()));
        assert_eq!(names(&d.depends), ["methods"]);
        assert_eq!(names(&d.linking_to), ["cpp11"]);
        assert_eq!(d.r.len(), 1);
        let built = d.built.expect("built");
        assert_eq!((built.r.to_string().as_str(), built.platform.as_str()), ("4.2.2", ""));
    }

    #[test]
    fn r_itself_is_not_a_package() {
        let d = Description::parse(b"Package: a\nVersion: 1.0\nDepends: R\n").expect("a description");
        assert!(d.depends.is_empty() && d.r.is_empty());
    }

    #[test]
    fn a_declared_latin1_file_is_read_without_remark_and_an_undeclared_one_with() {
        let declared =
            Description::parse(b"Package: a\nVersion: 1.0\nEncoding: latin1\nAuthor: M\xfcller\n").expect("ok");
        assert_eq!(declared.notes, Vec::<String>::new());
        let undeclared = Description::parse(b"Package: a\nVersion: 1.0\nAuthor: M\xfcller\n").expect("ok");
        assert!(undeclared.notes[0].contains("declares no Encoding"));
    }

    #[test]
    fn what_r_would_refuse_is_said() {
        for (text, what) in [
            ("Package: a\n", "no Version"),
            ("Version: 1.0\n", "no Package"),
            ("Package: a\nVersion: one\n", "not a version"),
            (" Package: a\n", "continues a field"),
            ("Package a\n", "line 1"),
            ("Package: a\nVersion: 1.0\nImports: b (=> 1)\n", "Imports"),
            ("Package: a\nVersion: 1.0\nBuilt: yesterday\n", "Built"),
        ] {
            let error = Description::parse(text.as_bytes()).expect_err(text);
            assert!(error.contains(what), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_project_names_packages_with_their_lines() {
        let text = b"Type: project\nDepends: R (>= 4.1),\n  httr\nImports:\n    curl (>= 3.0.0),\n    jsonlite\nEnhances: a1\n";
        let named: Vec<(&str, String, usize)> =
            named(text).expect("read").into_iter().map(|one| (one.field, one.package, one.line)).collect();
        let named: Vec<(&str, &str, usize)> = named.iter().map(|(a, b, line)| (*a, b.as_str(), *line)).collect();
        assert_eq!(named, [("Depends", "httr", 3), ("Imports", "curl", 5), ("Imports", "jsonlite", 6)]);
        assert!(super::named(b"nothing").is_err());
    }

    #[test]
    fn a_revision_of_r_is_no_version() {
        let d = Description::parse(b"Package: a\nVersion: 1.0\nDepends: R (>= r71234)\n").expect("a description");
        assert!(d.r.is_empty());
    }
}
