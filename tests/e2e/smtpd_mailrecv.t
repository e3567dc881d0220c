#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# A configuration of mailrecv, line by line as deaddrop-smtpd(8) translates it, through the whole chain: each line does here what it did there.
import os, re, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from smtpd_rig import *

# What stands above each translated line is mailrecv's.
SMTPD = r'''
# debug srl+F
debug commands rules message
# loghex on
debug hex
# domain example.com
name example.com
# limit.smtp_commands   25       500 Too many SMTP commands received in session
limit commands 25 500 "Too many SMTP commands received in session"
# limit.smtp_unknowncmd 4        500 Too many bad commands
limit unknown 4 500 "Too many bad commands"
# limit.smtp_failcmds   4        500 Too many failed commands
limit failed 4 500 "Too many failed commands"
# limit.connection_secs 3        500 Connection timeout
limit session 3 500 "Connection timeout"
# limit.smtp_data_size  24000 552 Too much mail data
limit size 24000 552 "Too much mail data"
# limit.smtp_rcpt_to    5        452 Too many recipients (RFC 2821 4.5.3.1)
limit recipients 5 452 "Too many recipients (RFC 2821 4.5.3.1)"
# limit.smtp_ascii  on    500 Binary data (non-ASCII) unsupported.
utf8 no 500 "Binary data (non-ASCII) unsupported."
# error rcpt_to bugs@example.com 550 This address has been disabled. Use http://example.com/bugs to report bugs
reject rcpt /bugs@example.com/ 550 "This address has been disabled. Use http://example.com/bugs to report bugs"
# deliver rcpt_to test@example.com append /tmp/test.txt
accept rcpt test@example.com
# deliver rcpt_to pipe123@example.com pipe /bin/cat >> FILE
accept rcpt pipe123@example.com
# deliver rcpt_to pipe186@example.com pipe /bin/grep -n '.*' >> /tmp/pipe.txt
accept rcpt pipe186@example.com
# allowgroup +servers ^192\.168\.0\.7$
# deliver allowgroup +servers rcpt_to archive@example.com append FILE
group servers host /^192\.168\.0\.7$/ address /^192\.168\.0\.7$/
accept rcpt archive@example.com from servers
%s
# allow remotehost ^mail[a-zA-z0-9-]*.example.com$
group ok host /^mail[a-zA-z0-9-]*.example.com$/ address /^mail[a-zA-z0-9-]*.example.com$/
# allow remotehost ^mail[0-9]*.foo.com$
group ok host /^mail[0-9]*.foo.com$/ address /^mail[0-9]*.foo.com$/
# allow remoteip   ^192\.168\.0\..*$
group ok address /^192\.168\.0\..*$/
# allow remoteip   ^192\.16[789]\.0\..*$
group ok address /^192\.16[789]\.0\..*$/
allow ok
# so that a test may come from anywhere
group here net 127.0.0.0/8
proxy here
'''
# error rcpt_to .* 550 No one here by that name.
ERROR_ALL = 'reject all 550 "No one here by that name."'
# deadletter_file FILE
DEADLETTER = 'accept all'
SEND = r'''
# replace rcpt_to pipe[0-9]*@example\.com xxx@example.com
filter to /^pipe[0-9]*@example\.com$/ "xxx@example.com"
route rcpt test@example.com to local:test
route rcpt archive@example.com to local:archive
route rcpt pipe123@example.com to local:pipe123
route rcpt pipe186@example.com to local:pipe186
route rcpt /@example\.com$/ to local:dead
route all to discard
'''
LOCAL = r'''
drop test append %(d)s/mail/test.txt
drop archive append %(d)s/mail/archive.txt
drop dead append %(d)s/mail/dead.txt
drop pipe123 pipe "/bin/sh -c 'cat >> %(d)s/mail/pipe123.txt'" %(user)s
drop pipe186 pipe "/bin/sh -c \"/bin/grep -n '.*' >> %(d)s/mail/pipe186.txt\"" %(user)s
'''


def client(d, ip):
    c = Raw(d.port, greet=False)
    return c, c.say('PROXY TCP4 %s 198.51.100.1 4711 25\r\n' % ip)


def codes(replies):
    return [r[:3] for r in replies]


def begin(d, ip='192.168.0.8'):
    c = client(d, ip)[0]
    c.say('HELO x\r\n')
    return c


def read(name):
    try:
        return open(scratch + '/mail/' + name).read()
    except OSError:
        return ''


def test_who_may_come():
    with Smtpd(SMTPD % ERROR_ALL) as d:
        is_([client(d, ip)[1][:3] for ip in ('192.168.0.7', '192.167.0.1', '192.166.0.1', '192.168.1.1')], ['220', '220', '554', '554'], 'allow remoteip')
        ok(client(d, '192.168.0.7')[1].startswith('220 example.com '), 'domain')
        c = begin(d)
        replies = c.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<archive@example.com>\r\nRCPT TO:<test@example.com>\r\n', 3)
        is_(codes(replies), ['250', '550', '250'], 'deliver allowgroup: not from others')
        is_(codes(begin(d, '192.168.0.7').say('MAIL FROM:<a@b.example>\r\nRCPT TO:<archive@example.com>\r\n', 2)), ['250', '250'], 'but from its servers')


def test_errors_and_limits():
    with Smtpd(SMTPD % ERROR_ALL) as d:
        c = begin(d)
        replies = c.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<bugs@example.com>\r\nRCPT TO:<nobody@example.com>\r\n', 3)
        is_(replies[1:], ['550 5.7.1 This address has been disabled. Use http://example.com/bugs to report bugs\r\n', '550 5.7.1 No one here by that name.\r\n'],
            'error rcpt_to, with code and text, and for all the others')
        is_(codes(c.say('RCPT TO:<test@example.com>\r\n' * 5, 5)), ['250'] * 5, 'deliver rcpt_to')
        is_(c.say('RCPT TO:<test@example.com>\r\n'), '452 4.7.0 Too many recipients (RFC 2821 4.5.3.1)\r\n', 'limit.smtp_rcpt_to')
        is_(begin(d).say('X\r\n' * 5, 5)[3:], ['500 5.5.2 Unknown command\r\n', '500 5.7.0 Too many bad commands\r\n'], 'limit.smtp_unknowncmd: the fifth')
        c = begin(d)
        is_((c.say('RCPT\r\n' * 5, 5)[4], c.rest()), ('500 5.7.0 Too many failed commands\r\n', ''), 'limit.smtp_failcmds: the fifth ends the session')
        c = begin(d)
        is_((c.say('NOOP\r\n' * 25, 25)[23:], c.rest()), (['250 2.0.0 Ok\r\n', '500 5.7.0 Too many SMTP commands received in session\r\n'], ''), 'limit.smtp_commands: 25 with HELO')
        is_(begin(d).say('EHLO x\r\nMAIL FROM:<a@b.example> SIZE=24001\r\n', 2)[1], '552 5.7.0 Too much mail data\r\n', 'limit.smtp_data_size: said before')
        c = begin(d)
        c.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<test@example.com>\r\nDATA\r\n', 3)
        is_(c.say('x' * 24001 + '\r\n.\r\n'), '552 5.7.0 Too much mail data\r\n', 'and after')
        is_(codes(begin(d).say('MAIL FROM:<\u00e9@b.example>\r\nNOOP\r\n', 2)), ['500', '250'], 'limit.smtp_ascii')
        is_(begin(d).say('NOOP \u00e9\r\n'), '500 5.7.0 Binary data (non-ASCII) unsupported.\r\n', 'with its text')
        c = begin(d)
        is_(c.rest(), '500 5.7.0 Connection timeout\r\n', 'limit.connection_secs')
        begin(d).say('NOOP debug\r\n')
        lines = wait_for(lambda: '4e 4f 4f 50 20 64 65 62 75 67' in d.lines().decode() and d.lines().decode())
        ok(lines and 'smtpd: command ' in lines and re.search(r'smtpd: rule .*rcpt=<bugs@example.com> line=\d+ status=550', lines), 'debug s and r, loghex', d.lines().decode()[-2000:])
        ok(re.search(r'smtpd: reject client=192.168.0.8 .*status=550 "No one here by that name."', d.lines().decode()), 'debug F: a line for fail2ban')


def test_deliveries():
    with Smtpd(SMTPD % DEADLETTER) as d:
        for subject, rcpt in (('to-file', 'test@example.com'), ('to-pipe', 'pipe123@example.com'), ('to-grep', 'pipe186@example.com'), ('to-nobody', 'nobody@example.com')):
            c = begin(d)
            c.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\n' % rcpt, 3)
            is_(c.say('To: %s\r\nSubject: %s\r\n\r\nline 1\r\n..dot\r\n.\r\n' % (rcpt, subject))[:3], '250', '%s: taken' % subject)
        end = '\n\nline 1\n.dot\n'
        ok(wait_for(lambda: 'Subject: to-file' + end in read('test.txt')), 'deliver ... append', read('test.txt'))
        ok(wait_for(lambda: 'Subject: to-pipe' + end in read('pipe123.txt')), 'deliver ... pipe', read('pipe123.txt') + logs())
        ok(wait_for(lambda: re.search(r'(?m)^\d+:line 1$', read('pipe186.txt'))), 'deliver ... pipe with a shell, where one is asked for', read('pipe186.txt') + logs())
        ok('\nTo: xxx@example.com\n' in read('pipe123.txt') and '\nTo: pipe123' not in read('pipe123.txt'), 'replace rcpt_to', read('pipe123.txt'))
        ok(wait_for(lambda: 'Subject: to-nobody' + end in read('dead.txt')), 'deadletter_file', read('dead.txt') + logs())
        c = begin(d)
        c.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n', 3)
        is_(c.say('Subject: thrown-away\r\n\r\nx\r\n.\r\n')[:3], '250', 'deadletter_file /dev/null')
        ok(wait_for(lambda: 'drop=discard' in logs()), 'says so in the log', logs())
        ok('smtpd: message ' in d.lines().decode(), 'debug l')


def logs():
    return ''.join(open(scratch + '/log.' + s).read() for s in ('send', 'local'))


def main():
    for name in ('journal', 'outcome', 'deferred', 'dead', 'mail'):
        os.makedirs(scratch + '/' + name, exist_ok=True)
    os.chmod(scratch, 0o755)
    os.chmod(scratch + '/mail', 0o777)
    for name, text in (('send', SEND), ('local', LOCAL % {'d': scratch, 'user': '' if os.getuid() else 'user nobody directory /'})):
        with open('%s/%s.conf' % (scratch, name), 'w') as f:
            f.write(text)
    stages = []
    for name, options in (('local', ['--in', scratch + '/local.ctrl']), ('send', ['--in', scratch + '/send.ctrl', '--in', scratch + '/admin.ctrl', '--out', scratch + '/local.ctrl', '--spool', scratch])):
        stages.append(subprocess.Popen([bin + '/deaddrop-' + name, '--config', '%s/%s.conf' % (scratch, name), *options], stdin=subprocess.DEVNULL,
                                       stderr=open('%s/log.%s' % (scratch, name), 'wb')))
    queue = Queue('--out', scratch + '/send.ctrl')
    queue.start()
    try:
        run(globals(), queue, keep=True)
    finally:
        for p in stages:
            p.terminate()
            p.wait()
        shutil.rmtree(scratch)


main()
