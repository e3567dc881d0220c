#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-remote against OpenSMTPD's submission service; and as its delivery program behind rspamc.
import os, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import remote_peers as p
from remote_peers import ok, run, stored, write

p.begin('opensmtpd', 'dovecot-lmtpd', 'rspamd')
scratch = p.scratch


# OpenSMTPD 6.8 as Debian 12 has it (https://github.com/OpenSMTPD/OpenSMTPD/issues/1171) and OpenSSL 3 do not go together: its process for the network has no key, and the
# engine that would ask another process for signatures is never called. So it is given the key, read before its jail; a version that works is not harmed.
SHIM = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

static EVP_PKEY *key;

__attribute__((constructor)) static void load(void)
{
	const char *name = getenv("SMTPD_TEST_KEY");
	FILE *file = name ? fopen(name, "r") : NULL;

	if (!file)
		return;
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
}

SSL *SSL_new(SSL_CTX *context)
{
	SSL *(*real)(SSL_CTX *) = dlsym(RTLD_NEXT, "SSL_new");
	SSL *ssl = real(context);

	if (ssl && key)
		SSL_use_PrivateKey(ssl, key);
	return ssl;
}
'''


def start_smtpd():
    write('shim.c', SHIM)
    subprocess.run(['cc', '-shared', '-fPIC', '-o', scratch + '/shim.so', scratch + '/shim.c', '-ldl'], check=True)
    hashed = subprocess.run(['openssl', 'passwd', '-6', p.PASSWORD], check=True, stdout=subprocess.PIPE).stdout.decode().strip()
    creds = write('creds', 'frank %s\n' % hashed, 0o640)
    p.shutil.chown(creds, 'root', 'opensmtpd')
    config = write('smtpd.conf', '''
pki here cert "%(s)s/server.pem"
pki here key "%(s)s/server.key"
table creds file:%(s)s/creds
listen on lo port 587 tls-require pki here auth <creds> hostname localhost
listen on lo port 465 smtps pki here auth <creds> hostname localhost
action "maildir" maildir "%(s)s/home/frank/Maildir"
action "bridge" mda "rspamc -h 127.0.0.1:11333 --mime -e '%(program)s --lmtp %(s)s/run/lmtp --sender %%{sender} --recipient %%{user.username}'"
match auth from any for domain "localhost" action "maildir"
match auth from any for domain "mda.example" action "bridge"
''' % {'s': scratch, 'program': p.program})
    for name in ('frank', 'anna'):
        user = p.add_user(name)
    os.makedirs(scratch + '/home/frank')
    p.shutil.chown(scratch + '/home/frank', 'frank', 'frank')
    os.chmod(config, 0o644)
    p.start(['smtpd', '-d', '-f', config], lambda: p.listens(587)() and p.listens(465)(),
            env=dict(os.environ, LD_PRELOAD=scratch + '/shim.so', SMTPD_TEST_KEY=scratch + '/server.key'))


def test_smtpd():
    mailbox = scratch + '/home/frank/Maildir'
    p.try_logins('OpenSMTPD', 587, ('PLAIN', 'LOGIN'), mailbox)
    p.shutil.rmtree(mailbox, True)
    r = run('--relay', '127.0.0.1:465', '--ca-file', scratch + '/ca.pem', *p.login(), *p.FROM, '--recipient', 'frank@localhost')
    ok(r.returncode == 0 and len(stored(mailbox)) == 1, 'OpenSMTPD: implicit TLS', r)
    r = run(*p.tls(587), *p.login(), *p.FROM, '--recipient', 'frank@localhost', '--recipient', 'no@elsewhere.example', '--recipient', 'frank@localhost')
    ok(p.verdicts(r) == ['done', 'never', 'done'], 'OpenSMTPD: a recipient that is refused is refused alone', r)
    p.try_corpus('OpenSMTPD', p.tls(587, *p.login()), mailbox, altered=('bcc', 'group', 'lf-and-crlf-in-one-header', 'long-field', 'many-to', 'no-body'), added=(b'Date', b'Message-ID'),
                 refused=('long-lines',))


def test_bridge():
    p.try_bridge('OpenSMTPD', lambda message: run(*p.tls(587), *p.login(), *p.FROM, '--recipient', 'anna@mda.example', message=message), scratch + '/dovecot-mail/anna')


p.start_dovecot()
start_smtpd()
test_smtpd()
p.start_rspamd()
test_bridge()
p.end()
