# SPDX-License-Identifier: GPL-3.0-or-later
# Scripted servers, deaddrop-remote by hand, and as a stage that is handed jobs over its control socket: what remote.t and remote-hostile.t need in common.
import array, atexit, base64, hashlib, hmac, os, random, shutil, socket, ssl, subprocess, sys, tempfile, threading, time

top = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
program = os.path.join(os.environ.get('DEADDROP_BIN', top + '/build/bin'), 'deaddrop-remote')
count = 0
failed = 0
scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
os.chmod(scratch, 0o755)
atexit.register(shutil.rmtree, scratch, True)


def ok(good, name, *why):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, name), flush=True)
    if not good:
        for line in ' '.join(str(w) for w in why).split('\n'):
            print('# ' + line, flush=True)
    return good


def is_(got, wanted, name, *why):
    return ok(got == wanted, name, 'got %r, wanted %r' % (got, wanted), *why)


if not os.path.exists(program):
    print('1..0 # SKIP %s is not built' % program)
    sys.exit(0)


class Gone(Exception):
    pass


class Server:
    """Scripted: answers by verb; a list gives one answer after another, a function makes one."""
    usual = {'greeting': '220 peer', 'EHLO': '250-peer\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 10000000', 'LHLO': '250-peer\r\n250 PIPELINING',
             'HELO': '250 peer', 'MAIL': '250 2.1.0 ok', 'RCPT': '250 2.1.5 ok', 'DATA': '354 go', 'final': '250 2.0.0 stored', 'RSET': '250 ok', 'QUIT': '221 bye',
             'STARTTLS': '220 go', 'AUTH': '235 2.7.0 welcome', 'BDAT': '250 2.0.0 chunk'}

    def __init__(self, lmtp=False, cut=None, pieces=False, context=None, implicit=False, path=None, host='127.0.0.1', port=0, hold=0, slow=0, **answers):
        self.lmtp, self.cut, self.pieces, self.context, self.implicit, self.hold, self.slow = lmtp, cut, pieces, context, implicit, hold, slow
        self.answers = dict(self.usual, **answers)
        self.said = 0
        self.log, self.messages, self.connections, self.most, self.now = [], [], 0, 0, 0
        self.times = []
        self.busy = 0
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(path)
            os.chmod(path, 0o666)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((host, port))
            self.port = self.socket.getsockname()[1]
            self.at = ('[%s]:%d' if ':' in host else '%s:%d') % (host, self.port)
        if slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.socket.listen(50)
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *x):
        self.close()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def accept(self):
        while True:
            try:
                c = self.socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        self.now += 1
        try:
            if self.implicit:
                c = self.context.wrap_socket(c, server_side=True)
            self.talk(c)
        except (Gone, OSError, ssl.SSLError, ValueError):
            pass
        finally:
            self.now -= 1
            try:
                c.close()
            except OSError:
                pass

    def say(self, c, text):
        data = text.encode() + b'\r\n'
        self.said += len(data)
        if self.cut is not None and self.said > self.cut:
            data = data[:len(data) - (self.said - self.cut)]
            if data:
                c.sendall(data)
            raise Gone
        if self.pieces:
            while data:
                n = random.randint(1, 5)
                c.sendall(data[:n])
                data = data[n:]
                if random.random() < 0.3:
                    time.sleep(0.001)
        else:
            c.sendall(data)

    def answer(self, verb, line=''):
        a = self.answers[verb]
        if isinstance(a, list):
            a = a.pop(0) if len(a) > 1 else a[0]
        if callable(a):
            a = a(line)
        if a is None:
            raise Gone
        return a

    def talk(self, c):
        f = c.makefile('rb')
        self.say(c, self.answer('greeting'))
        accepted = []
        message = b''
        while True:
            line = f.readline()
            if not line:
                return
            text = line.decode('utf-8', 'replace').rstrip('\r\n')
            self.log.append(text)
            verb = text.split(' ')[0].upper()
            if verb == 'AUTH' and callable(self.answers['AUTH']):
                self.answers['AUTH'](self, c, f, text)
                continue
            if verb == 'BDAT':
                n = int(text.split()[1])
                message += f.read(n)
                if 'LAST' in text:
                    self.end(c, message, accepted)
                    message, accepted = b'', []
                else:
                    self.say(c, self.answer('BDAT'))
                continue
            a = self.answer(verb, text) if verb in self.answers else '500 what'
            if verb == 'MAIL':
                accepted, message = [], b''
                self.times.append(time.time())
            if verb == 'DATA' and not accepted and a.startswith('354'):
                a = '503 5.5.1 no recipients'
            self.say(c, a)
            if verb == 'RCPT' and a.startswith('2'):
                accepted.append(text)
            if verb == 'STARTTLS' and a.startswith('220'):
                c = self.context.wrap_socket(c, server_side=True)
                f = c.makefile('rb')
            if verb == 'DATA' and a.startswith('354'):
                lines = []
                while True:
                    line = f.readline()
                    if not line:
                        return
                    if line == b'.\r\n':
                        break
                    lines.append(line)
                    if self.slow and len(lines) % 100 == 0:
                        time.sleep(self.slow)
                self.end(c, b''.join(lines), accepted)
                accepted = []
            if verb == 'QUIT':
                return

    def end(self, c, message, accepted):
        self.messages.append(message)
        self.busy += 1
        self.most = max(self.most, self.busy)
        if self.hold:
            time.sleep(self.hold)
        self.busy -= 1
        for n in range(len(accepted) if self.lmtp else 1):
            self.say(c, self.answer('final', accepted[n] if self.lmtp else ''))


def run(*arguments, message=b'Subject: x\n\nhello\n', env=None):
    full = dict(os.environ)
    for name in ('SENDER', 'RECIPIENT'):
        full.pop(name, None)
    full.update(env or {})
    try:
        return subprocess.run([program] + list(arguments), input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=full, timeout=60)
    except subprocess.TimeoutExpired as e:
        return subprocess.CompletedProcess(e.cmd, -1, b'', (e.stderr or b'') + b' (timed out)')


SENDER = ('--sender', 'a@b.example')
TO = SENDER + ('--recipient', 'c@d.example')


def smtp(server, *more, **how):
    return run('--relay', server.at, '--tls', 'none', *(more or TO), **how)


def undot(wire):
    return b''.join(line[1:] if line.startswith(b'.') else line for line in wire.splitlines(True))


# ---- TLS and logins ----

def make_certificates():
    def openssl(*a):
        subprocess.run(('openssl',) + a, check=True, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test CA')
    for name, alt in (('server', 'IP:127.0.0.1,DNS:localhost'), ('other', 'DNS:other.example')):
        open(scratch + '/ext', 'w').write('subjectAltName=' + alt + '\n')
        openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', name + '.key', '-out', name + '.csr', '-subj', '/CN=' + name)
        openssl('x509', '-req', '-in', name + '.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', name + '.pem', '-days', '2', '-extfile', 'ext')


def context(name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(scratch + '/%s.pem' % name, scratch + '/%s.key' % name)
    return c


TLS_EHLO = '250-peer\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN CRAM-MD5'


def pin_of(name):
    key = subprocess.run(['openssl', 'x509', '-in', '%s/%s.pem' % (scratch, name), '-pubkey', '-noout'], stdout=subprocess.PIPE, check=True).stdout
    der = base64.b64decode(b''.join(key.split(b'\n')[1:-2]))
    return 'sha256//' + base64.b64encode(hashlib.sha256(der).digest()).decode()


def cram(good):
    def auth(server, c, f, text):
        mechanism = text.split()[1]
        if mechanism == 'PLAIN':
            user, password = base64.b64decode(text.split()[2]).split(b'\0')[1:]
        elif mechanism == 'LOGIN':
            c.sendall(b'334 VXNlcm5hbWU6\r\n')
            user = base64.b64decode(f.readline())
            c.sendall(b'334 UGFzc3dvcmQ6\r\n')
            password = base64.b64decode(f.readline())
        else:
            c.sendall(b'334 ' + base64.b64encode(b'<1.2@peer>') + b'\r\n')
            user, digest = base64.b64decode(f.readline()).split(b' ')
            password = b'hemmelig' if digest.decode() == hmac.new(b'hemmelig', b'<1.2@peer>', 'md5').hexdigest() else b''
        server.log.append('login with ' + mechanism)
        c.sendall(b'235 2.7.0 welcome\r\n' if good and (user, password) == (b'frank', b'hemmelig') else b'535 5.7.8 no\r\n')
    return auth


# ---- the stage ----

class Stage:
    def __init__(self, config, *arguments):
        self.dir = tempfile.mkdtemp(dir=scratch)
        os.chmod(self.dir, 0o755)
        self.path = self.dir + '/remote.ctrl'
        if config is not None:
            open(self.dir + '/remote.conf', 'w').write(config)
            arguments = ('--config', self.dir + '/remote.conf') + arguments
        self.log_path = self.dir + '/log'
        self.process = subprocess.Popen([program, '--in', self.path] + list(arguments), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=open(self.log_path, 'w'))
        for _ in range(200):
            if os.path.exists(self.path) or self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)
        self.socket.settimeout(30)
        self.buffer = b''
        self.n = 0
        self.alive = []         # when a sign of life came, and whose
        self.frame('H', b'send 1')

    def __enter__(self):
        return self

    def __exit__(self, *x):
        self.stop()

    def stop(self):
        self.socket.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)

    def log(self, wanted=''):
        """Lines may come a moment behind the answer."""
        for _ in range(100):
            text = open(self.log_path).read()
            if wanted in text:
                break
            time.sleep(0.02)
        return text

    def frame(self, kind, value=b'', fd=None):
        value = value if isinstance(value, bytes) else value.encode()
        data = b'%d:%s%s,' % (len(value) + 1, kind.encode(), value)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))] if fd is not None else []
        self.socket.sendmsg([data], ancillary)

    def job(self, drop, rcpts=('c@d.example',), message=b'Subject: x\n\nhello\n', attributes=(), body=None):
        self.n += 1
        key = '%016d-%016x-0-0-%016x' % (1700000000000000 + self.n, 5, 7)
        self.frame('J', key)
        self.frame('D', drop)
        self.frame('S', 'a@b.example')
        self.frame('A', 'arrival=1700000000000000')
        for a in attributes:
            self.frame('A', a)
        for r in rcpts:
            self.frame('R', r)
        self.frame('B', message)
        if body is not None:
            with tempfile.TemporaryFile(dir=scratch) as f:
                f.write(b'junk' + body)
                f.flush()
                self.frame('F', '4 %d' % len(body), fd=f.fileno())
        self.frame('E')
        return key

    def read(self):
        while True:
            colon = self.buffer.find(b':')
            if colon > 0:
                n = int(self.buffer[:colon])
                if len(self.buffer) > colon + 1 + n:
                    frame = self.buffer[colon + 1:colon + 1 + n].decode()
                    self.buffer = self.buffer[colon + 2 + n:]
                    if frame[0] == 'Y':
                        self.alive.append((time.time(), frame[1:]))
                    elif frame[0] != 'H':
                        return frame
                    continue
            more = self.socket.recv(65536)
            if not more:
                raise Gone
            self.buffer += more

    def outcomes(self, n=1):
        return [self.read() for _ in range(n)]


def drop(*lines):
    return 'name me.example\ndrop far {\n' + '\n'.join(lines) + '\n}\n'


def main(tests):
    only = sys.argv[1:]
    make_certificates()
    for name, test in list(tests.items()):
        if name.startswith('test_') and (not only or name[5:] in only):
            test()
    print('1..%d' % count)
    sys.exit(failed > 0)
