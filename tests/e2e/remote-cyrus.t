#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-remote against Cyrus' LMTP: on a UNIX socket, and on TCP behind each login that it offers.
import imaplib, os, re, shutil, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import remote_peers as p
from remote_peers import ok, run, write

p.begin('cyrus-imapd', 'cyrus-admin', 'sasl2-bin', 'libsasl2-modules')
scratch = p.scratch
SOCKET = '/run/cyrus/socket/lmtp'


def start_cyrus():
    for name in ('/run/cyrus/socket', '/run/cyrus/proc', '/run/cyrus/lock'):
        os.makedirs(name)
    subprocess.run(['chown', '-R', 'cyrus:mail', '/run/cyrus'], check=True)
    for user in ('cyrus', 'frank', 'anna', 'full'):
        subprocess.run(['saslpasswd2', '-p', '-c', '-u', 'localhost', user], input=p.PASSWORD.encode(), check=True)
    shutil.chown('/etc/sasldb2', 'cyrus')
    shutil.chown(scratch + '/server.key', 'cyrus')
    config = open('/etc/imapd.conf').read()
    config += '\nservername: localhost\nadmins: cyrus\nlmtp_admins: cyrus\nsasl_auxprop_plugin: sasldb\nsasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\n'
    config += 'lmtp_over_quota_perm_failure: yes\nlmtp_strict_quota: yes\nmunge8bit: no\nreject8bit: no\nrfc2046_strict: no\ntls_server_cert: %s/server.pem\ntls_server_key: %s/server.key\nduplicatesuppression: no\n' % (scratch, scratch)
    write('/etc/imapd.conf', config)
    write('/etc/imapd-12.conf', config + 'tls_versions: tls1_2\n')
    write('/etc/cyrus.conf', '''
START {
	recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}
SERVICES {
	imap cmd="imapd" listen="127.0.0.1:143" prefork=0
	lmtpunix cmd="lmtpd" listen="%s" prefork=0
	lmtp cmd="lmtpd" listen="127.0.0.1:24" prefork=0
	older cmd="lmtpd -C /etc/imapd-12.conf" listen="127.0.0.1:2424" prefork=0
}
EVENTS {
	checkpoint cmd="/usr/sbin/cyrus ctl_cyrusdb -c" period=30
}
''' % SOCKET)
    p.start(['/usr/sbin/cyrmaster'], lambda: p.listens(24)() and p.listens(143)() and os.path.exists(SOCKET))
    imap = imaplib.IMAP4('127.0.0.1')
    imap.login('cyrus', p.PASSWORD)
    for user in ('frank', 'anna', 'full'):
        imap.create('user.' + user)
    imap.setquota('user.full', '(STORAGE 1)')
    imap.logout()


def mails(user):
    """All that are in a mailbox, which is empty afterwards."""
    imap = imaplib.IMAP4('127.0.0.1')
    imap.login(user, p.PASSWORD)
    imap.select('INBOX')
    found = imap.search(None, 'ALL')[1][0].split()
    got = [imap.fetch(n, '(BODY.PEEK[])')[1][0][1] for n in found]
    for n in found:
        imap.store(n, '+FLAGS', '\\Deleted')
    imap.expunge()
    imap.logout()
    return got


def test_recipients():
    r = run('--check', '--lmtp', SOCKET)
    ok(r.returncode == 0 and b'PIPELINING' in r.stdout, 'Cyrus: --check', r)
    r = run('--lmtp', SOCKET, *p.FROM, '--recipient', 'frank', '--recipient', 'nobody', '--recipient', 'full', '--recipient', 'frank', '--recipient', 'anna',
            message=b'Subject: x\n\n' + b'hello\n' * 2000)
    ok(p.verdicts(r) == ['done', 'never', 'never', 'done', 'done'], 'Cyrus: several recipients, one unknown, one over quota, one twice', r.stderr.decode())
    ok(b'5.1.1' in r.stderr and b'5.2.2' in r.stderr, 'Cyrus: with their codes', r.stderr.decode())
    ok(len(mails('anna')) == 1 and len(mails('frank')) in (1, 2) and not mails('full'), 'Cyrus: it is where it is said to be')


def test_corpus():
    bad = []
    for name, data in p.corpus():
        r = run('--lmtp', SOCKET, *p.FROM, '--recipient', 'frank', message=data)
        got = mails('frank')
        if r.returncode in (65, 69) and not got and not p.is_proper(data):	# it takes no such thing, and says so
            continue
        if r.returncode or len(got) != 1 or not p.is_same(p.without(p.lines_of(got[0]), (b'Date', b'Message-ID'), data), data, name):
            bad.append((name, r.stderr, got and (len(got[0]), got[0][:800]), len(data)))
    ok(not bad, 'Cyrus: the corpus arrives as it is', '\n'.join(map(str, bad)))


KNOWN = {'PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS'}


def test_logins():
    at = ('--ca-file', scratch + '/ca.pem', '--tls', 'starttls', '--lmtp')
    # With TLS 1.3 it offers -PLUS and knows no binding that belongs to it: those are for TLS 1.2
    for version, port, mechanisms in (('TLS 1.3', 'localhost:24', sorted(m for m in KNOWN if 'PLUS' not in m)), ('TLS 1.2', 'localhost:2424', sorted(KNOWN))):
        r = run('--check', *at, port, *p.login(user='cyrus'), '-vv')
        offered = set(re.findall(r'AUTH \(([^)]*)', r.stdout.decode())[0].split()) & p.KNOWN if b'AUTH' in r.stdout else set()
        ok(offered == KNOWN, 'Cyrus, %s: what it offers' % version, r)
        ok(r.returncode == 0 and (b'login: SCRAM-SHA-256-PLUS' in r.stdout) == (version == 'TLS 1.2') and b'AUTH SCRAM-SHA-256-PLUS' in r.stderr,
           'Cyrus, %s: left to itself it logs in with -PLUS, or without where the server cannot do what it offers' % version, r)
        for mechanism in mechanisms:
            r = run(*at, port, *p.login(user='cyrus'), '--mechanisms', mechanism, '-vv', *p.FROM, '--recipient', 'anna')
            ok(r.returncode == 0 and len(mails('anna')) == 1 and ('AUTH ' + mechanism).encode() in r.stderr and p.PASSWORD.encode() not in r.stderr,
               'Cyrus, %s: over TCP with a login by %s' % (version, mechanism), r)
            r = run(*at, port, *p.login('wrong', 'cyrus'), '--mechanisms', mechanism, *p.FROM, '--recipient', 'anna')
            ok(r.returncode == 75 and b'4.7.8' in r.stderr and not mails('anna'), 'Cyrus, %s: a wrong password with %s is later' % (version, mechanism), r)
    r = run(*at, 'localhost:24', *p.FROM, '--recipient', 'anna')
    ok(r.returncode == 75 and not mails('anna'), 'Cyrus: without a login it is later: that is about us, not about the message', r)


start_cyrus()
test_recipients()
test_corpus()
test_logins()
p.end()
