#!/usr/bin/env bash
# A Debian package of a built osier, with dpkg-deb alone.
#
#   examples/deploy/debian/build.sh [BINARY [ARCHITECTURE [FOLDER]]]     target/release/osier, this machine's, target/deb
#
# It has the program, its unit and socket, /etc/osier/osier.toml and a man page. The unit is not started: the file names an
# origin that is yours to name.
set -euo pipefail
cd "$(dirname "$0")/../../.."
binary=${1:-target/release/osier} arch=${2:-$(dpkg --print-architecture)} out=${3:-target/deb}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
[ -x "$binary" ] || { echo "$binary is not there: cargo build --release" >&2; exit 1; }

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
install -D -m 755 "$binary" "$root/usr/bin/osier"
install -D -m 644 examples/deploy/osier.toml "$root/etc/osier/osier.toml"
install -D -m 644 -t "$root/lib/systemd/system" examples/deploy/systemd/osier.service examples/deploy/systemd/osier.socket
docs=$root/usr/share/doc/osier
install -D -m 644 examples/deploy/debian/copyright "$docs/copyright"
install -d -m 755 "$root/usr/share/man/man1" "$root/DEBIAN"

when=$(date -R -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}")
gzip -9n >"$docs/changelog.Debian.gz" <<CHANGES
osier ($version-1) unstable; urgency=medium

  * The package of $version; what has changed is in changelog.gz.

 -- The osier authors <osier@example.invalid>  $when
CHANGES
gzip -9nc CHANGELOG.md >"$docs/changelog.gz"

# The help text is the manual.
{
  printf '.TH OSIER 1 "" "osier %s"\n.SH NAME\nosier \\- an HTTP/1.1 reverse proxy\n.SH DESCRIPTION\n.nf\n' "$version"
  if [ "$arch" = "$(dpkg --print-architecture)" ]; then "$binary" --help; else echo "See osier --help."; fi |
    sed -e 's/\\/\\\\/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"
  printf '.fi\n'
} | gzip -9n >"$root/usr/share/man/man1/osier.1.gz"

depends=""
if readelf -lW "$binary" | grep -q INTERP; then
  glibc=$(readelf -VW "$binary" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
  depends="Depends: libc6 (>= ${glibc#GLIBC_}), libgcc-s1
"
fi
cat >"$root/DEBIAN/control" <<CONTROL
Package: osier
Version: $version-1
Architecture: $arch
Maintainer: The osier authors <osier@example.invalid>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
${depends}Section: httpd
Priority: optional
Description: small HTTP/1.1 reverse proxy
 Every request is a branch of a context tree: cancelled as one, with deadlines
 that only get shorter, and seen live. Endpoints are balanced and checked,
 a changed file is served without a restart, bodies stream both ways.
CONTROL
echo /etc/osier/osier.toml >"$root/DEBIAN/conffiles"
install -m 755 examples/deploy/debian/postinst examples/deploy/debian/prerm examples/deploy/debian/postrm "$root/DEBIAN/"
(cd "$root" && find usr lib -type f -exec md5sum {} + | LC_ALL=C sort -k2) >"$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +
mkdir -p "$out"
dpkg-deb --build --root-owner-group "$root" "$out/osier_${version}-1_$arch.deb"
