//! Renders a template.

use super::functions::Function;
use super::parse::{Expr, Node};
use super::{MAX_OUTPUT, printf};
use crate::Context;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
}

impl Value {
    /// Returns its text in the output.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Truth(truth) => truth.to_string(),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => *number != 0,
            Value::Truth(truth) => *truth,
        }
    }
}

pub(super) fn render(nodes: &[Node], cx: &Context, fields: &[(&str, &str)]) -> Result<String, String> {
    let run = Run { cx, fields };
    let mut output = String::new();
    run.nodes(nodes, &mut output)?;
    Ok(output)
}

struct Run<'r> {
    cx: &'r Context,
    fields: &'r [(&'r str, &'r str)],
}

impl Run<'_> {
    fn nodes(&self, nodes: &[Node], output: &mut String) -> Result<(), String> {
        for node in nodes {
            match node {
                Node::Text(text) => output.push_str(text),
                Node::Value(value) => output.push_str(&self.value(value)?.shown()),
                Node::If(condition, then, otherwise) => match self.value(condition)?.is_true() {
                    true => self.nodes(then, output)?,
                    false => self.nodes(otherwise, output)?,
                },
            }
            check(output)?;
        }
        Ok(())
    }

    fn value(&self, expr: &Expr) -> Result<Value, String> {
        let value = match expr {
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Number(number) => Value::Number(*number),
            Expr::Truth(truth) => Value::Truth(*truth),
            Expr::Field(name) => {
                let given = self.fields.iter().find(|(given, _)| given == name);
                let (_, value) = given.ok_or_else(|| format!("the engine gives no field `.{name}`"))?;
                Value::Text((*value).to_owned())
            }
            Expr::Printf(pieces, arguments) => Value::Text(printf::print(pieces, &self.values(arguments)?)?),
            Expr::Call(function @ (Function::And | Function::Or), arguments) => {
                self.first(arguments, *function == Function::Or)?
            }
            Expr::Call(function, arguments) => function.call(self.cx, &self.values(arguments)?)?,
        };
        if let Value::Text(text) = &value {
            check(text)?;
        }
        Ok(value)
    }

    fn values(&self, arguments: &[Expr]) -> Result<Vec<Value>, String> {
        arguments.iter().map(|argument| self.value(argument)).collect()
    }

    /// Returns the first value that is true, or not, and otherwise the last.
    fn first(&self, arguments: &[Expr], wanted: bool) -> Result<Value, String> {
        let mut last = Value::Truth(false);
        for argument in arguments {
            last = self.value(argument)?;
            if last.is_true() == wanted {
                break;
            }
        }
        Ok(last)
    }
}

fn check(text: &str) -> Result<(), String> {
    match text.len() > MAX_OUTPUT {
        true => Err(format!("a text becomes longer than {MAX_OUTPUT} bytes")),
        false => Ok(()),
    }
}
