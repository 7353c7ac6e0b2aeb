//! How a guest is linked so that a request of it needs no system call in the host.
//!
//! The host resets an instance's memory after each request. It does so by writing zeros while the memory is small, and
//! asks the kernel only for what lies beyond: hence a small stack, and a heap that is there from the start.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=65536");
        println!("cargo::rustc-link-arg-cdylib=--initial-heap=65536");
    }
}
