//! The reader of a page with commands ([`Page`]): a shell with the programs and the variables that pages assume.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::console::Page;
use crate::files;
use crate::server::Server;

/// Reads and parses a page of this repository, and says which of its blocks are not run.
///
/// # Panics
/// If a block of the page is wrong.
#[track_caller]
#[allow(clippy::print_stderr)] // for whoever runs the test
pub fn page(name: &str) -> Page {
    let text = fs::read_to_string(files::root().join(name)).unwrap();
    let page = Page::parse(&text).unwrap_or_else(|mistake| panic!("{name}: {mistake}"));
    for block in page.not_run() {
        eprintln!("{name}: not run: {block}");
    }
    page
}

/// Returns a path in a server's directory.
pub fn beside(server: &Server, name: &str) -> PathBuf {
    server.plugin_directory().with_file_name(name)
}

/// Returns a shell in an empty folder, `work` in the server's directory, which is its home. It has `vault` and `airlock` on its
/// path, the server's address and token, and `PLUGINS`, the server's plugin directory.
pub fn shell(server: &Server) -> Command {
    let [work, bin] = ["work", "bin"].map(|name| {
        let directory = beside(server, name);
        fs::create_dir(&directory).unwrap();
        directory
    });
    symlink(files::airlock(), bin.join("airlock")).unwrap();
    symlink(files::vault(), bin.join("vault")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("bash");
    shell
        .current_dir(&work)
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOME", &work)
        .env("PLUGINS", server.plugin_directory());
    // `bao` takes Vault's variables if its own are not set.
    for name in ["ADDR", "TOKEN"] {
        shell.env_remove(format!("BAO_{name}"));
    }
    shell
        .env("VAULT_ADDR", server.client().address())
        .env("VAULT_TOKEN", server.client().token());
    shell
}
