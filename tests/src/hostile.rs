//! The corpus of hostile guests, one in each file `tests/hostile/NAME.wat`.
//!
//! A file begins with comments that say what the guest does, which request it gets, and which answer the caller gets:
//!
//! ```text
//! ;; Loops without an end.
//! ;;
//! ;; request: read harm
//! ;; status: 500
//! ;; error: --cpu-ms
//! ```
//!
//! The rest of the file has the fields of a core module, in WebAssembly's text format. Imports, exports, an allocator
//! and well-behaved defaults are added: see `tests/src/hostile/common.wat`. A guest adds the function `$hostile`, which
//! is called for every path other than `ok`, or defines one of the exports itself; the exports that it does not define
//! behave well. On the path `ok` it must behave well too, because a neighbour in the same process requests that path
//! while the guest does harm elsewhere.
//!
//! `@{COUNT TEXT}` stands for COUNT copies of the text, each with its number in place of `@`. A file with a line
//! `(component` is the whole component, and nothing is added. Text after a line `;; beside the module:` is added to the
//! component beside the module.
//!
//! The lines that the tests read:
//!
//! | line | what it says |
//! |---|---|
//! | `request:` | The method and the path, below a mount of the guest: `read`, `write`, `list` or `delete`. `enable`: mounting it, with the option `hostile`, is the harm. `load`: so is loading it, and it must be refused. |
//! | `status:` | The status that the caller gets. |
//! | `error:` | Words of the error that the caller gets; repeatable. |
//! | `or:` | Another status that a caller may get, and words of its error, where it depends on who else is there. |
//! | `serve:` | An argument of `airlock serve`, such as `--memory-mib=4`; repeatable. Limits are low without it. |
//! | `guest:` | A guest of `target/guests` in place of the text. |

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Answer, files};

mod component;

/// One hostile guest.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// The file's name without `.wat`.
    pub name: String,
    /// The guest's behaviour, in one line.
    pub about: String,
    /// The act that makes the guest do harm.
    pub harm: Harm,
    /// The status that the caller gets.
    pub status: u16,
    /// Words of the error that the caller gets.
    pub words: Vec<String>,
    /// Another status that a caller may get, and words of its error.
    pub or: Option<(u16, String)>,
    serve: Vec<String>,
    /// A guest of `target/guests` in place of `text`.
    guest: Option<String>,
    text: String,
}

/// The act that makes a guest do harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Harm {
    /// A request: its HTTP method and its path below the mount.
    Request {
        /// The HTTP method, such as `GET`.
        method: &'static str,
        /// The path below the mount.
        path: String,
    },
    /// Mounting it with the option `hostile`.
    Enable,
    /// Loading it.
    Load,
}

impl Hostile {
    /// Low limits, so that a guest reaches them soon. It is never set aside, so that each request meets the harm.
    const LIMITS: [&'static str; 6] = [
        "--breaker=0",
        "--cpu-ms=2000",
        "--memory-mib=16",
        "--transfer-mib=8",
        "--storage-ops=200",
        "--log-lines=50",
    ];

    /// Returns the arguments of `airlock serve` for this guest, without those that name the guest.
    pub fn arguments(&self) -> Vec<String> {
        let name = |argument: &str| argument.split('=').next().unwrap().to_owned();
        let own: Vec<String> = self.serve.iter().map(|argument| name(argument)).collect();
        let limits = Self::LIMITS.iter().map(|limit| (*limit).to_owned());
        let limits = limits.filter(|limit| !own.contains(&name(limit)));
        limits.chain(self.serve.clone()).collect()
    }

    /// Returns true if an answer is one that the file allows.
    pub fn fits(&self, answer: &Answer) -> bool {
        let errors = answer.errors();
        let has = |words: &String| errors.contains(words.as_str());
        let or = |(status, words): &(u16, String)| answer.status == *status && has(words);
        (answer.status == self.status && self.words.iter().all(has)) || self.or.as_ref().is_some_and(or)
    }

    /// Returns the component's file. It is written to `directory`, unless it is one of `target/guests`.
    pub fn file(&self, directory: &Path) -> PathBuf {
        if let Some(guest) = &self.guest {
            return files::guest(guest);
        }
        let file = directory.join(format!("{}.wasm", self.name));
        fs::write(&file, component::component(&self.text)).unwrap();
        file
    }

    fn parse(name: &str, text: &str) -> Self {
        let comments = text
            .lines()
            .map_while(|line| line.strip_prefix(";;"))
            .map(str::trim);
        let about: Vec<&str> = comments.clone().take_while(|line| !line.is_empty()).collect();
        let values = |key: &str| -> Vec<String> {
            let lines = comments.clone().filter_map(|line| line.strip_prefix(key));
            lines.map(|value| value.trim().to_owned()).collect()
        };
        let one = |key: &str| match values(key).as_slice() {
            [value] => value.clone(),
            values => panic!("{name}: {} lines {key:?} where one is needed", values.len()),
        };
        Self {
            name: name.to_owned(),
            about: about.join(" "),
            harm: Harm::parse(&one("request:")).unwrap_or_else(|wrong| panic!("{name}: request: {wrong}")),
            status: one("status:").parse().unwrap(),
            words: values("error:"),
            or: values("or:").pop().map(|value| {
                let (status, words) = value.split_once(' ').expect("a status and words");
                (status.parse().unwrap(), words.to_owned())
            }),
            serve: values("serve:"),
            guest: values("guest:").pop(),
            text: text.to_owned(),
        }
    }
}

impl Harm {
    fn parse(line: &str) -> Result<Self, String> {
        let (verb, path) = line.split_once(' ').unwrap_or((line, ""));
        let method = match verb {
            "read" => "GET",
            "write" => "PUT",
            "list" => "LIST",
            "delete" => "DELETE",
            "enable" => return Ok(Self::Enable),
            "load" => return Ok(Self::Load),
            _ => return Err(format!("{verb:?} is not a method, `enable` or `load`")),
        };
        Ok(Self::Request {
            method,
            path: path.to_owned(),
        })
    }
}

/// Returns the folder of the corpus.
pub fn folder() -> PathBuf {
    files::root().join("tests/hostile")
}

/// Returns all hostile guests, in the order of their names.
pub fn corpus() -> Vec<Hostile> {
    let mut corpus: Vec<Hostile> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| {
            let file = entry.unwrap().path();
            let name = file.file_stem().unwrap().to_str().unwrap();
            assert_eq!(file.extension().unwrap(), "wat", "{}", file.display());
            Hostile::parse(name, &fs::read_to_string(&file).unwrap())
        })
        .collect();
    corpus.sort_by(|a, b| a.name.cmp(&b.name));
    corpus
}
