//! `airlock componentize`: wraps a core module as the component that a guest ships as.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

mod imports;

/// Reads the core module and writes the component. The output is written completely or not at all.
///
/// Adds nothing to the module: it may import only what its bindings name. So a guest that needs WASI or a browser is
/// refused here, with the crate that needs it, and not by the host that is to run it.
pub fn run(module: &Path, output: &Path) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let foreign = imports::explain(&bytes);
    if !foreign.is_empty() {
        bail!(
            "{} cannot be made a component: {}",
            module.display(),
            foreign.join("; ")
        );
    }
    let component = encode(&bytes)
        .with_context(|| format!("{} cannot be made a component: is it a core module built with bindings for the airlock:engine contract?", module.display()))?;
    let folder = output
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let written = (|| {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&component)?;
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(output).map_err(|e| e.error)
    })();
    written.with_context(|| format!("cannot write {}", output.display()))?;
    Ok(())
}

fn encode(module: &[u8]) -> Result<Vec<u8>> {
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)?
        .encode()
}
