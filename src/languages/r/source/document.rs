//! Documents: the R code in R Markdown, Quarto and Sweave documents.
//!
//! Patterns are knitr's (`knitr::all_patterns`), Sweave's for LaTeX, and Quarto's for inline code and cell options.

use std::sync::LazyLock;

use regex::Regex;
use saphyr_parser::{Event, Parser};

use super::{Reads, Source, Use, UseKind};

/// A piece of code in a file.
pub(super) struct Piece {
    pub(super) text: String,
    /// The number of lines of the file before it.
    pub(super) line: usize,
    /// Whether it need not run.
    pub(super) optional: bool,
    /// The options of a chunk (on the line before it), as the arguments of a call.
    pub(super) options: Option<String>,
}

impl Piece {
    /// Code that always runs, after `line` lines of the file.
    pub(super) fn code(text: String, line: usize) -> Self {
        Self { text, line, optional: false, options: None }
    }
}

/// The patterns for chunks and inline code.
struct Marks {
    begin: &'static LazyLock<Regex>,
    inline: &'static LazyLock<Regex>,
}

macro_rules! pattern {
    ($name:ident, $pattern:literal) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).expect("a pattern"));
    };
}

pattern!(FENCE, r"^(?<prefix>[\t >]*)(?<fence>```+)\s*\{(?<engine>[a-zA-Z0-9_]+)(?<options>( *[ ,].*)?)\}\s*$");
pattern!(INLINE, r"`(?:r[ #]|\{r\} )([^`]+)`");
pattern!(RNW, r"^(?<prefix>\s*)<<(?<options>.*)>>=.*$");
pattern!(RNW_END, r"^\s*@\s*(%.*)?$");
pattern!(RNW_INLINE, r"\\Sexpr\{([^}]*)\}");
pattern!(RNW_INPUT, r"\\SweaveInput\{([^}]*)\}");
pattern!(REFERENCE, r"^\s*<<(.+)>>\s*$");

const MARKDOWN: Marks = Marks { begin: &FENCE, inline: &INLINE };
const SWEAVE: Marks = Marks { begin: &RNW, inline: &RNW_INLINE };

/// The code of an R Markdown or Quarto document; the header and the chunks' YAML options are read into `source`.
pub(super) fn markdown(text: &str, source: &mut Source) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.trim().is_empty());
    if let Some((first, _)) = lines.next().filter(|(_, line)| line.trim_end() == "---") {
        let rest: Vec<&str> = lines.map(|(_, line)| line).collect();
        if let Some(length) = rest.iter().position(|line| matches!(line.trim_end(), "---" | "...")) {
            header(&rest[..length].join("\n"), first + 1, &mut pieces, source);
        }
    }
    chunks(text, &MARKDOWN, &mut pieces, source);
    pieces
}

/// The code of a Sweave document.
pub(super) fn sweave(text: &str, source: &mut Source) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for input in RNW_INPUT.captures_iter(line) {
            source.follows(number + 1, &input[1], Reads::Document, false);
        }
    }
    chunks(text, &SWEAVE, &mut pieces, source);
    pieces
}

fn chunks(text: &str, marks: &Marks, pieces: &mut Vec<Piece>, source: &mut Source) {
    let mut lines = text.lines().enumerate().peekable();
    let mut prose = (0, String::new());
    while let Some((number, line)) = lines.next() {
        let Some(begin) = marks.begin.captures(line) else {
            prose.1 += line;
            prose.1.push('\n');
            continue;
        };
        inline(&prose.1, prose.0, marks, pieces);
        let prefix = &begin["prefix"];
        let fence = begin.name("fence").map(|fence| fence.len());
        let ends = |line: &str| match fence {
            Some(length) => {
                let fence = line.trim_start_matches(['\t', ' ', '>']).trim_end();
                fence.len() >= length && fence.bytes().all(|b| b == b'`')
            }
            None => RNW_END.is_match(line),
        };
        let mut code = String::new();
        let mut end = number + 1;
        // Sweave's chunks also end where the next one begins.
        while let Some((number, line)) = lines.next_if(|(_, line)| fence.is_some() || !marks.begin.is_match(line)) {
            end = number + 1;
            if ends(line) {
                break;
            }
            // A reference to another chunk, which is read at its own position.
            if !REFERENCE.is_match(line) {
                code += line.strip_prefix(prefix).unwrap_or(line);
            }
            code.push('\n');
        }
        prose = (end, String::new());
        if begin.name("engine").is_none_or(|engine| engine.as_str().eq_ignore_ascii_case("r")) {
            let mut options = arguments(&begin["options"]);
            if fence.is_none() && options.matches('(').count() != options.matches(')').count() {
                // Sweave's options need not be R: `<<summary(x, y = 1)>>=` is a label and an option.
                options.clear();
            }
            let optional = cell_options(&code, number + 1, &mut options, pieces, source);
            pieces.push(Piece { text: code, line: number + 1, optional, options: Some(options) });
        }
    }
    inline(&prose.1, prose.0, marks, pieces);
}

/// A chunk's options without its label, which need not be valid R.
fn arguments(options: &str) -> String {
    let options = options.trim().trim_start_matches(',');
    let first = options.split(',').next().unwrap_or_default();
    if first.contains('=') { options.to_owned() } else { options[first.len()..].trim_start_matches(',').to_owned() }
}

/// Collects inline code.
fn inline(prose: &str, line: usize, marks: &Marks, pieces: &mut Vec<Piece>) {
    let mut lines = (0, line);
    for code in marks.inline.captures_iter(prose) {
        let (whole, code) = (code.get_match().start(), code.extract::<1>().1[0]);
        let before = &prose[..whole];
        // The end of a fence.
        if before.rsplit('\n').next() == Some("``") {
            continue;
        }
        lines = (whole, lines.1 + prose[lines.0..whole].matches('\n').count());
        pieces.push(Piece::code(code.to_owned(), lines.1));
    }
}

/// Reads the `#|` lines at the beginning of a chunk; returns whether they prevent it from running. Lines that are not YAML
/// are R, and are added to the other options.
fn cell_options(code: &str, line: usize, options: &mut String, pieces: &mut Vec<Piece>, source: &mut Source) -> bool {
    let blank = code.lines().take_while(|line| line.trim().is_empty()).count();
    let marked = code.lines().skip(blank).map_while(|line| line.trim_start().strip_prefix("#|"));
    let marked: Vec<&str> = marked.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let Some(first) = marked.first() else { return false };
    let key = first.trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !key.trim_start().starts_with(':') {
        options.push(',');
        *options += &marked.join(" ");
        return false;
    }
    let (scalars, error) = scalars(&marked.join("\n"));
    let mut optional = false;
    for scalar in scalars {
        let line = line + blank + scalar.line;
        if scalar.code {
            optional |= scalar.top == "eval";
            pieces.push(Piece::code(scalar.value, line - 1));
            continue;
        }
        match scalar.top.as_str() {
            "eval" => optional |= !matches!(scalar.value.as_str(), "true" | "TRUE" | "yes" | "on"),
            "child" if !scalar.key => source.follows(line, &scalar.value, Reads::Document, optional),
            "file" if !scalar.key => source.follows(line, &scalar.value, Reads::Script, optional),
            _ => {}
        }
    }
    if let Some(at) = error {
        source.dynamic(
            line + blank + at,
            marked.get(at - 1).unwrap_or(first),
            "the chunk's options are not valid YAML",
        );
    }
    optional
}

/// Reads a document's header: output formats, values marked as code, and Shiny.
fn header(text: &str, line: usize, pieces: &mut Vec<Piece>, source: &mut Source) {
    let (scalars, error) = scalars(text);
    let mut formats = 0;
    for scalar in scalars {
        let format = scalar.top == "output"
            && match scalar.depth {
                1 => !scalar.key,
                2 => scalar.key || scalar.item,
                _ => false,
            };
        let (at, value) = (line + scalar.line, scalar.value);
        if scalar.code || format || (scalar.top == "site" && !scalar.key) {
            // The first of several formats is the default.
            formats += usize::from(format);
            pieces.push(Piece { optional: formats > 1 && format, ..Piece::code(value, at - 1) });
        } else if matches!(scalar.top.as_str(), "runtime" | "server") && !scalar.key && value.starts_with("shiny") {
            source.uses(Use {
                line: at,
                package: "shiny".to_owned(),
                kind: UseKind::Loaded,
                optional: false,
                continues: false,
            });
        }
    }
    if let Some(at) = error {
        let written = text.lines().nth(at - 1).unwrap_or_default();
        source.dynamic(line + at, written, "the header is not valid YAML");
    }
}

/// A scalar of a YAML document.
struct Scalar {
    /// The top-level key that it is or belongs to.
    top: String,
    /// The number of mappings and sequences around it.
    depth: usize,
    /// Whether it is a key.
    key: bool,
    /// Whether it is an item of a sequence.
    item: bool,
    /// Whether it is marked as R code (`!r`, `!expr`).
    code: bool,
    value: String,
    /// The line of the document, from 1.
    line: usize,
}

/// The scalars of a YAML document, and the line (from 1) at which parsing failed, if it did.
fn scalars(text: &str) -> (Vec<Scalar>, Option<usize>) {
    let mut scalars = Vec::new();
    let mut parser = Parser::new_from_str(text);
    // For each enclosing mapping, whether its key was read; `None` for a sequence.
    let mut around: Vec<Option<bool>> = Vec::new();
    let mut top = String::new();
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => return (scalars, Some(error.marker().line().max(1))),
        };
        match event {
            Event::MappingStart(..) => around.push(Some(false)),
            Event::SequenceStart(..) => around.push(None),
            Event::MappingEnd | Event::SequenceEnd => {
                around.pop();
                advance(&mut around);
            }
            Event::Alias(_) => {
                advance(&mut around);
            }
            Event::Scalar(value, _, _, tag) => {
                let key = advance(&mut around);
                if key && around.len() == 1 {
                    top = value.clone().into_owned();
                }
                scalars.push(Scalar {
                    top: top.clone(),
                    depth: around.len(),
                    key,
                    item: around.last() == Some(&None),
                    code: tag.is_some_and(|tag| tag.handle == "!" && matches!(tag.suffix.as_str(), "r" | "expr")),
                    value: value.into_owned(),
                    line: span.start.line().max(1),
                });
            }
            _ => {}
        }
    }
    (scalars, None)
}

/// Advances in the innermost mapping, from key to value or back; returns whether this was a key.
fn advance(around: &mut [Option<bool>]) -> bool {
    match around.last_mut() {
        Some(Some(has_key)) => {
            *has_key = !*has_key;
            *has_key
        }
        _ => false,
    }
}
