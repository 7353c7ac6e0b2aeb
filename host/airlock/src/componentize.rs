//! `airlock componentize`: wraps a core module as the component that a guest ships as.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

mod clock;
mod imports;
mod module;

/// Reads the core module and writes the component. The output is written completely or not at all.
///
/// Adds nothing to the module: it may import only what its bindings name. So a guest that needs WASI or a browser is
/// refused here, with the crate that needs it, and not by the host that is to run it. So is one that takes the time from
/// the standard library, unless `allow_std_clock` is set: there it would panic.
pub fn run(module: &Path, output: &Path, allow_std_clock: bool) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    if wasmparser::Parser::is_component(&bytes) {
        bail!(
            "{} is a component already: give the module that cargo built, which is below target/wasm32-unknown-unknown",
            module.display()
        );
    }
    let refused = |why: &[String]| {
        format!(
            "{} cannot be made a component: {}",
            module.display(),
            why.join("; ")
        )
    };
    let foreign = imports::explain(&bytes);
    if !foreign.is_empty() {
        bail!(refused(&foreign));
    }
    let clocks = match allow_std_clock {
        true => Vec::new(),
        false => clock::explain(&bytes),
    };
    if !clocks.is_empty() {
        bail!(
            "{}; or pass --allow-std-clock, if the engine never gets there",
            refused(&clocks)
        );
    }
    // Bytes that are not a module stay as they are, because the encoder says why.
    let bytes = module::without_debug(&bytes).unwrap_or(bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_not_made_a_component_again() {
        let folder = tempfile::tempdir().unwrap();
        let (guest, again) = (folder.path().join("guest.wasm"), folder.path().join("again.wasm"));
        fs::write(&guest, wat::parse_str("(component)").unwrap()).unwrap();
        let refused = run(&guest, &again, false).unwrap_err().to_string();
        assert!(refused.contains("guest.wasm is a component already"), "{refused}");
        assert!(!again.exists());
    }
}
