#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-remote against Dovecot's LMTP and Postfix's submission service, with logins by Dovecot and by Cyrus SASL; and as the delivery program of Postfix behind rspamc.
import os, shutil, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import remote_peers as p
from remote_peers import ok, run, stored, write

p.begin('postfix', 'dovecot-lmtpd', 'sasl2-bin', 'libsasl2-modules', 'rspamd')
scratch = p.scratch


def test_dovecot():
    path, mail = scratch + '/run/lmtp', scratch + '/dovecot-mail'
    r = run('--check', '--lmtp', path)
    ok(r.returncode == 0 and b'PIPELINING' in r.stdout, 'Dovecot: --check', r)
    for kind, at in (('socket', path), ('TCP', '127.0.0.1:24')):
        for who in ('frank', 'anna'):
            shutil.rmtree(mail + '/' + who, True)
        r = run('--lmtp', at, *p.FROM, '--recipient', 'frank', '--recipient', 'nobody', '--recipient', 'full', '--recipient', 'frank', '--recipient', 'anna',
                message=b'Subject: x\n\n' + b'hello\n' * 2000)
        ok(p.verdicts(r) == ['done', 'never', 'never', 'done', 'done'], 'Dovecot (%s): several recipients, one unknown, one over quota, one twice' % kind, r.stderr.decode())
        ok(b'5.1.1' in r.stderr and b'5.2.2' in r.stderr, 'Dovecot (%s): with their codes' % kind, r.stderr.decode())
        ok(len(stored(mail + '/anna')) == 1 and stored(mail + '/frank'), 'Dovecot (%s): it is there' % kind)
        p.try_corpus('Dovecot (%s)' % kind, ('--lmtp', at), mail + '/frank', 'frank', strict=True)


def start_postfix():
    config = '/etc/postfix/main.cf'
    os.makedirs(scratch + '/postfix-mail')
    os.chmod(scratch + '/postfix-mail', 0o777)
    write(config, '''
compatibility_level = 3.6
maillog_file = /var/log/postfix.log
myhostname = localhost
mydestination = mda.example
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_header_rewrite_clients =
mynetworks =
virtual_mailbox_domains = localhost
virtual_mailbox_base = %(s)s/postfix-mail
virtual_mailbox_maps = static:frank/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_transport = virtual
mailbox_command = rspamc -h 127.0.0.1:11333 --mime --exec "%(program)s --lmtp %(s)s/run/lmtp"
smtpd_tls_security_level = may
smtpd_tls_cert_file = %(s)s/server.pem
smtpd_tls_key_file = %(s)s/server.key
smtpd_tls_CAfile = %(s)s/ca.pem
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = $myhostname
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
smtpd_error_sleep_time = 0
smtputf8_enable = yes
minimal_backoff_time = 1s
queue_run_delay = 1s
''' % {'s': scratch, 'program': p.program})
    with open('/etc/postfix/master.cf', 'a') as f:
        f.write('''
587 inet n - n - - smtpd
 -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=%(s)s/run/auth-client
588 inet n - n - - smtpd
 -o smtpd_sasl_type=cyrus -o smtpd_sasl_path=smtpd
589 inet n - n - - smtpd
 -o smtpd_sasl_auth_enable=no -o smtpd_tls_ask_ccert=yes -o smtpd_relay_restrictions=permit_tls_all_clientcerts,reject
590 inet n - n - - smtpd
 -o smtpd_tls_wrappermode=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=%(s)s/run/auth-client
''' % {'s': scratch})
    write('/etc/postfix/sasl/smtpd.conf', 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\n')
    subprocess.run(['saslpasswd2', '-p', '-c', '-u', 'localhost', 'frank'], input=p.PASSWORD.encode(), check=True)
    shutil.chown('/etc/sasldb2', 'postfix')
    p.logs.append('/var/log/postfix.log')
    p.start(['postfix', 'start-fg'], lambda: all(p.listens(n)() for n in (587, 588, 589, 590)))


def test_postfix():
    mailbox = scratch + '/postfix-mail/frank'
    p.try_logins('Postfix with Dovecot', 587, ('PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256'), mailbox)
    p.try_logins('Postfix with Cyrus SASL', 588, ('PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256'), mailbox)
    shutil.rmtree(mailbox, True)
    r = run(*p.tls(589), '--certificate', scratch + '/frank.pem', '--key', scratch + '/frank.key', *p.FROM, '--recipient', 'frank@localhost')
    ok(r.returncode == 0 and len(stored(mailbox)) == 1, 'Postfix: a client certificate opens the way', r)
    r = run(*p.tls(589), *p.FROM, '--recipient', 'frank@localhost')
    ok(r.returncode > 0, 'Postfix: none does not', r)
    shutil.rmtree(mailbox, True)
    r = run('--relay', 'localhost:590', '--tls', 'implicit', '--ca-file', scratch + '/ca.pem', *p.login(), *p.FROM, '--recipient', 'frank@localhost')
    ok(r.returncode == 0 and len(stored(mailbox)) == 1, 'Postfix: implicit TLS, by name', r)
    r = run(*p.tls(587), *p.login(), *p.FROM, '--recipient', 'frank@localhost', '--recipient', 'no@unknown@x', '--recipient', 'frank@localhost')
    ok(p.verdicts(r) == ['done', 'never', 'done'], 'Postfix: a recipient that is refused is refused alone', r)
    p.try_corpus('Postfix', p.tls(587, *p.login()), mailbox, altered=('bcc', 'blank-before-colon'))


def test_bridge():
    p.add_user('anna')

    def submit(message):
        return run(*p.tls(587), *p.login(), *p.FROM, '--recipient', 'anna@mda.example', message=message)
    anna = scratch + '/dovecot-mail/anna'
    p.try_bridge('Postfix', submit, anna)
    shutil.rmtree(anna, True)
    os.rename(scratch + '/run/lmtp', scratch + '/run/away')
    submit(b'Subject: while Dovecot is away\n\nbody\n')
    ok(not stored(anna, patience=2), 'Postfix: while the LMTP server is away nothing arrives')
    os.rename(scratch + '/run/away', scratch + '/run/lmtp')
    subprocess.run(['postqueue', '-f'])
    got = stored(anna)
    ok(len(got) == 1 and b'while Dovecot is away' in got[0], 'Postfix: the bridge said later, and so it comes when the server is back', got, subprocess.run(['postqueue', '-p'], stdout=subprocess.PIPE).stdout)


p.start_dovecot()
only = sys.argv[1:]
if not only or 'dovecot' in only:
    test_dovecot()
if not only or 'postfix' in only or 'bridge' in only:
    start_postfix()
if not only or 'postfix' in only:
    test_postfix()
if not only or 'bridge' in only:
    p.start_rspamd()
    test_bridge()
p.end()
