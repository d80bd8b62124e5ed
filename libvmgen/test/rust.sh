# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The Rust binding builds without a warning and without the network, its structures are
# those of the header, and its own tests pass with the shared library.
set -eu

# The compiler found may be a front end that wants to fetch another one.
if ! rustc --version > /dev/null 2>&1 || ! cargo --version > /dev/null 2>&1; then
	echo "no rustc and cargo here"
	exit 77
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
$CC -Iinclude -o "$scratch/layout" bindings/layout.c
VMGEN_LAYOUT=$("$scratch/layout")
export VMGEN_LAYOUT LD_LIBRARY_PATH="$BUILD" RUSTFLAGS="-D warnings -L native=$BUILD"
export RUSTDOCFLAGS="$RUSTFLAGS"

mkdir "$scratch/crate"
cp -r bindings/rust/Cargo.toml bindings/rust/build.rs bindings/rust/src bindings/rust/tests "$scratch/crate"
cd "$scratch/crate"
cargo test --quiet --offline --jobs 2
