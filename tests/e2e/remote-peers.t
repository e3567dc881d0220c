#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-remote against real servers: Dovecot's LMTP, the submission services of Exim and Postfix (logins by Dovecot). Each runs with a configuration of its own below /tmp, on
# loopback and UNIX sockets. What is not installed may be unpacked anywhere (dpkg-deb -x) and be named by DEADDROP_PEERS; what is missing is skipped.
import atexit, grp, os, pwd, shutil, signal, socket, subprocess, sys, tempfile, time

top = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
program = os.path.join(os.environ.get('DEADDROP_BIN', top + '/build/bin'), 'deaddrop-remote')
peers = os.environ.get('DEADDROP_PEERS', '/nonexistent')
count = failed = 0
started = []


def ok(good, name, *why):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, name), flush=True)
    if not good:
        for line in ' '.join(str(w) for w in why).split('\n'):
            print('# ' + line, flush=True)
    return good


def skip(why):
    global count
    count += 1
    print('ok %d # SKIP %s' % (count, why), flush=True)


if not os.path.exists(program) or os.getuid() != 0:
    print('1..0 # SKIP needs root and %s' % program)
    sys.exit(0)
scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
os.chmod(scratch, 0o755)


def finish():
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
    shutil.rmtree(scratch, True)


atexit.register(finish)
signal.signal(signal.SIGTERM, lambda *x: sys.exit(1))


def find(*paths):
    for path in paths:
        for full in (path, peers + path):
            if os.path.exists(full):
                return full
    return None


def write(name, text, mode=0o644):
    path = scratch + '/' + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def start(arguments, ready, env=None):
    log = open(scratch + '/%s.out' % os.path.basename(arguments[0]), 'wb')
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
    started.append(process)
    for _ in range(200):
        if ready():
            return process
        if process.poll() is not None:
            return None
        time.sleep(0.05)
    return None


def listens(n):
    def look():
        try:
            socket.create_connection(('127.0.0.1', n), 1).close()
            return True
        except OSError:
            return False
    return look


def run(*arguments, message=b'Subject: x\n\nhello\n'):
    return subprocess.run([program] + list(arguments), input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90)


def stored(directory, n=1):
    for _ in range(100):
        found = sorted(os.listdir(directory + '/new')) if os.path.isdir(directory + '/new') else []
        if len(found) >= n:
            break
        time.sleep(0.05)
    return [open(directory + '/new/' + f, 'rb').read() for f in found]


def make_certificates():
    def openssl(*a):
        subprocess.run(('openssl',) + a, check=True, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test CA')
    write('ext', 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    for name in ('server', 'frank'):
        openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', name + '.key', '-out', name + '.csr', '-subj', '/CN=' + name)
        openssl('x509', '-req', '-in', name + '.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', name + '.pem', '-days', '2', '-extfile', 'ext')
    os.chmod(scratch + '/server.key', 0o644)


def corpus():
    directory = top + '/tests/corpus/messages'
    for name in sorted(os.listdir(directory)):
        with open(directory + '/' + name, 'rb') as f:
            yield name, f.read()


def is_same(got, sent, name):
    """Apart from trace fields in front, and from where long fields are folded."""
    wanted = sent.replace(b'\r\n', b'\n').replace(b'\r', b'\n')
    wanted += b'' if wanted.endswith(b'\n') else b'\n'
    if name in ('long-field', 'many-to', 'folded'):
        got, wanted = got.replace(b'\n', b''), wanted.replace(b'\n', b'')
    return got.endswith(wanted)


# ---- Dovecot ----

def start_dovecot():
    dovecot, lmtp = find('/usr/sbin/dovecot'), find('/usr/lib/dovecot/lmtp')
    if not dovecot or not lmtp:
        return None
    write('users', 'frank:{PLAIN}hemmelig::::::\nanna:{PLAIN}hemmelig::::::\nfull:{PLAIN}hemmelig::::::userdb_quota_rule=*:storage=1B\n')
    mail = scratch + '/dovecot-mail'
    os.makedirs(mail)
    os.chown(mail, pwd.getpwnam('nobody').pw_uid, -1)
    config = write('dovecot.conf', '''
base_dir = %(s)s/run
state_dir = %(s)s/state
log_path = %(s)s/dovecot.log
protocols = lmtp
ssl = no
mail_location = maildir:%(s)s/dovecot-mail/%%n
first_valid_uid = 1
auth_username_format = %%n
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
disable_plaintext_auth = no
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%%n %(s)s/users
}
userdb {
  driver = passwd-file
  args = username_format=%%n %(s)s/users
  default_fields = uid=nobody gid=nogroup home=%(s)s/dovecot-mail/%%n
}
protocol lmtp {
  mail_plugins = quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
}
service lmtp {
  executable = %(lmtp)s
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = %(port)d
  }
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
''' % {'s': scratch, 'lmtp': lmtp, 'port': LMTP_PORT})
    return start([dovecot, '-F', '-c', config], lambda: os.path.exists(scratch + '/run/lmtp') and listens(LMTP_PORT)())


LMTP_PORT = port()


def test_dovecot():
    path = scratch + '/run/lmtp'
    if not start_dovecot():
        skip('Dovecot with its LMTP server is not there: apt-get download dovecot-lmtpd, dpkg-deb -x, DEADDROP_PEERS=DIR')
        if os.path.exists(scratch + '/dovecot.log'):
            print('# ' + open(scratch + '/dovecot.log').read().replace('\n', '\n# '))
        return
    r = run('--check', '--lmtp', path)
    ok(r.returncode == 0 and b'PIPELINING' in r.stdout, 'Dovecot: --check', r)
    r = run('--lmtp', path, '--sender', 'a@b.example', '--recipient', 'frank', '--recipient', 'nobody', '--recipient', 'full', '--recipient', 'frank', '--recipient', 'anna',
            message=b'Subject: x\n\n' + b'hello\n' * 2000)
    verdicts = [l.split()[1] for l in r.stderr.decode().split('\n') if 'rcpt=' in l]
    ok(verdicts[0] == verdicts[3] == verdicts[4] == 'done' and verdicts[1] == 'never' and verdicts[2] in ('never', 'later'),
       'Dovecot: several recipients, one unknown, one over quota, one twice', r.stderr.decode())
    ok('5.1.1' in r.stderr.decode() and '.2.2' in r.stderr.decode(), 'Dovecot: with their codes', r.stderr.decode())
    ok(len(stored(scratch + '/dovecot-mail/anna')) == 1, 'Dovecot: it is there')
    shutil.rmtree(scratch + '/dovecot-mail/frank')
    for kind, at in (('socket', path), ('TCP', '127.0.0.1:%d' % LMTP_PORT)):
        bad = []
        for name, data in corpus():
            if not data or data.startswith(b'From '):
                continue
            r = run('--lmtp', at, '--sender', 'a@b.example', '--recipient', 'frank', message=data)
            got = stored(scratch + '/dovecot-mail/frank')
            if r.returncode or len(got) != 1 or not is_same(got[0], data, name):
                bad.append((name, r.stderr, got and got[0][-200:]))
            shutil.rmtree(scratch + '/dovecot-mail/frank', True)
        ok(not bad, 'Dovecot (%s): the corpus arrives as it is' % kind, bad)


# ---- submission ----

FRANK = ('--login', 'frank', '--password-file')


def try_logins(who, n, mechanisms, mailbox):
    ca = ('--ca-file', scratch + '/ca.pem')
    for mechanism in mechanisms:
        shutil.rmtree(mailbox, True)
        extra = FRANK + (write('pw', 'hemmelig\n'),) if mechanism != 'EXTERNAL' else ('--certificate', scratch + '/frank.pem', '--key', scratch + '/frank.key')
        r = run('--relay', '127.0.0.1:%d' % n, '--tls', 'starttls', *ca, *extra, '--mechanisms', mechanism, '-vv', '--sender', 'a@b.example', '--recipient', 'frank@localhost')
        ok(r.returncode == 0 and ('AUTH ' + mechanism).encode() in r.stderr and b'hemmelig' not in r.stderr, '%s: login with %s' % (who, mechanism), r.stderr.decode())
        got = stored(mailbox)
        ok(len(got) == 1 and b'Subject: x\n' in got[0] and got[0].endswith(b'\n\nhello\n'), '%s: and the message arrives' % who, got)
    r = run('--relay', '127.0.0.1:%d' % n, '--tls', 'starttls', *ca, *FRANK, write('wrong', 'falsch\n'), '--sender', 'a@b.example', '--recipient', 'frank@localhost')
    ok(r.returncode == 75 and b'4.7.8' in r.stderr, '%s: a wrong password is later' % who, r)
    r = run('--relay', '127.0.0.1:%d' % n, '--tls', 'starttls', *ca, '--sender', 'a@b.example', '--recipient', 'x@elsewhere.example')
    ok(r.returncode not in (0, -1), '%s: no relaying without a login' % who, r)


def try_corpus(who, n, mailbox):
    bad = []
    for name, data in corpus():
        if not data or data.startswith(b'From ') or name in ('no-empty-line', 'nul-in-body', 'eight-bit-header', 'looks-like-a-record', 'no-header', 'empty-line-first'):
            continue		# servers of mail mend or refuse those: they are compared at Dovecot's LMTP
        shutil.rmtree(mailbox, True)
        r = run('--relay', '127.0.0.1:%d' % n, '--tls', 'starttls', '--ca-file', scratch + '/ca.pem', *FRANK, write('pw', 'hemmelig\n'), '--sender', 'a@b.example', '--recipient',
                'frank@localhost', message=data)
        got = stored(mailbox) if not r.returncode else []
        body = data.replace(b'\r\n', b'\n').replace(b'\r', b'\n').split(b'\n\n', 1)[-1].rstrip(b'\n')
        if len(got) != 1 or body not in got[0]:
            bad.append((name, r.stderr, got and got[0][-300:]))
    ok(not bad, '%s: bodies of the corpus arrive as they are' % who, bad)


def test_exim():
    exim = find('/usr/sbin/exim4', '/usr/sbin/exim')
    if not exim:
        skip('Exim is not there')
        return
    n = port()
    for name in ('exim', 'exim-mail'):
        os.makedirs(scratch + '/' + name)
    os.chmod(scratch + '/exim-mail', 0o777)
    owner = next((u for u in ('Debian-exim', 'exim', 'mail') if u in [p.pw_name for p in pwd.getpwall()]), 'mail')
    os.chown(scratch + '/exim', pwd.getpwnam(owner).pw_uid, pwd.getpwnam(owner).pw_gid)
    config = write('exim.conf', '''
spool_directory = %(s)s/exim
log_file_path = %(s)s/exim/%%slog
pid_file_path = %(s)s/exim/pid
primary_hostname = localhost
domainlist local_domains = localhost
acl_smtp_rcpt = rcpt
tls_advertise_hosts = *
tls_certificate = %(s)s/server.pem
tls_privatekey = %(s)s/server.key
tls_verify_certificates = %(s)s/ca.pem
tls_try_verify_hosts = *
chunking_advertise_hosts = *
never_users =
begin acl
rcpt:
  accept authenticated = *
  deny message = log in first
begin routers
mda:
  driver = accept
  local_parts = mda
  transport = mda
all:
  driver = accept
  transport = maildir
begin transports
mda:
  driver = pipe
  use_shell
  command = sed 's/^Subject: /Subject: [seen] /' | %(program)s --lmtp %(s)s/run/lmtp --sender $sender_address --recipient anna
  user = %(owner)s
  group = %(group)s
  return_path_add = false
  temp_errors = 75
maildir:
  driver = appendfile
  directory = %(s)s/exim-mail/frank
  maildir_format
  create_directory
  user = %(owner)s
  group = %(group)s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and {{eq{$auth2}{frank}}{eq{$auth3}{hemmelig}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and {{eq{$auth1}{frank}}{eq{$auth2}{hemmelig}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = hemmelig
  server_set_id = $auth1
external:
  driver = external
  public_name = EXTERNAL
  server_condition = ${if eq{$tls_in_certificate_verified}{1}}
  server_set_id = frank
''' % {'s': scratch, 'program': program, 'owner': owner, 'group': grp.getgrgid(pwd.getpwnam(owner).pw_gid).gr_name})
    if not start([exim, '-C', config, '-bdf', '-oX', '127.0.0.1.%d' % n], listens(n)):
        skip('Exim does not start here: ' + open(scratch + '/%s.out' % os.path.basename(exim)).read()[:300].replace('\n', ' '))
        return
    before = failed
    try_logins('Exim', n, ('PLAIN', 'LOGIN', 'CRAM-MD5', 'EXTERNAL'), scratch + '/exim-mail/frank')
    try_corpus('Exim', n, scratch + '/exim-mail/frank')
    if os.path.exists(scratch + '/run/lmtp'):
        anna = scratch + '/dovecot-mail/anna'
        shutil.rmtree(anna, True)
        run('--relay', '127.0.0.1:%d' % n, '--ca-file', scratch + '/ca.pem', *FRANK, write('pw', 'hemmelig\n'), '--sender', 'a@b.example', '--recipient', 'mda@localhost')
        got = stored(anna)
        ok(len(got) == 1 and b'Subject: [seen] x\n' in got[0] and b'Return-Path: <a@b.example>' in got[0], 'a filter that pipes into it, as the delivery program of Exim', got)
    if failed > before:
        for name in ('mainlog', 'paniclog'):
            if os.path.exists(scratch + '/exim/' + name):
                print('# ' + open(scratch + '/exim/' + name).read()[-2000:].replace('\n', '\n# '))


def test_postfix():
    master, libraries = find('/usr/lib/postfix/sbin/master'), find('/usr/lib/postfix')
    if not master or not os.path.exists(scratch + '/run/auth-client'):
        skip('Postfix, or the Dovecot that checks its logins, is not there: apt-get download postfix, dpkg-deb -x, DEADDROP_PEERS=DIR')
        return
    n = port()
    queue, config = scratch + '/postfix/queue', scratch + '/postfix/etc'
    names = [p.pw_name for p in pwd.getpwall()]
    owner = 'postfix' if 'postfix' in names else 'dovenull'
    uid = pwd.getpwnam(owner).pw_uid
    for name in ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private', 'saved', 'trace', 'maildrop', 'public', 'pid'):
        os.makedirs(queue + '/' + name)
        if name != 'pid':
            os.chown(queue + '/' + name, uid, -1)
    os.makedirs(scratch + '/postfix/data')
    os.chown(scratch + '/postfix/data', uid, -1)
    os.makedirs(scratch + '/postfix-mail')
    os.chmod(scratch + '/postfix-mail', 0o777)
    group = 'postdrop' if owner == 'postfix' else 'dovecot'
    write('postfix/etc/main.cf', '''
compatibility_level = 3.6
queue_directory = %(q)s
data_directory = %(s)s/postfix/data
daemon_directory = %(d)s
command_directory = %(c)s
shlib_directory = no
meta_directory = %(s)s/postfix/etc
mail_owner = %(owner)s
default_privs = nobody
setgid_group = %(group)s
maillog_file = %(s)s/postfix/log
maillog_file_prefixes = %(s)s
myhostname = localhost
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = localhost
virtual_mailbox_base = %(s)s/postfix-mail
virtual_mailbox_maps = static:frank/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_security_level = may
smtpd_tls_cert_file = %(s)s/server.pem
smtpd_tls_key_file = %(s)s/server.key
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = %(s)s/run/auth-client
smtpd_relay_restrictions = permit_sasl_authenticated, reject
''' % {'s': scratch, 'q': queue, 'd': os.path.dirname(master), 'c': find('/usr/sbin/postdrop') and os.path.dirname(find('/usr/sbin/postdrop')), 'owner': owner, 'group': group})
    write('postfix/etc/master.cf', '''
127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
''' % n)
    env = dict(os.environ, LD_LIBRARY_PATH=libraries, MAIL_CONFIG=config)
    if libraries.startswith(peers):
        # its programs do not get the variable through the master: they are started by a path that says it
        daemons = scratch + '/postfix/daemons'
        os.makedirs(daemons)
        for name in os.listdir(os.path.dirname(master)):
            write('postfix/daemons/' + name, '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/%s "$@"\n' % (libraries, os.path.dirname(master), name), 0o755)
        text = open(config + '/main.cf').read().replace('daemon_directory = ' + os.path.dirname(master), 'daemon_directory = ' + daemons)
        write('postfix/etc/main.cf', text)
    if not start([master, '-d', '-c', config], listens(n), env):
        log = open(scratch + '/postfix/log').read() if os.path.exists(scratch + '/postfix/log') else ''
        skip('Postfix does not start here: ' + (open(scratch + '/master.out').read() + log)[-400:].replace('\n', ' '))
        return
    before = failed
    try_logins('Postfix', n, ('PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256'), scratch + '/postfix-mail/frank')
    try_corpus('Postfix', n, scratch + '/postfix-mail/frank')
    if failed > before and os.path.exists(scratch + '/postfix/log'):
        print('# ' + open(scratch + '/postfix/log').read()[-3000:].replace('\n', '\n# '))


make_certificates()
for name, test in (('dovecot', test_dovecot), ('exim', test_exim), ('postfix', test_postfix)):
    if len(sys.argv) < 2 or name in sys.argv[1:]:
        test()
print('1..%d' % count)
sys.exit(failed > 0)
