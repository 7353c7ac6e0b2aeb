//! Checks that a component is a guest for this host, by the names of its imports and exports.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::LoadError;

/// The contract's package.
const PACKAGE: &str = "airlock:engine/";

/// The version of the contract that this host serves.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// The host's own path in each mount, with all paths below it. A server sends no request for these paths to a guest,
/// and lets only callers with `sudo` reach them.
pub const CONTROL: &str = ".airlock";

/// Returns true if a request's path is the host's own.
pub fn is_control(path: &str) -> bool {
    path.strip_prefix(CONTROL)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The interfaces that the contract grants. `types` has no functions.
const GRANTED: [&str; 8] = [
    "types", "storage", "scratch", "system", "events", "log", "clock", "random",
];

/// Checks by its first eight bytes that a file is a component.
pub(crate) fn check_is_component(bytes: &[u8]) -> Result<(), LoadError> {
    match bytes {
        [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(LoadError::NotAComponent(
            "it is a core module; `airlock componentize` makes it one",
        )),
        [b'\0', b'a', b's', b'm', ..] => {
            Err(LoadError::NotAComponent("its version of WebAssembly is unknown"))
        }
        [0x7f, b'E', b'L', b'F', ..] => Err(LoadError::NotAComponent(
            "it is native code; give the .wasm file itself",
        )),
        [] => Err(LoadError::NotAComponent("the file is empty")),
        _ => Err(LoadError::NotAComponent("it is not WebAssembly")),
    }
}

/// Returns the names of the component's imports.
pub(crate) fn imports(component: &Component, engine: &Engine) -> Vec<String> {
    component
        .component_type()
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Checks names. Linking checks that the types fit.
pub(crate) fn check(component: &Component, engine: &Engine) -> Result<(), LoadError> {
    let imports = imports(component, engine);
    let exports: Vec<String> = component
        .component_type()
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();

    // The version comes first: if the guest has another one, everything else that does not fit follows from that.
    let ours = imports
        .iter()
        .chain(&exports)
        .filter_map(|name| name.strip_prefix(PACKAGE));
    for version in ours
        .filter_map(|name| name.split_once('@'))
        .map(|(_, version)| version)
    {
        check_version(version)?;
    }
    for import in &imports {
        let granted = import
            .strip_prefix(PACKAGE)
            .is_some_and(|name| GRANTED.contains(&name.split('@').next().unwrap_or(name)));
        if !granted {
            return Err(LoadError::Ungranted {
                import: import.clone(),
            });
        }
    }
    let is_engine = exports
        .iter()
        .filter_map(|name| name.strip_prefix(PACKAGE))
        .any(|name| name.split('@').next() == Some("backend"));
    if is_engine {
        Ok(())
    } else {
        Err(LoadError::NotAnEngine)
    }
}

/// Checks that the guest's version agrees with the host's as semver defines it: before 1.0 in the second number, after
/// it in the first. The host's version must not be the older one.
fn check_version(guest: &str) -> Result<(), LoadError> {
    let host = numbers(CONTRACT_VERSION);
    let theirs = numbers(guest);
    let compatible = match (theirs, host) {
        (Some(theirs), Some(host)) => {
            let track = |v: [u64; 3]| if v[0] > 0 { [v[0], 0] } else { [0, v[1]] };
            track(theirs) == track(host) && theirs <= host
        }
        _ => false,
    };
    if compatible {
        return Ok(());
    }
    Err(LoadError::ContractVersion {
        guest: guest.to_owned(),
        host: CONTRACT_VERSION,
        newer: theirs > host,
    })
}

/// Returns major, minor and patch. `None` for a pre-release, which promises nothing.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_contract() {
        let wit = include_str!("../../../../wit/engine.wit");
        assert!(wit.contains(&format!("package airlock:engine@{CONTRACT_VERSION};")));
    }

    #[test]
    fn versions_agree_within_the_second_number_before_1_0() {
        assert!(check_version("0.1.0").is_ok());
        for (version, newer) in [
            ("0.1.1", true),
            ("0.2.0", true),
            ("1.0.0", true),
            ("0.0.9", false),
        ] {
            match check_version(version) {
                Err(LoadError::ContractVersion {
                    guest,
                    host,
                    newer: n,
                }) => {
                    assert_eq!((guest.as_str(), host, n), (version, CONTRACT_VERSION, newer));
                }
                other => panic!("{version}: {other:?}"),
            }
        }
        assert!(check_version("0.1.0-rc.1").is_err());
    }

    #[test]
    fn what_is_no_component_is_called_by_its_name() {
        let of = |bytes: &[u8]| check_is_component(bytes).unwrap_err().to_string();
        assert!(of(b"\0asm\x01\0\0\0").contains("componentize"));
        assert!(of(b"\x7fELF\x02").contains("native code"));
        assert!(of(b"").contains("empty"));
        assert!(of(b"#!/bin/sh").contains("not WebAssembly"));
        assert!(check_is_component(b"\0asm\x0d\0\x01\0").is_ok());
    }
}
