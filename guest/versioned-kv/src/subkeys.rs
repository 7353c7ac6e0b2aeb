//! `subkeys/PATH`: shows the structure of a secret, without its values.

use airlock_sdk::{Context, Map, Response, Result, Value, fields, route};

use crate::data::{json_text, read_version};
use crate::path::Path;
use airlock_sdk::field::Int;

pub(crate) const PATH: Path = &route("subkeys/{path...}")
    .synopsis("Read the structure of a secret, with the values removed.")
    .description(
        "Everything but an object with members is null, and so is what is deeper than the parameter depth.",
    )
    .read(read);

fields! {
    struct Fields {
        /// Location of the secret.
        path: String,
        /// The number of levels to show; 0, the default, shows all.
        depth: Option<Int> as query,
        /// The version to read, if not the current one.
        version: Option<Int> as query,
    }
}

fn read(cx: &Context, at: Fields) -> Result<Option<Response>> {
    let depth = at.depth.unwrap_or_default().0;
    read_version(cx, &at.path, at.version, "subkeys", |data| {
        let mut data = airlock_sdk::value(&data)?;
        if let Value::Object(members) = &mut data {
            remove_values(members, depth, 1);
        }
        json_text(&data)
    })
}

fn remove_values(members: &mut Map, max_depth: i64, depth: i64) {
    for value in members.values_mut() {
        match value {
            Value::Object(inner) if !inner.is_empty() && (max_depth == 0 || depth < max_depth) => {
                remove_values(inner, max_depth, depth + 1);
            }
            _ => *value = Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use airlock_sdk::json;

    use super::*;

    #[test]
    fn values_empty_objects_and_what_is_too_deep_become_null() {
        let data = json!({ "a": 1, "b": { "c": { "d": [1] }, "e": {} } });
        let shown = |depth| {
            let mut data = data.clone();
            remove_values(data.as_object_mut().unwrap(), depth, 1);
            data
        };
        assert_eq!(
            shown(0),
            json!({ "a": null, "b": { "c": { "d": null }, "e": null } })
        );
        assert_eq!(shown(1), json!({ "a": null, "b": null }));
        assert_eq!(shown(2), json!({ "a": null, "b": { "c": null, "e": null } }));
        assert_eq!(shown(-1), json!({ "a": null, "b": null }));
    }
}
