//! What Vault's engine has not.
//!
//! Each is off until the mount's option of its name is `true`, because each lets a policy that was written for Vault's engine
//! allow more than its author meant: set it with `vault secrets enable -options` or `vault secrets tune -options`, and
//! reload the plugin after a tune. Pages of lists need no option.

use airlock_sdk::{Context, Options};

/// The options, and whether they are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// [Lists of all that is below a folder](crate::list).
    pub recursive_list: bool,
    /// [Lists with the metadata of each key](crate::list).
    pub detailed_list: bool,
    /// [Copies and moves](crate::transfer).
    pub transfer: bool,
    /// [Purging what has expired](crate::purge).
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

    /// Whether there are more paths than Vault's engine has.
    pub(crate) fn have_paths(self) -> bool {
        self.recursive_list || self.detailed_list || self.transfer
    }
}
