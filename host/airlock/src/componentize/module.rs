//! Reads of a core module what tells which crate is behind its imports and calls.

use std::collections::BTreeMap;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use wasmparser::{BinaryReaderError, KnownCustom, Name, Operator, Parser, Payload, TypeRef};

type Debug<'a> = EndianSlice<'a, LittleEndian>;

/// The beginning of the names of the sections that a compiler writes for debuggers.
const DEBUG: &str = ".debug_";

/// The imports, functions and calls of a module, as far as it names them.
#[derive(Default)]
pub struct Module<'a> {
    /// The imported functions: their numbers, the modules that they are imported from, and their names.
    pub imports: Vec<(u32, &'a str, &'a str)>,
    /// The calls that name the function that they call.
    pub calls: Vec<Call>,
    /// The bytes that the memory begins with.
    pub data: Vec<&'a [u8]>,
    names: BTreeMap<u32, &'a str>,
    debug: BTreeMap<&'a str, &'a [u8]>,
    code: usize,
}

/// A call from one function to another.
pub struct Call {
    /// The number of the function that calls.
    pub caller: u32,
    /// The number of the function that is called.
    pub callee: u32,
    at: usize,
}

impl<'a> Module<'a> {
    /// Reads a module.
    ///
    /// # Errors
    /// The bytes are not a core module.
    pub fn read(bytes: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let mut module = Self::default();
        let (mut functions, mut bodies) = (0, 0);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if let TypeRef::Func(_) = import.ty {
                            module.imports.push((functions, import.module, import.name));
                            functions += 1;
                        }
                    }
                }
                Payload::CodeSectionStart { range, .. } => module.code = range.start,
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader()?.into_iter_with_offsets() {
                        if let (Operator::Call { function_index }, at) = operator? {
                            module.calls.push(Call {
                                caller: functions + bodies,
                                callee: function_index,
                                at,
                            });
                        }
                    }
                    bodies += 1;
                }
                Payload::DataSection(section) => {
                    for segment in section {
                        module.data.push(segment?.data);
                    }
                }
                Payload::CustomSection(section) => match section.as_known() {
                    KnownCustom::Name(names) => {
                        for subsection in names {
                            if let Name::Function(functions) = subsection? {
                                for naming in functions {
                                    let naming = naming?;
                                    module.names.insert(naming.index, naming.name);
                                }
                            }
                        }
                    }
                    _ if section.name().starts_with(DEBUG) => {
                        module.debug.insert(section.name(), section.data());
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(module)
    }

    /// Returns the names of all functions that have one, as their authors wrote them, with their numbers.
    pub fn functions(&self) -> impl Iterator<Item = (u32, String)> + '_ {
        self.names.iter().map(|(number, name)| (*number, readable(name)))
    }

    /// Returns a function's name as its author wrote it, without the hash.
    pub fn name(&self, function: u32) -> Option<String> {
        self.names.get(&function).map(|name| readable(name))
    }

    /// Returns what tells which functions the compiler inlined where, if the module has that.
    pub fn inlined(&self) -> Inlined<'a> {
        let section = |id: SectionId| {
            let bytes = self.debug.get(id.name()).copied().unwrap_or_default();
            Ok::<_, addr2line::gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        let context = Dwarf::load(section).and_then(Context::from_dwarf);
        Inlined {
            code: self.code,
            context: context.ok(),
        }
    }
}

/// The functions that the compiler inlined into others.
pub struct Inlined<'a> {
    code: usize,
    context: Option<Context<Debug<'a>>>,
}

impl Inlined<'_> {
    /// Returns the functions whose code makes a call, the innermost first. The last is the one that has the others inlined.
    /// Returns none if the module does not tell.
    pub fn functions(&self, call: &Call) -> Vec<String> {
        let (Some(context), Some(at)) = (&self.context, call.at.checked_sub(self.code)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        if let Ok(mut frames) = context.find_frames(at as u64).skip_all_loads() {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame
                    .function
                    .as_ref()
                    .and_then(|function| function.raw_name().ok());
                found.extend(name.map(|name| readable(&name)));
            }
        }
        found
    }
}

fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Returns the module without what a compiler writes for debuggers: no host reads it, and it may be most of the file.
pub fn without_debug(bytes: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut kept = bytes.get(..HEADER).unwrap_or_default().to_vec();
    let mut seen = HEADER;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let Some((_, range)) = payload.as_section() else {
            continue;
        };
        let is_debug =
            matches!(&payload, Payload::CustomSection(section) if section.name().starts_with(DEBUG));
        if !is_debug {
            kept.extend(bytes.get(seen..range.end).unwrap_or_default());
        }
        seen = range.end;
    }
    Ok(kept)
}

/// Bytes before the first section of a module.
const HEADER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// A custom section with a name and one byte.
    fn section(name: &str) -> Vec<u8> {
        let length = u8::try_from(name.len()).unwrap();
        [&[0, length + 2, length], name.as_bytes(), b"x"].concat()
    }

    #[test]
    fn what_is_for_debuggers_is_left_out_and_nothing_else() {
        let module = wat::parse_str("(module (memory 1) (func) (data (i32.const 0) \"d\"))").unwrap();
        let (header, sections) = module.split_at(HEADER);
        let (debug, kept) = (section(".debug_info"), section("producers"));
        let with = [header, &debug, sections, &debug, &kept, &debug].concat();
        assert_eq!(without_debug(&with).unwrap(), [header, sections, &kept].concat());
        assert_eq!(without_debug(&module).unwrap(), module);
        assert!(without_debug(b"not a module").is_err());
    }
}
