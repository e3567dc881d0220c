#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Real clients hand their mail to deaddrop-smtpd, in the clear, over STARTTLS and with a login: what each of them sent arrives whole.
import glob, os, smtplib, ssl, sys

PACKAGES = ('swaks msmtp s-nail git-email libio-socket-ssl-perl libauthen-sasl-perl libphp-phpmailer php-cli libjakarta-mail-java ecj default-jre-headless '
            'nodejs node-nodemailer curl postfix').split()
here = os.path.dirname(os.path.abspath(__file__))
if not os.environ.get('DEADDROP_INSIDE'):
    peers = os.path.dirname(here) + '/peers'
    status = os.spawnvp(os.P_WAIT, peers, [peers, *PACKAGES, '--', 'env', 'DEADDROP_INSIDE=1', os.path.abspath(__file__), *sys.argv[1:]])
    if status == 77:
        print('1..0 # SKIP the clients cannot be had here')
    sys.exit(0 if status == 77 else status)
sys.path.insert(0, here)
sys.dont_write_bytecode = True
from smtpd_rig import *

# What tests every layer on the way: dots, a long line, UTF-8, a line of its own with a dot, no blank lost.
TEXT = 'first\n.\n..two dots\n.one dot\n\n' + 'long ' * 150 + '\n\u00e4\u00f6\u00fc \u20ac\n--\nlast\n'
USER, PASSWORD = 'anne', 'tiger'


def letter(name, end='\n'):
    return ('From: a@b.example\nTo: u@local.example\nSubject: %s\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <%s@b.example>\nMIME-Version: 1.0\n'
            'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n' % (name, name) + TEXT).replace('\n', end)


def file(name, text):
    path = scratch + '/' + name
    with open(path, 'w', newline='') as f:
        f.write(text)
    return path


def text_of(body):
    """The text of a message, whatever its transfer encoding."""
    import email, email.policy
    m = email.message_from_bytes(body, policy=email.policy.default)
    return m.get_content()


def check(name, argv, stdin='', proto='ESMTP', whole=False, **env):
    """argv sends the letter called name. whole: with not a byte changed."""
    r = subprocess.run(argv, input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=scratch, env=dict(os.environ, HOME=scratch, **env), timeout=100)
    found = with_subject(name)
    said = r.stdout.decode(errors='replace')
    if r.returncode or len(found) != 1:
        ok(False, name, '%d, %d messages\n%s\n%s' % (r.returncode, len(found), said, open(daemon.log.name).read()[-600:]))
        return
    head, body = found[0]
    good = body.endswith(letter(name).encode()) if whole else text_of(body).rstrip('\n') == TEXT.rstrip('\n')
    tls = 'S' in proto[5:] or 'tls' in name
    wanted = ('attr tls TLSv1.' in head) == tls and 'attr proto %s\n' % proto in head and ('attr auth %s\n' % USER in head) == proto.endswith('A') and 'rcpt u@local.example\n' in head and 'sender a@b.example\n' in head
    ok(good and wanted, '%s: intact, by %s' % (name, proto), head + body.decode(errors='replace') + said)


def test_curl():
    for name, options, proto in (('curl', [], 'ESMTP'), ('curl-tls', ['--ssl-reqd', '--cacert', cert], 'ESMTPS'), ('curl-login', ['--user', USER + ':' + PASSWORD], 'ESMTPA'),
                                 ('curl-both', ['--ssl-reqd', '--cacert', cert, '--user', USER + ':' + PASSWORD], 'ESMTPSA')):
        check(name, ['curl', '-sS', '--url', 'smtp://localhost:%d' % port, '--mail-from', 'a@b.example', '--mail-rcpt', 'u@local.example',
                     '-T', file(name + '.eml', letter(name, '\r\n')), *options], proto=proto, whole=True)


def test_swaks():
    base = ['swaks', '--server', 'localhost:%d' % port, '--from', 'a@b.example', '--to', 'u@local.example']
    login = ['--auth-user', USER, '--auth-password', PASSWORD]
    for name, options, proto in (('swaks', [], 'ESMTP'), ('swaks-pipeline', ['--pipeline'], 'ESMTP'), ('swaks-tls', ['--tls'], 'ESMTPS'),
                                 ('swaks-tls-pipeline', ['--tls', '--pipeline'], 'ESMTPS'),
                                 ('swaks-plain', ['--auth', 'PLAIN', *login], 'ESMTPA'), ('swaks-login', ['--auth', 'LOGIN', '--tls', *login], 'ESMTPSA')):
        check(name, [*base, *options, '--data', '@' + file(name + '.eml', letter(name))], proto=proto)       # swaks ends what it sends with an empty line


def test_msmtp():
    base = ['msmtp', '--file=/dev/null', '--host=localhost', '--port=%d' % port, '--from=a@b.example']
    pw = '--passwordeval=echo ' + PASSWORD
    for name, options, proto in (('msmtp', [], 'ESMTP'), ('msmtp-tls', ['--tls=on', '--tls-trust-file=' + cert], 'ESMTPS'),
                                 ('msmtp-login', ['--tls=on', '--tls-trust-file=' + cert, '--auth=plain', '--user=' + USER, pw], 'ESMTPSA'),
                                 ('msmtp-scram', ['--tls=on', '--tls-trust-file=' + cert, '--auth=scram-sha-256', '--user=' + USER, pw], 'ESMTPSA')):
        check(name, [*base, *options, 'u@local.example'], letter(name), proto, whole=True)


def test_s_nail():
    for name, options, proto in (('s-nail', ['-Ssmtp-auth=none', '-Smta=smtp://localhost:%d' % port], 'SMTP'),
                                 ('s-nail-tls', ['-Ssmtp-use-starttls', '-Stls-ca-file=' + cert, '-Stls-verify=strict', '-Ssmtp-auth=none', '-Smta=smtp://localhost:%d' % port], 'SMTP'),       # it says HELO
                                 ('s-nail-login', ['-Ssmtp-auth=plain', '-Smta=smtp://%s:%s@localhost:%d' % (USER, PASSWORD, port)], 'ESMTPA')):
        check(name, ['s-nail', '-:/', '-Sv15-compat', '-Smta-bcc-ok', *options, '-Sttycharset=utf-8', '-r', 'a@b.example', '-s', name, 'u@local.example'], TEXT, proto, LC_ALL='C.UTF-8')


def test_python():
    context = ssl.create_default_context(cafile=cert)
    for name, tls, login, proto in (('smtplib', 0, 0, 'ESMTP'), ('smtplib-both', 1, 1, 'ESMTPSA')):
        c = smtplib.SMTP('localhost', port)
        if tls:
            c.starttls(context=context)
        if login:
            c.login(USER, PASSWORD)
        c.sendmail('a@b.example', ['u@local.example'], letter(name, '\r\n').encode())
        c.quit()
        check(name, ['true'], proto=proto, whole=True)


def test_nodemailer():
    program = file('mail.js', '''
const [port, subject, tls, login] = process.argv.slice(2), fs = require('fs');
require('nodemailer').createTransport({ host: '127.0.0.1', port: +port, secure: false, requireTLS: tls == '1', ignoreTLS: tls != '1', tls: { servername: 'localhost', ca: fs.readFileSync(process.env.CERT) },
	auth: login ? { user: '%s', pass: '%s', method: login } : undefined })
.sendMail({ from: 'a@b.example', to: 'u@local.example', subject, text: fs.readFileSync(0, 'utf8') }).catch(e => { console.error(e); process.exit(1); });
''' % (USER, PASSWORD))
    for name, tls, login, proto in (('nodemailer', '', '', 'ESMTP'), ('nodemailer-plain', '1', 'PLAIN', 'ESMTPSA'), ('nodemailer-login', '1', 'LOGIN', 'ESMTPSA')):
        check(name, ['node', program, str(port), name, tls, login], TEXT, proto, CERT=cert, NODE_PATH='/usr/share/nodejs')


def test_phpmailer():
    program = file('mail.php', r'''<?php
require '/usr/share/php/libphp-phpmailer/autoload.php';
$m = new PHPMailer\PHPMailer\PHPMailer(true);
$m->isSMTP(); $m->Host = 'localhost'; $m->Port = (int)$argv[1]; $m->CharSet = 'utf-8'; $m->SMTPDebug = 0;
$m->SMTPAutoTLS = false;
if ($argv[3]) { $m->SMTPSecure = 'tls'; $m->SMTPOptions = ['ssl' => ['cafile' => getenv('CERT')]]; }
if ($argv[4]) { $m->SMTPAuth = true; $m->AuthType = $argv[4]; $m->Username = '%s'; $m->Password = '%s'; }
$m->setFrom('a@b.example'); $m->addAddress('u@local.example'); $m->Subject = $argv[2]; $m->Body = stream_get_contents(STDIN);
$m->send();
''' % (USER, PASSWORD))
    for name, tls, login, proto in (('phpmailer', '', '', 'ESMTP'), ('phpmailer-plain', '1', 'PLAIN', 'ESMTPSA'), ('phpmailer-login', '1', 'LOGIN', 'ESMTPSA')):
        check(name, ['php', program, str(port), name, tls, login], TEXT, proto, CERT=cert)


def test_perl():
    program = file('mail.pl', r'''
use strict; use Net::SMTP; my ($port, $tls, $login) = @ARGV;
my $c = Net::SMTP->new('localhost', Port => $port, Hello => 'perl.example') or die "connect: $@";
if ($tls) { $c->starttls(SSL_ca_file => $ENV{CERT}) or die 'starttls: ' . $c->message }
if ($login) { $c->auth('%s', '%s') or die 'auth: ' . $c->message }
$c->mail('a@b.example') && $c->to('u@local.example') && $c->data or die $c->message;
$c->datasend($_) while <STDIN>;
$c->dataend or die $c->message; $c->quit;
''' % (USER, PASSWORD))
    for name, tls, login, proto in (('net-smtp', '', '', 'ESMTP'), ('net-smtp-tls', '1', '', 'ESMTPS'), ('net-smtp-login', '1', '1', 'ESMTPSA')):
        check(name, ['perl', program, str(port), tls, login], letter(name), proto, whole=True, CERT=cert)


def test_java():
    jars = ':'.join(glob.glob('/usr/share/java/jakarta-mail.jar') + glob.glob('/usr/share/java/*activation*.jar') + [scratch])
    file('Send.java', '''
import jakarta.mail.*; import jakarta.mail.internet.*; import java.util.Properties;
public class Send {
	public static void main(String[] a) throws Exception {
		Properties p = new Properties();
		p.put("mail.smtp.host", "localhost"); p.put("mail.smtp.port", a[0]); p.put("mail.smtp.from", "a@b.example");
		if (a[2].equals("tls")) { p.put("mail.smtp.starttls.required", "true"); p.put("mail.smtp.starttls.enable", "true"); p.put("mail.smtp.ssl.trust", "localhost"); }
		Authenticator who = null;
		if (a[3].equals("login")) {
			p.put("mail.smtp.auth", "true");
			who = new Authenticator() { protected PasswordAuthentication getPasswordAuthentication() { return new PasswordAuthentication("%s", "%s"); } };
		}
		MimeMessage m = new MimeMessage(Session.getInstance(p, who));
		m.setFrom(new InternetAddress("a@b.example")); m.setRecipient(Message.RecipientType.TO, new InternetAddress("u@local.example"));
		m.setSubject(a[1]); m.setText(new String(System.in.readAllBytes(), "UTF-8"), "UTF-8");
		Transport.send(m);
	}
}
''' % (USER, PASSWORD))
    built = subprocess.run(['ecj', '-11', '-proc:none', '-cp', jars, '-d', scratch, scratch + '/Send.java'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    ok(built.returncode == 0, 'the Java client is built', built.stdout.decode())
    for name, tls, login, proto in (('java', '-', '-', 'ESMTP'), ('java-both', 'tls', 'login', 'ESMTPSA')):
        check(name, ['java', '-cp', jars, 'Send', str(port), name, tls, login], TEXT, proto)


def test_git():
    for name, options, proto in (('git', [], 'ESMTP'), ('git-both', ['--smtp-encryption=tls', '--smtp-ssl-cert-path=' + cert, '--smtp-user=' + USER, '--smtp-pass=' + PASSWORD], 'ESMTPSA')):
        patch = file(name + '.patch', 'From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n' + letter(name))
        check(name, ['git', 'send-email', '--smtp-server=localhost', '--smtp-server-port=%d' % port, '--from=a@b.example', '--to=u@local.example', '--confirm=never', '--quiet',
                     '--8bit-encoding=utf-8', '--transfer-encoding=8bit', '--suppress-cc=all', *options, patch], proto=proto, GIT_CONFIG_NOSYSTEM='1')


def test_smtp_source():
    before = len(records())
    r = subprocess.run(['/usr/sbin/smtp-source', '-s', '20', '-m', '500', '-l', '4096', '-f', 'a@b.example', '-t', 'u@local.example', '127.0.0.1:%d' % port])
    is_((r.returncode, len(records()) - before), (0, 500), "Postfix's smtp-source: 500 messages over 20 sessions")


os.chmod(scratch, 0o755)
cert, key = certificate()
queue_ready = Queue()
queue_ready.start()
daemon = Smtpd('tls certificate %s key %s\nauth %s\n' % (cert, key, secrets()))
port = daemon.port
try:
    run({n: f for n, f in globals().items() if n.startswith('test_')}, queue_ready)
finally:
    daemon.__exit__()
