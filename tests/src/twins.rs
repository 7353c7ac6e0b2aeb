//! Compares two mounts that must behave alike: sends the same requests to both and returns the differences in the
//! answers.
//!
//! A request is a [`Step`]. A script has one step on each line, for example:
//!
//! ```text
//! # comments and empty lines are left out
//! POST data/team/db {"data": {"password": "s3cret"}}
//! as reader: GET data/team/db?version=1 | X-Vault-Wrap-TTL: 60s
//! until 404: GET data/short-lived
//! ```
//!
//! [`Twins::run`] sends each step to the first mount and then to the second, and returns the [`Difference`]s. Status,
//! headers and body must be equal except for what [`plain`] removes, which is little and has a reason in each case.
//!
//! Watch out: a path must be percent-encoded, because it is sent unchanged. The effects of a step stay for the next, so
//! one true difference can cause others after it; read them from the top.

pub mod drawn;
pub mod openbao;
mod plain;
mod times;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use plain::{Plain, plain, plain_text};

use crate::brand::{self, Brand};
use crate::http::{Mount, RawAnswer};

/// The longest wait of a step for its status, on each mount.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request, with a path below the mount.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The name of the caller, or empty for the root token.
    pub caller: String,
    /// The method: GET, POST, LIST and so on.
    pub method: String,
    /// The path, percent-encoded, with its query if there is one.
    pub path: String,
    /// The body, which is sent unchanged.
    pub body: String,
    /// Headers in addition to those of every request.
    pub headers: Vec<(String, String)>,
    /// If set, the request is repeated until the answer has this status.
    pub until: Option<u16>,
}

impl Step {
    /// Makes a request with the root token and without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Step {
            caller: String::new(),
            method: method.to_owned(),
            path: path.to_owned(),
            body: String::new(),
            headers: Vec::new(),
            until: None,
        }
    }

    /// Sets the body.
    pub fn body(mut self, body: impl fmt::Display) -> Self {
        self.body = body.to_string();
        self
    }

    /// Reads the steps of a script. Panics at a line that is not a valid step.
    pub fn script(text: &str) -> Vec<Step> {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.parse().unwrap_or_else(|why| panic!("{why} in: {line}")))
            .collect()
    }
}

impl FromStr for Step {
    type Err = &'static str;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut step = Step::new("", "");
        let mut rest = line;
        while let Some((word, after)) = rest.split_once(": ") {
            match word.split_once(' ') {
                Some(("as", name)) => step.caller = name.to_owned(),
                Some(("until", status)) => {
                    step.until = Some(status.parse().map_err(|_| "no status after until")?);
                }
                _ => break,
            }
            rest = after;
        }
        if let Some((before, headers)) = rest.split_once(" | ") {
            rest = before;
            for header in headers.split(" | ") {
                let (name, value) = header.split_once(": ").ok_or("a header without a value")?;
                step.headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let (method, rest) = rest.split_once(' ').ok_or("no path")?;
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        step.method = method.to_owned();
        step.path = if path == "." {
            String::new()
        } else {
            path.to_owned()
        };
        step.body = body.to_owned();
        Ok(step)
    }
}

/// Writes the step in the form that [`Step::script`] reads, except that a long body is cut.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.caller.is_empty() {
            write!(f, "as {}: ", self.caller)?;
        }
        if let Some(status) = self.until {
            write!(f, "until {status}: ")?;
        }
        let path = if self.path.is_empty() { "." } else { &self.path };
        write!(f, "{} {path}", self.method)?;
        match self.body.char_indices().nth(300) {
            Some((end, _)) => write!(f, " {}… ({} bytes)", &self.body[..end], self.body.len())?,
            None if self.body.is_empty() => (),
            None => write!(f, " {}", self.body)?,
        }
        self.headers
            .iter()
            .try_for_each(|(name, value)| write!(f, " | {name}: {value}"))
    }
}

/// A step that the two mounts answered differently.
#[derive(Debug)]
pub struct Difference {
    /// The number of the step in the script, from 1.
    pub number: usize,
    /// The request.
    pub step: Step,
    /// The first mount's answer.
    pub left: Plain,
    /// The second mount's answer.
    pub right: Plain,
}

/// Shows the request and both answers. Of long answers it shows the part that differs.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [&self.left, &self.right].map(|answer| answer.to_string().chars().collect::<Vec<_>>());
        let [left, right] = &texts;
        let same = left
            .iter()
            .zip(right)
            .take_while(|(left, right)| left == right)
            .count();
        let begin = same.saturating_sub(100);
        writeln!(f, "{}. {}", self.number, self.step)?;
        for (mark, text) in ['<', '>'].iter().zip(&texts) {
            let shown: String = text.iter().skip(begin).take(500).collect();
            let cut = if begin > 0 {
                format!("{} … ", text[..3].iter().collect::<String>())
            } else {
                String::new()
            };
            writeln!(f, "   {mark} {cut}{shown}")?;
        }
        Ok(())
    }
}

/// The two mounts, and the tokens of their callers.
pub struct Twins {
    left: Mount,
    right: Mount,
    tokens: BTreeMap<String, String>,
}

impl Twins {
    /// Makes a pair of mounts. They are called with the root token unless a step says otherwise.
    pub fn new(left: Mount, right: Mount) -> Self {
        Twins {
            left,
            right,
            tokens: BTreeMap::new(),
        }
    }

    /// Adds a token with the rights that `policy` grants on both mounts. `MOUNT` in the policy stands for the mount's
    /// name.
    #[track_caller]
    pub fn caller(mut self, name: &str, policy: &str) -> Self {
        let root = self.left.client();
        let policy_name = self.policy(name);
        let both = [&self.left, &self.right].map(|mount| policy.replace("MOUNT", mount.name()));
        let body = serde_json::json!({"policy": both.concat()});
        root.write(&format!("sys/policies/acl/{policy_name}"), body)
            .expect_success("write a policy");
        let body = serde_json::json!({"policies": [policy_name], "display_name": name});
        let token = root
            .write("auth/token/create", body)
            .expect_success("make a token");
        let token = token.body["auth"]["client_token"].as_str().unwrap().to_owned();
        self.tokens.insert(name.to_owned(), token);
        self
    }

    /// Returns the name of a caller's policy.
    pub fn policy(&self, caller: &str) -> String {
        format!("{}-{}-{caller}", self.left.name(), self.right.name())
    }

    /// Adds a token that already exists.
    pub fn token(mut self, name: &str, token: &str) -> Self {
        self.tokens.insert(name.to_owned(), token.to_owned());
        self
    }

    /// Sends every step to both mounts, and returns the differences between the answers, in order.
    ///
    /// Skips the requests that [OpenBao's engine answers differently](openbao::answers_otherwise), and reports how
    /// many.
    pub fn run(&self, steps: &[Step]) -> Vec<Difference> {
        let all = steps.iter().zip(1..);
        let sent: Vec<_> = all
            .filter(|(step, _)| !(Brand::is_openbao() && openbao::answers_otherwise(step)))
            .collect();
        if sent.len() < steps.len() {
            let (left_out, of) = (steps.len() - sent.len(), steps.len());
            brand::report(&format!(
                "{left_out} of {of} requests, which OpenBao's engine answers otherwise"
            ));
        }
        let differences = sent.into_iter().filter_map(|(step, number)| {
            let [left, right] = self.answers(step);
            (left != right).then(|| Difference {
                number,
                step: step.clone(),
                left,
                right,
            })
        });
        differences.collect()
    }

    /// Returns the answers of both mounts to a step.
    pub fn answers(&self, step: &Step) -> [Plain; 2] {
        [&self.left, &self.right].map(|mount| self.send(mount, step))
    }

    /// Runs the steps, and panics with the differences if there are any.
    #[track_caller]
    pub fn expect_none(&self, steps: &[Step]) {
        let differences = self.run(steps);
        let texts: Vec<String> = differences.iter().map(Difference::to_string).collect();
        assert!(
            texts.is_empty(),
            "{} and {} answered {} of {} requests differently:\n{}",
            self.left.name(),
            self.right.name(),
            texts.len(),
            steps.len(),
            texts.concat()
        );
    }

    /// Adds the content of the wrapped response to the answer, if it wraps one.
    fn with_what_is_wrapped(&self, mut plain_answer: Plain, answer: &RawAnswer, mount: &Mount) -> Plain {
        if let Some(token) = answer.body()["wrap_info"]["token"].as_str() {
            let client = mount.client().with_token(token);
            let wrapped = client.try_send("POST", "sys/wrapping/unwrap", &[], "").unwrap();
            plain_answer.body += &format!(" wraps {}", plain(&wrapped, mount.name()));
        }
        plain_answer
    }

    fn send(&self, mount: &Mount, step: &Step) -> Plain {
        let client = match step.caller.as_str() {
            "" => mount.client().clone(),
            name => mount.client().with_token(&self.tokens[name]),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = client.try_send(&step.method, &mount.path(&step.path), &step.headers, &step.body);
            let answer = match answer {
                Ok(answer) => self.with_what_is_wrapped(plain(&answer, mount.name()), &answer, mount),
                // A server that hangs up has answered too: the other server must do the same.
                Err(_) => Plain::hung_up(),
            };
            match step.until {
                Some(status) if answer.status != status && Instant::now() < deadline => (),
                _ => return answer,
            }
        }
    }
}

/// Parses a text as JSON, so that two such texts are compared as JSON. Returns `None` for any other text.
fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}
