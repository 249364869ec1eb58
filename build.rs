//! Leaves the unwind tables out of the static release binary: see
//! docs/decisions/0014-no-unwind-tables.md.

#[expect(clippy::disallowed_methods, reason = "this is how cargo talks to a build script")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link/no-unwind-tables.ld");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // Only lld discards sections that the start files of gcc still name; it is what rustc links
    // with on this target, unless somebody says otherwise.
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let is_lld = variable("CARGO_CFG_TARGET_ARCH") == "x86_64"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
        && !flags.contains("fuse-ld")
        && !flags.contains("linker");
    let is_static = variable("CARGO_CFG_TARGET_FEATURE").split(',').any(|f| f == "crt-static");
    if is_lld && is_static && variable("PROFILE") == "release" {
        let directory = variable("CARGO_MANIFEST_DIR");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{directory}/link/no-unwind-tables.ld");
    }
}
