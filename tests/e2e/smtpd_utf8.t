#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# SMTPUTF8 from the client to the Maildir and to the next host: local part, domain and header stay what they are, and a next host that cannot take them gets nothing.
import os, re, smtplib, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from smtpd_rig import *

SENDER, LOCAL, AWAY, CANNOT = 'j\u00f6rg@b\u00fccher.example', '\u7528\u6237@\u4f8b\u3048.example', '\u00fc@next.example', '\u00fc@old.example'
HEAD = 'From: J\u00f6rg <%s>\r\nTo: %s\r\nSubject: %s \u20ac\u7528\r\n\r\nK\u00f6rper\r\n'


def send(port, rcpt, subject):
    c = smtplib.SMTP('127.0.0.1', port)
    c.sendmail(SENDER, [rcpt], (HEAD % (SENDER, rcpt, subject)).encode(), mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
    c.quit()


def arrived(subject):
    for name in glob.glob(scratch + '/mail/inbox/new/*'):
        data = open(name, 'rb').read()
        if ('Subject: %s ' % subject).encode() in data:
            return data.decode()


def logs():
    return ''.join(open(scratch + '/log.' + s, errors='replace').read()[-1500:] for s in ('send', 'local', 'remote'))


def test_maildir():
    send(first.port, LOCAL, 'to-maildir')
    m = wait_for(lambda: arrived('to-maildir')) or ''
    ok(m.endswith('\n\nK\u00f6rper\n') and 'From: J\u00f6rg <%s>\n' % SENDER in m and 'Subject: to-maildir \u20ac\u7528\n' in m, 'header and text are in the Maildir as they were', m + logs())
    ok(m.startswith('Return-Path: <%s>\n' % SENDER) and 'Delivered-To: %s\n' % LOCAL in m, 'sender and recipient stand there in UTF-8', m)
    ok(' with UTF8SMTP ' in m, 'Received tells how it came', m)


def test_next_host():
    send(first.port, AWAY, 'to-next')
    found = wait_for(lambda: [r for r in with_subject_prefix('to-next') if 'rcpt %s\n' % AWAY in r[0] and 'attr helo ' in r[0] and r[1].count(b'Received:') > 1])
    ok(found and 'sender %s\n' % SENDER in found[0][0] and 'attr smtputf8 1' in found[0][0] and 'UTF8SMTP' in found[0][0], 'a next host that speaks SMTPUTF8 gets it so', found or logs())


def test_next_host_that_cannot():
    send(first.port, CANNOT, 'to-old')
    bounce = wait_for(lambda: [b for b in map(lambda n: open(n, 'rb').read(), glob.glob(scratch + '/mail/inbox/new/*')) if b'to-old' in b and b'report-type=delivery-status' in b])
    ok(bounce and b'5.6.7' in bounce[0], 'one that does not: the sender is told so with 5.6.7', (bounce or [b''])[0].decode(errors='replace') + logs())
    is_([l for l in old.lines().decode(errors='replace').splitlines() if 'smtpd: accept' in l or '\u00fc' in l], [], 'and it hears nothing of it')
    c = smtplib.SMTP('127.0.0.1', old.port)
    c.ehlo()
    is_((c.has_extn('smtputf8'), c.docmd('MAIL FROM:<a@b.example> SMTPUTF8')[0]), (False, 555), 'nor is it offered or taken there')


def test_without_the_word():
    c = Raw(first.port)
    is_([r[:7] for r in c.say(('EHLO c\r\nMAIL FROM:<%s>\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\n' % (SENDER, LOCAL)).encode(), 4)][1:], ['553 5.6', '250 2.1', '553 5.6'],
        'without SMTPUTF8 no address is taken that needs it')


def with_subject_prefix(subject):
    return [r for r in records() if ('Subject: %s ' % subject).encode() in r[1]]


for name in ('journal', 'outcome', 'deferred', 'dead', 'mail'):
    os.makedirs(scratch + '/' + name, exist_ok=True)
old = Smtpd('utf8 no\naccept all\ndebug commands\n')
# the host next door keeps what it gets in a journal of its own
next_ = Queue('--out', scratch + '/nobody.ctrl')
next_.start()
second = Smtpd('accept all\n')
stages = []
chain_socket = scratch + '/chain.ctrl'


def start(name, *options):
    stages.append(subprocess.Popen([bin + '/deaddrop-' + name, *options], stdin=subprocess.DEVNULL, stderr=open('%s/log.%s' % (scratch, name), 'ab')))


chain = scratch + '/chain'
for name in ('journal', 'outcome', 'deferred', 'dead'):
    os.makedirs(chain + '/' + name)
with open(scratch + '/send.conf', 'w') as f:
    f.write('route rcpt /@next\\.example$/ to remote:next\nroute rcpt /@old\\.example$/ to remote:old\nroute all to local:inbox\n')
with open(scratch + '/remote.conf', 'w') as f:
    f.write('drop next { relay 127.0.0.1 port %d; tls none }\ndrop old { relay 127.0.0.1 port %d; tls none }\n' % (second.port, old.port))
start('local', '--in', scratch + '/local.ctrl', '--inbox', scratch + '/mail/inbox')
start('remote', '--in', scratch + '/remote.ctrl', '--config', scratch + '/remote.conf')
start('send', '--in', chain + '/send.ctrl', '--in', chain + '/admin.ctrl', '--out', scratch + '/local.ctrl', '--out', scratch + '/remote.ctrl', '--spool', chain, '--config', scratch + '/send.conf')
start('queue', '--in-trust', chain_socket, '--out', chain + '/send.ctrl', '--spool', chain)
wait_for(lambda: os.path.exists(chain_socket))
first = Smtpd('', out=chain_socket)
try:
    run({n: f for n, f in globals().items() if n.startswith('test_')}, next_, keep=True)
finally:
    for d in (first, second, old):
        d.__exit__()
    for p in stages:
        p.terminate()
        p.wait()
    shutil.rmtree(scratch)
