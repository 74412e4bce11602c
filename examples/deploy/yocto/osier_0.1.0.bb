SUMMARY = "A small HTTP/1.1 reverse proxy, every request a branch of a context tree"
DESCRIPTION = "An HTTP/1.1 reverse proxy with deadlines that only get shorter, cancellation as one, and a live tree."
HOMEPAGE = "https://crates.io/crates/osier"
BUGTRACKER = "https://crates.io/crates/osier"
SECTION = "net"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "\
    file://LICENSE-MIT;md5=3b465cbe66372e4fb900246339a44576 \
    file://LICENSE-APACHE;md5=1836efb2eb779966696f473ee8540542 \
"

SRC_URI = "\
    crate://crates.io/osier/${PV} \
    file://osier.service \
    file://osier.toml \
"
# bitbake names the checksum of osier's own archive when it has fetched it: SRC_URI[osier-0.1.0.sha256sum].

S = "${CARGO_VENDORING_DIRECTORY}/osier-${PV}"

inherit cargo cargo-update-recipe-crates systemd

require osier-crates.inc

CARGO_BUILD_FLAGS:append = " --no-default-features"

SYSTEMD_SERVICE:${PN} = "osier.service"

do_install:append() {
    install -d ${D}${sysconfdir}/osier ${D}${systemd_system_unitdir}
    install -m 0644 ${UNPACKDIR}/osier.toml ${D}${sysconfdir}/osier/osier.toml
    install -m 0644 ${UNPACKDIR}/osier.service ${D}${systemd_system_unitdir}/osier.service
}

CONFFILES:${PN} = "${sysconfdir}/osier/osier.toml"
FILES:${PN} += "${systemd_system_unitdir}/osier.service"
