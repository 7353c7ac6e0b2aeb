//! Applies JSON merge patches, RFC 7396, which `vault patch` and `PATCH` send.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::field::{Field, FieldError, Fields, Raw};
use crate::{Error, Result, codec};

/// The argument of a handler for [`patch`](crate::route::Route::patch). `At` has the fields of the path, and `F`
/// declares the fields that may change.
///
/// A field that is not given does not change. `null` removes a field. Any other value is converted as `F` declares and
/// replaces it; objects are merged member by member. The fields of `F` have the same names as those of the stored data.
///
/// ```
/// # use airlock_sdk::{Context, Patch, Result, fields};
/// # fields! { struct At { name: String } }
/// # fields! { struct WriteRole { name: String, description: Option<String> } }
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Role { description: Option<String> }
/// fn patch_role(cx: &Context, patch: Patch<At, WriteRole>) -> Result<()> {
///     let key = format!("role/{}", patch.at.name);
///     let Some(role) = cx.storage.get_json::<Role>(&key)? else {
///         return Err(airlock_sdk::Error::coded(404, "no such role"));
///     };
///     cx.storage.put_json(&key, &patch.apply(&role)?)
/// }
/// ```
///
/// If `F` lacks a field of the path, it does not compile:
///
/// ```compile_fail
/// # use airlock_sdk::{Context, Patch, Result, Routes, fields, route};
/// fields! { struct At { name: String } }
/// fields! { struct WriteRole { description: Option<String> } } // where is `name`?
/// # fn patch_role(_: &Context, _: Patch<At, WriteRole>) -> Result<()> { Ok(()) }
/// const ROUTES: Routes = &[&route("roles/{name}").patch(patch_role)];
/// # fn main() { let _ = ROUTES; }
/// ```
pub struct Patch<At, F> {
    /// The fields that the path captures.
    pub at: At,
    changes: Map<String, Value>,
    fields: PhantomData<fn() -> F>,
}

impl<At, F> Patch<At, F> {
    /// Returns the resource with the changes made.
    ///
    /// # Errors
    /// [`Error::User`] if the result is not a `T`, for example because a required member was removed.
    pub fn apply<T: Serialize + DeserializeOwned>(&self, resource: &T) -> Result<T> {
        let unfit = |_| Error::internal("a resource to be patched must be JSON");
        let mut value: Value = codec::read(&codec::write(resource).map_err(unfit)?).map_err(unfit)?;
        merge(&mut value, Value::Object(self.changes.clone()));
        // The resource itself was valid, so the caller's patch is at fault.
        codec::read(codec::text(&value).as_bytes())
            .map_err(|error| Error::User(format!("the patch does not fit: {error}")))
    }

    /// Returns true if the patch changes or removes the field.
    pub fn changes(&self, field: &str) -> bool {
        self.changes.contains_key(field)
    }
}

impl<At, F> fmt::Debug for Patch<At, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patch").finish_non_exhaustive()
    }
}

impl<At: Fields, F: Fields> Fields for Patch<At, F> {
    const FIELDS: &'static [Field] = {
        if let Some(missing) = missing(F::FIELDS, At::FIELDS) {
            let must = "` is a field of a `Patch`'s path, so it must also be one of its fields";
            crate::refuse::refuse(&["`", missing.name(), must]);
        }
        F::FIELDS
    };

    fn parse(raw: &mut Raw<'_>) -> Result<Self, FieldError> {
        let changes = F::given(raw)?;
        Ok(Patch {
            at: At::parse(raw)?,
            changes,
            fields: PhantomData,
        })
    }

    fn given(raw: &mut Raw<'_>) -> Result<Map<String, Value>, FieldError> {
        F::given(raw)
    }
}

/// Returns the first of some fields that is not among all.
const fn missing<'f>(all: &[Field], some: &'f [Field]) -> Option<&'f Field> {
    let mut i = 0;
    while i < some.len() {
        let mut j = 0;
        while j < all.len() && !all[j].has_name_of(&some[i]) {
            j += 1;
        }
        if j == all.len() {
            return Some(&some[i]);
        }
        i += 1;
    }
    None
}

/// Merges a patch into a value, according to RFC 7396.
pub fn merge(value: &mut Value, patch: Value) {
    let Value::Object(changes) = patch else {
        *value = patch;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(members) = value else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.shift_remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_come_out_as_it_says() {
        for (mut value, patch, outcome) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            merge(&mut value, patch);
            assert_eq!(value, outcome);
        }
    }
}
