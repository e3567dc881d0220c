# SPDX-License-Identifier: GPL-3.0-or-later
# A Dovecot of our own on a loopback port, in $scratch/dovecot: dovecot_start, dovecot_stop. A test sources this behind lib.sh.
# The users frank and grace have the password below; their mailboxes are Maildirs in $scratch/dovecot/mail/USER.
dovecot=$scratch/dovecot
dovecot_password='p"w\ 1'
dovecot_bin=$(command -v dovecot || echo /usr/sbin/dovecot)
need_dovecot() {
	need_root
	[ -x "$dovecot_bin" ] || plan_skip "dovecot (Debian: dovecot-imapd) is not installed"
	[ -e /usr/lib/dovecot/imap ] || plan_skip "dovecot has no IMAP (Debian: dovecot-imapd)"
	command -v openssl >/dev/null || plan_skip "openssl is needed for a certificate"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
dovecot_make() {
	mkdir -p "$dovecot/run" "$dovecot/mail"
	imap_port=$(free_port); imaps_port=$(free_port)
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
		-keyout "$dovecot/key.pem" -out "$dovecot/cert.pem" 2>/dev/null
	printf 'frank:{PLAIN}%s:%s:%s::%s::\ngrace:{PLAIN}%s:%s:%s::%s::userdb_quota_rule=*:storage=20K\n' \
		"$dovecot_password" "$(id -u nobody)" "$(id -g nobody)" "$dovecot/mail/frank" \
		"$dovecot_password" "$(id -u nobody)" "$(id -g nobody)" "$dovecot/mail/grace" > "$dovecot/users"
	chown -R nobody "$dovecot/mail"
	cat > "$dovecot/dovecot.conf" <<-END
	base_dir = $dovecot/run
	state_dir = $dovecot/run
	log_path = $dovecot/log
	protocols = imap
	listen = 127.0.0.1
	ssl = yes
	ssl_cert = <$dovecot/cert.pem
	ssl_key = <$dovecot/key.pem
	disable_plaintext_auth = yes
	auth_mechanisms = ${dovecot_mechanisms:-plain login cram-md5 scram-sha-1 scram-sha-256}
	mail_location = maildir:~/Maildir
	first_valid_uid = 1
	first_valid_gid = 1
	default_internal_user = nobody
	default_internal_group = $(id -gn nobody)
	default_login_user = nobody
	mail_plugins = quota
	protocol imap {
	  mail_plugins = quota imap_quota
	  imap_literal_minus = ${dovecot_literal_minus:-no}
	}
	plugin {
	  quota = maildir:User quota
	}
	passdb {
	  driver = passwd-file
	  args = scheme=PLAIN username_format=%u $dovecot/users
	}
	userdb {
	  driver = passwd-file
	  args = username_format=%u $dovecot/users
	}
	namespace inbox {
	  inbox = yes
	  separator = ${dovecot_separator:-.}
	  prefix = ${dovecot_prefix:-}
	}
	service anvil {
	  chroot =
	}
	service imap-login {
	  chroot =
	  inet_listener imap {
	    port = $imap_port
	  }
	  inet_listener imaps {
	    port = $imaps_port
	  }
	}
	END
}
dovecot_start() {
	"$dovecot_bin" -F -c "$dovecot/dovecot.conf" > "$dovecot/out" 2>&1 &
	dovecot_pid=$!
	wait_for 10 python3 -c "import socket; socket.create_connection(('127.0.0.1', $imaps_port)).close()"
}
dovecot_stop() { [ -z "${dovecot_pid:-}" ] || { kill "$dovecot_pid" 2>/dev/null; wait "$dovecot_pid" 2>/dev/null; dovecot_pid=; }; }
