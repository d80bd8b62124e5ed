// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Where libvmgen is: what pkg-config says, else where the linker looks by itself.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_LIBDIR");
    let output = Command::new("pkg-config").args(["--libs-only-L", "vmgen"]).output();
    let words = match output {
        Ok(output) if output.status.success() => output.stdout,
        _ => return,
    };
    for word in String::from_utf8_lossy(&words).split_whitespace() {
        if let Some(folder) = word.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={}", folder);
        }
    }
}
