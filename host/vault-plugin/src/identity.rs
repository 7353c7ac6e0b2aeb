//! Identity on the wire.

use airlock_logical::{Alias, Entity, Group};

use crate::proto::logical;

impl From<logical::Entity> for Entity {
    fn from(wire: logical::Entity) -> Entity {
        Entity {
            id: wire.id,
            name: wire.name,
            aliases: wire.aliases.into_iter().map(Alias::from).collect(),
            metadata: wire.metadata,
            disabled: wire.disabled,
            namespace_id: wire.namespace_id,
        }
    }
}

impl From<logical::Group> for Group {
    fn from(wire: logical::Group) -> Group {
        Group {
            id: wire.id,
            name: wire.name,
            metadata: wire.metadata,
            namespace_id: wire.namespace_id,
        }
    }
}

impl From<logical::Alias> for Alias {
    fn from(wire: logical::Alias) -> Alias {
        Alias {
            mount_type: wire.mount_type,
            mount_accessor: wire.mount_accessor,
            name: wire.name,
            metadata: wire.metadata,
            id: wire.id,
            namespace_id: wire.namespace_id,
            custom_metadata: wire.custom_metadata,
            local: wire.local,
            external_id: wire.external_id,
            issuer: wire.issuer,
        }
    }
}

impl From<Alias> for logical::Alias {
    fn from(alias: Alias) -> logical::Alias {
        logical::Alias {
            mount_type: alias.mount_type,
            mount_accessor: alias.mount_accessor,
            name: alias.name,
            metadata: alias.metadata,
            id: alias.id,
            namespace_id: alias.namespace_id,
            custom_metadata: alias.custom_metadata,
            local: alias.local,
            external_id: alias.external_id,
            issuer: alias.issuer,
        }
    }
}
