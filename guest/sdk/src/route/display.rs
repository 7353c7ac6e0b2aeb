//! Says what user interfaces and generated clients show of paths and operations, for OpenAPI.

/// The attributes of a path or of one operation that user interfaces and generated clients show, as Vault's
/// `DisplayAttributes`:
///
/// ```
/// # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
/// # fields! { struct At { role: String } }
/// # fn issue(_: &Context, _: At) -> Result<Option<Response>> { Ok(None) }
/// use airlock_sdk::route::Display;
///
/// const ROUTES: Routes = &[
///     &route("creds/{role}")
///         .display(Display::new().operation_prefix("roles").operation_suffix("credentials"))
///         .read(issue)
///         .display_operation(Display::new().operation_verb("generate")),
/// ]; // the id of the operation is `roles-generate-credentials`
/// # fn main() { let _ = ROUTES; }
/// ```
///
/// As in Vault, the id of an operation in the OpenAPI document is prefix, verb and suffix with hyphens between them. Those
/// of the operation come before those of its path. Without a prefix and a verb, the prefix is the mount's type; without a
/// verb, it is the operation's name; without a verb and a suffix, the suffix is the path. The other attributes stand in
/// `x-vault-displayAttrs` of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Display {
    pub(crate) prefix: &'static str,
    pub(crate) verb: &'static str,
    pub(crate) suffix: &'static str,
    pub(crate) item_type: &'static str,
    pub(crate) action: &'static str,
    pub(crate) navigation: bool,
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

impl Display {
    /// Makes attributes that show nothing.
    pub const fn new() -> Display {
        Display {
            prefix: "",
            verb: "",
            suffix: "",
            item_type: "",
            action: "",
            navigation: false,
        }
    }

    /// Sets the beginning of the id of operations, such as the engine's name.
    pub const fn operation_prefix(mut self, prefix: &'static str) -> Display {
        self.prefix = prefix;
        self
    }

    /// Sets what the operation does, such as `generate`.
    pub const fn operation_verb(mut self, verb: &'static str) -> Display {
        self.verb = verb;
        self
    }

    /// Sets what the operation works on, such as `role`.
    pub const fn operation_suffix(mut self, suffix: &'static str) -> Display {
        self.suffix = suffix;
        self
    }

    /// Sets the type of the path's items, such as `Role`. For paths only.
    pub const fn item_type(mut self, item_type: &'static str) -> Display {
        self.item_type = item_type;
        self
    }

    /// Sets the verb on a button for the path, such as `Generate`. For paths only.
    pub const fn action(mut self, action: &'static str) -> Display {
        self.action = action;
        self
    }

    /// Shows the path as a tab. For paths only.
    pub const fn navigation(mut self) -> Display {
        self.navigation = true;
        self
    }

    pub(crate) fn has_attributes(&self) -> bool {
        self.navigation || !self.item_type.is_empty() || !self.action.is_empty()
    }
}
