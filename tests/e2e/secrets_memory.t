#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where passwords are in the memory of stages and keepers: once where they are needed again, nowhere else, and nowhere once a login is over."""
import base64, os, shutil, socket, ssl, subprocess, sys, tempfile, time

top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
bin_dir = os.environ.get('BIN', top + '/build/bin')
n = 0


def ok(good, name, why=''):
    global n
    n += 1
    print('%s %d - %s' % ('ok' if good else 'not ok', n, name), flush=True)
    if not good and why != '':
        print('# ' + str(why).replace('\n', '\n# '))


if os.getuid():
    print('1..0 # SKIP needs root: the memory of others is looked at')
    sys.exit(0)
scratch = tempfile.mkdtemp(prefix='deaddrop-test.')
os.chmod(scratch, 0o755)
os.umask(0o077)
PASSWORD = 'Zq7-hunter2-0123456789abcdef'


def file(name, text, mode=0o600):
    with open(scratch + '/' + name, 'w') as f:
        f.write(text)
    os.chmod(scratch + '/' + name, mode)
    return scratch + '/' + name


def copies(pid, what):
    """How often it stands in what a process may write to."""
    count = 0
    with open('/proc/%d/maps' % pid) as maps, open('/proc/%d/mem' % pid, 'rb', 0) as mem:
        for line in maps:
            area, access = line.split()[:2]
            if 'w' not in access or line.rstrip().endswith('[vvar]'):
                continue
            begin, end = (int(x, 16) for x in area.split('-'))
            try:
                mem.seek(begin)
                count += mem.read(end - begin).count(what)
            except OSError:
                pass
    return count


def children(pid):
    with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
        return [int(x) for x in f.read().split()]


class Stage:
    def __init__(self, name, *args):
        self.log = open(scratch + '/' + name + '.log', 'w+')
        self.process = subprocess.Popen([bin_dir + '/deaddrop-' + name, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        self.pid = self.process.pid
        deadline = time.monotonic() + 10
        while ': start ' not in self.text() and time.monotonic() < deadline:
            time.sleep(0.05)

    def text(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def test_imap():
    for how, line in (('in the configuration', 'password ' + PASSWORD), ('in a file', 'password-file ' + file('pw', PASSWORD + '\n'))):
        conf = file('imap.conf', 'drop phone { host localhost; port 1; tls none; user frank\n%s\n}\n' % line)
        stage = Stage('imap', '--in', scratch + '/imap.ctrl', '--config', conf)
        ok(copies(stage.pid, PASSWORD.encode()) == 1, 'imap has its password once, that stands ' + how, copies(stage.pid, PASSWORD.encode()))
        ok([copies(child, PASSWORD.encode()) for child in children(stage.pid)] == [0], 'and its keeper has not')
        stage.stop()


def test_smtpd():
    encoded = base64.b64encode(b'\0frank\0' + PASSWORD.encode())
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost', '-days', '2',
                    '-keyout', scratch + '/key', '-out', scratch + '/cert'], check=True, stderr=subprocess.DEVNULL)
    conf = file('smtpd.conf', 'tls certificate %s/cert key %s/key\nauth %s\nrequire fcrdns\naccept all\n' % (scratch, scratch, file('users', 'frank:{PLAIN}%s\n' % PASSWORD)))
    listener = socket.create_server(('127.0.0.1', 0))
    port = listener.getsockname()[1]
    listener.close()
    stage = Stage('smtpd', '--config', conf, '--bind', '127.0.0.1', '--port', str(port), '--out', scratch + '/queue.ctrl')
    ok(copies(stage.pid, PASSWORD.encode()) == 1, 'smtpd has the password of its user once', stage.text())
    ok([copies(child, PASSWORD.encode()) for child in children(stage.pid)] == [0], 'and its keeper has not')
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    for secure, *way in ((True, b'AUTH PLAIN ' + encoded), (True, b'AUTH PLAIN', encoded), (False, b'AUTH PLAIN ' + encoded), (False, b'AUTH PLAIN', encoded), (False, b'AUTH LOGIN', base64.b64encode(b'frank'), base64.b64encode(PASSWORD.encode()))):
        s = socket.create_connection(('127.0.0.1', port))
        f = s.makefile('rwb')
        f.readline()
        if secure:
            f.write(b'EHLO c\r\nSTARTTLS\r\n')
            f.flush()
            while not f.readline().startswith(b'220'):
                pass
            f = tls.wrap_socket(s).makefile('rwb')
        f.write(b'EHLO c\r\n')
        f.flush()
        while f.readline()[3:4] == b'-':
            pass
        for line in way:
            half = len(line) // 2       # in two pieces, so that it is put together
            for piece in (line[:half], line[half:] + b'\r\n'):
                f.write(piece)
                f.flush()
                time.sleep(0.05)
            answer = f.readline()
        while_open = copies(stage.pid, PASSWORD.encode()), copies(stage.pid, way[-1].split()[-1])
        ok(answer[:3] == b'235' and while_open == (1, 0), 'smtpd, %s%s: nothing is left of it after the login' % (way[0].split()[1].decode(), ' with TLS' if secure else ''), (answer, while_open))
        s.close()
    stage.stop()


def test_after_login(name, directives, own):
    """A message for a server that refuses the login and repeats what it was told."""
    conf = file(name + '.conf', 'drop out { %s; user frank; password-file %s }\n' % (directives, file('pw', PASSWORD + '\n')))
    stage = Stage(name, '--in', scratch + '/' + name + '.ctrl', '--config', conf, '-vv')
    chain = scratch + '/chain-' + name
    for directory in ('journal', 'outcome', 'deferred', 'dead', 'status'):
        os.makedirs(chain + '/' + directory)
    file('send.conf', 'route all to %s:out\n' % name)
    send = Stage('send', '--in', chain + '/send.ctrl', '--out', scratch + '/' + name + '.ctrl', '--out', chain + '/local.ctrl', '--spool', chain, '--config', scratch + '/send.conf')
    queue = Stage('queue', '--in', chain + '/queue.ctrl', '--out', chain + '/send.ctrl', '--spool', chain)
    subprocess.run([bin_dir + '/deaddrop-inject', '--out', chain + '/queue.ctrl', 'a@example.org'], input=b'Subject: x\n\nx\n', check=True)
    deadline = time.monotonic() + 15
    while ': later ' not in stage.text() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    encoded = base64.b64encode(b'\0frank\0' + PASSWORD.encode())
    left = copies(stage.pid, PASSWORD.encode()), copies(stage.pid, encoded)
    ok('cannot log in' in stage.text() and left == (own, 0), '%s: nothing is left of a login' % name, (left, stage.text(), send.text(), queue.text()))
    ok({copies(child, PASSWORD.encode()) for child in children(stage.pid)} == {0}, 'and nothing in its keeper')
    ok(PASSWORD not in stage.text() and encoded.decode() not in stage.text(), 'nor in the log')
    for s in (queue, send, stage):
        s.stop()


def test_servers():
    program = top + '/tests/e2e/echo_server.py'
    server = subprocess.Popen([sys.executable, program, 'smtp', '0', 'PLAIN'], stdout=subprocess.PIPE, text=True)
    test_after_login('remote', 'relay 127.0.0.1 port %s tls none; clear yes' % server.stdout.readline().strip(), 0)
    server.kill()
    server.wait()
    # the stage keeps what it has read at its start
    test_after_login('imap', 'tunnel "%s %s imap PLAIN"' % (sys.executable, program), 1)


try:
    test_imap()
    test_smtpd()
    test_servers()
finally:
    shutil.rmtree(scratch, ignore_errors=True)
print('1..%d' % n)
