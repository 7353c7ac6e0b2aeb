//! A component's bytes, as `airlock check`, `inspect` and every start of a mount read them.
//!
//! The compiler runs in this process and not in its child, which does nothing else with the bytes: a child for each
//! input would cost a hundred times as much. Everything else is as in production: validation, the check of the
//! contract, linking, the pool of instances, the guest's description and special paths under their limits, and the
//! output of `inspect`.

use std::sync::OnceLock;
use std::time::Duration;

use airlock_sandbox::fuzz::check_is_component;
use airlock_sandbox::{Compiler, Limits, LoadError, Sandbox, SandboxSettings};

use crate::{Rng, Target, block_on};

/// A file that is given as a guest.
pub const COMPONENTS: Target = Target {
    name: "components",
    run: components,
    longest: 16 << 10,
    mutations: 8_000,
    words: &[
        "\0asm\x0d\0\x01\0",
        "\0asm\x01\0\0\0",
        "\x7fELF",
        "airlock:engine/backend@0.1.0",
        "airlock:engine/storage@0.1.0",
        "airlock:engine/types@0.1.0",
        "@0.2.0",
        "@0.1.1",
        "wasi:cli/run@0.2.0",
        "describe",
        "cabi_realloc",
        "memory",
    ],
    reshape: Some(reshape),
};

fn components(input: &[u8]) -> bool {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| {
        let settings = SandboxSettings {
            compiler: Compiler::InProcess,
            cache: None,
            memory_bytes: None,
        };
        Sandbox::new(settings).unwrap()
    });
    let limits = Limits {
        memory_bytes: 16 << 20,
        start: Duration::from_millis(200),
        ..Limits::default()
    };
    let guest = match block_on(sandbox.load(input, limits)) {
        Ok(guest) => guest,
        Err(error) => {
            if check_is_component(input).is_err() {
                assert!(matches!(error, LoadError::NotAComponent(_)), "{error}");
            }
            assert!(
                !matches!(&error, LoadError::Compiler { what, .. } if what == "panicked"),
                "the compiler panicked"
            );
            let text = error.to_string();
            assert!(
                !text.contains(printable::is_unsafe),
                "{text:?} is shown to people"
            );
            return false;
        }
    };
    assert!(
        guest
            .imports()
            .iter()
            .all(|import| import.starts_with("airlock:engine/"))
    );
    assert_eq!(guest.digest().len(), 64);
    let option = ("version".to_owned(), "2".to_owned());
    if let Ok(paths) = block_on(guest.special_paths(&[option])) {
        let shown = airlock::fuzz::inspect(&guest, &paths);
        assert!(
            shown.lines().all(|line| !line.contains(printable::is_unsafe)),
            "{shown:?} is shown to people"
        );
    }
    true
}

/// Drops, repeats, exchanges or changes whole sections, of the component or of a module in it, and corrects their
/// lengths.
fn reshape(input: &mut Vec<u8>, rng: &mut Rng) {
    let Some(mut sections) = sections(input) else {
        return;
    };
    change_one(&mut sections, rng);
    input.truncate(8);
    for (id, body) in sections {
        input.push(id);
        leb(body.len(), input);
        input.extend(body);
    }
}

fn change_one(sections: &mut Vec<(u8, Vec<u8>)>, rng: &mut Rng) {
    if sections.is_empty() {
        return;
    }
    let at = rng.usize(0..sections.len());
    match rng.u8(0..6) {
        0 => drop(sections.remove(at)),
        1 => sections.insert(at, sections[at].clone()),
        2 => {
            let other = rng.usize(0..sections.len());
            sections.swap(at, other);
        }
        // A module or a component within this one.
        3 | 4 if matches!(sections[at].0, 1 | 4) => reshape(&mut sections[at].1, rng),
        _ => {
            let body = &mut sections[at].1;
            if !body.is_empty() {
                let byte = rng.usize(0..body.len());
                body[byte] = if rng.bool() {
                    rng.u8(..)
                } else {
                    body[byte] ^ (1 << rng.u8(0..8))
                };
            }
        }
    }
}

/// Returns the sections after the eight bytes of the header, or `None` if the bytes are cut or have another form.
fn sections(bytes: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let (head, mut rest) = bytes.split_at_checked(8)?;
    if !head.starts_with(b"\0asm") {
        return None;
    }
    let mut sections = Vec::new();
    while let Some((id, after)) = rest.split_first() {
        let (length, after) = unleb(after)?;
        let (body, after) = after.split_at_checked(length)?;
        sections.push((*id, body.to_vec()));
        rest = after;
    }
    Some(sections)
}

fn unleb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

fn leb(mut value: usize, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
