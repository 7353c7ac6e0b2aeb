//! Links the guest so that its requests need no system call in the host.
//!
//! The host resets an instance's memory after each request. It writes zeros over small memory, and asks the kernel only
//! for memory beyond that. So the guest has a small stack, and a heap that has its size from the start. The stack must
//! hold the deepest JSON that the SDK parses, which takes 40 KB. The heap gets what is left of two pages, some 25 KiB,
//! because each page costs every request the time that clearing it takes.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=49152");
        println!("cargo::rustc-link-arg-cdylib=--initial-memory=131072");
    }
}
