#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-remote against scripted servers: by hand, and as a stage that is handed jobs over its control socket.
import base64, hmac, os, random, socket, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from remote_server import *

# ---- by hand ----

def test_exit_codes():
    for answers, code, what in (
            ({}, 0, 'taken'), ({'RCPT': '550 5.1.1 no'}, 67, 'no such user'), ({'RCPT': '550 no'}, 67, 'a bare 550'), ({'RCPT': '451 4.3.0 later'}, 75, 'later'),
            ({'RCPT': '552 5.2.2 full'}, 69, 'over quota stays permanent'), ({'final': '554 5.6.0 spam'}, 65, 'refused content'), ({'MAIL': '550 5.7.1 no'}, 77, 'refused sender'),
            ({'greeting': '554 no'}, 75, 'a server that wants nobody'), ({'greeting': 'hello'}, 75, 'no SMTP'), ({'EHLO': '421 no'}, 75, 'a server that leaves'),
            ({'MAIL': '530 5.7.0 log in'}, 75, 'a login is wanted'), ({'final': '452 4.3.1 disk'}, 75, 'full disk')):
        with Server(**answers) as s:
            r = smtp(s)
            is_(r.returncode, code, 'exit code: ' + what, r.stderr.decode())
    is_(run('--relay', '127.0.0.1:1', '--tls', 'none', *TO).returncode, 75, 'exit code: nobody listens')
    is_(run('--relay', 'name.invalid', *TO).returncode, 75, 'exit code: a name that is not to be resolved is later')
    is_(run('--lmtp', scratch + '/none', *TO).returncode, 75, 'exit code: no socket')
    is_(run('--lmtp', 'relative/path', *TO).returncode, 64, 'exit code: a relative path of a socket')
    is_(run('--relay', '127.0.0.1:1', *TO, message=b'').returncode, 66, 'exit code: no message')
    is_(run('--relay', '127.0.0.1:1', *SENDER).returncode, 64, 'exit code: no recipient')
    is_(run().returncode, 64, 'exit code: nothing to do')
    is_(run('--relay', '127.0.0.1:1', '--sender', 'a\nb', '--recipient', 'c').returncode, 65, 'exit code: a newline in an address')


def test_mda():
    with Server() as s:
        r = smtp(s, '--timeout', '20s', env={'SENDER': 'env@b.example', 'RECIPIENT': 'frank'})
        is_(r.returncode, 0, 'as an MDA: SENDER and RECIPIENT of the environment', r.stderr.decode())
        ok('MAIL FROM:<env@b.example> SIZE=21' in s.log and 'RCPT TO:<frank>' in s.log, 'and the server is told', s.log)
        is_(s.log[-1], 'QUIT', 'the connection is left politely')
        r = smtp(s, message=b'From me Mon Jan 1 2001\nSubject: x\n\n')
        ok(s.messages[-1] == b'Subject: x\r\n\r\n', 'the From line of an mbox is no part of the message', s.messages[-1])


def test_bytes():
    with Server() as s:
        for name in sorted(os.listdir(top + '/tests/corpus/messages')):
            data = open(top + '/tests/corpus/messages/' + name, 'rb').read()
            if not data:
                continue
            r = smtp(s, message=data)
            wire = s.messages[-1] if s.messages else b''
            wanted = data.split(b'\n', 1)[1] if data.startswith(b'From ') else data
            wanted = wanted.replace(b'\r\n', b'\n').replace(b'\r', b'\n')
            if not wanted.endswith(b'\n'):
                wanted += b'\n'
            got = undot(wire).replace(b'\r\n', b'\n')
            if name in ('long-field', 'folded', 'many-to', 'long-lines'):
                got, wanted = got.replace(b'\n', b''), wanted.replace(b'\n', b'')
            ok(r.returncode == 0 and got == wanted, 'bytes are kept: ' + name, r.stderr.decode(), got[:200], wanted[:200])
    evil = (b'\n.\n', b'\n.\r', b'\r.\n', b'\r.\r', b'\n.\r\n', b'\r.\r\n', b'\r\n\0.\r\n', b'\r\n\r.\r\n', b'\r\r\n\r.\r\n', b'\r\n.\r\n')
    for chunking in ('no', 'yes'):
        ehlo = '250-peer\r\n250-PIPELINING\r\n250 CHUNKING' if chunking == 'yes' else Server.usual['EHLO']
        with Server(EHLO=ehlo) as s:
            for end in evil:
                smtp(s, *TO, message=b'Subject: x\r\n\r\nbody' + end + b'MAIL FROM:<evil@x.example>\r\nRCPT TO:<evil@x.example>\r\nDATA\r\n\r\nevil\r\n.\r\n')
            is_(len(s.messages), len(evil), 'smuggling (chunking %s): one message each' % chunking)
            is_([x for x in s.log if 'evil' in x], [], 'smuggling (chunking %s): no command of it' % chunking)
            ok(all(m.count(b'\n') == m.count(b'\r\n') == m.count(b'\r') for m in s.messages), 'smuggling (chunking %s): no bare LF or CR' % chunking)
    big = b'Subject: big\n\n' + b'.' + b'0123456789' * 7 + b'\n'
    big += (b'x' * 70 + b'\n') * 100000
    for ehlo in (Server.usual['EHLO'], '250-peer\r\n250-PIPELINING\r\n250 CHUNKING', '250-peer\r\n250 CHUNKING'):
        with Server(EHLO=ehlo) as s:
            r = smtp(s, message=big)
            got = s.messages[0] if s.messages else b''
            if 'CHUNKING' not in ehlo:
                got = undot(got)
            ok(r.returncode == 0 and got == big.replace(b'\n', b'\r\n'), 'seven megabytes arrive as they are', r.stderr.decode(), len(got))


def test_eight_bit():
    data = b'Subject: x\n\n\xe4\n' + b'y' * 2000 + b'\n'
    with Server(EHLO='250 peer') as s:
        r = smtp(s, message=data)
        ok(r.returncode == 0 and r.stderr.count(b'as-is') == 2 and s.messages[0] == data.replace(b'\n', b'\r\n'), '8-bit text and long lines go as they are, with log lines', r.stderr)
    with Server() as s:
        smtp(s, message=data)
        ok('BODY=8BITMIME' in s.log[1], 'BODY=8BITMIME where it is offered', s.log)


def test_pieces():
    random.seed(5)
    bad = []
    for lmtp in (False, True):
        for n in range(12):
            with Server(lmtp=lmtp, pieces=True, RCPT=['250 ok', '550-5.1.1 no\r\n550 5.1.1 user', '250-several\r\n250 lines'],
                        EHLO='250-peer\r\n' + ('250-PIPELINING\r\n' if n % 2 else '') + '250-X\r\n250 SIZE 1000000',
                        final=['250-2.0.0 a\r\n250 2.0.0 b', '250 2.0.0 c']) as s:
                r = run('--lmtp' if lmtp else '--relay', s.at, '--tls', 'none', '-v', *SENDER, '--recipient', 'a@x', '--recipient', 'no@x', '--recipient', 'a@x')
                if r.returncode != 67 or r.stderr.count(b'remote: done') != 2 or r.stderr.count(b'remote: never') != 1:
                    bad.append((lmtp, n, r))
    is_(bad, [], 'answers in random pieces are understood')


def test_drops():
    """The connection breaks behind each byte that the server says."""
    for lmtp, ehlo in ((False, None), (False, '250 peer'), (False, '250-peer\r\n250-PIPELINING\r\n250 CHUNKING'), (True, None)):
        how = {'EHLO': ehlo} if ehlo else {}
        with Server(lmtp=lmtp, **how) as s:
            run('--lmtp' if lmtp else '--relay', s.at, '--tls', 'none', *TO)
            time.sleep(0.02)
            whole = s.said
        bad, unclear, done = [], 0, 0
        for cut in range(whole):
            with Server(lmtp=lmtp, cut=cut, **how) as s:
                r = run('--lmtp' if lmtp else '--relay', s.at, '--tls', 'none', '-v', *TO)
                told = s.messages and b'remote: done' in r.stderr
                if r.returncode not in (0, 75) or (r.returncode == 0) != bool(told):
                    bad.append((cut, r))
                if s.messages and not told:
                    if b'remote: unclear' not in r.stderr or s.connections != 1:
                        bad.append((cut, r))
                    unclear += 1
                done += r.returncode == 0
        is_(bad, [], 'cut off at %d places (%s): never lost, never done without the word' % (whole, 'LMTP' if lmtp else ehlo or 'usual'))
        ok(unclear > 0 and done > 0, 'some were unclear and said so, some were answered', unclear, done)


def test_lmtp():
    path = scratch + '/lmtp.sock'
    with Server(lmtp=True, path=path, RCPT=['250 a', '550 5.1.1 no such user', '250 b', '250 c'], final=['250 2.0.0 stored', '552 5.2.2 over quota', '250 2.0.0 stored again']) as s:
        r = run('--lmtp', path, *SENDER, '--recipient', 'frank', '--recipient', 'nobody', '--recipient', 'full', '--recipient', 'frank')
        lines = [l for l in r.stderr.decode().split('\n') if 'rcpt=' in l]
        is_([l.split()[1] for l in lines], ['done', 'never', 'never', 'done'], 'LMTP: an answer for each recipient, duplicates too', r.stderr.decode())
        ok('status=5.2.2' in lines[2], 'LMTP: over quota is told as it is', lines)
        is_(s.log[0][:5], 'LHLO ', 'LMTP: greets with LHLO')
        ok('localhost' not in s.log[0], 'never as localhost', s.log[0])
    os.unlink(path)


def test_fall_back():
    with Server(greeting='421 busy') as a, Server() as b:
        r = run('--relay', '127.0.0.1:1', '--relay', a.at, '--relay', b.at, '--tls', 'none', *TO)
        is_(r.returncode, 0, 'the third relay is used where two fail', r.stderr.decode())
        is_(len(b.messages), 1, 'it has the message')
    with Server(MAIL='550 5.7.1 no') as a, Server() as b:
        r = run('--relay', a.at, '--relay', b.at, '--tls', 'none', *TO)
        ok(r.returncode == 77 and not b.connections, 'a refusal is not asked about elsewhere', r)


def test_silence():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    s.listen(5)
    begin = time.time()
    r = run('--relay', '127.0.0.1:%d' % s.getsockname()[1], '--tls', 'none', '--timeout', '1s', *TO)
    ok(r.returncode == 75 and time.time() - begin < 10 and b'timed out' in r.stderr, 'a silent server is given up', r)

    def drip(line):
        time.sleep(0.4)
        return '250 x'
    with Server(EHLO='250 peer', MAIL=drip, RCPT=drip, RSET=drip) as p:
        is_(run('--relay', p.at, '--tls', 'none', '--timeout', '1s', *TO).returncode, 0, 'a slow one that goes on is not')
    s.close()


# ---- TLS and logins ----

def test_tls():
    ca = ('--ca-file', scratch + '/ca.pem')
    for implicit in (False, True):
        kind = ('--tls', 'implicit' if implicit else 'starttls')
        with Server(context=context('server'), implicit=implicit, EHLO=TLS_EHLO) as s:
            is_(run('--relay', s.at, *kind, *ca, *TO).returncode, 0, '%s with a CA of our own' % kind[1])
            r = run('--relay', s.at, *kind, *TO)
            ok(r.returncode == 75 and b'certificate' in r.stderr, '%s: an unknown issuer is refused' % kind[1], r)
            is_(run('--relay', s.at, *kind, '--verify', 'no', *TO).returncode, 0, '%s: unless told otherwise' % kind[1])
            is_(run('--relay', s.at, *kind, '--pin', pin_of('server'), *TO).returncode, 0, '%s: a pin suffices' % kind[1])
            is_(run('--relay', s.at, *kind, '--pin', pin_of('other'), *TO).returncode, 75, '%s: another pin does not' % kind[1])
            is_(run('--relay', 'localhost:%d' % s.port, *kind, *ca, *TO).returncode, 0, '%s by name' % kind[1])
        with Server(context=context('other'), implicit=implicit, EHLO=TLS_EHLO) as s:
            r = run('--relay', s.at, *kind, *ca, *TO)
            ok(r.returncode == 75 and not s.messages, '%s: a certificate for another name is refused' % kind[1], r)
    with Server() as s:
        r = run('--relay', s.at, *TO)
        ok(r.returncode == 75 and not s.messages and b'STARTTLS' in r.stderr, 'no way around STARTTLS', r)
    with Server(context=context('server'), EHLO=TLS_EHLO, STARTTLS='220 go\r\n250 injected') as s:
        r = run('--relay', s.at, *ca, *TO)
        ok(r.returncode == 75 and not s.messages, 'plain text behind the yes to STARTTLS is no part of the dialogue', r)
    with Server(context=context('server'), EHLO=TLS_EHLO) as s:
        r = run('--check', '--relay', s.at, *ca)
        ok(r.returncode == 0 and b'TLSv1' in r.stdout and b'verified' in r.stdout and b'STARTTLS' in r.stdout and pin_of('server').encode() in r.stdout, '--check shows TLS, pin and capabilities', r)
        is_(s.messages, [], '--check sends nothing')


def test_login():
    open(scratch + '/pw', 'w').write('hemmelig\n')
    ca = ('--ca-file', scratch + '/ca.pem')
    login = ('--login', 'frank', '--password-file', scratch + '/pw')
    for mechanism in ('PLAIN', 'LOGIN', 'CRAM-MD5'):
        with Server(context=context('server'), EHLO='250-peer\r\n250-STARTTLS\r\n250 AUTH ' + mechanism, AUTH=cram(True)) as s:
            r = run('--relay', s.at, *ca, *login, '-vv', *TO)
            ok(r.returncode == 0 and 'login with ' + mechanism in s.log, 'login with ' + mechanism, r.stderr.decode())
            secrets = (b'hemmelig', base64.b64encode(b'hemmelig'), base64.b64encode(b'\0frank\0hemmelig'), hmac.new(b'hemmelig', b'<1.2@peer>', 'md5').hexdigest().encode())
            ok(not [x for x in secrets if x in r.stderr] and b'who=C' in r.stderr, 'and no secret in its trace')
    with Server(context=context('server'), EHLO=TLS_EHLO, AUTH=cram(False)) as s:
        r = run('--relay', s.at, *ca, *login, *TO)
        ok(r.returncode == 75 and b'4.7.8' in r.stderr and b'alarm' in r.stderr, 'a refused login is later, with an alarm', r.stderr.decode())
    with Server(EHLO='250-peer\r\n250 AUTH PLAIN') as s:
        r = run('--check', '--relay', s.at, '--tls', 'none', *login)
        ok(b'login: PLAIN' in r.stdout, '--check logs in', r)
    with Server(EHLO='250-peer\r\n250 AUTH GSSAPI') as s:
        r = run('--relay', s.at, '--tls', 'none', *login, *TO)
        ok(r.returncode == 75 and not s.messages, 'no mechanism that is known', r.stderr.decode())


def oauth(token):
    def auth(server, c, f, text):
        words = text.split()
        if len(words) == 2:
            c.sendall(b'334 \r\n')
            words.append(f.readline().decode().strip())
            server.log.append('asked')
        got = base64.b64decode(words[2])
        wanted = b'user=frank\1auth=Bearer ' + token + b'\1\1' if words[1] == 'XOAUTH2' else b'auth=Bearer ' + token + b'\1\1'
        if wanted in got:
            c.sendall(b'235 2.7.0 welcome\r\n')
            return
        c.sendall(b'334 ' + base64.b64encode(b'{"status":"401"}') + b'\r\n')
        server.log.append('answer %r' % f.readline().strip().decode())
        c.sendall(b'535 5.7.8 expired\r\n')
    return auth


def test_token():
    for mechanism in ('XOAUTH2', 'OAUTHBEARER'):
        for token in (b'ya29.short', b'L' * 2000):
            with open(scratch + '/token', 'wb') as f:
                f.write(token + b'\n')
            arguments = ('--login', 'frank', '--token-file', scratch + '/token', '-vv')
            with Server(EHLO='250-peer\r\n250 AUTH ' + mechanism, AUTH=oauth(token)) as s:
                r = smtp(s, *arguments, *TO)
                ok(r.returncode == 0 and ('asked' in s.log) == (len(token) > 1000), '%s with a token of %d bytes' % (mechanism, len(token)), r.stderr.decode())
                ok(base64.b64encode(b'user=frank')[:12] not in r.stderr and token not in r.stderr, 'and it is not in the trace')
            with Server(EHLO='250-peer\r\n250 AUTH ' + mechanism, AUTH=oauth(b'another')) as s:
                r = smtp(s, *arguments, *TO)
                ok(r.returncode == 75 and b'4.7.8' in r.stderr and [x for x in s.log if x.startswith('answer')] == ['answer %r' % ('' if mechanism == 'XOAUTH2' else 'AQ==')],
                   '%s: one that is refused is answered, and is later' % mechanism, s.log, r.stderr.decode()[-400:])


# ---- the stage ----

def test_stage():
    with Server(RCPT=lambda line: '550 5.1.1 no' if 'no@' in line else '250 ok') as s, Stage(drop('relay ' + s.at, 'tls none')) as stage:
        for n in range(50):
            stage.job('far', ('a%d@x.example' % n,))
        got = stage.outcomes(50)
        is_([x[0] for x in got], ['K'] * 50, 'stage: fifty messages')
        ok(s.connections <= 2 and s.most <= 2, 'stage: over no more than two connections', s.connections)
        ok('EHLO me.example' in s.log, 'stage: the name that is configured')
        stage.job('far', ('a@x.example', 'no@x.example', 'b@x.example'))
        is_([x[0] for x in stage.outcomes(3)], ['K', 'X', 'K'], 'stage: a recipient that is refused is refused alone')
        body = b'x' * 79 + b'\n'
        stage.job('far', message=b'Subject: big\n\n', body=body * 20000)
        ok(stage.outcomes()[0][0] == 'K' and len(s.messages[-1]) == 16 + 81 * 20000, 'stage: a large message by descriptor', len(s.messages[-1]))
        stage.job('nowhere')
        ok('Z' == stage.outcomes()[0][0], 'stage: no such drop is later')
        stage.job('far/argument')
        ok('Z' == stage.outcomes()[0][0], 'stage: an argument that has no use is later')
        stage.job('far', attributes=('ret=full', 'envid=abc', 'unclear=1'))
        ok('K' == stage.outcomes()[0][0] and any('RET=FULL ENVID=abc' in x for x in s.log), 'stage: DSN parameters')


def test_stage_routes():
    config = drop('relay 127.0.0.1:1', 'tls none', 'backoff 1s 1s')
    with Stage(config) as stage:
        for n in range(20):
            stage.job('far')
        got = stage.outcomes(20)
        ok(all(x[0] == 'Z' and ' 4.4.1 ' in x and 'drop=down' in x.split('\n')[-1] for x in got), 'a route that is down is later', got[:2])
        is_(stage.log(' alarm ').count(' alarm '), 1, 'with one alarm')
        stage.job('far')
        ok(' 4.4.1 ' in stage.outcomes()[0], 'and says so at once')
    with Server() as s:
        port = s.port
        s.close()
    with Stage(drop('relay 127.0.0.1:%d' % port, 'tls none', 'backoff 1s 1s')) as stage:
        stage.job('far')
        stage.outcomes()
        s = Server(port=port)
        time.sleep(1.5)
        stage.job('far')
        ok(stage.outcomes()[0][0] == 'K' and stage.log(' cleared ').count(' cleared ') == 1, 'it comes back, and is cleared once', stage.log())
        s.close()
    with Server(greeting='421 no') as a, Server() as b, Stage(drop('relay ' + a.at, 'relay ' + b.at, 'tls none')) as stage:
        for n in range(10):
            stage.job('far')
        is_([x[0] for x in stage.outcomes(10)], ['K'] * 10, 'the second relay is used')
        ok(a.connections <= 2 and ' alarm ' not in stage.log() and stage.log('passed-over').count('passed-over') == 1, 'the first is left alone for a while', a.connections, stage.log())
    with Server(AUTH='535 5.7.8 no', EHLO='250-x\r\n250 AUTH PLAIN') as s:
        open(scratch + '/relay.pw', 'w').write('secret\n')
        with Stage(drop('relay ' + s.at, 'tls none', 'user frank', 'password-file %s/relay.pw' % scratch)) as stage:
            for n in range(30):
                stage.job('far')
            got = stage.outcomes(30)
            ok(all(' 4.7.8 ' in x for x in got), 'a refused login is later', got[:2])
            ok(s.connections <= 2 and stage.log(' alarm ').count(' alarm ') == 1 and 'secret' not in stage.log(), 'asked once or twice, one alarm', s.connections)


def test_ourselves():
    """Mail that is handed to ourselves comes back."""
    for answers, what in (({'greeting': '220 me.example ESMTP'}, 'greeting'), ({'EHLO': '250-ME.example\r\n250 DSN'}, 'answer to EHLO')):
        with Server(**answers) as s, Server() as b:
            with Stage(drop('relay ' + s.at, 'tls none')) as stage:
                stage.job('far')
                got = stage.outcomes()[0]
                ok(got[0] == 'Z' and ' 4.4.6 ' in got and 'loop' in got and 'drop=down' in got and ' alarm ' in stage.log(' alarm ') and not s.messages, 'our own name in the %s: later, with an alarm' % what, got)
            with Stage(drop('relay ' + s.at, 'relay ' + b.at, 'tls none')) as stage:
                stage.job('far')
                ok(stage.outcomes()[0][0] == 'K' and len(b.messages) == 1 and not s.messages, 'and another relay is used', stage.log())
            with Stage(drop('relay ' + s.at, 'tls none', 'name other.example')) as stage:
                stage.job('far')
                ok(stage.outcomes()[0][0] == 'K' and len(s.messages) == 1, 'a namesake that is another server is greeted with another name', stage.log())
            r = smtp(s, '--name', 'me.example', *TO)
            ok(r.returncode == 75 and b'4.4.6' in r.stderr and len(s.messages) == 1, 'by hand too', r)
    with Server(lmtp=True, greeting='220 me.example LMTP') as s:
        is_(run('--lmtp', s.at, '--name', 'me.example', *TO).returncode, 0, 'the LMTP server of this host has its name')
    smtpd = os.path.join(os.path.dirname(program), 'deaddrop-smtpd')
    if not os.path.exists(smtpd):
        ok(True, 'our own smtpd # SKIP it is not built')
        return
    with Server() as probe:
        port = probe.port
    d = tempfile.mkdtemp(dir=scratch)
    own = subprocess.Popen([smtpd, '--bind', '127.0.0.1', '--port', str(port), '--out', d + '/queue.ctrl', '--name', 'me.example'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(d + '/log', 'w'))
    try:
        for _ in range(100):
            r = run('--relay', '127.0.0.1:%d' % port, '--tls', 'none', '--name', 'me.example', *TO)
            if b'loop' in r.stderr:
                break
            time.sleep(0.05)
        ok(r.returncode == 75 and b'4.4.6' in r.stderr and b'loop' in r.stderr, 'our own smtpd', r, open(d + '/log').read())
    finally:
        own.terminate()
        own.wait(10)


def test_own_end():
    """Where the only free port is the one that is asked for, a connection meets itself."""
    inner = ("import fcntl, socket, struct, subprocess, sys; s = socket.socket(); "
             "fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 1 | 64)); "
             "open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('40000 40000'); "
             "sys.exit(subprocess.run(sys.argv[1:], input=b'Subject: x\\n\\nhello\\n').returncode)")
    try:
        r = subprocess.run(['unshare', '-n', sys.executable, '-c', inner, program, '--relay', '127.0.0.1:40000', '--tls', 'none', '--timeout', '5s', *TO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as e:
        r = subprocess.CompletedProcess((), -1, b'', str(e).encode())
    if r.returncode == 1 or b'unshare' in r.stderr:
        ok(True, 'a connection that meets itself # SKIP there are no name spaces: ' + r.stderr.decode().strip().split('\n')[-1])
        return
    ok(r.returncode == 75 and b'nobody listens' in r.stderr, 'a connection that meets itself is none', r)


def test_stage_limits():
    with Server(hold=0.1) as s, Stage(drop('relay ' + s.at, 'tls none', 'connections 4', 'messages 3')) as stage:
        for n in range(24):
            stage.job('far')
        is_([x[0] for x in stage.outcomes(24)], ['K'] * 24, 'a limit of messages on a connection')
        ok(s.most <= 4 and s.connections >= 8, 'four connections at once, three messages on each', s.most, s.connections)
    with Server() as s, Stage(drop('relay ' + s.at, 'tls none', 'rate 3 1s')) as stage:
        begin = time.time()
        for n in range(9):
            stage.job('far')
        stage.outcomes(9)
        ok(1.8 < time.time() - begin < 8, 'a rate of three a second', time.time() - begin)
    with Server() as s, Stage(drop('relay ' + s.at, 'tls none', 'idle 1s')) as stage:
        stage.job('far')
        stage.outcomes()
        time.sleep(1.6)
        ok(s.log[-1] == 'QUIT' and not s.now, 'an idle connection is left', s.log)
        stage.job('far')
        ok(stage.outcomes()[0][0] == 'K' and s.connections == 2, 'and made anew')
    mail = ['250 ok', '250 ok', '421 enough']
    with Server(MAIL=lambda line: mail.pop(0) if mail else '250 ok') as s, Stage(drop('relay ' + s.at, 'tls none', 'connections 1')) as stage:
        for n in range(5):
            stage.job('far')
            is_(stage.outcomes()[0][0], 'K', 'a server that has had enough of a connection gets another')


def test_stage_connections():
    """What send allows for the drop counts where it is lower, and from the next job on."""
    with Server(hold=0.1) as s, Stage(drop('relay ' + s.at, 'tls none', 'connections 4')) as stage:
        for n in range(8):
            stage.job('far', attributes=('connections=1',))
        stage.outcomes(8)
        ok(s.most == 1 and s.connections == 1, "send's limit of connections", s.most, s.connections)
        for n in range(12):
            stage.job('far', attributes=('connections=9',))
        stage.outcomes(12)
        ok(1 < s.most <= 4 and s.connections <= 4, 'one that is higher than ours changes nothing', s.most, s.connections)
        before = s.connections
        stage.job('far', attributes=('connections=1',))
        stage.outcomes()
        for _ in range(100):
            if s.now == 1:
                break
            time.sleep(0.02)
        ok(before > 1 and s.now == 1 and s.connections == before and s.log.count('QUIT') == before - 1, 'those that are too many then are left', before, s.now, s.connections)


def test_stage_alive():
    """Signs of life while bytes move, and only then."""
    body = (b'x' * 79 + b'\n') * 100000
    with Server(slow=0.004, hold=2) as s, Stage(drop('relay ' + s.at, 'tls none', 'deadline 1s')) as stage:
        key = stage.job('far', message=b'Subject: big\n\n', body=body, attributes=('timeout=2',))
        got, end = stage.outcomes()[0], time.time()
        ok(got[0] == 'Z' and '4.4.2' in got and 'timed out' in got, 'a server that is silent behind the message is not waited for beyond the deadline', got)
        ok(len(stage.alive) > 3 and all(k == key for t, k in stage.alive), 'a job of several seconds says that it is alive', stage.alive)
        ok(stage.alive and stage.alive[-1][0] < end - 0.5, 'but not while nothing moves', [t - end for t, k in stage.alive])
    # The kernel holds some megabytes, whose way nobody sees.
    with Server(slow=0.004, EHLO='250 peer') as s, Stage(drop('relay ' + s.at, 'tls none', 'deadline 5s')) as stage:
        begin = time.time()
        stage.job('far', message=b'Subject: big\n\n', body=body * 2, attributes=('timeout=2',))
        got = stage.outcomes()[0]
        ok(got[0] == 'K' and len(s.messages) == 1 and time.time() > begin + 5, 'a large message to a slow server may take longer than the deadline, as it moves', got, time.time() - begin)
    with Server(slow=0.004) as s, Stage(drop('relay ' + s.at, 'tls none', 'deadline 1s')) as stage:
        stage.job('far', message=b'Subject: big\n\n', body=body)
        ok(stage.outcomes()[0][0] == 'Z' and not stage.alive, 'nobody who hears it, no sign of life: the deadline counts', stage.log())
    with Server(hold=3) as s, Stage(drop('relay ' + s.at, 'tls none')) as stage:
        stage.job('far', attributes=('timeout=2',))
        got, end = stage.outcomes()[0], time.time()
        ok(got[0] == 'K' and not [t for t, k in stage.alive if s.times[0] + 1 < t < end - 0.5], 'no sign of life from a server that thinks', stage.alive)


def test_stage_stop():
    with Server(hold=1) as s, Stage(drop('relay ' + s.at, 'tls none', 'connections 1')) as stage:
        for n in range(5):
            stage.job('far')
        time.sleep(0.4)
        stage.process.terminate()
        got = stage.outcomes(5)
        is_([x[0] for x in sorted(got, key=lambda x: x[0])], ['K', 'Z', 'Z', 'Z', 'Z'], 'TERM: what was begun is finished, the rest is later')
        is_(stage.process.wait(10), 0, 'and it leaves')
        is_(len(s.messages), 1, 'with one message sent')
    with Server(final=None) as s, Stage(drop('relay ' + s.at, 'tls none')) as stage:
        stage.job('far')
        got = stage.outcomes()[0]
        ok(got[0] == 'Z' and 'unclear=1' in got.split('\n')[-1] and ' unclear id=' in stage.log(' unclear id='), 'lost behind the end: unclear, and logged as that', got, stage.log())
        is_(s.connections, 1, 'and not sent again by itself')
    with Server() as s, Stage(drop('relay ' + s.at, 'tls none'), '--once') as stage:
        stage.job('far')
        stage.outcomes()
        stage.socket.close()
        is_(stage.process.wait(10), 0, '--once: leaves when its caller does')


def test_jail():
    if os.getuid() != 0:
        ok(True, 'the jail # SKIP needs root')
        return
    path = scratch + '/outside.sock'
    open(scratch + '/root.pw', 'w').write('hemmelig\n')
    os.chmod(scratch + '/root.pw', 0o600)
    jail = tempfile.mkdtemp(dir=scratch)
    os.chmod(jail, 0o755)
    open(scratch + '/root.token', 'w').write('from-file\n')
    os.chmod(scratch + '/root.token', 0o600)
    with Server(lmtp=True, path=path) as s, Server(EHLO='250-peer\r\n250 AUTH PLAIN', AUTH=cram(True)) as far, \
            Server(EHLO='250-peer\r\n250 AUTH XOAUTH2 OAUTHBEARER', AUTH=oauth(b'from-file')) as filed, Server(EHLO='250-peer\r\n250 AUTH OAUTHBEARER', AUTH=oauth(b'made-of-65534')) as made:
        config = 'drop near { lmtp %s }\ndrop far { relay localhost port %d tls none; user frank; password-file %s/root.pw }\n' % (path, far.port, scratch)
        config += 'drop token { relay %s tls none; user frank; mechanisms PLAIN; token-command /bin/echo x; backoff 1s 1s }\n' % far.at
        config += 'drop filed { relay %s tls none; user frank; token-file %s/root.token }\n' % (filed.at, scratch)
        config += 'drop made { relay %s tls none; user frank; token-command /bin/sh -c "echo made-of-$(id -u)" }\n' % made.at
        config += 'drop slow { relay %s tls none; user frank; token-command /bin/sleep 1000; timeout 1s; backoff 1s 1s }\n' % made.at
        with Stage(config, '--chroot', jail, '--user', 'nobody') as stage:
            status = open('/proc/%d/status' % stage.process.pid).read()
            ok('Seccomp:\t2' in status and 'NoNewPrivs:\t1' in status and 'CapEff:\t0000000000000000' in status and 'Uid:\t65534' in status, 'confined', status)
            stage.job('near')
            ok(stage.outcomes()[0][0] == 'K' and s.messages, 'an LMTP socket outside of the jail', stage.log())
            stage.job('far')
            ok(stage.outcomes()[0][0] == 'K' and far.messages, 'a name, and a password file of root', stage.log())
            for name, server in (('filed', filed), ('made', made)):
                stage.job(name)
                ok(stage.outcomes()[0][0] == 'K' and server.messages, 'a token %s' % ('from a file of root' if name == 'filed' else 'that a command makes, not as root'), stage.log())
            stage.job('slow')
            ok(stage.outcomes()[0][0] == 'Z', 'a token command that does not end is later', stage.log())
            stage.job('token')
            ok(' 4.7.8 ' in stage.outcomes()[0], 'a token of no use', stage.log())
    os.unlink(path)


def test_chain():
    """sendmail, queue, send, remote and an LMTP server; remote is killed meanwhile."""
    def tool(name):
        return os.path.join(os.path.dirname(program), 'deaddrop-' + name)
    if not all(os.path.exists(tool(name)) for name in ('inject', 'queue', 'send', 'mailq')):
        ok(True, 'the chain # SKIP the other stages are not built')
        return
    d = tempfile.mkdtemp(dir=scratch)
    for name in ('journal', 'outcome', 'deferred', 'dead', 'status'):
        os.mkdir(d + '/' + name)
    log = open(d + '/log', 'a')

    def begin(name, *arguments):
        return subprocess.Popen([tool(name)] + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
    open(d + '/send.conf', 'w').write('default remote:far\nretry 1s 1s 1s until 1d\n')
    far = ('remote', '--in', d + '/remote.ctrl', '--config', d + '/remote.conf')
    with Server(lmtp=True, path=d + '/lmtp', hold=0.02) as s:
        open(d + '/remote.conf', 'w').write('drop far { lmtp %s/lmtp; backoff 1s 1s }\n' % d)
        stages = [begin(*far), begin('send', '--in', d + '/send.ctrl', '--in', d + '/admin.ctrl', '--out', d + '/remote.ctrl', '--spool', d, '--config', d + '/send.conf'),
                  begin('queue', '--in', d + '/queue.ctrl', '--out', d + '/send.ctrl', '--spool', d)]
        bad = 0
        for n in range(60):
            message = b'Subject: number %d\n\n.dot\nbody %d\n' % (n, n) + (b'x' * 70 + b'\n') * (3000 if n % 20 == 0 else 1)
            r = subprocess.run([tool('inject'), '--out', d + '/queue.ctrl', 'frank@x.example'], input=message, stdout=log, stderr=log)
            bad += r.returncode != 0
            if n == 30:
                stages[0].kill()
                stages[0].wait()
                stages[0] = begin(*far)
        found = set()
        for _ in range(600):
            found = {l for m in list(s.messages) for l in m.split(b'\r\n') if l.startswith(b'body ')}
            if len(found) == 60:
                break
            time.sleep(0.05)
        ok(not bad and len(found) == 60, 'the chain: sixty messages through sendmail, queue, send, remote', bad, len(found), open(d + '/log').read()[-3000:])
        ok(60 <= len(s.messages) <= 64, 'the chain: at most those under way at a kill -9 arrive twice', len(s.messages))
        for stage in reversed(stages):
            stage.terminate()
            stage.wait(30)


def test_stage_of_options():
    """A stage whose one drop is described on its command line, as MailGrave's was."""
    open(scratch + '/stage.pw', 'w').write('secret\n')
    for options, target in ((lambda s: ('--relay', s.at, '--tls', 'none', '--login', 'foo', '--password-file', scratch + '/stage.pw'), 'smarthost'),
                            (lambda s: ('--lmtp', s.at), 'lmtp')):
        with Server(lmtp=target == 'lmtp', EHLO='250-peer\r\n250 AUTH PLAIN') as s, Stage(None, *options(s)) as stage:
            stage.job(target)
            is_([x[0] for x in stage.outcomes()], ['K'], 'a stage of options delivers for its drop ' + target)
            stage.job('far')
            is_([x[0] for x in stage.outcomes()], ['Z'], 'and no other')
            if target == 'smarthost':
                ok(any(x.startswith('AUTH PLAIN') for x in s.log), 'with its login')
    r = run('--in', scratch + '/x.ctrl', '--relay', '127.0.0.1', '--sender', 'a@b.example')
    ok(r.returncode == 64 and b'--sender' in r.stderr, 'one message and a stage exclude each other', r)


def test_config():
    for config, what in (('drop x { relay }', 'relay'), ('drop x { lmtp relative/path }', 'absolute'), ('drop x { relay a; lmtp /b }', 'exclude'), ('drop x { }', 'missing'),
                         ('drop x { relay a; tls maybe }', 'starttls'), ('drop x { relay a; password-file pw }', 'conf:1'), ('drop x { relay a port 99999 }', 'port'),
                         ('drop x { relay a }\ndrop x { relay b }', 'conf:2'), ('name "a b"', 'name'), ('drop x { relay a; tls none; pin sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= }', 'TLS'), ('drop x { relay a; nonsense }', 'nonsense'),
                         ('drop x {\nrelay a\npin sha256//00\n}', 'conf:3: pin: ')):
        open(scratch + '/bad.conf', 'w').write(config + '\n')
        r = run('--config', scratch + '/bad.conf', '--in', scratch + '/never.ctrl')
        ok(r.returncode == 78 and what.encode() in r.stderr and b'bad.conf:' in r.stderr, 'refused: ' + config.split('\n')[0], r)
    sample = open(top + '/service/conf/remote.conf').read()
    live = '\n'.join(l[1:] if l.startswith('#') and l[1:2] not in ('', ' ', '#') else l for l in sample.split('\n'))
    open(scratch + '/sample.conf', 'w').write(live)
    for name in ('relay.pw', 'ca.pem'):
        open(scratch + '/' + name, 'a').close()
    r = run('--config', scratch + '/sample.conf', '--drop', 'none', '--sender', 'a', '--recipient', 'b')
    ok(r.returncode == 64 and b'no such drop' in r.stderr, 'the sample, with its lines made live, is read', r)


main(globals())
