//! Sends what `println!` and `dbg!` print to Vault's log.
//!
//! A guest has no standard output, so the macros of the standard library print nowhere. Those of this crate have the same
//! names: `print!`, `println!`, `eprint!`, `eprintln!` and `dbg!`. Each call is a line of the log at the level `debug`. In a
//! native test they also print as usual, and the lines are in [`Mount::logs`](crate::testing::Mount::logs). Two lines at the
//! root of a crate make all its modules use them:
//!
//! ```
//! #[macro_use(dbg, println)]
//! extern crate airlock_sdk;
//!
//! # fn main() {
//! println!("found {} users", 3);
//! let half = dbg!(84 / 2);
//! # assert_eq!(half, 42);
//! # }
//! ```
//!
//! One module alone can name what it uses: `use airlock_sdk::{dbg, println};`. A glob import does not do, because the
//! compiler then finds two macros of one name.
//!
//! The output of other crates still goes nowhere. Do not print secrets: operators read the log. The host cuts a line at 16 KiB,
//! and drops the lines beyond `--log-lines`. A native test does the same with the lines that it keeps.

use crate::Level;
use crate::host::Host;

/// Prints to Vault's log at the level `debug`; see [`print`](mod@crate::print).
#[macro_export]
macro_rules! println {
    () => { $crate::print::out("") };
    ($($text:tt)*) => { $crate::print::out(&::std::format!($($text)*)) };
}

/// Prints to Vault's log at the level `debug`, each call a line; see [`print`](mod@crate::print).
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::print::out(&::std::format!($($text)*)) };
}

/// Prints to Vault's log at the level `debug`; see [`print`](mod@crate::print).
#[macro_export]
macro_rules! eprintln {
    () => { $crate::print::error("") };
    ($($text:tt)*) => { $crate::print::error(&::std::format!($($text)*)) };
}

/// Prints to Vault's log at the level `debug`, each call a line; see [`print`](mod@crate::print).
#[macro_export]
macro_rules! eprint {
    ($($text:tt)*) => { $crate::print::error(&::std::format!($($text)*)) };
}

/// Prints a value with its place in the source to Vault's log, at the level `debug`, and returns it; see
/// [`print`](mod@crate::print).
#[macro_export]
macro_rules! dbg {
    () => {
        $crate::print::error(&::std::format!("[{}:{}:{}]", ::std::file!(), ::std::line!(), ::std::column!()))
    };
    ($value:expr $(,)?) => {
        match $value {
            value => {
                $crate::print::error(&::std::format!(
                    "[{}:{}:{}] {} = {:#?}",
                    ::std::file!(),
                    ::std::line!(),
                    ::std::column!(),
                    ::std::stringify!($value),
                    &value
                ));
                value
            }
        }
    };
    ($($value:expr),+ $(,)?) => { ($($crate::dbg!($value)),+,) };
}

/// Writes a line that the standard library would write to the standard output.
#[doc(hidden)]
#[cfg_attr(not(target_arch = "wasm32"), allow(clippy::print_stdout))]
pub fn out(text: &str) {
    #[cfg(not(target_arch = "wasm32"))]
    ::std::println!("{}", line(text));
    log(line(text));
}

/// Writes a line that the standard library would write to the standard error.
#[doc(hidden)]
#[cfg_attr(not(target_arch = "wasm32"), allow(clippy::print_stderr))]
pub fn error(text: &str) {
    #[cfg(not(target_arch = "wasm32"))]
    ::std::eprintln!("{}", line(text));
    log(line(text));
}

fn line(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

#[cfg(target_arch = "wasm32")]
fn log(line: &str) {
    Host.log(Level::Debug, line, &[]);
}

/// Adds the line to the log of the mount whose request runs on this thread. Outside of a request, drops the line.
#[cfg(not(target_arch = "wasm32"))]
fn log(line: &str) {
    let host = CURRENT.with_borrow(|hosts| hosts.last().cloned());
    if let Some(host) = host {
        host.log(Level::Debug, line, &[]);
    }
}

#[cfg(not(target_arch = "wasm32"))]
thread_local! {
    /// The hosts of the requests that run on this thread.
    static CURRENT: std::cell::RefCell<Vec<Host>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Marks the host of the running request, as long as it lives.
pub(crate) struct Current(());

impl Current {
    #[cfg_attr(target_arch = "wasm32", allow(unused_variables))]
    pub(crate) fn of(host: &Host) -> Current {
        #[cfg(not(target_arch = "wasm32"))]
        CURRENT.with_borrow_mut(|hosts| hosts.push(host.clone()));
        Current(())
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Drop for Current {
    fn drop(&mut self) {
        // The thread may be ending.
        let _ = CURRENT.try_with(|hosts| hosts.borrow_mut().pop());
    }
}
