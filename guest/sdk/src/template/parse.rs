//! Makes nodes of a template, and checks them: names, numbers of arguments, and kinds.

use super::functions::{self, Function};
use super::lex::{self, Part, Token};
use super::{MAX_TEMPLATE, TemplateError, printf};

/// The most levels of expressions and of conditions, because a guest's stack is small.
const DEEPEST: usize = 32;

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    Value(Expr),
    If(Expr, Vec<Node>, Vec<Node>),
}

/// An expression, which has a value.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Text(String),
    Number(i64),
    Truth(bool),
    Field(String),
    Call(Function, Vec<Expr>),
    Printf(Vec<printf::Piece>, Vec<Expr>),
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Truth,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Truth => "true or false",
        }
    }
}

impl Expr {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Expr::Text(_) | Expr::Field(_) | Expr::Printf(..) => Kind::Text,
            Expr::Number(_) => Kind::Number,
            Expr::Truth(_) => Kind::Truth,
            Expr::Call(function, arguments) => function.kind(arguments),
        }
    }

    fn depth(&self) -> usize {
        match self {
            Expr::Call(_, arguments) | Expr::Printf(_, arguments) => {
                1 + arguments.iter().map(Expr::depth).max().unwrap_or_default()
            }
            _ => 1,
        }
    }
}

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) fn parse(text: &str, fields: &[&str]) -> Result<Vec<Node>> {
    if text.is_empty() {
        return Err(TemplateError::at(text, 0, "the template is empty"));
    }
    if text.len() > MAX_TEMPLATE {
        let what = format!("the template has more than {MAX_TEMPLATE} bytes");
        return Err(TemplateError::at(text, 0, what));
    }
    let parts = lex::split(text)?;
    let mut parser = Parser {
        text,
        fields,
        parts: parts.into_iter(),
        depth: 0,
    };
    let (nodes, stop) = parser.list()?;
    match stop {
        None => Ok(nodes),
        Some(stop) => parser.fail(stop.at, format!("`{}` without an `if`", stop.word)),
    }
}

/// The end of a list of nodes: `end` or `else`, with the rest of its action.
struct Stop {
    at: usize,
    word: &'static str,
    rest: Action,
}

/// The tokens of an action, or those that are left.
struct Action {
    tokens: std::iter::Peekable<std::vec::IntoIter<(usize, Token)>>,
    end: usize,
}

impl Action {
    fn at(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |(at, _)| *at)
    }

    /// Takes the next token if it is this word.
    fn takes(&mut self, word: &str) -> bool {
        let is_next = |(_, token): &(usize, Token)| matches!(token, Token::Word(next) if next == word);
        self.tokens.next_if(is_next).is_some()
    }
}

struct Parser<'t> {
    text: &'t str,
    fields: &'t [&'t str],
    parts: std::vec::IntoIter<Part>,
    /// The number of conditions and parentheses around.
    depth: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, at: usize, what: impl Into<String>) -> Result<T> {
        Err(TemplateError::at(self.text, at, what))
    }

    fn enter(&mut self, at: usize) -> Result<()> {
        self.depth += 1;
        match self.depth > DEEPEST {
            true => self.fail(at, "the template is nested too deeply"),
            false => Ok(()),
        }
    }

    /// Reads nodes until an `end` or `else`, or to the end of the template.
    fn list(&mut self) -> Result<(Vec<Node>, Option<Stop>)> {
        let mut nodes = Vec::new();
        while let Some(part) = self.parts.next() {
            let (tokens, at, end) = match part {
                Part::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Part::Action { tokens, at, end } => (tokens, at, end),
            };
            let mut action = Action {
                tokens: tokens.into_iter().peekable(),
                end,
            };
            for word in ["end", "else"] {
                if action.takes(word) {
                    let stop = Stop {
                        at,
                        word,
                        rest: action,
                    };
                    return Ok((nodes, Some(stop)));
                }
            }
            nodes.push(match action.takes("if") {
                true => self.condition(action, at)?,
                false => Node::Value(self.whole(action)?),
            });
        }
        Ok((nodes, None))
    }

    /// Reads what follows an `if`.
    fn condition(&mut self, action: Action, at: usize) -> Result<Node> {
        self.enter(at)?;
        let condition = self.whole(action)?;
        let (then, stop) = self.list()?;
        let no_end = |parser: &Self| parser.fail(at, "the `if` has no `end`");
        let Some(mut stop) = stop else {
            return no_end(self);
        };
        let mut otherwise = Vec::new();
        if stop.word == "else" {
            if stop.rest.takes("if") {
                otherwise.push(self.condition(stop.rest, stop.at)?);
                self.depth -= 1;
                return Ok(Node::If(condition, then, otherwise));
            }
            self.is_over(&mut stop.rest)?;
            let (nodes, last) = self.list()?;
            otherwise = nodes;
            stop = match last {
                Some(stop) if stop.word == "end" => stop,
                Some(stop) => return self.fail(stop.at, "an `if` has one `else`"),
                None => return no_end(self),
            };
        }
        self.is_over(&mut stop.rest)?;
        self.depth -= 1;
        Ok(Node::If(condition, then, otherwise))
    }

    fn is_over(&self, action: &mut Action) -> Result<()> {
        match action.tokens.peek() {
            None => Ok(()),
            Some((at, _)) => self.fail(*at, "nothing is expected here but `}}`"),
        }
    }

    /// Reads a pipeline that is the rest of an action.
    fn whole(&mut self, mut action: Action) -> Result<Expr> {
        let value = self.pipeline(&mut action)?;
        self.is_over(&mut action)?;
        Ok(value)
    }

    fn pipeline(&mut self, action: &mut Action) -> Result<Expr> {
        let mut value = self.command(action, None)?;
        while action
            .tokens
            .next_if(|(_, token)| *token == Token::Pipe)
            .is_some()
        {
            let at = action.at();
            value = self.command(action, Some(value))?;
            if value.depth() > DEEPEST {
                return self.fail(at, "the template is nested too deeply");
            }
        }
        Ok(value)
    }

    /// Reads a function with its arguments, the last of which the pipeline gives, or a single value.
    fn command(&mut self, action: &mut Action, piped: Option<Expr>) -> Result<Expr> {
        let at = action.at();
        let is_function =
            matches!(action.tokens.peek(), Some((_, Token::Word(word))) if word != "true" && word != "false");
        if !is_function && piped.is_some() {
            return self.fail(at, "a function is expected after `|`");
        }
        let word = match action.tokens.next_if(|_| is_function) {
            Some((_, Token::Word(word))) => word,
            _ => {
                let value = self.operand(action)?;
                return match self.starts_operand(action) {
                    Some(at) => self.fail(at, "only a function takes arguments; put `|` before a function"),
                    None => Ok(value),
                };
            }
        };
        let mut arguments = Vec::new();
        while self.starts_operand(action).is_some() {
            let at = action.at();
            arguments.push((at, self.operand(action)?));
        }
        arguments.extend(piped.map(|piped| (at, piped)));
        self.call(at, &word, arguments)
    }

    fn starts_operand(&self, action: &mut Action) -> Option<usize> {
        match action.tokens.peek() {
            None | Some((_, Token::Pipe | Token::Close)) => None,
            Some((at, _)) => Some(*at),
        }
    }

    fn operand(&mut self, action: &mut Action) -> Result<Expr> {
        let at = action.at();
        Ok(match action.tokens.next() {
            Some((_, Token::Text(text))) => Expr::Text(text),
            Some((_, Token::Number(number))) => Expr::Number(number),
            Some((_, Token::Field(name))) => {
                if !self.fields.contains(&&*name) {
                    let all: Vec<String> = self.fields.iter().map(|field| format!("`.{field}`")).collect();
                    let what = format!("there is no field `.{name}`; the fields are {}", all.join(", "));
                    return self.fail(at, what);
                }
                Expr::Field(name)
            }
            Some((_, Token::Word(word))) => match &*word {
                "true" => Expr::Truth(true),
                "false" => Expr::Truth(false),
                _ => self.call(at, &word, Vec::new())?,
            },
            Some((_, Token::Open)) => {
                self.enter(at)?;
                let value = self.pipeline(action)?;
                if action
                    .tokens
                    .next_if(|(_, token)| *token == Token::Close)
                    .is_none()
                {
                    return self.fail(at, "the parenthesis is not closed");
                }
                self.depth -= 1;
                value
            }
            Some((_, Token::Close)) => return self.fail(at, "this parenthesis was not opened, or is empty"),
            Some((_, Token::Pipe)) | None => return self.fail(at, "a value is missing"),
        })
    }

    fn call(&self, at: usize, word: &str, arguments: Vec<(usize, Expr)>) -> Result<Expr> {
        if word == "printf" {
            let mut arguments = arguments.into_iter();
            let Some((at, Expr::Text(format))) = arguments.next() else {
                return self.fail(at, "`printf` takes a text in quotes first");
            };
            let arguments: Vec<Expr> = arguments.map(|(_, argument)| argument).collect();
            return match printf::parse(&format, &arguments) {
                Ok(pieces) => Ok(Expr::Printf(pieces, arguments)),
                Err(what) => self.fail(at, what),
            };
        }
        let Some(function) = Function::of(word) else {
            let all = format!("{}, printf", functions::names().join(", "));
            let unsupported = [
                "range", "with", "define", "template", "block", "break", "continue",
            ];
            return match unsupported.contains(&word) {
                true => self.fail(at, format!("`{word}` is not supported")),
                false => self.fail(
                    at,
                    format!("there is no function `{word}`; the functions are {all}"),
                ),
            };
        };
        match function.check(&arguments) {
            Ok(()) => {
                let arguments = arguments.into_iter().map(|(_, argument)| argument);
                Ok(Expr::Call(function, arguments.collect()))
            }
            Err((wrong, what)) => self.fail(wrong.unwrap_or(at), what),
        }
    }
}
