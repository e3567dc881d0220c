#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-remote against Exim's submission service: its own logins, and by Dovecot; and as the delivery program of Exim behind a filter.
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import remote_peers as p
from remote_peers import ok, run, stored, write

p.begin('exim4-daemon-heavy', 'dovecot-lmtpd')
scratch = p.scratch
AUTH = '''
%(name)s:
  driver = dovecot
  public_name = %(public)s
  server_socket = %(s)s/run/auth-client
  server_set_id = $auth1
'''


def start_exim():
    for name in ('exim', 'exim-mail'):
        os.makedirs(scratch + '/' + name)
        p.shutil.chown(scratch + '/' + name, 'Debian-exim', 'Debian-exim')
    p.shutil.chown(scratch + '/server.key', 'Debian-exim')
    p.logs.append(scratch + '/exim/mainlog')
    # Two ports, two sets of authenticators: Exim asks the names of all of them, so each stands under a condition.
    config = write('exim.conf', '''
spool_directory = %(s)s/exim
log_file_path = %(s)s/exim/%%slog
pid_file_path = %(s)s/exim/pid
primary_hostname = localhost
domainlist local_domains = localhost
acl_smtp_rcpt = rcpt
tls_advertise_hosts = *
tls_certificate = %(s)s/server.pem
tls_privatekey = %(s)s/server.key
tls_verify_certificates = %(s)s/ca.pem
tls_try_verify_hosts = *
chunking_advertise_hosts = *
tls_on_connect_ports = 465
local_interfaces = 127.0.0.1
daemon_smtp_ports = 587 : 465
never_users =
message_size_limit = 1M
begin acl
rcpt:
  deny message = no such user
       local_parts = nobody
  accept authenticated = *
  deny message = log in first
begin routers
mda:
  driver = accept
  local_parts = mda
  transport = mda
all:
  driver = accept
  transport = maildir
begin transports
mda:
  driver = pipe
  use_shell
  command = sed 's/^Subject: /Subject: [seen] /' | %(program)s --lmtp %(s)s/run/lmtp --sender $sender_address --recipient anna
  user = Debian-exim
  return_path_add = false
  temp_errors = 75
maildir:
  driver = appendfile
  directory = %(s)s/exim-mail/frank
  maildir_format
  create_directory
  user = Debian-exim
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and {{eq{$auth2}{frank}}{eq{$auth3}{hemmelig}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and {{eq{$auth1}{frank}}{eq{$auth2}{hemmelig}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = hemmelig
  server_set_id = $auth1
external:
  driver = external
  public_name = EXTERNAL
  server_condition = ${if eq{$tls_in_certificate_verified}{1}}
  server_set_id = frank
''' % {'s': scratch, 'program': p.program} + ''.join(AUTH % {'s': scratch, 'name': n, 'public': m} for n, m in (('scram1', 'SCRAM-SHA-1'), ('scram256', 'SCRAM-SHA-256'))))
    p.start(['exim4', '-C', config, '-bdf'], lambda: p.listens(587)() and p.listens(465)())


def test_exim():
    mailbox = scratch + '/exim-mail/frank'
    p.try_logins('Exim', 587, ('PLAIN', 'LOGIN', 'CRAM-MD5', 'EXTERNAL', 'SCRAM-SHA-1', 'SCRAM-SHA-256'), mailbox)
    p.shutil.rmtree(mailbox, True)
    r = run('--relay', '127.0.0.1:465', '--ca-file', scratch + '/ca.pem', *p.login(), *p.FROM, '--recipient', 'frank@localhost')
    ok(r.returncode == 0 and len(stored(mailbox)) == 1, 'Exim: implicit TLS', r)
    r = run(*p.tls(587), *p.login(), *p.FROM, '--recipient', 'frank@localhost', '--recipient', 'nobody@localhost', '--recipient', 'frank@localhost')
    ok(p.verdicts(r) == ['done', 'never', 'done'], 'Exim: a recipient that is refused is refused alone', r)
    r = run(*p.tls(587), *p.login(), *p.FROM, '--recipient', 'frank@localhost', message=b'Subject: x\n\n' + b'large\n' * 300000)
    ok(r.returncode == 69 and b'5.3.4' in r.stderr, 'Exim: a message over its size is refused for good', r)
    p.try_corpus('Exim', p.tls(587, *p.login()), mailbox, altered=('blank-continuation', 'no-body'))


def test_bridge():
    r = run(*p.tls(587), *p.login(), *p.FROM, '--recipient', 'mda@localhost')
    got = stored(scratch + '/dovecot-mail/anna')
    ok(r.returncode == 0 and len(got) == 1 and b'Subject: [seen] x\n' in got[0] and b'Return-Path: <a@b.example>' in got[0], 'a filter that pipes into it, as the delivery program of Exim', r, got)


p.start_dovecot()
start_exim()
test_exim()
test_bridge()
p.end()
