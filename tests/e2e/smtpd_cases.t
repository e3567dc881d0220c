#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Dialogues over the wire: those that need the whole program, those that another server is tested with, and hostile ones. What the engine alone decides stands in
# tests/unit/smtpd_engine.c.
import base64, os, ssl, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from smtpd_rig import *

TRANSACTION = 'EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\n'


def codes(text):
    return [l[:3] for l in text.split('\r\n') if l[3:4] == ' ']


def lives(d, name):
    c = Raw(d.port)
    is_((c.say('EHLO c\r\n')[:3], d.process.poll()), ('250', None), name)
    c.close()


def test_the_rest_of_the_cases():
    cert, key = certificate()
    with Smtpd('limit size 20000\n') as d:
        c = Raw(d.port, greet=False)
        ok(c.read().startswith('220 mx.example ESMTP'), 'greet')
        is_([c.say('x' * 4097 + '\r\n')[:3], c.say('NOOP\r\n')[:3]], ['500', '250'], 'long: nothing of it is a command, and the next one works')
        c.say(TRANSACTION + 'DATA\r\n', 4)
        is_(c.say('Subject: line-5000\r\n\r\n' + 'y' * 5000 + '\r\n.\r\n')[:3], '250', 'data-line-1000')
        is_(with_subject('line-5000')[0][1].split(b'\n\n')[1], b'y' * 5000 + b'\n', 'with no byte of it lost')
        c.say(TRANSACTION + 'DATA\r\n', 4)
        is_(codes(''.join(c.say('Subject: big\r\n\r\n' + 'z' * 70 * 500 + '\r\n.\r\nNOOP\r\n', 2))), ['552', '250'], 'data-big: read to its end, then 552')
        is_(with_subject('big'), [], 'and kept nowhere')
    early = 0
    with Smtpd() as d:
        for _ in range(5):
            c = Raw(d.port, greet=False)
            c.s.sendall(b'EHLO c\r\nMAIL FROM:<a@b.example>\r\n')
            early += codes(c.rest()) in (['554'], ['220', '250', '250'])
            c.close()
        is_(early, 5, 'pregreet: 554, or heard after the greeting when it came later')
    with Smtpd('auth %s\nrequire auth\naccept all auth\n' % secrets()) as d:
        is_(codes(''.join(Raw(d.port).say('EHLO c\r\nMAIL FROM:<a@b.example>\r\nNOOP\r\n', 3))), ['530', '250'] if False else ['250', '530', '250'], 'mail-noauth')
    with Smtpd('tls certificate %s key %s\nrequire tls\n' % (cert, key)) as d:
        is_(codes(''.join(Raw(d.port).say('EHLO c\r\nMAIL FROM:<a@b.example>\r\nNOOP\r\nSTARTTLS\r\n', 4))), ['250', '530', '250', '220'], 'mail-notls, and what still works')
    with Smtpd() as d:
        is_(codes(''.join(Raw(d.port).say('EHLO c\r\nMAIL FROM:<a@b.example>\r\n', 2))), ['250', '250'], 'EHLO and MAIL in one segment')


# Another server's scripts: what the client says, in the writes it says it in, and the codes of our replies. Where those differ, the reason.
SCRIPTS = {
    'helo': ([['ehlo yopmail.com', 'mail from:<matthieu@yopmail.com>', 'rcpt to:<bob@mydomain.tld>', 'data'], ['subject: test', '', 'content', '.']], '220 250 250 250 354 250'),
    'authplain': ([['AUTH LOGIN'], ['Ym9iQG15ZG9tYWluLnRsZA=='], ['c2VjcmV0']], '220 503 500 500'),         # AUTH is for those who said EHLO (RFC 4954, 4)
    'rcpt_with_starttls': ([['ehlo yopmail.com', 'mail from:<matthieu@yopmail.com>', 'rcpt to:<starttls@mydomain.tld>', 'data'], ['subject: test', '', 'content content', '.']],
                           '220 250 250 250 354 250'),
    'data_with_starttls': ([['ehlo yopmail.com', 'mail from:<matthieu@yopmail.com>', 'rcpt to:<bob@mydomain.tld>', 'data'],
                            ['subject: test', '', 'content starttls content', '.']], '220 250 250 250 354 250'),
    'data_starts_with_starttls': ([['ehlo yopmail.com', 'mail from:<matthieu@yopmail.com>', 'rcpt to:<bob@mydomain.tld>', 'data'],
                                   ['subject: test', '', 'starttls content', '.']], '220 250 250 250 354 250'),
    'starttls': ([['ehlo yopmail.com'], ['starttls']], '220 250 220'),
    'starttls_with_injection': ([['ehlo yopmail.com'], ['starttls\\r\\nmail from:<matthieu@yopmail.com>\\r\\n']], '220 250 451'),
    # 503 says that the order is wrong, which it is; 501 would be the syntax
    'starttls_session_fixation': ([['ehlo yopmail.com'], ['AUTH LOGIN'], ['Ym9iQG15ZG9tYWluLnRsZA=='], ['c2VjcmV0'],
                                   ['mail from:<bob@mydomain.tld>', 'rcpt to:<matthieu@yopmail.com>'], ['starttls']], '220 250 334 334 235 250 250 503'),
}


def as_they_stand(name):
    """The client's writes in the script itself, where it is."""
    path = os.path.join(top, '..', 'shared', 'corpus', 'smtp-james', name + '.test')
    if not os.path.exists(path):
        return None
    writes, last = [], 'S'
    for line in open(path):
        if line[:2] == 'C:':
            if last == 'S':
                writes.append([])
            writes[-1].append(line[2:].strip())
        if line[:2] in ('C:', 'S:'):
            last = line[0]
    return writes


def test_scripts():
    cert, key = certificate()
    users = scratch + '/james'
    with open(users, 'w') as f:
        f.write('bob@mydomain.tld:{PLAIN}secret\n')
    os.chmod(users, 0o600)
    with Smtpd('tls certificate %s key %s\nauth %s\naccept all\n' % (cert, key, users)) as d:
        for name, (writes, wanted) in SCRIPTS.items():
            there = as_they_stand(name)
            if there:
                is_(there, writes, '%s: the script is as it stands' % name)
            c = Raw(d.port, greet=False)
            got = codes(c.read())
            for write in writes:
                text = ''.join(l + '\r\n' for l in write).replace('\\r\\n\r\n', '\r\n').replace('\\r\\n', '\r\n')
                replies = len(write) if write[0] != 'subject: test' else 1
                got += codes(''.join(c.say(text, replies))) if replies > 1 else codes(c.say(text))
            is_(' '.join(got), wanted, name)
            c.close()


def test_hostile_bytes():
    with Smtpd('limit size 100K unknown 1000 failed 1000\ndebug commands\n') as d:
        for name, say, wanted in (
                ('a megabyte without a line end', b'x' * (1 << 20) + b'\r\nNOOP\r\n', ['500', '250']),
                ('BDAT of 2^64 - 1', TRANSACTION.encode() + b'BDAT 18446744073709551615 LAST\r\nRSET\r\n', ['250', '250', '250']),
                ('BDAT of 2^64', TRANSACTION.encode() + b'BDAT 18446744073709551616 LAST\r\nRSET\r\n', ['250', '250', '250', '501']),
                ('BDAT of -1', TRANSACTION.encode() + b'BDAT -1\r\nRSET\r\n', ['250', '250', '250', '501']),
                ('BDAT over the limit', TRANSACTION.encode() + b'BDAT 200000 LAST\r\n' + b'RSET\r\nab' * 25000 + b'NOOP\r\n', ['250', '250', '250', '552', '250']),
                ('an address of 1,900 bytes', b'EHLO c\r\nMAIL FROM:<' + b'a' * 1900 + b'@b.example>\r\nNOOP\r\n', ['250', '501', '250']),
                ('a thousand parameters', b'EHLO c\r\nMAIL FROM:<a@b.example>' + b' SIZE=1' * 250 + b'\r\nNOOP\r\n', ['250', '501', '250']),
                ('quotes that never close', b'EHLO c\r\nMAIL FROM:<"\\"\\"@b.example>\r\nNOOP\r\n', ['250', '501', '250']),
                ('a null byte in a command', b'NO\0OP\r\nNOOP\r\n', ['500', '250']),
                ('a thousand empty chunks', TRANSACTION.encode() + b'BDAT 0\r\n' * 900 + b'BDAT 0 LAST\r\n', ['250'] * 904),
                ('CR LF CR CR LF . LF', TRANSACTION.encode() + b'DATA\r\na\r\n\r\r\n.\nQUIT\r\n', ['250', '250', '250', '354', '550']),
                ('EHLO with 1,000 bytes', b'EHLO ' + b'h' * 1000 + b'\r\nNOOP\r\n', ['501', '250'])):
            c = Raw(d.port, timeout=1 if '2^64 - 1' in name else 10)
            c.s.sendall(say)
            c.s.shutdown(socket.SHUT_WR)
            is_(codes(c.rest()), wanted, name)
            c.close()
        lives(d, 'and the server lives')
        log = d.lines()
        ok(all(len(l) < 4097 for l in log.splitlines()) and b'\0' not in log and b'\r' not in log, 'no line of the log is long or has controls')
        peak = [l for l in open('/proc/%d/status' % d.process.pid) if l.startswith('VmHWM')][0]
        ok(int(peak.split()[1]) < 30000, 'memory stays small', peak)


def test_secrets_stay_out_of_traces():
    with Smtpd('auth %s\ndebug commands rules message\n' % secrets(), '--verbose', '--verbose') as d:
        token = base64.b64encode(b'\0anne\0tiger').decode()
        for line in ('AUTH PLAIN ' + token, 'auth\tplain ' + token, 'AUTH PLAIN ' + token + ' ', 'Auth  PLAIN  ' + token, 'AUTH XPLAIN ' + token):
            c = Raw(d.port)
            c.say('EHLO c\r\n')
            c.say(line + '\r\n')
            c.say('MAIL FROM:<a@b.example>\r\n')
            c.say(line + '\r\n')
            c.close()
        c = Raw(d.port)
        c.say('EHLO c\r\n')
        c.say('AUTH LOGIN\r\n')
        c.say(base64.b64encode(b'anne').decode() + '\r\n')
        c.say(base64.b64encode(b'tiger').decode() + '\r\n')
        log = d.lines().decode()
        ok(token not in log and base64.b64encode(b'tiger').decode() not in log and 'tiger' not in log, 'no password in any trace, however AUTH is spelt', log)


def test_hostile_tls():
    cert, key = certificate()
    with Smtpd('tls certificate %s key %s\nlimit timeout 2\n' % (cert, key)) as d:
        c = Raw(d.port)
        c.say('EHLO c\r\nSTARTTLS\r\n', 2)
        start = time.monotonic()
        c.s.sendall(b'\x16\x03\x01\x02\x00')
        rest = c.rest()
        ok(time.monotonic() - start < 9 and '250' not in rest, 'a handshake that stops is not waited for for ever', time.monotonic() - start)
        for n in range(30):
            c = Raw(d.port)
            c.say('EHLO c\r\nSTARTTLS\r\n', 2)
            c.s.sendall(os.urandom(300))
            c.close()
        lives(d, 'garbage for a handshake, thirty times')
        context = ssl.create_default_context(cafile=cert)
        c = Raw(d.port)
        c.say('EHLO c\r\nSTARTTLS\r\n', 2)
        t = context.wrap_socket(c.s, server_hostname='localhost')
        t.sendall(TRANSACTION.encode() + b'DATA\r\n')
        time.sleep(0.3)
        t.recv(65536)
        t.sendall(b'Subject: cut-tls\r\n\r\nhalf\r\n.')
        t.close()
        time.sleep(0.3)
        is_(with_subject('cut-tls'), [], 'TLS that is cut within a message leaves none')
        lives(d, 'nor harm')


def test_hostile_proxies():
    conf = 'group proxies net 127.0.0.0/8\n%s proxies\naccept all\nlimit timeout 2\n'
    with Smtpd(conf % 'proxy') as d:
        v2 = b'\r\n\r\n\0\r\nQUIT\n'
        for name, say in (('of 64 KB', v2 + b'\x21\x11\xff\xff' + b'x' * 65535), ('of another version', v2 + b'\x31\x11\0\x0c' + b'x' * 12), ('too short for its family', v2 + b'\x21\x11\0\4abcd'),
                          ('of text that never ends', b'PROXY ' + b'x' * 5000), ('with an address that is none', b'PROXY TCP4 1.2.3.4.5 1.1.1.1 1 2\r\n'),
                          ('with a port that is none', b'PROXY TCP4 1.2.3.4 1.1.1.1 99999 2\r\n'), ('that ends in LF', b'PROXY TCP4 1.2.3.4 1.1.1.1 9 2\n')):
            c = Raw(d.port, greet=False)
            try:
                c.s.sendall(say)
            except ConnectionError:
                pass
            ok('220' not in c.rest(), 'a PROXY header ' + name + ' opens nothing')
            c.close()
        c = Raw(d.port, greet=False)
        start = time.monotonic()
        c.s.sendall(b'PROXY')
        c.rest()
        ok(time.monotonic() - start < 9, 'nor is half a header waited for for ever')
    with Smtpd(conf % 'xclient') as d:
        c = Raw(d.port)
        is_(codes(''.join(c.say('EHLO c\r\nXCLIENT ADDR=192.0.2.1 NAME=' + 'n' * 255 + '\r\n', 2))), ['250', '220'], 'XCLIENT with a name as long as names may be')
        is_(codes(c.say('XCLIENT NAME=x+0Asmtpd:+20accept\r\n')), ['421'], 'XCLIENT with a line end in a name')


def test_queue_hangs(queue):
    """Not away, but silent: it takes the bytes and never answers."""
    with Smtpd('limit timeout 4 wait 2\n') as d:
        queue.process.send_signal(signal.SIGSTOP)
        try:
            c = Raw(d.port, timeout=40)
            c.say(ENVELOPE, 4)
            start = time.monotonic()
            reply = c.say(message('hangs'))
            is_(reply[:3], '451', 'a queue that is silent: 451')
            ok(time.monotonic() - start < 35, 'after a while', time.monotonic() - start)
            other = Raw(d.port)
            is_(other.say('NOOP\r\n')[:3], '250', 'others are served meanwhile')
        finally:
            queue.process.send_signal(signal.SIGCONT)
        c.say(ENVELOPE, 4)
        is_(c.say(message('hangs-no-more'))[:3], '250', 'and it goes on when the queue does')


run(globals())
