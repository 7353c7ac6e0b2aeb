//! Response wrapping on the wire.

use airlock_logical::{WrapInfo, WrapRequest};

use crate::error::Unreadable;
use crate::proto::pb;
use crate::time::{OutOfRange, from_timestamp, non_negative, to_timestamp};

impl From<pb::RequestWrapInfo> for WrapRequest {
    fn from(wire: pb::RequestWrapInfo) -> WrapRequest {
        WrapRequest {
            ttl: non_negative(wire.ttl),
            format: wire.format,
            seal_wrap: wire.seal_wrap,
        }
    }
}

impl From<pb::ResponseWrapInfo> for WrapInfo {
    fn from(wire: pb::ResponseWrapInfo) -> WrapInfo {
        WrapInfo {
            ttl: non_negative(wire.ttl),
            token: wire.token,
            accessor: wire.accessor,
            creation_time: from_timestamp(wire.creation_time),
            wrapped_accessor: wire.wrapped_accessor,
            wrapped_entity_id: wire.wrapped_entity_id,
            format: wire.format,
            creation_path: wire.creation_path,
            seal_wrap: wire.seal_wrap,
        }
    }
}

/// The error says what Vault would refuse.
impl TryFrom<WrapInfo> for pb::ResponseWrapInfo {
    type Error = Unreadable;

    fn try_from(info: WrapInfo) -> Result<pb::ResponseWrapInfo, Unreadable> {
        let creation_time = to_timestamp(info.creation_time);
        Ok(pb::ResponseWrapInfo {
            ttl: non_negative(info.ttl),
            token: info.token,
            accessor: info.accessor,
            creation_time: Some(creation_time.map_err(|OutOfRange| Unreadable::WrappingTime)?),
            wrapped_accessor: info.wrapped_accessor,
            wrapped_entity_id: info.wrapped_entity_id,
            format: info.format,
            creation_path: info.creation_path,
            seal_wrap: info.seal_wrap,
        })
    }
}
