//! Shorter forms of a sentence, each whole in itself: a short report has no room for every clause, and a text that is cut in the
//! middle cannot be understood, or copied.

/// What begins a clause that only adds to those before it.
const CLAUSES: [&str; 5] = ["; ", ". ", ", which ", ", or ", ", so "];

/// What begins the consequence of what is before it.
const CONSEQUENCE: &str = ": ";

/// The text, then ever shorter forms of it: without what is in parentheses, and without its last clauses. The last form is its
/// first clause.
pub(super) fn forms(text: &str) -> Vec<String> {
    shorter(text, &[&CLAUSES[..], &[CONSEQUENCE]].concat())
}

/// The same of an instruction, in which what is named after a colon belongs to what is before it.
fn forms_of_instruction(text: &str) -> Vec<String> {
    shorter(text, &CLAUSES)
}

fn shorter(text: &str, clauses: &[&str]) -> Vec<String> {
    let plain = without_parentheses(text);
    let ends: Vec<usize> = ends_of_clauses(&plain, clauses);
    let mut forms = vec![text.to_owned(), plain.clone()];
    forms.extend(ends.into_iter().rev().map(|end| plain[..end].to_owned()));
    forms.dedup();
    forms
}

/// The first form of an instruction that fits, or else the shortest.
pub(super) fn that_fits(text: &str, fits: impl Fn(&str) -> bool) -> String {
    let forms = forms_of_instruction(text);
    let found = forms.iter().find(|form| fits(form)).or(forms.last());
    found.cloned().unwrap_or_default()
}

/// The text without each ` (…)`; what is quoted is left alone.
fn without_parentheses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(" (") {
        let begin = text.len() - rest.len() + at;
        if let Some(length) = length_of_parentheses(&rest[at + 1..]).filter(|_| !is_quoted(text, begin)) {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1 + length..];
        } else {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
        }
    }
    out + rest
}

/// The length of the parentheses that a text begins with, with what is in them; `None` if they are not closed.
fn length_of_parentheses(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Where the clauses of a text end, but for the last one. What is before the colon in a clause after a semicolon is only the name of
/// what is behind it: `; largest increases: mgcv`.
fn ends_of_clauses(text: &str, clauses: &[&str]) -> Vec<usize> {
    let begins = |at: &usize| clauses.iter().any(|clause| text[*at..].starts_with(clause));
    let ends = text.char_indices().map(|(at, _)| at).filter(|at| *at > 0);
    let all: Vec<usize> = ends.filter(begins).filter(|at| !is_quoted(text, *at)).collect();
    let is_name = |number: usize| {
        let before = number.checked_sub(1).map(|number| all[number]);
        text[all[number]..].starts_with(CONSEQUENCE) && before.is_some_and(|at| text[at..].starts_with("; "))
    };
    (0..all.len()).filter(|number| !is_name(*number)).map(|number| all[number]).collect()
}

/// Whether a place is between two quotes or backticks.
fn is_quoted(text: &str, at: usize) -> bool {
    ['"', '`'].iter().any(|quote| !text[..at].matches(*quote).count().is_multiple_of(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_whole_sentence() {
        let text = "needs V_2.35 from libm.so.6 (hypot; nlme.so (1) needs it too); the image provides V_2.34";
        let plain = "needs V_2.35 from libm.so.6; the image provides V_2.34";
        assert_eq!(forms(text), [text, plain, "needs V_2.35 from libm.so.6"]);
        let text = "set A=\"x; y\" (see `f (a)`), which mends it, or leave it: as it is";
        let plain = "set A=\"x; y\", which mends it, or leave it: as it is";
        let last = ["set A=\"x; y\", which mends it, or leave it", "set A=\"x; y\", which mends it", "set A=\"x; y\""];
        assert_eq!(forms(text), [&[text, plain][..], &last].concat());
        let text = "grew by 7 B; largest increases: mgcv, which is new";
        assert_eq!(forms(text), [text, "grew by 7 B; largest increases: mgcv", "grew by 7 B"]);
        assert_eq!(forms("plain"), ["plain"]);
        assert_eq!(forms("a (b"), ["a (b"]);
        assert_eq!(forms("f() calls g(x) (line 3)"), ["f() calls g(x) (line 3)", "f() calls g(x)"]);
    }

    #[test]
    fn the_longest_that_fits_is_taken_and_the_shortest_always() {
        let text = "add it to the tree, or drop the script; for example: bin/x";
        let within = |most: usize| that_fits(text, |form| form.len() <= most);
        assert_eq!(within(80), text);
        assert_eq!(within(50), "add it to the tree, or drop the script");
        assert_eq!((within(20), within(1)), ("add it to the tree".to_owned(), "add it to the tree".to_owned()));
    }
}
