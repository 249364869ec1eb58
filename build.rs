//! Leaves out of the static release binary what only an unwinding program needs, and what is there
//! twice: see docs/decisions/0014-no-unwind-tables.md and docs/decisions/0020-no-unwinder.md.

#[expect(clippy::disallowed_methods, reason = "this is how cargo talks to a build script")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link/no-unwind-tables.ld");
    println!("cargo:rustc-check-cfg=cfg(no_unwinder)");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let is_static = variable("CARGO_CFG_TARGET_FEATURE").split(',').any(|f| f == "crt-static");
    if variable("CARGO_CFG_TARGET_ENV") != "gnu" || !is_static || variable("PROFILE") != "release" {
        return;
    }
    println!("cargo:rustc-cfg=no_unwinder");
    // Another libgcc may name more than src/unwinder.rs has, and so bring its unwinder in: the
    // first of two is taken, which is onit's own.
    link("-z,muldefs");
    // Only lld discards sections that the start files of gcc still name; it is what rustc links
    // with on this target, unless somebody says otherwise.
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let is_lld = variable("CARGO_CFG_TARGET_ARCH") == "x86_64"
        && !flags.contains("fuse-ld")
        && !flags.contains("linker");
    if is_lld {
        // Functions of one code get one address. Nobody compares addresses of functions: rustc
        // warns of it, and makes no promise about them either.
        link("--icf=all");
        link(&format!("-T,{}/link/no-unwind-tables.ld", variable("CARGO_MANIFEST_DIR")));
    }
}

/// Tells the linker, also for examples/panic.rs, which shows that a panic is told without all that.
fn link(option: &str) {
    println!("cargo:rustc-link-arg-bins=-Wl,{option}");
    println!("cargo:rustc-link-arg-examples=-Wl,{option}");
}
