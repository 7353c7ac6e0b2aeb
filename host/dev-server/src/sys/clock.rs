//! `sys/clock`, which Vault does not have: shows, freezes and moves the server's clock.

use serde_json::{Value, json};
use vault_core::parse_duration;
use vault_plugin::Operation;

use super::system;
use crate::answer::{Outcome, Refusal};
use crate::call::Call;
use crate::core::Core;
use crate::go::moment;

/// Reads the clock, or changes it with `held` (true or false) and `advance` (a duration), or both. If the clock is
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
    json!({ "now": moment(core.clock.now()), "held": core.clock.is_held() })
}

async fn change(core: &Core, call: &Call) -> Result<(), Refusal> {
    let fields = call.fields();
    // The `vault` command sends every value as a text.
    let held = match fields.get("held") {
        None => None,
        Some(Value::Bool(held)) => Some(*held),
        Some(Value::String(held)) if held == "true" || held == "false" => Some(held == "true"),
        Some(_) => return Err(Refusal::user("held must be true or false")),
    };
    let advance = fields.get("advance").map(parse_duration).transpose();
    let advance = advance.map_err(|why| Refusal::user(format!("advance must be a duration: {why}")))?;
    if held.is_none() && advance.is_none() {
        return Err(Refusal::user(
            "give held=true or held=false, or advance=1h, or both",
        ));
    }
    match held {
        Some(true) => core.clock.hold(),
        Some(false) => core.clock.run(),
        None => {}
    }
    if let Some(by) = advance {
        core.clock.advance(by);
        core.catch_up().await;
    }
    Ok(())
}
