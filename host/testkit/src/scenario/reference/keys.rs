//! Lists every key of a scenario, with its kind and meaning.

/// The keys of one table of a scenario.
pub(in crate::scenario) struct Section {
    /// The name in the schema.
    pub(in crate::scenario) name: &'static str,
    /// The title on the page.
    pub(super) title: &'static str,
    pub(in crate::scenario) keys: &'static [Key],
}

/// One key.
pub(in crate::scenario) struct Key {
    pub(in crate::scenario) name: &'static str,
    /// True if it has to be there.
    pub(super) required: bool,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
}

/// The values of a key.
pub(in crate::scenario) enum Kind {
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

pub(in crate::scenario) const SECTIONS: &[Section] = &[
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
                "mounts",
                Named("mount"),
                "Further mounts of the guest, by the names that steps use. All share the clock.",
            ),
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
        title: "`mount` and each of `mounts`",
        keys: &[
            key(
                "path",
                Text,
                "The path. Default: the engine's name; of `mounts`, their name.",
            ),
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
            key(
                "storage",
                Table,
                "The entries before the first step, by key; beside those above the steps.",
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
            key(
                "mount",
                Text,
                "The mount of `mounts` that gets the request. Default: that of `mount`; for `renew` and `revoke`, that of the lease.",
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
                "Keys that must be absent; one that ends in `/` stands for all keys below it. A key outside the prefixes that the guest has declared fails the step, because it is always absent, unless the scenario itself stores it.",
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
                "Lines that the guest logged in this step: a part of the message, or a table. Others may be there, too; `[]` expects that none was logged.",
            ),
            key(
                "events",
                TextOr("event"),
                "Events that the guest sent in this step: the type, or a table. Others may be there, too; `[]` expects that none was sent.",
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
