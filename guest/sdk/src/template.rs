//! Templates for user names and the like, in the language of Vault's engines.
//!
//! An operator writes a template into the engine's configuration, as for Vault's database engine:
//!
//! ```text
//! {{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 63 }}
//! ```
//!
//! Parse it when the configuration is written, so that the operator is told what is wrong, and where. Render it when a name is
//! needed:
//!
//! ```
//! use airlock_sdk::template::Template;
//! use airlock_sdk::{Context, Error, Result};
//!
//! const FIELDS: &[&str] = &["DisplayName", "RoleName"];
//!
//! fn write_config(cx: &Context, template: &str) -> Result<()> {
//!     Template::parse(template, FIELDS)?; // a mistake is a 400
//!     cx.storage.put("template", template)
//! }
//!
//! fn new_name(cx: &Context, template: &str, role: &str) -> Result<String> {
//!     let fields = [("DisplayName", &*cx.request.display_name), ("RoleName", role)];
//!     Template::parse(template, FIELDS)?.render(cx, &fields)
//! }
//!
//! let error = Template::parse("v-{{ .RoleName | trunc 8 }}", FIELDS).unwrap_err();
//! assert!(error.to_string().starts_with("template, line 1, character 18: there is no function `trunc`"));
//! ```
//!
//! # The language
//! It is a part of Go's `text/template`, with the functions of `sdk/helper/template` of Vault:
//! - text, comments, `{{-` and `-}}`, pipelines with `|`, parentheses, fields, texts in quotes or backticks, decimal numbers,
//!   `true` and `false`, `if`, `else if`, `else` and `end`;
//! - Vault's `random`, `truncate`, `truncate_sha256`, `uppercase`, `lowercase`, `replace`, `sha256`, `base64`, `unix_time`,
//!   `unix_time_millis`, `timestamp` and `uuid`;
//! - Go's `printf` (with `%s`, `%d`, `%v`, `%t`, `%x` and `%X`), `print`, `len`, `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `and`, `or`
//!   and `not`.
//!
//! An accepted template gives the text that it gives in Vault, with two exceptions. If Go would cut a character of several bytes
//! in two, `truncate` and `truncate_sha256` leave it out. `timestamp` is in UTC.
//!
//! # What is refused
//! [`Template::parse`] refuses what Go refuses, and also:
//! - variables, `range`, `with`, `define`, `template`, `block`, `break`, `continue`, and Go's other functions, such as `index`,
//!   `slice`, `html` and `println`;
//! - a field of a field (`.Name.Other`), the dot alone, `nil`, and an `if` that has no space before its parenthesis;
//! - numbers that are not decimal integers of 64 bits, have a leading 0 or a `_`, and characters in single quotes;
//! - escapes in a text that are not a whole character, such as `\xff` or a surrogate;
//! - a format of `printf` that is not a text in quotes or backticks or comes through `|`, other verbs, `*`, indexes of arguments,
//!   and flags but `-` and `0`; zeros before anything but a number; a precision of anything but a text with `%s` or `%v`; a verb
//!   that does not fit its argument; and a number of arguments that is not that of the verbs.
//!
//! A mistake that Go finds only while it renders, or never, is refused when the template is parsed:
//! - a field that the engine does not give;
//! - a wrong number of arguments, or an argument of another kind. A function that takes a text takes neither a number nor a truth,
//!   and `len` takes a text alone. The functions that compare take values of one kind, and `lt`, `le`, `gt` and `ge` take no truths.
//!   `and` and `or` take values of one kind, where Go takes any;
//! - a number in the template that `random`, `truncate` or `truncate_sha256` does not take: less than 0, 1 or 9, or more than
//!   [`MAX_OUTPUT`].
//!
//! # Bounds
//! An empty template is refused, as are one of more than [`MAX_TEMPLATE`] bytes, and one whose parentheses, pipelines, function
//! calls or conditions are nested more deeply than 32 levels. No text that a template makes has more than [`MAX_OUTPUT`] bytes, nor
//! does a width or a precision of `printf`.

mod error;
mod evaluate;
mod functions;
mod layout;
mod lex;
mod parse;
mod printf;

pub use error::TemplateError;

use crate::{Context, Error, Result};
use parse::Node;

/// The most bytes of a template.
pub const MAX_TEMPLATE: usize = 4096;

/// The most bytes of each text that a template makes.
pub const MAX_OUTPUT: usize = 65_536;

/// A template that was parsed. See the [module](crate::template).
#[derive(Clone, Debug)]
pub struct Template {
    nodes: Vec<Node>,
}

impl Template {
    /// Reads a template that may use these fields.
    ///
    /// # Errors
    /// The first mistake, with its place. `?` makes an [`Error::User`] of it.
    pub fn parse(text: &str, fields: &[&str]) -> Result<Template, TemplateError> {
        parse::parse(text, fields).map(|nodes| Template { nodes })
    }

    /// Returns the text that the template makes of the values of fields. The caller has to give all fields that were named to
    /// [`parse`](Template::parse).
    ///
    /// # Errors
    /// [`Error::Internal`] if a text becomes longer than [`MAX_OUTPUT`], if a function gets a number that it does not take, or if
    /// a field is not given.
    pub fn render(&self, cx: &Context, fields: &[(&str, &str)]) -> Result<String> {
        evaluate::render(&self.nodes, cx, fields)
            .map_err(|what| Error::Internal(format!("the template cannot be rendered: {what}")))
    }
}
