//! Describes every key of a scenario, once: `airlock test --help`, docs/scenarios.md and the JSON Schema for editors are
//! made of the table in `keys.rs`. A test compares its keys with those that the parser knows.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

mod keys;

use keys::Kind::{self, *};
pub(super) use keys::SECTIONS;
use keys::Section;

/// Returns the JSON Schema of scenarios, for editors.
pub fn schema() -> String {
    let of = |section: &Section| {
        let keys = section.keys.iter().map(|key| {
            let mut schema = key.kind.schema();
            schema.insert("description".into(), key.about.into());
            (key.name.to_owned(), Value::Object(schema))
        });
        let required: Vec<_> = section
            .keys
            .iter()
            .filter(|key| key.required)
            .map(|key| key.name)
            .collect();
        json!({
            "type": "object",
            "properties": keys.collect::<Map<_, _>>(),
            "required": required,
            "additionalProperties": false,
        })
    };
    let [scenario, others @ ..] = SECTIONS else {
        return String::new();
    };
    let defs: Map<_, _> = others
        .iter()
        .map(|section| (section.name.to_owned(), of(section)))
        .collect();
    let mut schema = of(scenario);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "A scenario of `airlock test`".into();
    schema["definitions"] = Value::Object(defs);
    format!("{schema:#}\n")
}

impl Kind {
    fn schema(&self) -> Map<String, Value> {
        let of = |name: &str| json!({ "$ref": format!("#/definitions/{name}") });
        let schema = match self {
            Text => json!({ "type": "string" }),
            Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Pairs => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            Number => json!({ "type": "integer", "minimum": 0 }),
            Flag => json!({ "type": "boolean" }),
            Duration => json!({ "type": "string", "pattern": "^([0-9]+|([0-9.]+(ns|us|µs|ms|s|m|h|d))+)$" }),
            Moment => json!({ "type": "string", "format": "date-time" }),
            Word(words) => json!({ "enum": words }),
            Any => json!({}),
            Table => json!({ "type": "object" }),
            In(name) => json!({ "allOf": [of(name)] }),
            List(name) => json!({ "type": "array", "items": of(name) }),
            Named(name) => json!({ "type": "object", "additionalProperties": of(name) }),
            TextOr(name) => {
                json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, of(name)] } })
            }
        };
        schema.as_object().cloned().unwrap_or_default()
    }

    fn text(&self) -> String {
        match self {
            Text => "text".into(),
            Texts => "list of texts".into(),
            Pairs => "table of texts".into(),
            Number => "number".into(),
            Flag => "true or false".into(),
            Duration => "duration, such as `\"90s\"` or `\"1h30m\"`".into(),
            Moment => "date and time".into(),
            Word(words) => words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", "),
            Any => "anything".into(),
            Table => "table".into(),
            In(_) => "table, see below".into(),
            List(_) => "list of tables, see below".into(),
            Named(_) => "table of tables, see below".into(),
            TextOr(_) => "list of texts or tables, see below".into(),
        }
    }
}

/// Returns the page docs/scenarios.md.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for section in SECTIONS {
        let _ = write!(
            page,
            "\n## {}\n\n| key | value | meaning |\n|---|---|---|\n",
            section.title
        );
        for key in section.keys {
            let name = if key.required {
                format!("`{}` (required)", key.name)
            } else {
                format!("`{}`", key.name)
            };
            let _ = writeln!(page, "| {name} | {} | {} |", key.kind.text(), key.about);
        }
    }
    page + END
}

/// Returns the description of every key, for `airlock test --help`.
pub fn help() -> String {
    let mut help = String::new();
    for section in SECTIONS {
        let _ = writeln!(help, "{}:", section.title.replace('`', ""));
        for key in section.keys {
            let _ = writeln!(help, "  {:<18} {}", key.name, key.about.replace('`', ""));
        }
    }
    help
}

const INTRODUCTION: &str = "\
# Scenarios

<!-- Made from host/testkit/src/scenario/reference/keys.rs: change that, and run its test with AIRLOCK_WRITE_DOCS=1. -->

A scenario is a test in a TOML file: steps with requests, the expected result of each, and the faults to inject. `airlock
test GUEST SCENARIO.toml…` runs it on the guest's `.wasm`, in the sandbox and without Vault. Each scenario has a mount of
its own. The clock stands still until a step moves it, and randomness is the same in every run.

```toml
about = \"A key lives from its creation to its deletion\"
storage = { \"kv/old\" = \"text\" }
budget = { cpu-ms = 50, storage-calls = 4 }

[[step]]
request = \"write greeting\"
data = { value = \"hello\" }
expect.data = { message = \"key created\" }
expect.storage = { \"kv/greeting\" = \"hello\" }
save.message = \"data.message\"

[[step]]
name = \"storage that fails is told to the caller\"
request = \"write greeting\"
data = { value = \"${message}\" }
faults = [{ on = \"put\", nth = 1, do = \"fail\" }]
expect.status = 500
```

A scenario ends with the first step that is not as expected. The report then shows every difference, and what the guest
logged in that step. `--verbose` (`-v`) shows this for all steps, `--only TEXT` runs the scenarios whose file name or `about` has the
text, `--junit FILE` writes a report for CI servers, and `--watch` runs them again whenever the guest
or a scenario changes. A file that cannot be read fails, and the others run.

Editors with a TOML language server, such as taplo or Even Better TOML, know these keys if the first line of a scenario is
`#:schema ./scenario.schema.json`, and that JSON Schema is beside it. Scenarios of `airlock new` have both. Elsewhere,
`airlock test --schema > scenario.schema.json` writes the schema.
";

const END: &str = "
## Values

A stored value is compared as text if the scenario gives a text, and as JSON if it gives anything else.
`{ \"$base64\" = \"…\" }` stands for bytes.

`${name}` stands for a saved value, in `request`, `data`, `json`, `headers` and `expect`. A text that is such a name alone
becomes the value with its type. In `json`, a saved text is escaped, so put quotation marks around its name; any other value is
JSON text. `$${` stands for `${`.

## What to watch

- A storage call that is made to fail is not retried, whereas `airlock serve` retries writes for ten seconds.
  `retry-storage = \"10s\"` makes the host retry here, too. A write that is `slow` needs this setting.
- Vault revokes a lease by itself when it expires. A scenario says `revoke NAME` then. A lease that has expired or was
  revoked cannot be renewed, as in Vault.
";
