//! The compile child: a component on standard input, native code on standard output.
//!
//! This is all that the program named by `Compiler::Child` has to do. The `airlock` binary does it as `airlock compile`.

fn main() {
    airlock_sandbox::compile_child(airlock_sandbox::Target::ThisMachine)
}
