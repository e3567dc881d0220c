#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-smtpd under real xinetd, tcpserver, tcpsvd, s6-tcpserver and systemd-socket-activate, and its filter read by a real fail2ban.
import os, sys

here = os.path.dirname(os.path.abspath(__file__))
if not os.environ.get('DEADDROP_INSIDE'):
    peers = os.path.dirname(here) + '/peers'
    status = os.spawnvp(os.P_WAIT, peers, [peers, 'xinetd', 'ucspi-tcp', 'ipsvd', 'fail2ban', '--', 'env', 'DEADDROP_INSIDE=1', os.path.abspath(__file__), *sys.argv[1:]])
    if status == 77:
        print('1..0 # SKIP super-servers cannot be had here')
    sys.exit(0 if status == 77 else status)
sys.path.insert(0, here)
sys.dont_write_bytecode = True
from smtpd_rig import *
import threading

PLAIN = [smtpd_program, '--name', 'mx.example', '--out', queue_socket]
STDIO = PLAIN + ['--stdio']


def check(name, argv, port, **popen):
    """argv serves port: a message through it arrives whole, several at a time do, and one who leaves in the middle leaves nothing."""
    if not shutil.which(argv[0]):
        skip(name, 'no Debian package has %s' % argv[0] if 's6' in name else 'not installed')
        return
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open('%s/%s.err' % (scratch, name), 'wb'), **popen)

    def connect():
        try:
            return Raw(port)
        except OSError:
            return None
    c = wait_for(connect)
    replies = c.say(ENVELOPE, 4) + [c.say(message(name, 'a\r\n..b\r\n'))] + [c.say('QUIT\r\n') + c.rest()] if c else []
    is_([r[:3] for r in replies], ['250', '250', '250', '354', '250', '221'], name)
    found = with_subject(name)
    ok(found and found[0][1].endswith(b'\n\na\n.b\n') and 'attr client [127.0.0.1]' in found[0][0], name + ': the message is whole, the peer is known', found)
    gone = Raw(port)
    gone.say(ENVELOPE, 4)
    gone.s.sendall(b'Subject: half-%s\r\n\r\nhalf' % name.encode())
    gone.close()

    def one(n):
        each = Raw(port)
        each.say(ENVELOPE, 4)
        each.say(message('%s-many' % name))
        each.say('QUIT\r\n')
    crowd = [threading.Thread(target=one, args=(n,)) for n in range(4)]
    for t in crowd:
        t.start()
    for t in crowd:
        t.join()
    is_((len(with_subject(name + '-many')), len(with_subject('half-' + name))), (4, 0), name + ': four at a time, and nothing of one who left')
    p.terminate()
    p.wait()


def test_tcpserver():
    port = free_port()
    check('tcpserver', ['tcpserver', '-HRl0', '127.0.0.1', str(port), *STDIO], port)


def test_tcpsvd():
    port = free_port()
    check('tcpsvd', ['tcpsvd', '-E', '-l0', '127.0.0.1', str(port), *STDIO], port)


def test_s6():
    port = free_port()
    check('s6-tcpserver', ['s6-tcpserver', '127.0.0.1', str(port), *STDIO], port)


def test_systemd():
    for name, options, program in (('systemd-listen', [], PLAIN), ('systemd-accept', ['--accept'], PLAIN), ('systemd-inetd', ['--accept', '--inetd'], STDIO)):
        port = free_port()
        check(name, ['systemd-socket-activate', '-l', '127.0.0.1:%d' % port, *options, *program], port)


def test_xinetd():
    port = free_port()
    with open(scratch + '/xinetd.conf', 'w') as f:
        f.write('service smtp-test\n{\n type = UNLISTED\n socket_type = stream\n protocol = tcp\n wait = no\n user = root\n bind = 127.0.0.1\n port = %d\n'
                ' server = %s\n server_args = %s --logfile %s/xinetd.log\n}\n' % (port, STDIO[0], ' '.join(STDIO[1:]), scratch))
    check('xinetd', ['xinetd', '-dontfork', '-f', scratch + '/xinetd.conf', '-pidfile', scratch + '/xinetd.pid'], port)
    ok('smtpd: accept client=127.0.0.1' in open(scratch + '/xinetd.log').read(), 'xinetd: the log goes to its file')


def test_fail2ban():
    log = scratch + '/fail.log'
    with Smtpd('group proxies net 127.0.0.0/8\nproxy proxies\nreject rcpt later@x.example 451 "client=192.0.2.66 status=550"\nreject rcpt no@x.example\naccept all\nauth %s\n'
               % secrets()) as d:
        def say(ip, text, replies):
            c = Raw(d.port, greet=False)
            c.say('PROXY TCP4 %s 198.51.100.1 4711 25\r\n' % ip)
            c.say('EHLO c\r\n' + text, replies + 1)
            c.close()
        say('192.0.2.7', 'MAIL FROM:<a@b.example>\r\nRCPT TO:<no@x.example>\r\n', 2)
        say('192.0.2.8', 'XYZZY client=192.0.2.66\r\n', 1)
        say('192.0.2.9', 'MAIL FROM:<client=192.0.2.66@b.example>\r\nRCPT TO:<later@x.example>\r\n', 2)
        say('192.0.2.10', ENVELOPE[8:] + message('fail2ban'), 4)
        say('192.0.2.11', 'MAIL FROM:<a@b.example>\r\nRCPT TO:<"x client=192.0.2.66 status=550 "@x.example>\r\n', 2)
        lines = [l for l in d.lines().decode().splitlines() if 'client=192.0.2' in l]
    lines.append('smtpd: auth-fail client=2001:db8::7 port=41234 command=AUTH user=anne status=535 "Authentication failed"')
    # a supervisor's time stamps, as svlogd -tt and multilog with tai64nlocal write them, and syslog's
    for name, stamp in (('svlogd -tt', '%Y-%m-%d_%H:%M:%S.00000 '), ('a plain clock', '%Y-%m-%d %H:%M:%S '), ('syslog', '%b %d %H:%M:%S host deaddrop-smtpd[7]: ')):
        with open(log, 'w') as f:
            f.write(''.join(time.strftime(stamp) + l + '\n' for l in lines))
        r = subprocess.run(['fail2ban-regex', '-v', log, top + '/service/fail2ban/deaddrop-smtpd.conf'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()
        found = sorted(set(re.findall(r'(?m)^\|\s+([0-9a-f.:]+)  ', r)))
        is_(found, ['192.0.2.7', '192.0.2.8', '2001:db8::7'], 'fail2ban-regex bans who is to be banned, and nobody else: %s' % name)
        if len(found) != 3:
            print('# ' + r.replace('\n', '\n# '))


def test_setup():
    """What it makes outside of /tmp goes with this layer."""
    name = '/etc/fail2ban/filter.d/deaddrop-smtpd.conf'
    setup = [top + '/service/setup', '--with', 'smtpd', '--no-start', '--programs', bin, '--supervisor', 'runit', '--services', scratch + '/services', '--spool', '/var/spool/dd-test', '--logs', '/var/log/dd-test']
    r = subprocess.run(setup, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    ok(os.path.exists(name) and open(name).read() == open(top + '/service/fail2ban/deaddrop-smtpd.conf').read(), 'setup gives fail2ban the filter', r.stdout.decode())
    with open(scratch + '/one.log', 'w') as f:
        f.write(time.strftime('%Y-%m-%d_%H:%M:%S.00000 ') + 'smtpd: reject client=192.0.2.7 port=41234 rcpt=<x@y.example> from=<a@b.example> status=550 "No one here by that name."\n')
    said = subprocess.run(['fail2ban-regex', scratch + '/one.log', 'deaddrop-smtpd'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()
    ok('1 matched' in said, 'which finds it by its name', said)
    r = subprocess.run([*setup, '--remove'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    ok(not os.path.exists(name), 'setup --remove takes it back', r.stdout.decode())


run(globals())
