#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-local as the delivery program of a real Exim.
. "$(dirname "$0")/local_mda.sh"
mda_inside exim4-daemon-light
mda_setup
mda_port=2525
cat > /etc/exim4/exim4.conf <<-END
	primary_hostname = mail.test
	domainlist local_domains = mail.test
	daemon_smtp_ports = 2525
	local_interfaces = 127.0.0.1
	acl_smtp_rcpt = accept
	host_lookup =
	rfc1413_query_timeout = 0s
	keep_environment =
	spool_directory = /var/spool/exim4
	log_file_path = /var/log/exim4/%slog
	message_size_limit = 100M
	smtp_accept_queue_per_connection = 0
	begin routers
	users:
	  driver = accept
	  domains = +local_domains
	  check_local_user
	  local_part_suffix = +*
	  local_part_suffix_optional
	  transport = deaddrop
	begin transports
	deaddrop:
	  driver = pipe
	  command = $d/mda
	  environment = SENDER=\$sender_address:RECIPIENT=\$local_part\$local_part_suffix@\$domain:EXTENSION=\${sg{\$local_part_suffix}{^.}{}}
	  message_prefix =
	  message_suffix =
	  return_path_add
	  delivery_date_add
	  envelope_to_add
	  temp_errors = 75
	  return_fail_output
	begin retry
	* * F,1h,10m
END
exim4 -bdf -q10m > "$d/exim.out" 2>&1 & exim=$!
chain_cleanup() { kill $exim; wait $exim; } 2>/dev/null
mda_queue() { exim4 -bp; tail -n 20 /var/log/exim4/*log "$d/exim.out"; }
mda_is_deferred() { grep -q '== ddalice@mail.test.*defer' /var/log/exim4/mainlog; }
mda_flush() { exim4 -qff > /dev/null 2>&1; }
mda_queue_is_empty() { wait_for 10 sh -c "[ -z \"\$(exim4 -bp)\" ]"; }
wait_for 20 python3 -c 'import socket; socket.create_connection(("127.0.0.1", 2525))' || diag "$(cat "$d/exim.out")"
mda_tests Exim mail.test
is "$(grep -h -c '^Envelope-to: ddalice' $alice/mh/1)" 1 "what else Exim writes before a message stays"
done_testing
