//! Converts what a run is told to its form in the file of a recording, and back: storage, times, random bytes, and the answers
//! of the system.

use std::collections::BTreeMap;

use airlock_logical::{Alias, Entity, Group, Timestamp};
use airlock_sandbox::{Heard, Replication, SystemAnswer, SystemError};
use airlock_storage::Lookup;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Stored;

/// The data that a run is told. Empty fields are left out.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::recording) struct Told {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    storage: Vec<Found>,
    /// Seconds since 1970 and nanoseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    times: Vec<(i64, u32)>,
    /// In base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    random: Vec<String>,
    /// Calls of the system with their arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<(String, Answered)>,
}

/// A lookup in storage, and its result.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    Get {
        key: String,
        entry: Option<Stored>,
    },
    List {
        folder: String,
        page: Option<(String, u64)>,
        names: Vec<String>,
    },
}

/// An answer of the system.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answered {
    Time(Result<i64, Failed>),
    Flag(Result<bool, Failed>),
    /// Five flags: performance primary, secondary and standby, and primary and secondary for disaster recovery.
    State(Result<[bool; 5], Failed>),
    Text(Result<String, Failed>),
    Entity(Result<Option<Caller>, Failed>),
    Groups(Result<Vec<Member>, Failed>),
    Token(Result<(String, i64), Failed>),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failed {
    Unsupported,
    Busy,
    Other,
}

type Pairs = BTreeMap<String, String>;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    id: String,
    name: String,
    /// Each alias: its id, name, mount type, mount accessor and metadata.
    aliases: Vec<(String, String, String, String, Pairs)>,
    metadata: Pairs,
    disabled: bool,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    id: String,
    name: String,
    metadata: Pairs,
}

const STATES: [Replication; 5] = [
    Replication::PERFORMANCE_PRIMARY,
    Replication::PERFORMANCE_SECONDARY,
    Replication::PERFORMANCE_STANDBY,
    Replication::DISASTER_RECOVERY_PRIMARY,
    Replication::DISASTER_RECOVERY_SECONDARY,
];

impl Told {
    pub fn of(heard: Heard) -> Self {
        let found = |lookup| match lookup {
            Lookup::Get { key, entry } => Found::Get {
                key,
                entry: entry.as_ref().map(Stored::of),
            },
            Lookup::List { folder, page, names } => Found::List { folder, page, names },
        };
        let time = |time: std::time::SystemTime| {
            let time = Timestamp::from(time);
            (time.seconds, time.nanoseconds)
        };
        let system = heard.system.into_iter();
        Self {
            storage: heard.lookups.into_iter().map(found).collect(),
            times: heard.times.into_iter().map(time).collect(),
            random: heard.random.iter().map(|bytes| STANDARD.encode(bytes)).collect(),
            system: system
                .map(|(asked, answer)| (asked, Answered::of(answer)))
                .collect(),
        }
    }

    pub fn heard(self) -> Result<Heard, &'static str> {
        let lookup = |found| match found {
            Found::Get { key, entry } => {
                let entry = entry.map(|entry: Stored| entry.entry(key.clone())).transpose()?;
                Ok(Lookup::Get { key, entry })
            }
            Found::List { folder, page, names } => Ok(Lookup::List { folder, page, names }),
        };
        let time = |(seconds, nanoseconds): (i64, u32)| {
            let is_valid = nanoseconds < 1_000_000_000;
            let time = is_valid.then_some(Timestamp { seconds, nanoseconds });
            time.and_then(Timestamp::system_time)
                .ok_or("a time that no clock can tell")
        };
        let bytes = |text: String| STANDARD.decode(text).map_err(|_| "bytes that are not base64");
        let system = self.system.into_iter();
        Ok(Heard {
            lookups: self
                .storage
                .into_iter()
                .map(lookup)
                .collect::<Result<_, &'static str>>()?,
            times: self.times.into_iter().map(time).collect::<Result<_, _>>()?,
            random: self.random.into_iter().map(bytes).collect::<Result<_, _>>()?,
            system: system.map(|(asked, answer)| (asked, answer.answer())).collect(),
        })
    }
}

impl Answered {
    fn of(answer: SystemAnswer) -> Self {
        match answer {
            SystemAnswer::Time(answer) => Self::Time(answer.map_err(failed)),
            SystemAnswer::Flag(answer) => Self::Flag(answer.map_err(failed)),
            SystemAnswer::State(answer) => Self::State(
                answer
                    .map(|state| STATES.map(|flag| state.contains(flag)))
                    .map_err(failed),
            ),
            SystemAnswer::Text(answer) => Self::Text(answer.map_err(failed)),
            SystemAnswer::Entity(answer) => {
                Self::Entity(answer.map(|entity| entity.map(caller)).map_err(failed))
            }
            SystemAnswer::Groups(answer) => Self::Groups(
                answer
                    .map(|groups| groups.into_iter().map(member).collect())
                    .map_err(failed),
            ),
            SystemAnswer::Token(answer) => Self::Token(answer.map_err(failed)),
        }
    }

    fn answer(self) -> SystemAnswer {
        match self {
            Self::Time(answer) => SystemAnswer::Time(answer.map_err(error)),
            Self::Flag(answer) => SystemAnswer::Flag(answer.map_err(error)),
            Self::State(answer) => SystemAnswer::State(answer.map_err(error).map(|set| {
                let flags = STATES.into_iter().zip(set).filter(|(_, is_set)| *is_set);
                flags.fold(Replication::empty(), |state, (flag, _)| state | flag)
            })),
            Self::Text(answer) => SystemAnswer::Text(answer.map_err(error)),
            Self::Entity(answer) => {
                SystemAnswer::Entity(answer.map(|caller| caller.map(entity)).map_err(error))
            }
            Self::Groups(answer) => SystemAnswer::Groups(
                answer
                    .map(|members| members.into_iter().map(group).collect())
                    .map_err(error),
            ),
            Self::Token(answer) => SystemAnswer::Token(answer.map_err(error)),
        }
    }
}

fn failed(error: SystemError) -> Failed {
    match error {
        SystemError::Unsupported => Failed::Unsupported,
        SystemError::Busy(_) => Failed::Busy,
        SystemError::Failed(_) => Failed::Other,
    }
}

fn error(failed: Failed) -> SystemError {
    match failed {
        Failed::Unsupported => SystemError::Unsupported,
        Failed::Busy => SystemError::Busy("busy".to_owned()),
        Failed::Other => SystemError::Failed("failed".to_owned()),
    }
}

fn caller(entity: Entity) -> Caller {
    let alias = |alias: Alias| {
        (
            alias.id,
            alias.name,
            alias.mount_type,
            alias.mount_accessor,
            alias.metadata,
        )
    };
    Caller {
        id: entity.id,
        name: entity.name,
        aliases: entity.aliases.into_iter().map(alias).collect(),
        metadata: entity.metadata,
        disabled: entity.disabled,
    }
}

fn entity(caller: Caller) -> Entity {
    let alias = |(id, name, mount_type, mount_accessor, metadata)| Alias {
        id,
        name,
        mount_type,
        mount_accessor,
        metadata,
        ..Alias::default()
    };
    Entity {
        id: caller.id,
        name: caller.name,
        aliases: caller.aliases.into_iter().map(alias).collect(),
        metadata: caller.metadata,
        disabled: caller.disabled,
        ..Entity::default()
    }
}

fn member(group: Group) -> Member {
    Member {
        id: group.id,
        name: group.name,
        metadata: group.metadata,
    }
}

fn group(member: Member) -> Group {
    Group {
        id: member.id,
        name: member.name,
        metadata: member.metadata,
        ..Group::default()
    }
}
