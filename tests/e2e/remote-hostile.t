#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-remote against servers that mean harm, certificates that are odd, names with addresses of both families, hosts without a name or a network.
# As root it runs in namespaces of its own, with names of its own.
import os, socket, ssl, struct, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
HOSTS = '127.0.0.1 localhost\n::1 localhost6\n127.0.0.1 relay.wild.example\n127.0.0.1 deep.relay.wild.example\n::1 both.example\n127.0.0.1 both.example\n'
if os.getuid() == 0 and not os.environ.get('DEADDROP_INSIDE'):
    script = 'ip link set lo up && printf "%s" > /run/hosts && mount --bind /run/hosts /etc/hosts && exec "$@"' % HOSTS.replace('\n', '\\n')
    if not subprocess.run(['unshare', '-m', '-n', '-u', 'sh', '-c', 'ip link set lo up && mount -t tmpfs none /run'], stderr=subprocess.DEVNULL).returncode:
        os.execvp('unshare', ['unshare', '-m', '-n', '-u', 'sh', '-c', 'mount -t tmpfs none /run && ' + script, 'sh', 'env', 'DEADDROP_INSIDE=1', sys.executable, os.path.abspath(sys.argv[0])] + sys.argv[1:])
from remote_server import *

INSIDE = bool(os.environ.get('DEADDROP_INSIDE'))


class Raw(Server):
    """What a connection does is a function."""
    def __init__(self, act, **how):
        self.act = act
        Server.__init__(self, **how)

    def talk(self, c):
        self.act(c)


def forever(data):
    def act(c):
        while True:
            c.sendall(data)
    return act


def say(*texts):
    def act(c):
        for text in texts:
            c.sendall(text)
        while c.recv(65536):
            pass
    return act


def test_replies():
    for what, act in (
            ('a reply line without end', forever(b'2' + b'20 x' * 4000)), ('a reply of endless lines', forever(b'220-and more\r\n' * 1000)), ('a line of a megabyte', say(b'220 ' + b'x' * 1000000 + b'\r\n')),
            ('no text at all', forever(b'\r\n')), ('NULs without end', forever(b'\0' * 10000)), ('a TLS greeting on a plain port', say(b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc' + b'\x03' * 512)),
            ('another protocol', say(b'* OK IMAP4rev1 ready\r\n')), ('a code of two digits', say(b'22 hi\r\n')), ('a code of 6xx', say(b'620 hi\r\n')), ('nothing, and the end', lambda c: None),
            ('a reset', lambda c: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)))):
        with Raw(act) as s:
            begin = time.time()
            r = smtp(s, '--timeout', '5s', *TO)
            ok(r.returncode == 75 and time.time() - begin < 20 and len(r.stderr) < 5000, 'later, soon and in few words: ' + what, r.returncode, r.stderr[:1000])
            with Raw(act) as t, Server() as good:
                is_(run('--relay', t.at, '--relay', good.at, '--tls', 'none', '--timeout', '5s', *TO).returncode, 0, 'and the next relay is used')
    with Server(greeting='220 nul \0 escape \x1b[2J', MAIL='550 5.7.1 \x1b]0;you\x07 no\r\n forged: line') as s:
        r = smtp(s)
        ok(b'\x1b' not in r.stderr and b'\0' not in r.stderr and b'\x07' not in r.stderr and r.stderr.count(b'\n') <= 3, 'control characters of a server do not reach a terminal', r)
    for many in (2, 5, 50):
        with Raw(say(b'220 peer\r\n' + b'250 yes\r\n' * many)) as s:
            r = smtp(s, '--timeout', '1s', *TO)
            is_(r.returncode, 75, 'a server that says yes %d times before it is asked, and never more: later' % many, r.stderr)
    connections = []

    def leave(c):
        connections.append(1)
        c.sendall(b'220 peer\r\n250 peer\r\n')
    with Raw(leave) as s:
        r = smtp(s, '--timeout', '5s', *TO)
        ok(r.returncode == 75 and len(connections) <= 3, 'a server that leaves as soon as it is to work is not asked again and again', r, len(connections))
    with Raw(say(b'220 peer\r\n250 yes\r\n250 yes\r\n250 yes\r\n354 go\r\n')) as s:
        r = smtp(s, '--timeout', '1s', *TO)
        ok(r.returncode == 75, 'the same up to the message', r)
    for verb in ('EHLO', 'MAIL', 'RCPT', 'DATA', 'final', 'RSET'):
        for answer, what in (('250-' + 'x' * 70000, 'too long'), ('x' * 10, 'no reply'), ('250-a\r\n' * 10000 + '250 b', 'of too many lines'), ('199 hm', 'of class 1')):
            with Server(**{verb: answer}, **({'RCPT': '550 no'} if verb == 'RSET' else {})) as s:
                r = smtp(s, '--timeout', '5s', *TO)
                ok(r.returncode in (75, 67) and (verb != 'final' or b'unclear' in r.stderr), 'an answer to %s that is %s is understood by nobody' % (verb, what), r)


def test_sizes():
    big = b'Subject: big\n\n' + b'y' * 70 * 100000

    def stuck(c):
        c.sendall(b'220 a\r\n250-b\r\n250 PIPELINING\r\n250 c\r\n250 d\r\n354 e\r\n')
        time.sleep(20)
    with Raw(stuck) as s:
        begin = time.time()
        r = smtp(s, '--timeout', '3s', *TO, message=big)
        ok(r.returncode == 75 and time.time() - begin < 25 and b'unclear' not in r.stderr, 'a server that stops reading is given up: the message was not whole there', r)

    def drip(c):
        c.sendall(b'220-')
        while True:
            c.sendall(b'x')
            time.sleep(0.2)
    with Raw(drip) as s:
        begin = time.time()
        r = smtp(s, '--timeout', '2s', '--deadline', '4s', *TO)
        ok(r.returncode == 75 and time.time() - begin < 12, 'one that drips a byte at a time is at the end of the whole attempt', r, time.time() - begin)
    with Server(EHLO='250-peer\r\n' + ''.join('250-X-%d\r\n' % n for n in range(2000)) + '250 AUTH ' + 'LONG ' * 3000) as s:
        is_(smtp(s).returncode, 0, 'an offer with thousands of words')
    with Server(EHLO='250-peer\r\n250-SIZE 99999999999999999999999\r\n250-SIZE -1\r\n250 SIZE x') as s:
        is_(smtp(s).returncode, 0, 'sizes that are none')


def test_stage_survives():
    with Raw(forever(b'220-x\r\n' * 1000)) as bad, Server() as good:
        with Stage('drop bad { relay %s; tls none; backoff 1s 1s }\ndrop good { relay %s; tls none }\n' % (bad.at, good.at)) as stage:
            for n in range(20):
                stage.job('bad')
                stage.job('good')
            got = stage.outcomes(40)
            is_(sorted(x[0] for x in got), ['K'] * 20 + ['Z'] * 20, 'a stage with a hostile server serves the others')
            rss = int([l for l in open('/proc/%d/status' % stage.process.pid) if l.startswith('VmHWM')][0].split()[1])
            ok(rss < 40000, 'in bounded memory', rss)
    hang = []

    def once(line):
        if not hang:
            hang.append(1)
            time.sleep(6)
        return '250 ok'
    with Server(RCPT=once) as s, Stage(drop('relay ' + s.at, 'tls none', 'connections 2')) as stage:
        begin = time.time()
        for n in range(10):
            stage.job('far')
        got = stage.outcomes(9)
        ok(time.time() - begin < 5 and [x[0] for x in got] == ['K'] * 9, 'a connection that hangs holds up its own message alone', time.time() - begin)
        is_(stage.outcomes()[0][0], 'K', 'which follows')


# ---- certificates ----

def issue(name, alt, *extra, issuer=True):
    def openssl(*a):
        subprocess.run(('openssl',) + a, check=True, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    open(scratch + '/ext', 'w').write(('subjectAltName=' + alt + '\n') if alt else 'basicConstraints=CA:FALSE\n')
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', name + '.key', '-out', name + '.csr', '-subj', '/CN=localhost')
    sign = ('-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial') if issuer else ('-signkey', name + '.key')
    openssl('x509', '-req', '-in', name + '.csr', *sign, '-out', name + '.pem', '-extfile', 'ext', *(extra or ('-days', '2')))


def test_certificates():
    ca = ('--ca-file', scratch + '/ca.pem')
    issue('expired', 'DNS:localhost,IP:127.0.0.1', '-days', '-1')
    issue('wild', 'DNS:*.wild.example')
    issue('star', 'DNS:*')
    issue('nameless', None)
    issue('own', 'DNS:localhost,IP:127.0.0.1', issuer=False)
    issue('text', 'DNS:127.0.0.1')
    for name, host, more, code, what in (
            ('expired', 'localhost', ca, 75, 'one that has expired is refused'), ('expired', 'localhost', ('--verify', 'no'), 0, 'unless nothing is verified'),
            ('own', 'localhost', ca, 75, 'one that signed itself is refused'), ('own', 'localhost', ('pin',), 0, 'unless its key is pinned'), ('own', 'localhost', ca + ('pin',), 75, 'a pin beside a CA does not replace it'),
            ('own', 'localhost', ('--ca-file', scratch + '/own.pem'), 0, 'or it is its own CA'), ('nameless', 'localhost', ca, 0, 'a common name counts where there is no other'),
            ('star', 'localhost', ca, 75, 'a star alone is no name'), ('text', '127.0.0.1', ca, 75, 'an address is no DNS name'),
            ('wild', 'relay.wild.example', ca, 0, 'a wildcard stands for one label'), ('wild', 'deep.relay.wild.example', ca, 75, 'and not for two'), ('wild', 'localhost', ca, 75, 'nor for another domain')):
        if 'wild' in host and not INSIDE:
            ok(True, 'certificates: %s # SKIP needs names of its own' % what)
            continue
        more = [y for x in more for y in (('--pin', pin_of(name)) if x == 'pin' else (x,))]
        with Server(context=context(name), EHLO=TLS_EHLO) as s:
            r = run('--relay', '%s:%d' % (host, s.port), '--tls', 'starttls', *more, *TO)
            ok(r.returncode == code and bool(s.messages) == (code == 0) and (code == 0 or b'4.7.5' in r.stderr), 'certificates: ' + what, r)
    for what, act in (('garbage', say(b'\x15\x03\x01garbage' * 100)), ('nothing', lambda c: None), ('plain text', say(b'220 hello\r\n'))):
        with Raw(act) as s:
            r = run('--relay', s.at, '--tls', 'implicit', '--timeout', '2s', *TO)
            ok(r.returncode == 75 and (b'4.7.5' in r.stderr or b'4.4.2' in r.stderr), 'instead of TLS %s: later' % what, r)
    for injected in ('220 go\r\n250 injected', '220 go\r\n' + '\x16\x03\x01', '220-go\r\n220 on\r\n250-injected\r\n250 AUTH PLAIN'):
        with Server(context=context('server'), EHLO=TLS_EHLO, STARTTLS=injected) as s:
            r = run('--relay', s.at, *ca, *TO)
            ok(r.returncode == 75 and not s.messages, 'what stands behind the yes to STARTTLS is nothing to go on with: %r' % injected, r)
    c = context('server')
    c.verify_mode = ssl.CERT_REQUIRED
    c.load_verify_locations(scratch + '/ca.pem')
    issue('client', 'DNS:client.example')
    with Server(context=c, EHLO=TLS_EHLO) as s:
        r = run('--relay', s.at, *ca, *TO)
        ok(r.returncode == 75 and not s.messages, 'a server that wants a certificate gets none: later', r)
        is_(run('--relay', s.at, *ca, '--certificate', scratch + '/client.pem', '--key', scratch + '/client.key', *TO).returncode, 0, 'and is served with one')
    seen = []

    def external(server, c, f, text):
        seen.append((text, bool(c.getpeercert())))
        c.sendall(b'235 2.7.0 welcome\r\n')
    with Server(context=c, EHLO='250-peer\r\n250-STARTTLS\r\n250 AUTH PLAIN EXTERNAL', AUTH=external) as s:
        r = run('--relay', s.at, *ca, '--certificate', scratch + '/client.pem', '--key', scratch + '/client.key', '--mechanisms', 'EXTERNAL', *TO)
        ok(r.returncode == 0 and seen == [('AUTH EXTERNAL =', True)], 'EXTERNAL with a client certificate', r, seen)


# ---- names and addresses ----

def test_families():
    six = Server(host='::1')
    r = smtp(six)
    ok(r.returncode == 0 and six.messages, 'a literal of IPv6', r)
    r = run('--relay', '[::1]:%d' % six.port, '--tls', 'none', '--name', 'me.example', *TO)
    ok(r.returncode == 0 and 'EHLO me.example' in six.log, 'and with a name of our own', six.log)
    if not INSIDE:
        ok(True, 'both families # SKIP needs names of its own')
        return
    r = run('--relay', 'both.example:%d' % six.port, '--tls', 'none', *TO)
    ok(r.returncode == 0, 'a host with both families where one answers: IPv6', r)
    six.close()
    with Server() as four:
        r = run('--relay', 'both.example:%d' % four.port, '--tls', 'none', *TO)
        ok(r.returncode == 0 and four.messages, 'a host with both families where one answers: IPv4', r)


def test_greeting_name():
    if not INSIDE:
        ok(True, 'what a host greets with # SKIP needs a host name of its own')
        return
    for name, four, six in (('bare', '[127.0.0.1]', '[IPv6:::1]'), ('localhost', '[127.0.0.1]', '[IPv6:::1]'), ('localhost.localdomain', '[127.0.0.1]', '[IPv6:::1]'), ('mail.host.example', 'mail.host.example', 'mail.host.example')):
        socket.sethostname(name)
        for host, wanted in (('127.0.0.1', four), ('::1', six)):
            with Server(host=host) as s:
                r = smtp(s)
                is_(s.log[0], 'EHLO ' + wanted, 'a host named %s, over %s' % (name, host), r.stderr)
    socket.sethostname('bare')
    with Server() as s, Stage('drop far { relay %s; tls none }\ndrop named { relay relay.of.nobody.example; tls none; backoff 1s 1s }\n' % s.at) as stage:
        stage.job('far')
        is_(stage.outcomes()[0][0], 'K', 'a stage begins with neither DNS nor a full name nor a network')
        stage.job('named')
        got = stage.outcomes()[0]
        ok(got[0] == 'Z' and ' 4.4.1 ' in got and ' alarm ' in stage.log(' alarm '), 'and a name that cannot be resolved is later, with an alarm', got)


def test_order():
    with Server() as probe:
        port = probe.port
    with Server() as second, Stage(drop('relay 127.0.0.1:%d' % port, 'relay ' + second.at, 'tls none', 'backoff 1s 1s', 'messages 1')) as stage:
        stage.job('far')
        ok(stage.outcomes()[0][0] == 'K' and len(second.messages) == 1, 'relays in order: the second, while the first is away')
        with Server(port=port) as first:
            time.sleep(1.5)
            stage.job('far')
            ok(stage.outcomes()[0][0] == 'K' and len(first.messages) == 1 and len(second.messages) == 1, 'the first again when it is back')
        stage.job('far')
        ok(stage.outcomes()[0][0] == 'K' and len(second.messages) == 2, 'and the second once more')


# ---- what is asked for ----

def test_options():
    eight, long = b'Subject: x\n\n\xe4\n', b'Subject: x\n\n' + b'y' * 1000 + b'\n'
    with Server(EHLO='250 peer') as s, Stage(drop('relay ' + s.at, 'tls none', 'eight-bit refuse', 'long-lines refuse')) as stage:
        for message, status in ((eight, '5.6.3'), (long, '5.6.0')):
            stage.job('far', message=message)
            got = stage.outcomes()[0]
            ok(got[0] == 'X' and ' %s ' % status in got, 'refused by option: ' + status, got)
        is_(s.messages, [], 'and not sent')
        stage.job('far', message=b'X-Long: ' + b'word ' * 300 + b'\n\nbody\n')
        ok(stage.outcomes()[0][0] == 'K' and max(len(l) for l in s.messages[0].split(b'\r\n')) <= 998 and s.messages[0].replace(b'\r\n', b'').startswith(b'X-Long: word word'),
           'a long header line is folded at blanks')
    utf8 = '250-peer\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 100000'
    with Server(EHLO=utf8) as s, Stage(drop('relay ' + s.at, 'tls none')) as stage:
        for rcpt, message, attributes, wanted in (('c@d.example', b'Subject: x\n\nhello\n', (), False), ('c@d.example', b'Subject: x\n\n\xc3\xa4\n', ('smtputf8=1',), False),
                                                  ('c@d.example', b'Subject: \xc3\xa4\n\nhello\n', ('smtputf8=1',), True), ('\xe4@d.example', b'Subject: x\n\nhello\n', (), True)):
            stage.job('far', (rcpt,), message, attributes)
            got = stage.outcomes()[0]
            line = [l for l in s.log if l.startswith('MAIL')][-1]
            ok(got[0] == 'K' and ('SMTPUTF8' in line) == wanted, 'SMTPUTF8 only where it is needed: %s' % line, got)
        stage.job('far', message=b'Subject: x\n\n', body=b'z' * 79 * 2000)
        got = stage.outcomes()[0]
        ok(got[0] == 'X' and ' 5.3.4 ' in got, 'a message over the SIZE that is offered is not begun', got)


main(globals())
