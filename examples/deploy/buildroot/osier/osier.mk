################################################################################
#
# osier
#
################################################################################

OSIER_VERSION = 0.1.0
OSIER_SITE = https://static.crates.io/crates/osier
OSIER_SOURCE = osier-$(OSIER_VERSION).crate
OSIER_LICENSE = MIT or Apache-2.0
OSIER_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
OSIER_CARGO_BUILD_OPTS = --no-default-features
OSIER_CARGO_INSTALL_OPTS = --no-default-features

# A crate is a tar.gz by another name.
define OSIER_EXTRACT_CMDS
	$(TAR) --strip-components=1 -C $(@D) -xzf $(OSIER_DL_DIR)/$(OSIER_SOURCE)
endef

define OSIER_INSTALL_CONF
	$(INSTALL) -D -m 0644 $(@D)/examples/deploy/osier.toml \
		$(TARGET_DIR)/etc/osier/osier.toml
endef
OSIER_POST_INSTALL_TARGET_HOOKS += OSIER_INSTALL_CONF

define OSIER_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(OSIER_PKGDIR)/S60osier \
		$(TARGET_DIR)/etc/init.d/S60osier
endef

define OSIER_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/examples/deploy/systemd/osier.service \
		$(TARGET_DIR)/usr/lib/systemd/system/osier.service
endef

$(eval $(cargo-package))
