//! The report as one HTML page that needs no network: bars, a map of the bytes, tables that can be sorted and searched, and
//! the dependencies. `page.html` is the template; `style.css` and `script.js` are inserted unchanged.
//!
//! Without JavaScript it shows everything except the map. Names from the tree are data: minijinja escapes each value, the
//! script writes them as text, and the page's Content-Security-Policy allows only what is in the page to run or load.

mod data;
mod map;
mod tables;

use base64::prelude::{BASE64_STANDARD, Engine};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use sha2::{Digest, Sha256};

use super::Report;
use crate::base::error::{Error, Result};
use crate::base::safe::{Form, safe};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The report as a page.
///
/// # Errors
/// When the template does not match its data, which a test rules out.
pub fn html(report: &Report) -> Result<Vec<u8>> {
    let (page, data) = (tables::Page::new(report), data::json(report)?);
    let render = || {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // The extension .html turns escaping on.
        environment.add_template("page.html", TEMPLATE)?;
        environment.get_template("page.html")?.render(context! {
            page => Serde(page),
            style => STYLE,
            script => SCRIPT,
            style_hash => hash(STYLE),
            script_hash => hash(SCRIPT),
            data,
        })
    };
    render().map(|page| safe(page.as_bytes(), Form::Markup)).map_err(Error::bug("render the page"))
}

/// The name that a Content-Security-Policy has for a text.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}
