//! Defines the flag for the options of a mount.

use clap::Args;

/// A mount's options, for the commands that ask a guest what it does with them.
#[derive(Debug, Args)]
pub struct OptionArgs {
    /// An option of the mount, as `vault secrets enable -options=KEY=VALUE` would set it; repeatable. A guest may choose its
    /// special paths by them
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = key_value)]
    pub options: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give a key and a value, such as version=2"),
    }
}
