//! Says which crate takes the time from the standard library, which has no clock in a guest and panics.
//!
//! The functions cannot be made to work instead: the compiler knows that they panic, so it has left out whatever comes
//! after a call of them.

use std::collections::{BTreeMap, BTreeSet};

use super::module::Module;

/// The most callers that a message names.
const SHOWN: usize = 3;

/// Returns a text for each crate that takes the time from the standard library. Returns none for a module that cannot be
/// read, because the encoder then says why.
///
/// Code that nothing calls is not in a module, but a module may have code that its engine never reaches.
pub fn explain(module: &[u8]) -> Vec<String> {
    let Ok(module) = Module::read(module) else {
        return Vec::new();
    };
    let mut clocks = BTreeMap::new();
    for (number, name) in module.functions() {
        if let Some(clock) = clock(&name) {
            clocks.insert(number, clock);
        }
    }
    if clocks.is_empty() && !module.data.iter().any(|data| has_clock(data)) {
        return Vec::new();
    }
    let callers = callers(&module, clocks);
    if callers.is_empty() {
        let text = "it takes the time from the standard library, which panics in a guest: take it from `cx.clock.now()`";
        return vec![text.to_owned()];
    }
    callers
        .iter()
        .map(|(name, callers)| explained(name, callers))
        .collect()
}

/// Returns the functions that ask for the time, by their crates: first those of other crates than the standard library,
/// which may ask through functions of that, such as `Instant::elapsed`.
fn callers(
    module: &Module<'_>,
    mut clocks: BTreeMap<u32, &'static str>,
) -> BTreeMap<String, BTreeSet<String>> {
    let inlined = module.inlined();
    let mut callers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut asked: BTreeSet<u32> = BTreeSet::new();
    loop {
        let mut further = BTreeMap::new();
        for call in &module.calls {
            let Some(clock) = clocks.get(&call.callee) else {
                continue;
            };
            let mut chain = inlined.functions(call);
            if chain.is_empty() {
                chain.extend(module.name(call.caller));
            }
            match chain.iter().find(|name| !is_std(name)) {
                Some(name) => {
                    let mut said = format!("`{clock}` by {name}");
                    if let Some(last) = chain.last().filter(|last| *last != name) {
                        said.push_str(&format!(" (within {last})"));
                    }
                    callers.entry(crate_of(name).to_owned()).or_default().insert(said);
                }
                None => {
                    further.insert(call.caller, *clock);
                }
            }
        }
        asked.extend(clocks.keys());
        further.retain(|function, _| !asked.contains(function));
        if further.is_empty() {
            return callers;
        }
        clocks = further;
    }
}

/// Returns the clock that a function of the standard library is, if it is one.
fn clock(name: &str) -> Option<&'static str> {
    let is = |kind: &str| {
        is_std(name)
            && [format!("{kind}::now"), format!("{kind}>::now")]
                .iter()
                .any(|end| name.ends_with(end))
    };
    match name {
        _ if is("SystemTime") => Some("SystemTime::now"),
        _ if is("Instant") => Some("Instant::now"),
        _ => None,
    }
}

fn is_std(name: &str) -> bool {
    matches!(crate_of(name), "std" | "core" | "alloc")
}

/// Returns the crate of a function: the first word of its path, which may begin as `<&crate::Type as …`.
fn crate_of(name: &str) -> &str {
    let path = name.trim_start_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &path[..end.unwrap_or(path.len())]
}

/// Returns true for data that has the place of a clock's panic. Its path differs between versions of the standard library:
/// `sys/pal/unsupported/time.rs`, `sys/time/unsupported.rs`.
fn has_clock(data: &[u8]) -> bool {
    const FOLDER: &[u8] = b"/std/src/sys/";
    const LONGEST: usize = 60;
    data.windows(FOLDER.len()).enumerate().any(|(at, window)| {
        window == FOLDER && {
            let rest = data.get(at + FOLDER.len()..).unwrap_or_default();
            let rest = String::from_utf8_lossy(&rest[..rest.len().min(LONGEST)]);
            let file = rest.split(".rs").next().unwrap_or_default();
            file.contains("unsupported") && file.contains("time")
        }
    })
}

fn explained(name: &str, callers: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = callers.iter().take(SHOWN).map(String::as_str).collect();
    let advice = match name {
        "chrono" => {
            "switch off its features `clock` and `now`, and use `DateTime::from_timestamp(cx.clock.now().seconds, 0)`"
        }
        "time" => "use `OffsetDateTime::from_unix_timestamp(cx.clock.now().seconds)` in place of `now_utc`",
        _ => {
            "take the time from `cx.clock.now()`; if the call is not in your code, it is in that of a crate that the \
             compiler inlined, such as `Utc::now` of `chrono`: pass that crate the time, or switch off its feature"
        }
    };
    let text = format!(
        "the crate `{name}` takes the time from the standard library, which panics in a guest ({}): {advice}",
        shown.join(", ")
    );
    // Whoever wrote the module chose the names.
    printable::escape(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM_TIME: &str = "_RNvMs5_NtCsebHcaeoSrxy_3std4timeNtB5_10SystemTime3now";

    fn said(functions: &str) -> String {
        explain(&wat::parse_str(format!("(module (memory 1) {functions})")).unwrap()).join("\n")
    }

    #[test]
    fn a_clock_of_std_names_the_crate_that_asks() {
        let said = said(&format!(
            "(func ${SYSTEM_TIME}) (func $_ZN6chrono6offset3utc3Utc3now17h0123456789abcdefE call ${SYSTEM_TIME})"
        ));
        for part in [
            "the crate `chrono`",
            "`SystemTime::now` by chrono::offset::utc::Utc::now",
            "features `clock` and `now`",
        ] {
            assert!(said.contains(part), "no {part}: {said}");
        }
    }

    #[test]
    fn functions_of_std_between_are_passed_over() {
        let said = said(
            "(func $_ZN3std4time7Instant3now17h0123456789abcdefE)
             (func $_ZN3std4time7Instant7elapsed17h0123456789abcdefE call $_ZN3std4time7Instant3now17h0123456789abcdefE)
             (func $_ZN2my4work17h0123456789abcdefE call $_ZN3std4time7Instant7elapsed17h0123456789abcdefE)",
        );
        assert!(
            said.contains("the crate `my`") && said.contains("`Instant::now` by my::work"),
            "{said}"
        );
    }

    #[test]
    fn a_clock_without_names_is_known_by_the_place_of_its_panic() {
        for path in [
            "/rustc/5980/library/std/src/sys/time/unsupported.rs",
            "/library/std/src/sys/pal/unsupported/time.rs",
        ] {
            let said = said(&format!("(data (i32.const 0) \"platform{path}\\00\\00\")"));
            assert!(said.contains("cx.clock.now()"), "{said}");
        }
        assert_eq!(
            said("(data (i32.const 0) \"/std/src/sys/thread/unsupported.rs and time\")"),
            ""
        );
    }

    #[test]
    fn clocks_of_other_crates_are_not_those_of_std() {
        assert_eq!(
            said("(func $_ZN2my4time7Instant3now17h0123456789abcdefE) (func call 0)"),
            ""
        );
        assert_eq!(explain(b"not a module"), Vec::<String>::new());
        assert_eq!(crate_of("<&my_crate::Type as core::fmt::Debug>::fmt"), "my_crate");
    }
}
