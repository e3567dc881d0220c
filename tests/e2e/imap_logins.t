#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways into an account: client certificates and tokens with a real Dovecot, channel binding with TLS 1.3, tunnels, addresses; the stage confined, so that what is outside comes
through its keeper."""
import base64, hashlib, hmac, http.server, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
sys.dont_write_bytecode = True
import imap_jobs

top = os.path.dirname(os.path.dirname(here))
program = os.environ.get('DEADDROP_IMAP', top + '/build/bin/deaddrop-imap')
dovecot_bin = shutil.which('dovecot') or '/usr/sbin/dovecot'
for good, why in ((os.path.exists(program), 'deaddrop-imap is not built'), (os.getuid() == 0, 'needs root'),
                  (os.path.exists(dovecot_bin) and os.path.exists('/usr/lib/dovecot/imap'), 'dovecot (Debian: dovecot-imapd) is not installed'),
                  (shutil.which('openssl'), 'openssl is needed')):
    if not good:
        print('1..0 # SKIP ' + why)
        sys.exit(0)
scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
os.chmod(scratch, 0o755)
count = failed = 0
children = []


def ok(good, name, note=''):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, name))
    if not good:
        print('\n'.join('# ' + line for line in str(note).splitlines()[-25:]))
    sys.stdout.flush()


def write(name, text, mode=0o644):
    path = scratch + '/' + name
    with open(path, 'w') as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def free_port(family=socket.AF_INET, address='127.0.0.1'):
    with socket.socket(family) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def openssl(*args):
    subprocess.run(('openssl',) + args, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=scratch)


def wait_for(condition, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if condition():
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


# ---- certificates: a CA, the server's, two clients' ----
openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=Test CA', '-keyout', 'ca.key', '-out', 'ca.pem')
for name, extension in (('localhost', 'subjectAltName=DNS:localhost,IP:::1,IP:127.0.0.1'), ('frank', 'extendedKeyUsage=clientAuth'), ('stranger', 'extendedKeyUsage=clientAuth')):
    write(name + '.ext', extension + '\n')
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=' + name, '-keyout', name + '.key', '-out', name + '.csr')
    if name == 'stranger':
        openssl('x509', '-req', '-in', name + '.csr', '-signkey', name + '.key', '-days', '2', '-out', name + '.pem', '-extfile', name + '.ext')
    else:
        openssl('x509', '-req', '-in', name + '.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-out', name + '.pem', '-extfile', name + '.ext')
openssl('ca', '-gencrl', '-keyfile', 'ca.key', '-cert', 'ca.pem', '-out', 'crl.pem', '-config', write('ca.cnf', '[ca]\ndefault_ca=x\n[x]\ndatabase=%s\ndefault_md=sha256\ndefault_crl_days=2\n' % write('index', '')))
write('ca_crl.pem', open(scratch + '/ca.pem').read() + open(scratch + '/crl.pem').read())


# ---- who knows tokens ----
class Introspection(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers.get('Authorization') == 'Bearer good.token'
        answer = b'{"active":%s,"username":"frank"}' % (b'true' if good else b'false')
        self.send_response(200 if good else 401)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


tokens = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Introspection)
threading.Thread(target=tokens.serve_forever, daemon=True).start()

# ---- Dovecot ----
port, six = free_port(), free_port(socket.AF_INET6, '::1')
mail = scratch + '/mail'
os.mkdir(mail)
shutil.chown(mail, 'nobody', 'nogroup')
write('oauth2', 'introspection_url = http://127.0.0.1:%d/\nintrospection_mode = auth\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n' % tokens.server_port)
write('dovecot.conf', '''
base_dir = {s}/run
state_dir = {s}/run
log_path = {s}/dovecot.log
protocols = imap
ssl = required
ssl_cert = <{s}/localhost.pem
ssl_key = <{s}/localhost.key
ssl_ca = <{s}/ca_crl.pem
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
auth_mechanisms = plain external xoauth2 oauthbearer
auth_failure_delay = 0
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {s}/oauth2
}}
passdb {{
  driver = static
  mechanisms = external
  args = nopassword=y
}}
passdb {{
  driver = static
  mechanisms = plain
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={s}/mail/%u
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {p}
  }}
  inet_listener six {{
    address = ::1
    port = {six}
    ssl = yes
  }}
}}
'''.format(s=scratch, p=port, six=six))
os.mkdir(scratch + '/run')
dovecot = subprocess.Popen([dovecot_bin, '-F', '-c', scratch + '/dovecot.conf'], stdout=open(scratch + '/out', 'w'), stderr=subprocess.STDOUT)
children.append(dovecot)
wait_for(lambda: socket.create_connection(('127.0.0.1', port)).close() is None)


def stored(user, box=''):
    found = []
    for folder in ('new', 'cur'):
        path = '%s/%s/Maildir/%s%s' % (mail, user, box and '.' + box + '/', folder)
        found += [path + '/' + n for n in os.listdir(path)] if os.path.isdir(path) else []
    return found


def check(config, text=''):
    """--check of an account."""
    path = write('check.conf', 'drop phone { %s }\n' % config)
    p = subprocess.run([program, '--config', path, '--check', '-vv'], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return p.returncode, p.stdout + p.stderr


class Stage:
    """Confined: chroot, user, system call filter."""

    def __init__(self, config, command=(), environment=None):
        self.directory = tempfile.mkdtemp(dir=scratch)
        os.chmod(self.directory, 0o755)
        os.mkdir(self.directory + '/jail')
        self.path, self.conf = self.directory + '/imap.ctrl', self.directory + '/imap.conf'
        with open(self.conf, 'w') as f:
            f.write('drop phone { %s }\n' % config)
        self.log = open(self.directory + '/log', 'a')
        self.process = subprocess.Popen(list(command) + [program, '--in', self.path, '--config', self.conf, '--chroot', self.directory + '/jail', '--user', 'nobody', '-vv'],
                                        stderr=self.log, stdin=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(self.path))

    def jobs(self, count, first=0, wait=20):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.path)
        s.sendall(imap_jobs.frame('H', 'test 1'))
        for n in range(first, first + count):
            imap_jobs.send_job(s, n, {})
        answers = []
        for value in imap_jobs.frames(s, time.time() + wait):
            if value[:1] != b'H':
                answers.append(value[:1].decode() + ' ' + value.decode('utf-8', 'replace').split(' ', 2)[2])
            if len(answers) == count:
                break
        s.close()
        return answers

    def text(self):
        return open(self.directory + '/log').read()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(12)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return self.process.returncode


def all_done(answers, count):
    return len(answers) == count and all(a.startswith('K ') for a in answers)


tls = 'host localhost; port %d; ca-file %s/ca.pem' % (port, scratch)

# ---- EXTERNAL ----
status, text = check('%s; user frank; certificate %s/frank.pem; key %s/frank.key; sasl EXTERNAL' % (tls, scratch, scratch))
ok(status == 0 and 'login: EXTERNAL' in text, 'EXTERNAL with a client certificate', text)
status, text = check('%s; certificate %s/frank.pem; key %s/frank.key' % (tls, scratch, scratch))
ok(status == 0 and 'login: EXTERNAL' in text, 'it is chosen where there is a certificate and no password', text)
status, text = check('%s; user frank; certificate %s/stranger.pem; key %s/stranger.key; sasl EXTERNAL' % (tls, scratch, scratch))
ok(status in (75, 77), "a certificate that the server's CA has not signed", text)
stage = Stage('%s; user frank; certificate %s/frank.pem; key %s/frank.key; sasl EXTERNAL; mailbox External; create yes' % (tls, scratch, scratch))
answers = stage.jobs(20)
ok(all_done(answers, 20) and len(stored('frank', 'External')) == 20 and stage.stop() == 0, 'EXTERNAL: a confined stage appends', '%s\n%s' % (answers, stage.text()))

# ---- tokens ----
write('token', 'good.token\n')
write('bad', 'bad.token\n')
for mechanism in ('XOAUTH2', 'OAUTHBEARER'):
    status, text = check('%s; user frank; token-file %s/token; sasl %s' % (tls, scratch, mechanism))
    ok(status == 0 and 'login: ' + mechanism in text, mechanism + ' with Dovecot', text)
    ok('good.token' not in text and base64.b64encode(b'good.token').decode()[:10] not in text, mechanism + ': the trace does not show the token', text)
    status, text = check('%s; user frank; token-file %s/bad; sasl %s' % (tls, scratch, mechanism))
    ok(status == 77 and 'AUTHENTICATIONFAILED' in text and text.count('> (secret)') == 2, mechanism + ': a token that is not valid: 77, and no silence', text)
os.chmod(scratch + '/token', 0o600)      # the keeper reads it as root
stage = Stage('%s; user frank; token-file %s/token; mailbox Token; create yes; keep-alive 1' % (tls, scratch))
answers = stage.jobs(5)
wait_for(lambda: 'LOGOUT' in stage.text())
write('token', 'bad.token\n', 0o600)
time.sleep(0.3)
refused = stage.jobs(1, 100)
ok(all_done(answers, 5) and len(refused) == 1 and refused[0].startswith('Z 4.7.8') and len(stored('frank', 'Token')) == 5, 'the file is read at each login, by a confined stage too',
   '%s %s\n%s' % (answers, refused, stage.text()))
ok(stage.stop() == 0, 'and it stops')
os.mkdir(scratch + '/count')
os.chmod(scratch + '/count', 0o777)
command = write('token-command', '#!/bin/sh\nid -un >> %s/count/runs\ntouch %s/count/marker.$$\necho good.token\n' % (scratch, scratch), 0o755)
stage = Stage('%s; user frank; token-command %s; mailbox Command; create yes; keep-alive 1' % (tls, command))
first = stage.jobs(5)
wait_for(lambda: 'LOGOUT' in stage.text())
second = stage.jobs(5, 50)
runs = open(scratch + '/count/runs').read().split()
ok(all_done(first, 5) and all_done(second, 5) and len(stored('frank', 'Command')) == 10, 'a token command, through the keeper of a confined stage', '%s %s\n%s' % (first, second, stage.text()))
ok(runs == ['nobody', 'nobody'], "it runs at each login, as the stage's user, outside the chroot", runs)
ok(stage.stop() == 0, 'and the stage stops')

# ---- tunnels ----
write('tunnel.conf', 'protocols = imap\nmail_location = maildir:~/Maildir\nlog_path = %s/tunnel.log\nbase_dir = %s/run\nstate_dir = %s/run\nfirst_valid_uid = 1\nfirst_valid_gid = 1\nssl = no\n' %
      (scratch, scratch, scratch))
os.mkdir(mail + '/tunnel')
shutil.chown(mail + '/tunnel', 'nobody', 'nogroup')
write('tunnel.log', '', 0o666)
preauth = write('preauth', '#!/bin/sh\necho $$ >> %s/count/tunnels\nexport USER=tunnel HOME=%s/tunnel\nexec /usr/lib/dovecot/imap -c %s/tunnel.conf\n' % (scratch, mail, scratch), 0o755)
stage = Stage('tunnel %s; mailbox Far; create yes' % preauth)
answers = stage.jobs(50)
ok(all_done(answers, 50) and len(stored('tunnel', 'Far')) == 50, "a tunnel's other end is logged in already (PREAUTH): a confined stage appends", '%s\n%s' % (answers[:3], stage.text()))
pids = [int(p) for p in open(scratch + '/count/tunnels').read().split()]
ok(len(pids) == 1, 'one tunnel for fifty', pids)
os.kill(pids[0], signal.SIGKILL)
time.sleep(0.3)
answers = stage.jobs(10, 200, 30)
ok(all_done(answers, 10) and len(stored('tunnel', 'Far')) == 60, 'it is killed: another is started', '%s\n%s' % (answers[:3], stage.text()))
pids = [int(p) for p in open(scratch + '/count/tunnels').read().split()]
ok(stage.stop() == 0 and wait_for(lambda: not os.path.exists('/proc/%d/exe' % pids[-1])), 'the tunnel ends with the stage')
relay = write('relay', '''#!/usr/bin/env python3
import os, socket, threading
s = socket.create_connection(('127.0.0.1', %d))
def up():
    while True:
        data = os.read(0, 65536)
        if not data:
            break
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while True:
    data = s.recv(65536)
    if not data:
        break
    os.write(1, data)
''' % port, 0o755)
stage = Stage('tunnel %s; host localhost; tls implicit; ca-file %s/ca.pem; user frank; password secret; mailbox Through; create yes' % (relay, scratch))
answers = stage.jobs(100)
ok(all_done(answers, 100) and len(stored('frank', 'Through')) == 100 and stage.stop() == 0, 'TLS and a password through a tunnel', '%s\n%s' % (answers[:3], stage.text()))
stage = Stage('tunnel "exit 3"')
answers = stage.jobs(1)
ok(len(answers) == 1 and answers[0].startswith('Z 4.') and stage.stop() == 0, 'a tunnel that fails: later', '%s\n%s' % (answers, stage.text()))

# ---- addresses ----
status, text = check('host ::1; port %d; ca-file %s/ca.pem; user frank; password secret' % (six, scratch))
ok(status == 0 and 'to [::1]' in text, 'an IPv6 address; the certificate names it', text)
status, text = check('host 127.0.0.1; port %d; ca-file %s/ca.pem; user frank; password secret' % (port, scratch))
ok(status == 0, 'an IPv4 address', text)


class Greeter:
    """Knows enough of IMAP for --check."""

    def __init__(self, address, p, deaf=False):
        self.socket = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
        self.socket.bind((address, p))
        self.socket.listen(0 if deaf else 5)
        self.fill = []
        for _ in range(4 if deaf else 0):       # whoever comes next is not even refused
            s = socket.socket(self.socket.family)
            s.setblocking(False)
            s.connect_ex((address, p))
            self.fill.append(s)
        if not deaf:
            threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            c, _ = self.socket.accept()
            f = c.makefile('rwb')
            try:
                f.write(b'* PREAUTH hello\r\n')
                f.flush()
                for line in f:
                    tag, verb = line.split()[:2]
                    f.write({b'CAPABILITY': b'* CAPABILITY IMAP4rev1\r\n', b'LIST': b'* LIST () "/" "INBOX"\r\n'}.get(verb, b'') + tag + b' OK done\r\n')
                    f.flush()
                    if verb == b'LOGOUT':
                        break
            except OSError:
                pass
            c.close()


write('hosts', '::1 mail.test localhost\n127.0.0.2 mail.test\n127.0.0.3 mail.test\n127.0.0.1 mail.test localhost\n')
mount = ['unshare', '-m', 'sh', '-c', 'mount --bind %s/hosts /etc/hosts && exec "$@"' % scratch, 'sh']
if subprocess.run(mount + ['true'], stderr=subprocess.DEVNULL).returncode == 0:
    # nobody answers at two of the name's addresses, one refuses, the last is it
    p = free_port()
    servers = [Greeter('::1', p, True), Greeter('127.0.0.2', p, True), Greeter('127.0.0.1', p)]
    path = write('names.conf', 'drop phone { host mail.test; port %d; tls none }\n' % p)
    began = time.time()
    done = subprocess.run(mount + [program, '--config', path, '--check', '-vv'], capture_output=True, text=True, timeout=60)
    took = time.time() - began
    ok(done.returncode == 0 and 'to 127.0.0.1' in done.stderr and took < 4, 'addresses that do not answer do not hold up the one that does', '%s %s\n%s' % (done.returncode, took, done.stdout + done.stderr))
else:
    count += 1
    print('ok %d # SKIP no mount namespaces here' % count)


# ---- channel binding with TLS 1.3: the keying material is exported by OpenSSL's own server ----
class Bound:
    """An IMAP server that knows SCRAM-SHA-256-PLUS, behind openssl s_server."""

    def __init__(self, spoil=False):
        self.port, self.spoil, self.result = free_port(), spoil, None
        self.process = subprocess.Popen(['openssl', 's_server', '-accept', '127.0.0.1:%d' % self.port, '-cert', scratch + '/localhost.pem', '-key', scratch + '/localhost.key', '-tls1_3',
                                         '-keymatexport', 'EXPORTER-Channel-Binding', '-keymatexportlen', '32', '-naccept', '1'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        children.append(self.process)
        self.ready = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()
        self.ready.wait(10)

    def send(self, text):
        self.process.stdin.write(text.encode() + b'\r\n')
        self.process.stdin.flush()

    def command(self):
        for line in self.process.stdout:
            m = re.match(rb'(d\d+) (\w+) ?(.*?)\r?\n', line)
            if m:
                return [x.decode() for x in m.groups()]
        raise EOFError

    def line(self):
        return self.process.stdout.readline().strip()

    def serve(self):
        material = None
        for line in self.process.stdout:
            if b'ACCEPT' in line:
                self.ready.set()
            m = re.search(rb'Keying material: ([0-9A-F]+)', line)
            if m:
                material = bytes.fromhex(m.group(1).decode())
                break
        self.send('* OK hello')
        try:
            while True:
                tag, verb, rest = self.command()
                if verb == 'CAPABILITY':
                    self.send('* CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS')
                elif verb == 'AUTHENTICATE':
                    self.result = self.scram(tag, rest, material)
                    if not self.result:
                        self.send(tag + ' NO [AUTHENTICATIONFAILED] no')
                        continue
                elif verb == 'LIST':
                    self.send('* LIST () "/" "INBOX"')
                self.send(tag + ' OK done')
        except (EOFError, OSError, ValueError):
            pass

    def scram(self, tag, rest, material):
        name, first = rest.split(' ')
        first = base64.b64decode(first).decode()
        header, bare = re.match(r'(p=tls-exporter,.*?,)(.*)', first).groups()
        nonce = re.search('r=(.*)', bare).group(1) + 'server'
        salt, rounds = b'saltsalt', 4096
        server_first = 'r=%s,s=%s,i=%d' % (nonce, base64.b64encode(salt).decode(), rounds)
        self.send('+ ' + base64.b64encode(server_first.encode()).decode())
        final = base64.b64decode(self.line()).decode()
        without = final.rsplit(',p=', 1)[0]
        wanted = base64.b64encode(header.encode() + (bytes(32) if self.spoil else material)).decode()
        salted = hashlib.pbkdf2_hmac('sha256', b'secret', salt, rounds)
        mac = lambda key, data: hmac.new(key, data, hashlib.sha256).digest()
        client_key = mac(salted, b'Client Key')
        message = ','.join((bare, server_first, without)).encode()
        proof = bytes(a ^ b for a, b in zip(client_key, mac(hashlib.sha256(client_key).digest(), message)))
        if final != 'c=%s,r=%s,p=%s' % (wanted, nonce, base64.b64encode(proof).decode()):
            return None
        self.send('+ ' + base64.b64encode(b'v=' + base64.b64encode(mac(mac(salted, b'Server Key'), message))).decode())
        return name if not self.line() else None


server = Bound()
status, text = check('host localhost; port %d; ca-file %s/ca.pem; user frank; password secret' % (server.port, scratch))
ok(status == 0 and server.result == 'SCRAM-SHA-256-PLUS' and 'login: SCRAM-SHA-256-PLUS' in text, 'SCRAM-SHA-256-PLUS with TLS 1.3: bound with tls-exporter', text)
server = Bound(spoil=True)
status, text = check('host localhost; port %d; ca-file %s/ca.pem; user frank; password secret' % (server.port, scratch))
ok(status == 77 and server.result is None, 'another channel than the one that the server sees is refused', text)

ok('panic' not in open(scratch + '/dovecot.log').read().lower(), 'Dovecot is well')
for child in children:
    if child.poll() is None:
        child.terminate()
        child.wait()
tokens.shutdown()
if not os.environ.get('KEEP'):
    shutil.rmtree(scratch)
print('1..%d' % count)
sys.exit(failed != 0)
