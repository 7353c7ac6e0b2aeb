//! `sys/clock`, which Vault does not have: shows, freezes and moves the server's clock.

use serde_json::{Value, json};
use vault_core::parse_duration;
use vault_plugin::Operation;

use super::system;
use crate::answer::{Outcome, Refusal};
use crate::call::Call;
use crate::core::Core;
use crate::go::moment;

/// Reads the clock, or changes it with `frozen` (true or false) and `advance` (a duration), or both. If the clock is
/// moved, the answer is sent after all the work that has fallen due is done.
pub(super) async fn serve(core: &Core, call: &Call) -> Result<Outcome, Refusal> {
    match call.operation {
        Operation::Read => {}
        Operation::Update => change(core, call).await?,
        _ => return Err(Refusal::unsupported_operation()),
    }
    Ok(system(shown(core)))
}

/// Returns the state of the clock.
pub(crate) fn shown(core: &Core) -> Value {
    json!({ "now": moment(core.clock.now()), "frozen": core.clock.is_frozen() })
}

async fn change(core: &Core, call: &Call) -> Result<(), Refusal> {
    let fields = call.fields();
    // The `vault` command sends every value as a text.
    let frozen = match fields.get("frozen") {
        None => None,
        Some(Value::Bool(frozen)) => Some(*frozen),
        Some(Value::String(frozen)) if frozen == "true" || frozen == "false" => Some(frozen == "true"),
        Some(_) => return Err(Refusal::user("frozen must be true or false")),
    };
    let advance = fields.get("advance").map(parse_duration).transpose();
    let advance = advance.map_err(|why| Refusal::user(format!("advance must be a duration: {why}")))?;
    if frozen.is_none() && advance.is_none() {
        return Err(Refusal::user(
            "give frozen=true or frozen=false, or advance=1h, or both",
        ));
    }
    match frozen {
        Some(true) => core.clock.freeze(),
        Some(false) => core.clock.run(),
        None => {}
    }
    if let Some(by) = advance {
        core.clock.advance(by);
        core.catch_up().await;
    }
    Ok(())
}
