//! Describes every key of a scenario, once: `airlock test --help`, docs/scenarios.md and the JSON Schema for editors are
//! made of this table. A test compares its keys with those that the parser knows.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// The keys of one table of a scenario.
pub(super) struct Section {
    /// The name in the schema.
    pub(super) name: &'static str,
    /// The title on the page.
    title: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// True if it has to be there.
    required: bool,
    kind: Kind,
    about: &'static str,
}

/// The values of a key.
enum Kind {
    Text,
    Texts,
    /// A table of texts.
    Pairs,
    Number,
    Flag,
    Duration,
    Moment,
    /// One of these words.
    Word(&'static [&'static str]),
    Any,
    /// A table of anything.
    Table,
    /// The keys of another section.
    In(&'static str),
    List(&'static str),
    /// A table of tables.
    Named(&'static str),
    /// A list of texts or tables.
    TextOr(&'static str),
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key {
        name,
        required: false,
        kind,
        about,
    }
}

const fn required(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key {
        name,
        required: true,
        kind,
        about,
    }
}

use Kind::*;

pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "scenario",
        title: "Above the steps",
        keys: &[
            key(
                "about",
                Text,
                "What the scenario is about; `--only` finds it by this text.",
            ),
            key("seed", Number, "The seed of the guest's randomness. Default: 0."),
            key(
                "start",
                Moment,
                "The time at the start, with its offset. Default: `2026-01-01T00:00:00Z`.",
            ),
            key("mount", In("mount"), "The mount."),
            key(
                "entities",
                List("entity"),
                "The entities that the guest can ask Vault for, and their groups.",
            ),
            key(
                "password-policies",
                Named("policy"),
                "The password policies, by their names. Passwords are the same in every run.",
            ),
            key("storage", Table, "The entries before the first step, by key."),
            key("budget", In("budget"), "The budget of each step."),
            key(
                "retry-storage",
                Duration,
                "How long the host retries a write, as `airlock serve` does for 10 s. Default: not at all. A slow write needs it.",
            ),
            required("step", List("step"), "The steps, in order: `[[step]]`."),
        ],
    },
    Section {
        name: "mount",
        title: "`mount`",
        keys: &[
            key("path", Text, "The path. Default: the engine's name."),
            key(
                "options",
                Pairs,
                "The options, as of `vault secrets enable -options`.",
            ),
            key(
                "entity",
                Text,
                "The entity that makes requests. Default: none, as with the root token.",
            ),
            key("display-name", Text, "The caller's display name."),
            key(
                "default-lease-ttl",
                Duration,
                "The default time of leases. Default: 768 h.",
            ),
            key(
                "max-lease-ttl",
                Duration,
                "The maximum time of leases. Default: 768 h.",
            ),
        ],
    },
    Section {
        name: "entity",
        title: "`entities`",
        keys: &[
            required(
                "id",
                Text,
                "The id, which `mount.entity` and a step's `entity` name.",
            ),
            key("name", Text, "The name."),
            key("metadata", Pairs, "The metadata."),
            key("disabled", Flag, "True if its tokens are refused."),
            key("aliases", List("alias"), "The aliases."),
            key("groups", List("group"), "The groups that it is in."),
        ],
    },
    Section {
        name: "alias",
        title: "`aliases` of an entity",
        keys: &[
            required("name", Text, "The name in the authentication method."),
            key("id", Text, "The id."),
            key("mount-type", Text, "The type of the authentication method."),
            key("mount-accessor", Text, "The accessor of its mount."),
            key("metadata", Pairs, "The metadata."),
        ],
    },
    Section {
        name: "group",
        title: "`groups` of an entity",
        keys: &[
            required("name", Text, "The name."),
            key("id", Text, "The id."),
            key("metadata", Pairs, "The metadata."),
        ],
    },
    Section {
        name: "policy",
        title: "`password-policies`",
        keys: &[
            required("length", Number, "The number of characters."),
            required("charset", Text, "The characters of which passwords consist."),
        ],
    },
    Section {
        name: "step",
        title: "`[[step]]`",
        keys: &[
            required(
                "request",
                Text,
                "`read PATH`, `write`, `patch`, `delete`, `list`, `help`; `create` and `update`, which skip the existence check; `tick`, which Vault sends once a minute; `restart` of the host; `renew NAME` and `revoke NAME` of a lease.",
            ),
            key("name", Text, "The name in reports. Default: the request."),
            key("data", Table, "The data to send, as TOML."),
            key(
                "json",
                Text,
                "The data to send, as JSON text; in place of `data`.",
            ),
            key("entity", Text, "The entity that makes the request."),
            key("headers", Pairs, "The request's headers."),
            key(
                "wait",
                Duration,
                "How far the clock moves forward before the request. Otherwise it stands still.",
            ),
            key(
                "faults",
                List("fault"),
                "The faults of storage during this step. One that meets no call fails the scenario.",
            ),
            key(
                "read-only",
                Flag,
                "True if the host is a standby, which cannot write.",
            ),
            key(
                "busy",
                Flag,
                "True if another request holds the commit lock, so that nothing can be committed.",
            ),
            key(
                "lease",
                Text,
                "The name under which the answer's lease is kept for `renew` and `revoke`.",
            ),
            key("increment", Duration, "The time that a `renew` asks for."),
            key(
                "save",
                Pairs,
                "Values of the answer that later steps use as `${name}`, by name: `data.FIELD`, `lease.id`, `lease.data.FIELD` or `error`.",
            ),
            key("budget", In("budget"), "The budget of this step."),
            key(
                "expect",
                In("expect"),
                "The expected result. Without it, success is expected.",
            ),
        ],
    },
    Section {
        name: "fault",
        title: "`faults` of a step",
        keys: &[
            required(
                "on",
                Word(&["any", "get", "put", "delete", "list"]),
                "The calls that the fault meets.",
            ),
            key("nth", Number, "Which of these calls, from 1. Default: every one."),
            key(
                "do",
                Word(&["fail", "lose-answer", "read-only", "kill"]),
                "`fail`; `lose-answer`: the call takes effect and reports a failure; `read-only`; `kill`: this call and all later ones fail.",
            ),
            key(
                "slow",
                Duration,
                "How much longer the call takes; in place of `do`.",
            ),
        ],
    },
    Section {
        name: "budget",
        title: "`budget`",
        keys: &[
            key("cpu-ms", Number, "Milliseconds of CPU time."),
            key("wall-ms", Number, "Milliseconds of time."),
            key("memory-mib", Number, "MiB of memory."),
            key("storage-ops", Number, "The guest's calls of storage."),
            key("storage-calls", Number, "What these cost in Vault."),
        ],
    },
    Section {
        name: "expect",
        title: "`expect` of a step",
        keys: &[
            key("status", Number, "The HTTP status."),
            key("data", Any, "The data: exactly these fields."),
            key("has", Any, "At least these fields of the data, at any depth."),
            key(
                "lacks",
                Texts,
                "Fields of the data that must be absent, such as `user.password`.",
            ),
            key("keys", Texts, "The keys of a list."),
            key("error", Text, "The whole text of the error."),
            key("error-has", Text, "A part of it."),
            key("warnings", Texts, "The warnings."),
            key("storage", Table, "Entries that are stored. Others may be, too."),
            key(
                "storage-lacks",
                Texts,
                "Keys that must be absent; one that ends in `/` stands for all keys below it.",
            ),
            key("storage-is", Table, "All entries that are stored."),
            key(
                "lease",
                In("lease"),
                "The answer's lease. Only what is named is compared.",
            ),
            key(
                "logs",
                TextOr("log"),
                "Lines that the guest logged in this step: a part of the message, or a table.",
            ),
            key(
                "events",
                TextOr("event"),
                "Events that the guest sent in this step: the type, or a table.",
            ),
        ],
    },
    Section {
        name: "lease",
        title: "`expect.lease`",
        keys: &[
            key("ttl", Duration, "The time that Vault granted."),
            key("max-ttl", Duration, "The maximum time that the engine gave."),
            key("renewable", Flag, "Whether it can be renewed."),
            key("data", Table, "At least these fields of its internal data."),
        ],
    },
    Section {
        name: "log",
        title: "`expect.logs`",
        keys: &[
            key(
                "level",
                Word(&["trace", "debug", "info", "warn", "error"]),
                "The level.",
            ),
            key("message", Text, "The whole message."),
            key("has", Text, "A part of the message."),
            key("fields", Pairs, "At least these fields."),
        ],
    },
    Section {
        name: "event",
        title: "`expect.events`",
        keys: &[
            key("type", Text, "The type."),
            key("metadata", Table, "At least these fields of the metadata."),
        ],
    },
];

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

<!-- Made from host/testkit/src/scenario/reference.rs: change that, and run its test with AIRLOCK_WRITE_DOCS=1. -->

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
text, and `--junit FILE` writes a report for CI servers. A file that cannot be read fails, and the others run.

`airlock test --schema > scenario.schema.json` writes a JSON Schema. Editors with a TOML language server use it if the
scenario begins with `#:schema ./scenario.schema.json`.
";

const END: &str = "
## Values

A stored value is compared as text if the scenario gives a text, and as JSON if it gives anything else.
`{ \"$base64\" = \"…\" }` stands for bytes.

`${name}` stands for a saved value, in `request`, `data`, `json`, `headers` and `expect`. A text that is such a name alone
becomes the value with its type. `$${` stands for `${`.

## What to watch

- A storage call that is made to fail is not retried, whereas `airlock serve` retries writes for ten seconds.
  `retry-storage = \"10s\"` makes the host retry here, too. A write that is `slow` needs this setting.
- Vault revokes a lease by itself when it expires. A scenario says `revoke NAME` then. A lease that has expired or was
  revoked cannot be renewed, as in Vault.
";
