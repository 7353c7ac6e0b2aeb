//! `sys/wrapping/…`. The wrapping token may be in the body, or may be the caller's own token.

use vault_plugin::Operation;

use super::text;
use crate::answer::{Answer, Outcome, Refusal, Reply};
use crate::call::Call;
use crate::core::Core;

const INVALID: &str = "wrapping token is not valid or does not exist";

/// Serves these paths. Returns `None` for any other path.
pub(super) fn serve(core: &Core, call: &Call, path: &str) -> Result<Option<Outcome>, Refusal> {
    let Some(action) = path.strip_prefix("sys/wrapping/") else {
        return Ok(None);
    };
    if call.operation == Operation::Help {
        return Ok(None);
    }
    let fields = call.fields();
    let write = call.operation == Operation::Update;
    let given = text(&fields, "token");
    // If the body has no token, the caller's own token is used.
    let token = if given.is_empty() {
        call.token.as_str()
    } else {
        given
    };
    let invalid = || Refusal::user(INVALID);
    let outcome = match (action, write) {
        ("wrap", true) => {
            core.authorize(&call.token)?;
            if call.wrap_ttl.is_none_or(|ttl| ttl.is_zero()) {
                return Err(Refusal::user("endpoint requires response wrapping to be used"));
            }
            Reply {
                mount_type: "system".to_owned(),
                ..Reply::data(fields.into())
            }
            .into()
        }
        ("unwrap", true) => {
            let wrapped = core.wraps.take(token)?.ok_or_else(invalid)?;
            Outcome::Raw(Answer::json(200, wrapped.response))
        }
        ("lookup", true) => {
            let wrapped = core.wraps.look_up(token)?.ok_or_else(invalid)?;
            Reply::data(wrapped.shown()).into()
        }
        ("lookup", false) if call.operation == Operation::Read => {
            let wrapped = core.wraps.look_up(&call.token)?.ok_or_else(invalid)?;
            Reply::data(wrapped.shown()).into()
        }
        ("rewrap", true) => {
            let wrapped = core.wraps.rewrap(token)?.ok_or_else(invalid)?;
            Outcome::Raw(Answer::json(200, wrapped.envelope()))
        }
        ("wrap" | "unwrap" | "lookup" | "rewrap", _) => return Err(Refusal::unsupported_operation()),
        _ => return Err(Refusal::unsupported_path()),
    };
    Ok(Some(outcome))
}
