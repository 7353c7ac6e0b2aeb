//! Estimates how many bytes of memory requests and answers take: their texts, and the elements of their lists.

use super::{Error, Header, Request, Response, Secret, WrapInfo};

impl Request {
    /// Returns the bytes of what Vault sent.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [
            &self.id,
            &self.path,
            &self.mount_point,
            &self.mount_type,
            &self.mount_accessor,
            &self.entity_id,
            &self.display_name,
            &self.client_token,
            &self.client_token_accessor,
            &self.replication_cluster,
            &self.recover_source_path,
        ];
        texts.iter().map(|text| text.len()).sum::<usize>()
            + length(self.data.as_deref())
            + self.headers.iter().map(Header::bytes).sum::<usize>()
            + self.secret.as_ref().map_or(0, secret_bytes)
    }
}

impl Response {
    /// Returns the bytes of what the guest answered.
    pub fn bytes(&self) -> usize {
        length(self.data.as_deref())
            + self.secret.as_ref().map_or(0, secret_bytes)
            + length(self.redirect.as_deref())
            + list(&self.warnings)
            + self.headers.iter().map(Header::bytes).sum::<usize>()
            + self.wrap_info.as_ref().map_or(0, wrap_info_bytes)
    }
}

impl Error {
    /// Returns the bytes of what the guest answered.
    pub fn bytes(&self) -> usize {
        match self {
            Self::User(text) | Self::Internal(text) => text.len(),
            Self::Coded(error) => error.message.len(),
            Self::UnsupportedOperation | Self::UnsupportedPath | Self::PermissionDenied | Self::ReadOnly => 0,
        }
    }
}

impl Header {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + list(&self.values)
    }
}

/// Returns the bytes of the texts of wrapped data.
pub(crate) fn wrap_info_bytes(info: &WrapInfo) -> usize {
    let texts = [
        &info.token,
        &info.accessor,
        &info.wrapped_accessor,
        &info.wrapped_entity_id,
        &info.format,
        &info.creation_path,
    ];
    texts.iter().map(|text| text.len()).sum()
}

fn secret_bytes(secret: &Secret) -> usize {
    secret.lease_id.len() + length(secret.internal_data.as_deref())
}

fn length(text: Option<&str>) -> usize {
    text.map_or(0, str::len)
}

fn list(texts: &[String]) -> usize {
    texts.iter().map(|text| size_of::<String>() + text.len()).sum()
}
