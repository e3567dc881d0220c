#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-smtpd with a real queue behind it: every way in, TLS, AUTH, rules, limits, attacks. What was accepted is read in the journal.
import base64, os, re, resource, shutil, signal, smtplib, socket, ssl, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from smtpd_rig import *


# ---- the tests ----
def test_smtplib():
    with Smtpd() as d:
        c = smtplib.SMTP('127.0.0.1', d.port)
        c.sendmail('a@b.example', ['u@local.example', 'v@local.example'], 'Subject: smtplib\n\nline\n.dot\n..two\n')
        c.sendmail('', ['u@local.example'], 'Subject: smtplib-null\n\nx\n')
        c.sendmail('é@b.example', ['ü@local.example'], 'From: é@b.example\r\nSubject: smtplib-utf8\r\n\r\nx\r\n'.encode(), mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
        c.quit()
        got = with_subject('smtplib')
        is_(len(got), 1, 'smtplib: one message')
        ok(b'\nline\n.dot\n..two\n' in got[0][1], 'dots come through as they were', got)
        ok('rcpt u@local.example\nrcpt v@local.example\n' in got[0][0], 'both recipients stand in the record', got[0][0])
        ok('attr client [127.0.0.1]' in got[0][0] and 'attr proto ESMTP' in got[0][0], 'client and protocol are recorded', got[0][0])
        ok(b'Received: from ' in got[0][1] and b'[127.0.0.1])' in got[0][1], 'and stand in Received', got[0][1])
        ok('\nsender\n' in with_subject('smtplib-null')[0][0] or '\nsender \n' in with_subject('smtplib-null')[0][0], 'the null sender is kept')
        utf8 = with_subject('smtplib-utf8')
        ok(utf8 and 'sender é@b.example' in utf8[0][0] and 'attr smtputf8 1' in utf8[0][0] and 'UTF8SMTP' in utf8[0][0], 'SMTPUTF8', utf8)


def test_pipelining():
    with Smtpd() as d:
        c = Raw(d.port)
        c.say('EHLO c\r\n')
        # every write of a reply is one segment on loopback: a pipelined group must come in one
        c.s.sendall(b'MAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\nRCPT TO:<v@local.example>\r\nDATA\r\n')
        wait_for(lambda: c.s.recv(65536, socket.MSG_PEEK))
        group = c.s.recv(65536).decode()
        is_([l[:3] for l in group.split('\r\n')[:-1]], ['250', '250', '250', '354'], 'the replies to a pipelined group come in one write')
        is_(c.say(message('pipelined') + 'QUIT\r\n')[:3], '250', 'the message is taken')
        is_(c.rest()[:3], '221', 'and QUIT, which stood behind it, is heard')
        is_(len(with_subject('pipelined')), 1, 'one message')


def test_smuggling():
    ends = {'LF.LF': '\n.\n', 'LF.CR': '\n.\r', 'CR.LF': '\r.\n', 'CR.CR': '\r.\r', 'LF.CRLF': '\n.\r\n', 'CR.CRLF': '\r.\r\n', 'CRLF NUL.CRLF': '\r\n\0.\r\n',
            'CRLF.CR CRLF': '\r\n.\r\r\n', 'CR CRLF.CR CRLF': '\r\r\n.\r\r\n', 'CRLF.LF': '\r\n.\n', 'CRLF.CR': '\r\n.\r'}
    for mode, conf in (('reject', ''), ('normalise', 'bare-lf normalise from loopback\n')):
        with Smtpd(conf) as d:
            for name, end in ends.items():
                subject = 'smuggle-%s-%s' % (mode, re.sub('[^A-Z0-9]', '_', name))
                c = Raw(d.port)
                c.say(ENVELOPE, 4)
                replies = c.say('Subject: %s\r\n\r\none%sMAIL FROM:<evil@b.example>\r\nRCPT TO:<u@local.example>\r\nDATA\r\nSubject: evil\r\n\r\ntwo\r\n.\r\nQUIT\r\n'
                                % (subject, end)) + c.rest()
                c.close()
                codes = [l[:3] for l in replies.split('\r\n')[:-1]]
                wanted = ['250', '221'] if mode == 'normalise' or 'NUL' in name else ['550']
                is_((codes, len(with_subject(subject))), (wanted, 1 if wanted[0] == '250' else 0), '%s: %s' % (mode, name))
            if mode == 'normalise':
                ok(b' bare=' in d.lines(), 'what was normalised is logged')
    is_([r for r in records() if 'evil@b.example' in r[0]], [], 'nothing was smuggled')


def test_after_the_end():
    with Smtpd() as d:
        c = Raw(d.port)
        c.say(ENVELOPE, 4)
        c.s.sendall(b'x\ny\r\n' + b'QUIT\r\nNOOP\r\n' * 20000)
        is_([l[:3] for l in c.rest().split('\r\n')[:-1]], ['550'], 'after a rejected DATA nothing is a command, and the reply arrives although we went on')
        c = Raw(d.port, greet=False)
        c.s.sendall(b'BDAT x\r\nNOOP\r\n')
        c.read()
        ok('250' not in c.rest(), 'nor behind a BDAT that is none')


def test_rules():
    conf = r'''
group google net 127.0.0.0/8
group other net 192.0.2.0/24
group six net 2001:db8::/32
accept rcpt /^archive@example\.org$/ from google
accept rcpt bugs@example.org
accept rcpt secret@example.org from other
reject rcpt /^old@/ 550 "This address is closed."
reject rcpt later@example.org 451 "Come back."
reject all 550 "No one here by that name."
'''
    with Smtpd(conf) as d:
        c = Raw(d.port)
        c.say('EHLO c\r\nMAIL FROM:<a@b.example>\r\n', 2)
        for rcpt, wanted in (('archive@example.org', '250'), ('BUGS@example.org', '250'), ('secret@example.org', '550 5.7.1 No one'),
                             ('old@example.org', '550 5.7.1 This address is closed.'), ('later@example.org', '451 4.7.1 Come back.'), ('x@y.example', '550 5.7.1 No one here by that name.')):
            reply = c.say('RCPT TO:<%s>\r\n' % rcpt)
            ok(reply.startswith(wanted), 'rule for %s' % rcpt, reply)
        port = c.s.getsockname()[1]
        line = 'smtpd: reject client=127.0.0.1 port=%d rcpt=<x@y.example> from=<a@b.example> status=550 "No one here by that name."' % port
        ok(wait_for(lambda: line.encode() in d.lines()), 'one line says who was refused, what, and why', d.lines().decode())
        c.say('RCPT TO:<evil\x1b[2J@y.example>\r\n')
        c.say('RCPT TO:<"x> status=250 "@y.example>\r\n')
        time.sleep(0.1)
        ok(all(b'\x1b' not in l for l in d.lines().splitlines()), 'control characters do not reach the log')
    with Smtpd('group nobody net 192.0.2.0/24\nallow nobody\n') as d:
        is_(Raw(d.port, greet=False).read()[:3], '554', 'who is not allowed is told so at once')
    bad = subprocess.run([smtpd_program, '--check', '--config', '/dev/stdin'], input=b'name x\naccept rcpt /(/\n', stderr=subprocess.PIPE)
    ok(bad.returncode == 78 and b'/dev/stdin:2:' in bad.stderr, '--check names file and line', bad.stderr)


def test_limits():
    with Smtpd('limit size 10K recipients 2 commands 20 unknown 2 failed 3 connections 5 timeout 2\n') as d:
        c = Raw(d.port)
        is_([r[:3] for r in c.say('EHLO c\r\nMAIL FROM:<a@b.example> SIZE=20000\r\nMAIL FROM:<a@b.example>\r\n' + 'RCPT TO:<u@x.example>\r\n' * 3, 6)],
            ['250', '552', '250', '250', '250', '452'], 'SIZE and recipients')
        c.say('DATA\r\n')
        is_(c.say('x' * 30000 + '\r\n.\r\n')[:3], '552', 'a message over the limit is read to its end, then refused')
        is_(c.say('NOOP\r\n')[:3], '250', 'and the session goes on')
        is_([l[:3] for l in c.say('A\r\nB\r\nC\r\nD\r\n', 3)], ['500', '421', ''], 'too many errors')
        crowd = [Raw(d.port) for _ in range(5)]
        is_(Raw(d.port, greet=False).rest()[:3], '421', 'one connection too many')
        start = time.monotonic()
        is_(crowd[0].rest()[:3], '421', 'who says nothing is sent away')
        ok(1 < time.monotonic() - start < 4, 'after the time there is')
        for c in crowd:
            c.close()
    with Smtpd('limit commands 5\n') as d:
        c = Raw(d.port)
        is_([r[:3] for r in c.say('NOOP\r\n' * 6, 6)], ['250'] * 5 + ['421'], 'too many commands')


def test_ways_in():
    # a UNIX socket
    path = scratch + '/smtpd.sock'
    with Smtpd('', '--listen', path, '--listen-mode', '0600') as d:
        is_(oct(os.stat(path).st_mode & 0o777), '0o600', 'a UNIX socket has its mode')
        c = Raw(path=path)
        c.say(ENVELOPE, 4)
        is_(c.say(message('unix'))[:3], '250', 'and takes mail')
    run = [smtpd_program, '--name', 'mx.example', '--out', queue_socket]
    talk = (ENVELOPE + message('%s') + 'QUIT\r\n')
    # standard input and output that are pipes, as -bs
    r = subprocess.run([*run, '-bs'], input=(talk % 'bs').encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    is_((r.returncode, r.stdout.decode()[-50:-15].split('\r\n')[0][:0], len(with_subject('bs'))), (0, '', 1), 'sendmail -bs')
    import pwd
    ok('attr auth %s\n' % pwd.getpwuid(os.getuid()).pw_name in with_subject('bs')[0][0], 'whose caller is the authenticated sender', with_subject('bs'))
    # a file and /dev/null
    with open(scratch + '/dialogue', 'w') as f:
        f.write(talk % 'file')
    r = subprocess.run([*run, '--stdio'], stdin=open(scratch + '/dialogue'), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    is_((r.returncode, len(with_subject('file'))), (0, 1), 'a dialogue out of a file')

    # inetd: the connection is standard input, output and error
    def inetd(name, **popen):
        with socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen()
            c = socket.create_connection(listener.getsockname())
            server = listener.accept()[0]
        p = popen.pop('start')(server)
        server.close()
        raw = Raw.__new__(Raw)
        raw.s, raw.buffer = c, b''
        c.settimeout(10)
        greeting = raw.read()
        raw.say(ENVELOPE, 4)
        reply = raw.say(message(name))
        raw.say('QUIT\r\n')
        raw.rest()
        c.close()
        is_((greeting[:3], reply[:3], p.wait(), len(with_subject(name))), ('220', '250', 0, 1), name)
        ok('attr client [127.0.0.1]' in with_subject(name)[0][0], name + ': the peer is known', with_subject(name)[0][0])

    inetd('inetd', start=lambda s: subprocess.Popen([*run, '--stdio', '--logfile', scratch + '/inetd.log'], stdin=s, stdout=s, stderr=s))
    # systemd with Accept=yes gives it as descriptor 3
    shell = 'exec 3<&0 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
    inetd('accept-yes', start=lambda s: subprocess.Popen(['sh', '-c', shell, 'sh', *run], stdin=s, stderr=subprocess.DEVNULL))
    # a listening one as descriptor 3
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        p = subprocess.Popen(['sh', '-c', shell, 'sh', *run], stdin=listener, stderr=subprocess.DEVNULL)
        for n in range(2):
            c = Raw(listener.getsockname()[1])
            c.say(ENVELOPE, 4)
            c.say(message('listen-fds'))
            c.close()
        p.terminate()
        is_((p.wait(), len(with_subject('listen-fds'))), (0, 2), 'LISTEN_FDS')
    # behind pipes under tcpserver or the like
    r = subprocess.run([*run, '--stdio'], input=(talk % 'ucspi').encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       env=dict(os.environ, PROTO='TCP', TCPREMOTEIP='192.0.2.7', TCPREMOTEPORT='4711'))
    ok(b'550 5.7.1' in r.stdout and not with_subject('ucspi'), 'TCPREMOTEIP says who it is: no relaying for him', r.stdout)


def test_lmtp():
    with Smtpd('reject rcpt no@local.example\naccept all\n', '--lmtp') as d:
        c = Raw(d.port)
        is_(c.say('EHLO c\r\n')[:3], '500', 'LMTP has no EHLO')
        c.say('LHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\nRCPT TO:<no@local.example>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n', 6)
        is_([r[:3] for r in c.say(message('lmtp') + 'QUIT\r\n', 3)], ['250', '250', '221'], 'LMTP: a reply for each that was accepted')
        l = smtplib.LMTP('127.0.0.1', d.port)
        is_(l.sendmail('a@b.example', ['u@local.example'], 'Subject: lmtplib\n\nx\n'), {}, 'smtplib.LMTP')


def test_tls_and_auth():
    cert, key = certificate()
    context = ssl.create_default_context(cafile=cert)
    conf = 'tls certificate %s key %s\nauth %s\nrequire tls auth\naccept all auth\n' % (cert, key, secrets())
    with Smtpd(conf) as d:
        c = smtplib.SMTP('localhost', d.port)
        c.ehlo()
        ok(c.has_extn('starttls'), 'STARTTLS is offered')
        is_(c.docmd('MAIL FROM:<a@b.example>')[0], 530, 'before TLS there is no MAIL')
        c.starttls(context=context)
        is_(c.docmd('MAIL FROM:<a@b.example>')[0], 503, 'after it EHLO comes first')
        c.ehlo()
        ok(not c.has_extn('starttls'), 'STARTTLS is not offered again')
        is_(c.docmd('STARTTLS')[0], 554, 'nor done twice')
        is_(c.docmd('MAIL FROM:<a@b.example>')[0], 530, 'nor mail without AUTH')
        for user, password, name in (('anne', 'wrong', 'wrong'), ('carl', 'tiger', 'unknown')):
            try:
                c.login(user, password)
                ok(False, name)
            except smtplib.SMTPAuthenticationError as e:
                is_(e.smtp_code, 535, 'AUTH: %s' % name)
        c.login('anne', 'tiger')
        c.sendmail('a@b.example', ['u@x.example'], 'Subject: authenticated\n\nx\n')
        head = with_subject('authenticated')[0][0]
        ok('attr auth anne' in head and 'attr proto ESMTPSA' in head and 'attr tls TLSv1.3' in head, 'TLS, AUTH and protocol are recorded', head)
        is_(c.docmd('AUTH PLAIN AAAA')[0], 503, 'AUTH only once')
        for mechanism, user, password in (('auth_login', 'anne', 'tiger'), ('auth_plain', 'bert', 'pass word#"')):
            c = smtplib.SMTP('localhost', d.port)
            c.starttls(context=context)
            c.ehlo()
            c.user, c.password = user, password
            is_(c.auth(mechanism[5:], getattr(c, mechanism))[0], 235, mechanism)
        ok(scram(d.port, context, 'bert', 'pass word#"'), 'SCRAM-SHA-256, with the server proving itself')
        ok(not scram(d.port, context, 'bert', 'wrong'), 'SCRAM-SHA-256 with a wrong password')
        ok(b'tiger' not in d.lines() and b'auth-fail' in d.lines() and b'user=anne' in d.lines(), 'the log names users and no passwords')
        # plain commands behind STARTTLS
        c = Raw(d.port)
        c.say('EHLO c\r\n')
        reply = c.say('STARTTLS\r\nMAIL FROM:<a@b.example>\r\n') + c.rest()
        is_([l[:3] for l in reply.split('\r\n')[:-1]], ['451'], 'what stands behind STARTTLS in plain goes with the connection')
        c = Raw(d.port)
        c.say('EHLO c\r\nSTARTTLS\r\n', 2)
        c.s.sendall(b'MAIL FROM:<a@b.example>\r\n')
        ok('250' not in c.rest(), 'nor is it heard when it comes instead of the handshake')
    with Smtpd('tls certificate %s key %s\n' % (cert, key)) as d:
        r = curl(d.port, 'curl-tls', '--ssl-reqd', '--cacert', cert, host='localhost')
        is_((r.returncode, len(with_subject('curl-tls'))), (0, 1), 'curl with STARTTLS')
        data = os.urandom(3 << 20)
        text = base64.encodebytes(data).decode()
        c = smtplib.SMTP('localhost', d.port)
        c.starttls(context=context)
        c.sendmail('a@b.example', ['u@x.example'], 'Subject: large-tls\n\n' + text)
        ok(with_subject('large-tls')[0][1].endswith(text.encode()), 'a large message over TLS, byte for byte')


def scram(port, context, user, password):
    import hashlib, hmac
    c = smtplib.SMTP('localhost', port)
    c.starttls(context=context)
    c.ehlo()
    h = lambda key, text: hmac.new(key, text, hashlib.sha256).digest()
    first = 'n=%s,r=clientnonce' % user
    code, challenge = c.docmd('AUTH SCRAM-SHA-256 ' + base64.b64encode(b'n,,' + first.encode()).decode())
    challenge = base64.b64decode(challenge).decode()
    given = dict(p.split('=', 1) for p in challenge.split(','))
    salted = hashlib.pbkdf2_hmac('sha256', password.encode(), base64.b64decode(given['s']), int(given['i']))
    without = 'c=biws,r=' + given['r']
    all_ = ','.join((first, challenge, without)).encode()
    client = h(salted, b'Client Key')
    proof = bytes(a ^ b for a, b in zip(client, h(hashlib.sha256(client).digest(), all_)))
    code, reply = c.docmd(base64.b64encode((without + ',p=' + base64.b64encode(proof).decode()).encode()).decode())
    if code != 334:
        return False
    if base64.b64decode(reply).decode() != 'v=' + base64.b64encode(h(h(salted, b'Server Key'), all_)).decode():
        return False
    return c.docmd('')[0] == 235


def curl(port, subject, *options, host='127.0.0.1'):
    with open(scratch + '/letter', 'w') as f:
        f.write('Subject: %s\r\n\r\nhello\r\n' % subject)
    return subprocess.run(['curl', '-s', '--url', 'smtp://%s:%d' % (host, port), '--mail-from', 'a@b.example', '--mail-rcpt', 'u@local.example', '-T', scratch + '/letter', *options])


def test_proxies():
    conf = 'group proxies net 127.0.0.0/8\n%s proxies\naccept all\n'
    with Smtpd(conf % 'proxy') as d:
        for name, head in (('proxy-1', b'PROXY TCP4 192.0.2.9 198.51.100.1 4711 25\r\n'), ('proxy-1-six', b'PROXY TCP6 2001:db8::9 2001:db8::1 4711 25\r\n'),
                           ('proxy-2', b'\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c' + bytes([192, 0, 2, 9, 198, 51, 100, 1, 0x12, 0x67, 0, 25]))):
            c = Raw(d.port, greet=False)
            is_(c.say(head)[:3], '220', name + ': the greeting comes behind the header')
            c.say(ENVELOPE, 4)
            c.say(message(name))
            wanted = 'attr client [2001:db8::9]' if 'six' in name else 'attr client [192.0.2.9]'
            ok(wanted in with_subject(name)[0][0], name + ': the client is whom the proxy names', with_subject(name))
        is_(Raw(d.port, greet=False).say('EHLO c\r\n')[:3], '421', 'a listed peer must send the header')
        c = Raw(d.port, greet=False)
        is_([l[:3] for l in (c.say(b'PROXY TCP4 192.0.2.9 198.51.100.1 4711 25\r\nEHLO c\r\nNOOP\r\n') + c.rest()).split('\r\n')[:-1]], ['554'], 'bytes ahead of the greeting are no commands')
    with Smtpd(conf % 'xclient') as d:
        c = Raw(d.port)
        ok('XCLIENT' in c.say('EHLO c\r\n'), 'XCLIENT is offered to listed peers')
        is_(c.say('XCLIENT ADDR=192.0.2.9 PORT=4711 NAME=mail.example\r\n')[:3], '220', 'XCLIENT')
        c.say(ENVELOPE, 4)
        c.say(message('xclient'))
        ok('attr client mail.example%20[192.0.2.9]' in with_subject('xclient')[0][0] or 'attr client mail.example [192.0.2.9]' in with_subject('xclient')[0][0], 'it is believed', with_subject('xclient'))
    for how, say in (('proxy', 'PROXY UNKNOWN\r\n'), ('xclient', 'EHLO c\r\nXCLIENT ADDR=[UNAVAILABLE]\r\n')):
        with Smtpd('group proxies net 127.0.0.0/8\n%s proxies\n' % how) as d:
            c = Raw(d.port, greet=how == 'xclient')
            c.say(say, 1 if how == 'proxy' else 2)
            is_(c.say('EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\n', 3)[2][:3], '550', how + ': an unknown client is not the proxy')
    with Smtpd() as d:
        c = Raw(d.port)
        ok('XCLIENT' not in c.say('EHLO c\r\n'), 'XCLIENT is not offered to others')
        is_(c.say('XCLIENT ADDR=192.0.2.9\r\n')[:3], '500', 'nor served')


class Names(threading.Thread):
    """A DNS server for 192.0.2.0/24: 9 has a name, 10 lies, 11 has none, 12 never answers."""
    def __init__(self):
        super().__init__(daemon=True)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(('127.0.0.99', 53))

    def run(self):
        while True:
            try:
                query, peer = self.s.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
                at += 1 + query[at]
            name, kind, question = '.'.join(labels), query[at + 2], query[12:at + 5]
            encode = lambda n: b''.join(bytes([len(l)]) + l.encode() for l in n.split('.')) + b'\0'
            answer, code = None, 0
            if name == '12.2.0.192.in-addr.arpa':
                continue
            if kind == 12:
                answer = {'9.2.0.192.in-addr.arpa': encode('good.example'), '10.2.0.192.in-addr.arpa': encode('liar.example')}.get(name)
                code = 0 if answer else 3
            elif kind == 1:
                answer = {'good.example': bytes([192, 0, 2, 9]), 'liar.example': bytes([192, 0, 2, 77])}.get(name)
            reply = query[:2] + bytes([0x81, 0x80 | code, 0, 1, 0, 1 if answer else 0, 0, 0, 0, 0]) + question
            if answer:
                reply += b'\xc0\x0c' + bytes([0, kind, 0, 1, 0, 0, 0, 60]) + len(answer).to_bytes(2, 'big') + answer
            self.s.sendto(reply, peer)


def test_names():
    if os.getuid() or not shutil.which('unshare'):
        skip('names of clients', 'needs root and unshare')
        return
    names = Names()
    names.start()
    for name, text in (('resolv.conf', 'nameserver 127.0.0.99\noptions timeout:30 attempts:1\n'), ('nsswitch.conf', 'hosts: dns\n')):
        with open(scratch + '/' + name, 'w') as f:
            f.write(text)
    mounts = 'touch /etc/nsswitch.conf; mount --bind %s/resolv.conf /etc/resolv.conf && mount --bind %s/nsswitch.conf /etc/nsswitch.conf && exec "$@"' % (scratch, scratch)
    os.makedirs(scratch + '/jail', exist_ok=True)
    conf = 'group good host /^good\\.example$/\ngroup proxies net 127.0.0.0/8\nproxy proxies\naccept rcpt u@local.example from good\nreject all\n%s'

    def client(d, n):
        c = Raw(d.port, greet=False)
        return c, c.say('PROXY TCP4 192.0.2.%d 198.51.100.1 4711 25\r\n' % n)
    for confined in ((), ('--chroot', scratch + '/jail', '--user', 'nobody')):
        where = ' in a chroot' if confined else ''
        with Smtpd(conf % 'require fcrdns\n', *confined, under=('unshare', '-m', 'sh', '-c', mounts, 'sh')) as d:
            start = time.monotonic()
            slow = Raw(d.port, greet=False)
            slow.s.sendall(b'PROXY TCP4 192.0.2.12 198.51.100.1 4711 25\r\n')
            c, greeting = client(d, 9)
            is_((greeting[:3], c.say('EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\n', 3)[2][:3]), ('220', '250'), 'a confirmed name' + where)
            is_([client(d, n)[1][:3] for n in (10, 11)], ['554', '554'], 'a name that lies, and none' + where)
            ok(time.monotonic() - start < 3, 'a resolver that is silent about one holds nobody else up' + where)
            is_((slow.rest()[:3], time.monotonic() - start < 8), ('421', True), 'and is not waited for for long' + where)
    with Smtpd(conf % '', under=('unshare', '-m', 'sh', '-c', mounts, 'sh')) as d:
        c, greeting = client(d, 10)
        is_((greeting[:3], c.say('EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\n', 3)[2][:3]), ('220', '550'), 'without the demand a liar is just nobody')
    names.s.close()


def test_queue_comes_and_goes(queue):
    with Smtpd('', '--wait', '3s') as d:
        queue.stop()
        c = Raw(d.port)
        c.say(ENVELOPE, 4)
        start = time.monotonic()
        is_(c.say(message('away'))[:3], '451', 'a queue that is away: 451')
        ok(2.5 < time.monotonic() - start < 6, 'after a wait', time.monotonic() - start)
        c.say(ENVELOPE, 4)
        c.s.sendall(message('waited').encode())
        time.sleep(0.5)
        queue.start()
        is_((c.read()[:3], len(with_subject('waited'))), ('250', 1), 'a queue that comes back gets it')
        # killed again and again under load: none lost, none twice
        done, stop = [], threading.Event()

        def client(n):
            c = Raw(d.port, timeout=120)
            for i in range(40):
                name = 'load-%d-%d' % (n, i)
                c.say(ENVELOPE, 4)
                if c.say(message(name))[:3] == '250':
                    done.append(name)

        threads = [threading.Thread(target=client, args=(n,)) for n in range(10)]
        for t in threads:
            t.start()
        for _ in range(4):
            time.sleep(0.4)
            queue.stop(signal.SIGKILL)
            queue.start()
        for t in threads:
            t.join()
        subjects = [m.group(1).decode() for m in (re.search(rb'(?m)^Subject: (load-.*)$', r[1]) for r in records()) if m]
        is_(len(done), 400, 'queue killed four times under load: all 400 were accepted in the end')
        is_(sorted(set(done) - set(subjects)), [], 'none of them is lost')
        is_(len(subjects) - len(set(subjects)), 0, 'none is there twice')


def test_large():
    with Smtpd() as d:
        text = ''.join('%07d %s\r\n' % (i, 'x' * 60) for i in range(150000))        # 10 MB
        c = Raw(d.port, timeout=60)
        c.say(ENVELOPE, 4)
        is_(c.say(message('large', text))[:3], '250', 'ten megabytes')
        body = with_subject('large')[0][1]
        ok(body.endswith(b'\n' + text.replace('\r', '').encode()), 'byte for byte')
        for size in (65000, 65535, 65536, 65537, 70000, 200000):
            text = 'y' * size + '\r\n'
            c.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n', 3)
            c.say(message('size-%d' % size, text))
            ok(with_subject('size-%d' % size)[0][1].endswith(text.replace('\r', '').encode()), 'a line of %d bytes' % size)
        peak = [l for l in open('/proc/%d/status' % d.process.pid) if l.startswith('VmHWM')][0]
        ok(int(peak.split()[1]) < 20000, 'memory does not grow with the message', peak)
        c.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\nBDAT 7\r\nab\r\ncd\r', 3)
        is_(c.say('BDAT 4 LAST\r\n\nef\r')[:3], '550', 'BDAT that ends in a bare CR is refused')


def test_crowd():
    """Idle and slow clients beside a normal one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    idle_count = 5000 if hard == resource.RLIM_INFINITY or hard >= 8000 else max(0, hard - 3000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 12000) if hard != resource.RLIM_INFINITY else 12000, hard))

    def speed(port, n=300):
        c = Raw(port)
        c.say('EHLO c\r\n')
        start = time.monotonic()
        for _ in range(n):
            c.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n', 3)
            c.say('x\r\n.\r\n')
        return n / (time.monotonic() - start)

    with Smtpd('limit connections 10000\n') as d:
        alone = max(speed(d.port), speed(d.port))
        idle = [Raw(d.port) for _ in range(idle_count)]
        slow = [Raw(d.port) for _ in range(200)]
        stop = threading.Event()

        def drip():
            while not stop.is_set():
                for c in slow:
                    c.s.send(b'E')
                stop.wait(0.2)

        t = threading.Thread(target=drip)
        t.start()
        beside = max(speed(d.port), speed(d.port))
        stop.set()
        t.join()
        pss = sum(int(l.split()[1]) for l in open('/proc/%d/smaps_rollup' % d.process.pid) if l.startswith('Pss:'))
        print('# %d idle, 200 slow: %.0f messages a second alone, %.0f beside them; %d kB' % (idle_count, alone, beside, pss))
        ok(beside > alone * 0.5, '%d idle and 200 slow clients beside a normal one' % idle_count, (alone, beside))
        ok(pss < 60000, 'cost little memory', pss)
        d.process.terminate()
        ok(wait_for(lambda: d.process.poll() is not None, 15), 'TERM sends them all away')
        is_(idle[0].rest()[:3] if idle else '421', '421', 'with a word')
        for c in idle + slow:
            c.close()


def test_flood():
    with Smtpd('limit commands 1000000 per-client 3 timeout 3\ngroup proxies net 127.0.0.0/8\n%s' % 'accept all\n') as d:
        quiet = Raw(d.port)
        c = Raw(d.port, timeout=1)
        sent = 0
        try:
            while sent < 50 << 20:
                sent += c.s.send(b'HELP\r\n' * 5000)
        except socket.timeout:
            pass
        ok(sent < 20 << 20, 'who does not read replies is not read from', sent)
        is_(quiet.say('NOOP\r\n')[:3], '250', 'while others are')
        peak = [l for l in open('/proc/%d/status' % d.process.pid) if l.startswith('VmHWM')][0]
        ok(int(peak.split()[1]) < 16000, 'and costs a bounded buffer', peak)
        c.s.settimeout(10)
        time.sleep(7)           # its three seconds, and two to read what is left
        ok(b'status=421 "Too slow; closing"' in d.lines(), 'and is sent away', d.lines())
        c.close()
        # those who go in the middle
        for n in range(50):
            c = Raw(d.port)
            c.say(ENVELOPE, 4)
            c.s.sendall(b'Subject: gone\r\n\r\nhalf')
            if n % 2:
                c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            c.close()
        c = Raw(d.port)
        c.say(ENVELOPE, 4)
        is_(c.say(message('after-the-gone'))[:3], '250', 'clients that vanish within a message')
        is_(with_subject('gone'), [], 'leave none behind')
        c.say(ENVELOPE, 4)
        c.s.sendall(b'x')
        start = time.monotonic()
        while c.buffer == b'' and time.monotonic() - start < 8:
            try:
                c.s.settimeout(0.2)
                c.buffer += c.s.recv(100)
            except socket.timeout:
                c.s.sendall(b'x')
        ok(c.buffer.startswith(b'421') and time.monotonic() - start < 5, 'a byte now and then buys no time within a message either', (c.buffer, time.monotonic() - start))
    with Smtpd('limit per-client 3\ngroup proxies net 127.0.0.0/8\nproxy proxies\naccept all\n') as d:
        crowd = [Raw(d.port, greet=False) for _ in range(5)]
        is_([c.say('PROXY TCP4 192.0.2.9 198.51.100.1 4711 25\r\n')[:3] for c in crowd], ['220'] * 3 + ['421'] * 2, 'clients of one address are limited')
        is_(Raw(d.port, greet=False).say('PROXY TCP4 192.0.2.8 198.51.100.1 4711 25\r\n')[:3], '220', 'others come in')


def test_end():
    with Smtpd() as d:
        c = Raw(d.port)
        c.say('EHLO c\r\n')
        d.process.send_signal(signal.SIGHUP)
        is_((c.read()[:3], d.process.wait()), ('421', 0), 'HUP: a word to the clients and the end')
    linked = subprocess.run(['ldd', smtpd_program], stdout=subprocess.PIPE).stdout.decode()
    libraries = sorted(re.findall(r'^\s*lib([a-z0-9-]+)\.so', linked, re.M))
    is_([l for l in libraries if l not in ('c', 'crypto', 'ssl', 'pcre2-8')], [], 'OpenSSL, PCRE2, the C library, and nothing else')


def test_sample():
    r = subprocess.run([smtpd_program, '--check', '--config', top + '/service/conf/smtpd.conf'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    is_(r.returncode, 0, 'the sample configuration is fine')
    # and so it is with every comment of a directive taken away
    text = re.sub(r'(?m)^#(?=[a-z])', '', open(top + '/service/conf/smtpd.conf').read())
    cert, key = certificate()
    text = text.replace('/etc/ssl/mail.pem', cert).replace('/etc/ssl/mail.key', key).replace('/etc/deaddrop/smtpd.users', secrets())
    with open(scratch + '/sample.conf', 'w') as f:
        f.write(text)
    r = subprocess.run([smtpd_program, '--check', '--config', scratch + '/sample.conf'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    is_((r.returncode, r.stdout.decode()), (0, 'deaddrop-smtpd: configuration is fine\n'), 'so it is with all its examples in force')


def test_fail2ban():
    """The filter's expressions by its own rules; smtpd_servers.t has a real fail2ban."""
    name = top + '/service/fail2ban/deaddrop-smtpd.conf'
    lines = ['smtpd: reject client=192.0.2.7 port=41234 rcpt=<x@y.example> from=<a@b.example> status=550 "No one here by that name."',
             'smtpd: auth-fail client=2001:db8::7 port=41234 command=AUTH user=anne status=535 "Authentication failed"',
             'smtpd: protocol client=192.0.2.8 port=41234 host=a.example command=GET status=500 "Unknown command"',
             'smtpd: reject client=192.0.2.9 port=1 command=connection status=421 "Too many connections"',
             'smtpd: accept client=192.0.2.10 port=1 id=x from=<client=192.0.2.66> nrcpt=1 size=1 helo=x proto=ESMTP',
             'smtpd: reject client=192.0.2.11 port=1 rcpt=<x@y.example> from=<> status=451 "client=192.0.2.66 status=550"']
    text = open(name).read()
    expressions = re.search(r'(?ms)^failregex\s*=(.*?)^\w', text).group(1).split('\n')
    hosts = r'(?P<host>[0-9a-f:.]+)'
    found = []
    for line in lines:
        for e in filter(None, map(str.strip, expressions)):
            m = re.search(e.replace('<HOST>', hosts).replace('<ADDR>', hosts), line)
            if m:
                found.append(m.group('host'))
                break
    is_(found, ['192.0.2.7', '2001:db8::7', '192.0.2.8'], 'the filter finds who is to be banned, and nobody else')


run(globals())
