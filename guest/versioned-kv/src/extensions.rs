//! Says which features a mount has that Vault's engine does not have.
//!
//! Each is off until the mount's option of its name is `true`, because each lets a policy that was written for Vault's
//! engine allow more than its author meant. Set the option with `vault secrets enable -options` or `vault secrets tune
//! -options`, and reload the plugin after a tune. Pages of lists need no option.

use airlock_sdk::{Context, Options};

/// The options; true if set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// [Lists of all keys below a folder](crate::list).
    pub recursive_list: bool,
    /// [Lists with the metadata of each key](crate::list).
    pub detailed_list: bool,
    /// [Copies and moves](crate::transfer).
    pub transfer: bool,
    /// [Purges of expired versions](crate::purge).
    pub purge: bool,
}

impl Extensions {
    pub(crate) fn of(options: &Options) -> Extensions {
        let is_set = |name| options.get(name) == Some("true");
        Extensions {
            recursive_list: is_set("recursive_list"),
            detailed_list: is_set("detailed_list"),
            transfer: is_set("transfer"),
            purge: is_set("purge"),
        }
    }

    pub(crate) fn on(cx: &Context) -> Extensions {
        Extensions::of(&cx.system.config())
    }

    /// Returns true if the mount has paths that Vault's engine does not have.
    pub(crate) fn have_paths(self) -> bool {
        self.recursive_list || self.detailed_list || self.transfer
    }
}
