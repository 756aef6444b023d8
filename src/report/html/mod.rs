//! Pages: a report, or the difference between two sets of layers, as one HTML page that needs no network. A report has bars, a
//! map of the bytes, tables that can be sorted and searched, the dependencies, and what would be left with other options.
//! `page.html` and `diff.html` are the templates; `style.css` and the scripts are inserted unchanged.
//!
//! Without JavaScript a page shows everything except the map. Names from the tree are data: minijinja escapes each value, the
//! script writes them as text, and the page's Content-Security-Policy allows only what is in the page to run or load.

mod data;
mod differences;
mod tables;

use base64::prelude::{BASE64_STANDARD, Engine};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Report;
use super::diff::Diff;
use crate::base::error::{Error, Result};
use crate::base::safe::{Form, safe};

const STYLE: &str = include_str!("style.css");
/// One script: what every page has, what computes, and what the page of a report shows.
const SCRIPT: &str = concat!(include_str!("tables.js"), include_str!("what_if.js"), include_str!("script.js"));
const TABLES: &str = include_str!("tables.js");

/// The report as a page.
///
/// # Errors
/// When the template does not match its data, which a test rules out.
pub fn html(report: &Report) -> Result<Vec<u8>> {
    render(include_str!("page.html"), &tables::Page::new(report), SCRIPT, &data::json(report)?)
}

/// The differences between two sets of layers as a page.
///
/// # Errors
/// As for [`html`].
pub fn diff_html(diff: &Diff) -> Result<Vec<u8>> {
    render(include_str!("diff.html"), &differences::Page::new(diff), TABLES, "")
}

fn render(template: &str, page: &impl Serialize, script: &str, data: &str) -> Result<Vec<u8>> {
    let render = || {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // The extension .html turns escaping on.
        environment.add_template("page.html", template)?;
        environment.get_template("page.html")?.render(context! {
            page => Serde(page),
            style => STYLE,
            script => script,
            policy => policy(script),
            data,
        })
    };
    render().map(|page| safe(page.as_bytes(), Form::Markup)).map_err(Error::bug("render the page"))
}

/// The Content-Security-Policy of a page: nothing but its style and its script.
fn policy(script: &str) -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(script)
    )
}

/// The name that a Content-Security-Policy has for a text.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}
