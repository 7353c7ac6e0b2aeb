//! Answers requests to every path that version 2 does not have. Callers mostly mean version 1.

use airlock_sdk::{Context, Operation, Response, Result, fields, route};

use crate::path::Path;

pub(crate) const PATH: Path = &route("{path...}")
    .synopsis("Any other path is invalid.")
    .read(invalid)
    .update(invalid)
    .patch(invalid)
    .delete(invalid)
    .list(invalid);

fields! {
    struct At {
        path: String,
    }
}

fn invalid(cx: &Context, _: At) -> Result<Response> {
    Ok(answer(cx))
}

/// Returns the 404 with its warning.
pub(crate) fn answer(cx: &Context) -> Response {
    let warning = match cx.request.path.as_str() {
        "metadata" | "data" | "delete" | "undelete" | "destroy" => {
            "Non-listing operations on the root of a K/V v2 mount are not supported.".into()
        }
        _ => format!(
            "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. \
             If using the Vault CLI, use 'vault kv {}' for this operation.",
            subcommand(&cx.request.operation)
        ),
    };
    Response::default().warning(warning).with_status(&cx.request, 404)
}

fn subcommand(operation: &Operation) -> &'static str {
    match operation {
        Operation::Create | Operation::Update => "put",
        Operation::Patch => "patch",
        Operation::Read => "get",
        Operation::List => "list",
        Operation::Delete => "delete",
        _ => "",
    }
}
