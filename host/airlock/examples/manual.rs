//! Writes the manual pages of `airlock`, and its completions for shells, from the definitions that read its command line.
//!
//!     cargo run --release --package airlock --example manual -- FOLDER
//!
//! The folder gets `man/man1/airlock.1`, a page for each command such as `airlock-push.1` or `airlock-config-check.1`, and `completions/` with a file
//! each for bash, zsh and fish. The same definitions give the same bytes. `make dist` runs this; the generators are not in
//! the program that is shipped.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

const NAME: &str = "airlock";
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

fn main() -> io::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: manual FOLDER"))?;
    write(&PathBuf::from(folder))
}

fn write(folder: &Path) -> io::Result<()> {
    let (pages, completions) = (folder.join("man/man1"), folder.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    let mut program = airlock::command().disable_help_subcommand(true);
    // Names the commands as their pages are named: `airlock-push`.
    program.build();
    write_pages(&program, &pages)?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut without_hidden(), NAME, &completions)?;
    }
    Ok(())
}

/// Writes the page of a command, and those of the commands below it.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    write_page(command, folder)?;
    shown(command).try_for_each(|command| write_pages(command, folder))
}

fn write_page(command: &Command, folder: &Path) -> io::Result<()> {
    let page = Man::new(command.clone())
        .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")))
        .manual("Airlock");
    let mut text = Vec::new();
    page.render(&mut text)?;
    // The generator cannot know what stands below the flags: examples, the environment, the exit status.
    let text = String::from_utf8_lossy(&text).replace("\n.SH EXTRA\n", "\n.SH NOTES\n");
    fs::write(folder.join(page.get_filename()), text)
}

/// Returns the commands that the help of a command shows.
fn shown(program: &Command) -> impl Iterator<Item = &Command> {
    program.get_subcommands().filter(|command| !command.is_hide_set())
}

/// Returns the program without the commands that only Airlock itself runs, which the generator of completions would offer.
fn without_hidden() -> Command {
    let program = airlock::command();
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands(shown(&program).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file: PathBuf) -> String {
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    #[test]
    fn every_command_has_a_page_and_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let pages = folder.path().join("man/man1");
        let program = airlock::command();
        let overview = text(pages.join("airlock.1"));
        let completions = ["airlock.bash", "_airlock", "airlock.fish"]
            .map(|file| text(folder.path().join("completions").join(file)));
        for command in shown(&program) {
            let name = command.get_name();
            let page = text(pages.join(format!("airlock-{name}.1")));
            assert!(overview.contains(&format!("airlock\\-{name}(1)")), "{overview}");
            for flag in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let Some(long) = flag.get_long() else { continue };
                assert!(page.contains(&long.replace('-', "\\-")), "no --{long}: {page}");
                for completion in &completions {
                    assert!(completion.contains(long), "no --{long} of {name}: {completion}");
                }
            }
        }
        fn count(command: &Command) -> usize {
            1 + shown(command).map(count).sum::<usize>()
        }
        assert_eq!(fs::read_dir(&pages).unwrap().count(), count(&program));
        let below = text(pages.join("airlock-config-check.1"));
        assert!(below.contains("airlock\\-config\\-check"), "{below}");
    }

    #[test]
    fn what_only_airlock_itself_runs_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        assert!(!folder.path().join("man/man1/airlock-compile.1").exists());
        let bash = text(folder.path().join("completions/airlock.bash"));
        assert!(
            bash.contains("componentize") && !bash.contains("compile "),
            "{bash}"
        );
    }
}
