# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop: one non-recursive makefile.  Object lists follow from the folders: lib/*.c is libdeaddrop.a, STAGE/*.c without the
# programs' main files is STAGE.a, and a unit test tests/unit/STAGE_what.c is linked with STAGE.a and libdeaddrop.a.

PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
LIBEXECDIR ?= $(PREFIX)/lib/deaddrop
SENDMAILDIR ?= $(SBINDIR)

CC ?= cc
AR ?= ar
CFLAGS ?= -O2 -g
B ?= build

WARN = -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wwrite-strings -Wvla -Wformat=2 -Wconversion \
	-Wno-sign-conversion -Wundef -Wpointer-arith -Wcast-qual
HARDEN = -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
DD_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(WERROR) $(HARDEN) -Ilib $(CFLAGS) $(CPPFLAGS)
DD_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)

# What each stage links beside the C library.  Everything else needs libc alone (tests/e2e/libc.t).
STAGES = inject queue send local smtpd imap remote
PROGRAMS = inject/deaddrop-inject queue/deaddrop-queue queue/deaddrop-mailq send/deaddrop-send local/deaddrop-local \
	smtpd/deaddrop-smtpd imap/deaddrop-imap remote/deaddrop-remote
LIBS_lib = $(if $(filter smtpd imap remote,$(STAGES)),$(TLS_LIBS)) $(if $(filter smtpd send,$(STAGES)),$(REGEX_LIBS))
TLS_LIBS = -lssl -lcrypto
REGEX_LIBS = -lpcre2-8
LIBS_smtpd = $(TLS_LIBS) $(REGEX_LIBS)
LIBS_send = $(REGEX_LIBS)
LIBS_imap = $(TLS_LIBS)
LIBS_remote = $(TLS_LIBS)
MAINS = $(addsuffix .c,$(PROGRAMS))
BIN = $(addprefix $(B)/bin/,$(notdir $(PROGRAMS)))

# The parts of lib that need OpenSSL or PCRE2 are compiled only where a program of those libraries is built.
LIB_TLS_SRC = $(wildcard lib/tls*.c lib/stream*.c lib/sasl*.c)
LIB_REGEX_SRC = $(wildcard lib/regex*.c)
LIB_SRC = $(sort $(filter-out $(LIB_TLS_SRC) $(LIB_REGEX_SRC),$(wildcard lib/*.c)) \
	$(if $(filter smtpd imap remote,$(STAGES)),$(LIB_TLS_SRC)) $(if $(filter smtpd send,$(STAGES)),$(LIB_REGEX_SRC)))
LIB_OBJ = $(LIB_SRC:%.c=$(B)/%.o)
LIB = $(B)/libdeaddrop.a
stage_src = $(sort $(filter-out $(MAINS),$(wildcard $(1)/*.c)))
stage_obj = $(patsubst %.c,$(B)/%.o,$(call stage_src,$(1)))

# Tests of lib's parts that need OpenSSL or PCRE2, and of stages, come with those stages.
UNIT_NEEDS_tls = $(wildcard tests/unit/lib_tls*.c tests/unit/lib_stream*.c tests/unit/lib_sasl*.c)
UNIT_NEEDS_regex = $(wildcard tests/unit/lib_regex*.c)
UNIT_SRC = $(sort $(filter-out $(UNIT_NEEDS_tls) $(UNIT_NEEDS_regex),$(foreach s,lib $(STAGES),$(wildcard tests/unit/$(s)_*.c))) \
	$(if $(filter smtpd imap remote,$(STAGES)),$(UNIT_NEEDS_tls)) $(if $(filter smtpd send,$(STAGES)),$(UNIT_NEEDS_regex)))
UNIT_BIN = $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
TOOL_SRC = $(sort $(wildcard tests/e2e/*.c tests/bench/*.c tests/crash/*.c))
TOOL_BIN = $(TOOL_SRC:%.c=$(B)/%)

all: $(BIN)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(DD_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

define stage_rules
$(B)/$(1).a: $(call stage_obj,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcs $$@ $(call stage_obj,$(1))
endef
$(foreach s,$(STAGES),$(eval $(call stage_rules,$(s))))

define program_rules
$(B)/bin/$(notdir $(1)): $(B)/$(1).o $(B)/$(firstword $(subst /, ,$(1))).a $(LIB)
	@mkdir -p $$(@D)
	$(CC) $(DD_CFLAGS) $(DD_LDFLAGS) -o $$@ $$^ $(LIBS_$(firstword $(subst /, ,$(1)))) $(LDLIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rules,$(p))))

# cmocka is the tests' alone; a unit test's name begins with the folder that it tests
define unit_rules
$(B)/unit/$(1): $(B)/tests/unit/$(1).o $(filter-out $(B)/lib.a,$(B)/$(firstword $(subst _, ,$(1))).a) $(LIB)
	@mkdir -p $$(@D)
	$(CC) $(DD_CFLAGS) $(DD_LDFLAGS) -o $$@ $$^ -lcmocka $(LIBS_$(firstword $(subst _, ,$(1)))) $(LDLIBS)
endef
$(foreach u,$(notdir $(UNIT_BIN)),$(eval $(call unit_rules,$(u))))

$(TOOL_BIN): $(B)/%: $(B)/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(DD_CFLAGS) $(DD_LDFLAGS) -o $@ $^ $(LDLIBS)

unit: $(UNIT_BIN)
tools: $(TOOL_BIN)

check:
	@tests/check

demo:
	@service/demo

lint:
	@tests/lint

deb:
	@service/deb '$(B)'

clean:
	rm -rf $(B)

install uninstall:
	@service/$@ '$(DESTDIR)' '$(SBINDIR)' '$(BINDIR)' '$(LIBEXECDIR)' '$(MANDIR)' '$(SENDMAILDIR)' '$(B)/bin'

-include $(shell find $(B) -path $(B)/peers -prune -o -type f -name '*.d' -print 2>/dev/null)

.PHONY: all unit tools check demo lint deb clean install uninstall
.SECONDARY:
