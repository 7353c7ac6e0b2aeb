//! Names the storage prefixes of what a mount keeps for its keys.

/// The storage prefix of metadata.
pub(crate) const METADATA: &str = "metadata/";
/// The storage prefix of the data of versions.
pub(crate) const VERSIONS: &str = "versions/";
/// The storage prefix of the values of version 1.
pub(crate) const VALUES: &str = "v1/";
