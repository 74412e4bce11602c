#!/usr/bin/env bash
# Static binaries for other machines, from Debian's own compilers: one file, no library beside it, nothing to install there.
#
#   examples/deploy/build-static.sh [x86_64|aarch64|armv7]...     default: all
#
#   PROFILE=small      the cargo profile (small, release)
#   FEATURES=          features beside --no-default-features, with commas
#   LIBC=              musl: what rustup has; a megabyte smaller, and needs no cross gcc. gnu: Debian's packages rustc-web
#                      and libstd-rust-web-dev, all of one version, unpacked below target/cross: nothing of them is installed.
#                      Not said: musl if rustup has it, else gnu
#   LAWS=1             also the tests of the context tree's laws, as a program that runs them there
#
# Needs cargo; for gnu also apt-get (no root) and the machine's cross gcc: gcc-aarch64-linux-gnu, gcc-arm-linux-gnueabihf.
# Prints each file with its size, and as squashfs with xz would keep it. They are in target/static/.
set -euo pipefail
cd "$(dirname "$0")/../.."

profile=${PROFILE:-small} features=${FEATURES:-} wish=${LIBC:-} libc=gnu
cross=$PWD/target/cross out=$PWD/target/static
[ $# -gt 0 ] || set -- x86_64 aarch64 armv7

# machine → Debian's architecture, rustc's target, the prefix of gcc
facts() {
  case $1 in
    x86_64) deb=amd64 target=x86_64-unknown-linux-$libc gcc=x86_64-linux-gnu ;;
    aarch64) deb=arm64 target=aarch64-unknown-linux-$libc gcc=aarch64-linux-gnu ;;
    armv7) deb=armhf target=armv7-unknown-linux-${libc}eabihf gcc=arm-linux-gnueabihf ;;
    *) echo "unknown machine: $1 (x86_64, aarch64, armv7)" >&2; exit 2 ;;
  esac
}
# Which C library a machine's file gets.
libc_of() {
  libc=$wish
  [ "$wish" != gnu ] || return 0
  libc=musl
  facts "$1"
  if command -v rustup >/dev/null && { rustup target list --installed | grep -qx "$target" || rustup target add "$target" >/dev/null 2>&1; }; then
    return 0
  fi
  [ -z "$wish" ] || { echo "rustup has no std for $target" >&2; exit 1; }
  libc=gnu
}
declare -A libcs
for machine in "$@"; do
  libc_of "$machine"
  libcs[$machine]=$libc
done

# An apt of our own, with the foreign architectures, so that the machine's stays as it is.
debian_apt() {
  local codename; codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  mkdir -p "$cross/apt/lists/partial" "$cross/apt/cache/archives/partial"
  echo "deb [arch=amd64,arm64,armhf signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $codename main" \
    >"$cross/apt/sources.list"
  cat >"$cross/apt/conf" <<CONF
APT::Architectures { "amd64"; "arm64"; "armhf"; };
Dir::State::lists "$cross/apt/lists";
Dir::Cache "$cross/apt/cache";
Dir::Etc::sourcelist "$cross/apt/sources.list";
Dir::Etc::sourceparts "-";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
  export APT_CONFIG=$cross/apt/conf
  [ -e "$cross/apt/updated" ] || { apt-get update -q >/dev/null && touch "$cross/apt/updated"; }
}

# The newest version that there is for this machine and for the others alike.
version_for_all() {
  local versions="" found
  for deb in amd64 "$@"; do
    found=$(apt-cache madison "libstd-rust-web-dev:$deb" | cut -d'|' -f2 | tr -d ' ' | sort -u)
    [ -n "$found" ] || { echo "Debian has no libstd-rust-web-dev for $deb" >&2; exit 1; }
    versions=$(if [ -z "$versions" ]; then echo "$found"; else comm -12 <(echo "$versions") <(echo "$found"); fi)
  done
  [ -n "$versions" ] || { echo "no version of libstd-rust-web-dev is there for all of: amd64 $*" >&2; exit 1; }
  sort -V <<<"$versions" | tail -1
}

# Unpacks packages (NAME[:ARCHITECTURE]=VERSION) once.
unpack() {
  for package in "$@"; do
    local done_with=$cross/unpacked/${package//[:=]/_}
    [ -e "$done_with" ] && continue
    echo "unpacking $package"
    mkdir -p "$cross/unpacked" "$cross/debs"
    rm -f "$cross"/debs/*.deb
    (cd "$cross/debs" && apt-get download -qq "$package")
    dpkg-deb -x "$cross"/debs/*.deb "$cross/root"
    rm -f "$cross"/debs/*.deb
    touch "$done_with"
  done
}

debian=()
for machine in "$@"; do
  facts "$machine"
  [ "${libcs[$machine]}" = musl ] || debian+=("$deb")
done
if [ "${#debian[@]}" -gt 0 ]; then
  debian_apt
  version=$(version_for_all "${debian[@]}")
  runtime=$(apt-cache show "rustc-web=$version" | sed -n 's/^Version: \([0-9]*\.[0-9]*\)\..*/libstd-rust-web-\1/p' | head -1)
  llvm=$(apt-cache show "$runtime=$version" | sed -n 's/^Depends: .*\(libllvm[0-9a-z-]*\).*/\1/p' | head -1)
  unpack "$llvm" "rustc-web=$version" "$runtime=$version"
  for deb in "${debian[@]}"; do unpack "libstd-rust-web-dev:$deb=$version"; done
  # What runs on this machine while it builds, procedural macros, is linked against its own.
  unpack "libstd-rust-web-dev:amd64=$version"
  cat >"$cross/rustc" <<RUSTC
#!/bin/sh
LD_LIBRARY_PATH=$cross/root/usr/lib/x86_64-linux-gnu exec $cross/root/usr/bin/rustc --sysroot $cross/root/usr "\$@"
RUSTC
  chmod +x "$cross/rustc"
  echo "Debian's $("$cross/rustc" --version)"
fi

# The tests need nothing but crates that osier has anyway: built without cargo, they take half a minute, not osier's other tests' crates.
laws() {
  local artifacts=$cross/artifacts file=$1 libs=() name path
  shift
  "$@" --lib --message-format=json >"$artifacts"
  for name in osier smol event_listener; do
    path=$(sed -n "s/.*\"filenames\":\[\"\([^\"]*\/lib${name}[-.][^\"]*rlib\)\".*/\1/p" "$artifacts" | head -1)
    libs+=(--extern "$name=$path")
  done
  local deps=$cross/target-$libc
  read -ra words <<<"$flags"
  "$compiler" --test --edition 2024 --crate-name laws tests/it/context_go.rs --target "$target" -C opt-level=z -C lto "${words[@]}" \
    -L "dependency=$deps/$target/${profile/dev/debug}/deps" -L "dependency=$deps/${profile/dev/debug}/deps" "${libs[@]}" -o "$file"
}

cargo fetch --locked --quiet
mkdir -p "$out"
for machine in "$@"; do
  libc=${libcs[$machine]}
  facts "$machine"
  flags="-C target-feature=+crt-static -C relocation-model=static"
  if [ "$libc" = gnu ]; then
    command -v "$gcc-gcc" >/dev/null || { echo "$gcc-gcc is missing: apt-get install gcc-${gcc/_/-}" >&2; exit 1; }
    flags+=" -C linker=$gcc-gcc"
    compiler=$cross/rustc
  else
    # One copy of code that is alike octet by octet; Rust does not promise that functions have addresses of their own.
    flags+=" -C linker=rust-lld -C link-self-contained=yes -C link-arg=--icf=all"
    compiler=$(rustup which rustc)
  fi
  build=(env "RUSTC=$compiler" "RUSTFLAGS=$flags" cargo build --locked --quiet --profile "$profile" --no-default-features
    --features "$features" --target "$target" --target-dir "$cross/target-$libc")
  "${build[@]}" --bin osier
  file=$out/osier-$machine-$libc-$profile
  cp "$cross/target-$libc/$target/${profile/dev/debug}/osier" "$file"
  printf '%-60s %8d octets, %8d as xz\n' "${file#"$PWD"/}" "$(stat -c %s "$file")" "$(xz -9 --check=crc32 -c "$file" | wc -c)"
  if readelf -lW "$file" | grep -q INTERP; then echo "$file wants a loader: it is not static" >&2; exit 1; fi
  [ -z "${LAWS:-}" ] || laws "$out/laws-$machine-$libc-$profile" "${build[@]}"
done
