#!/bin/sh
# The crates of Cargo.lock as Yocto's recipes list them: `crates.sh > yocto/osier-crates.inc`.
# All of them, those of features that the recipe leaves out too: without the network cargo builds nothing while one that
# the lock file names is not there, needed or not.
set -eu
cd "$(dirname "$0")/../.."
echo "# From Cargo.lock, by examples/deploy/crates.sh."
awk '
	$1 == "name" { gsub(/"/, "", $3); name = $3 }
	$1 == "version" { gsub(/"/, "", $3); version = $3 }
	$1 == "checksum" { gsub(/"/, "", $3); list[++n] = name " " version " " $3 }
	END {
		print "SRC_URI += \"\\"
		for (i = 1; i <= n; i++) { split(list[i], f, " "); print "    crate://crates.io/" f[1] "/" f[2] " \\" }
		print "\"\n"
		for (i = 1; i <= n; i++) { split(list[i], f, " "); print "SRC_URI[" f[1] "-" f[2] ".sha256sum] = \"" f[3] "\"" }
	}
' Cargo.lock
