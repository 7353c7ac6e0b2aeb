//! The commands of a Markdown page, run as a reader would run them: [`Page::parse`] finds them, and [`Page::run`] runs them one
//! after the other in one shell.
//!
//! A block is ```` ```console ```` or ```` ```sh ````. In it, a line that begins with `$ ` is a command. Its next lines belong to
//! it as long as the one before ends with `\` or `|`. The other lines are what it prints: each has to appear in the output, in this
//! order. In such a line, `…` stands for any text, and a number of spaces for any other number; a line `…` alone says that others
//! were left out. A block that cannot be run has a comment above it that says why: `<!-- not run: … -->`.
//!
//! A block ```` ```diff ```` is a change that the reader makes to the files that it names: `git apply` makes it. A block with a file
//! behind its language, as in ```` ```rust src/lib.rs ````, is an excerpt: that file has to contain these lines.
//!
//! A program that the page leaves running with `&` is ended with the shell.
//!
//! Watch out: any other block is a mistake of the page, unless it has the comment or no language, as a picture has.

use std::fs;
use std::process::Command;

use crate::command::run;

/// A character that separates the outputs, and that no command prints.
const SEPARATOR: char = '\u{1e}';

/// The beginning of the comment above a block that is not run.
const NOT_RUN: &str = "<!-- not run:";

/// The commands of a page, in order.
#[derive(Debug, Default)]
pub struct Page {
    steps: Vec<Step>,
    not_run: Vec<String>,
}

/// One command, and the lines that the page shows of its output.
#[derive(Debug)]
struct Step {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// A block that is being read.
enum Block {
    Run,
    Skipped,
    /// A change to files, or an excerpt of one, which becomes one command.
    Text {
        line: usize,
        file: Option<String>,
        text: String,
    },
}

impl Page {
    /// Finds the commands of a page.
    ///
    /// # Errors
    /// Names the line of a block that is neither to be run nor marked, or that has lines before its first command.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut page = Page::default();
        let mut block = None;
        let mut above = "";
        for (line, text) in (1..).zip(text.lines()) {
            match (&mut block, text.strip_prefix("```")) {
                (None, Some(language)) => block = Some(page.open(line, language, above)?),
                (Some(_), Some(_)) => page.close(block.take()),
                (Some(Block::Run), None) => page.add(line, text)?,
                (Some(Block::Text { text: all, .. }), None) => {
                    all.push_str(text);
                    all.push('\n');
                }
                _ => {}
            }
            above = text;
        }
        Ok(page)
    }

    fn open(&mut self, line: usize, language: &str, above: &str) -> Result<Block, String> {
        if let Some(reason) = above.strip_prefix(NOT_RUN) {
            let reason = reason.trim_end_matches("-->").trim();
            self.not_run.push(format!("line {line}: {reason}"));
            return Ok(Block::Skipped);
        }
        let text = |file: Option<&str>| Block::Text {
            line,
            file: file.map(str::to_owned),
            text: String::new(),
        };
        match language.split_once(' ').unwrap_or((language, "")) {
            ("console" | "sh", "") => Ok(Block::Run),
            ("diff", "") => Ok(text(None)),
            ("", "") => Ok(Block::Skipped),
            (_, file) if !file.is_empty() => Ok(text(Some(file))),
            _ => Err(format!(
                "line {line}: a block of {language} cannot be run: move it to another page, or say why above it: {NOT_RUN} … -->"
            )),
        }
    }

    fn close(&mut self, block: Option<Block>) {
        let Some(Block::Text { line, file, text }) = block else {
            return;
        };
        let command = match file {
            // Without a repository around them, git changes files of the folder in which it runs.
            None => {
                format!("GIT_CEILING_DIRECTORIES=$(dirname \"$PWD\") git apply -p0 <<'CHANGE'\n{text}CHANGE")
            }
            Some(file) => {
                format!("excerpt=$(cat <<'EXCERPT'\n{text}EXCERPT\n) && [[ $(<{file}) == *\"$excerpt\"* ]]")
            }
        };
        self.steps.push(Step {
            line,
            command,
            shown: Vec::new(),
        });
    }

    fn add(&mut self, line: usize, text: &str) -> Result<(), String> {
        if let Some(command) = text.strip_prefix("$ ") {
            self.steps.push(Step {
                line,
                command: command.to_owned(),
                shown: Vec::new(),
            });
            return Ok(());
        }
        let last = self.steps.last_mut();
        let step = last.ok_or_else(|| format!("line {line}: no command is above this line"))?;
        if step.shown.is_empty() && step.command.ends_with(['\\', '|']) {
            step.command.push('\n');
            step.command.push_str(text);
        } else {
            step.shown.push(text.to_owned());
        }
        Ok(())
    }

    /// Returns the number of commands.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns true if the page has no commands.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the blocks that are not run: their lines and the reasons.
    pub fn not_run(&self) -> &[String] {
        &self.not_run
    }

    /// Runs all commands in one `bash`, which has the environment and the directory of `shell`. A variable that is not set is an
    /// error, and so is a command that fails in a pipeline.
    ///
    /// # Errors
    /// Names the first command that failed, or that did not print what the page shows, with its output.
    pub fn run(&self, shell: &mut Command) -> Result<(), String> {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("page.sh");
        fs::write(&script, self.script()).unwrap();
        let output = run(shell.arg(&script));
        // What precedes the first separator is empty.
        let mut outputs = output.stdout.split(SEPARATOR).skip(1);
        for step in &self.steps {
            let printed = outputs
                .next()
                .ok_or_else(|| format!("line {}: was not run: {output:?}", step.line))?;
            step.check(printed)?;
        }
        match output.status {
            0 => Ok(()),
            status => Err(format!("the shell ended with exit status {status}: {output:?}")),
        }
    }

    /// Returns a script in which each command is followed by the separator and its exit status. The first that fails ends it.
    fn script(&self) -> String {
        let mut script = format!(
            "set -uo pipefail\nexec 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\nprintf '{SEPARATOR}'\n"
        );
        for Step { command, .. } in &self.steps {
            script += &format!(
                "{{ {command}\n}} </dev/null || {{ printf '\\n%s\\n{SEPARATOR}' \"exit status $?\"; exit 1; }}\nprintf '\\n\\n{SEPARATOR}'\n"
            );
        }
        script
    }
}

impl Step {
    fn check(&self, printed: &str) -> Result<(), String> {
        let fail = |what: &str| {
            let Step { line, command, .. } = self;
            Err(format!("line {line}: {what}\n$ {command}\n{printed}"))
        };
        let mut lines = printed.lines();
        if let Some(status) = printed
            .lines()
            .last()
            .filter(|last| last.starts_with("exit status "))
        {
            return fail(status);
        }
        for shown in self.shown.iter().filter(|shown| shown.trim() != "…") {
            if !lines.any(|line| matches(line, shown)) {
                return fail(&format!("it does not print {shown:?}"));
            }
        }
        Ok(())
    }
}

/// Returns true if a line is one that the page shows with `…` for any text.
fn matches(line: &str, shown: &str) -> bool {
    let [line, shown] = [line, shown].map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    match shown.split('…').collect::<Vec<_>>().as_slice() {
        [first, between @ .., last] => {
            let rest = line.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
            let found = |rest, part: &&str| str::split_once(rest, part).map(|(_, rest)| rest);
            rest.and_then(|rest| between.iter().try_fold(rest, found))
                .is_some()
        }
        whole => whole == [line],
    }
}
