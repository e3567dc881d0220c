# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a real IMAP server's mailboxes.

imap_peer.py once MAILBOX CONNECTION		how many messages of ours it holds, and how many ids there are
imap_peer.py count MAILBOX CONNECTION		how many messages it holds
imap_peer.py body MAILBOX CONNECTION		the last message, with its flags
imap_peer.py list MAILBOX CONNECTION		whether it is there, and is subscribed to
CONNECTION: HOST PORT CAFILE USER PASSWORDFILE
"""
import os, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import imap_import

what, mailbox, *connection = sys.argv[1:]
try:
    server = imap_import.connect(*connection)
except OSError:
    print('0 0')
    sys.exit(0)
if what == 'list':
    listed = [x for x in server.list('""', '"%s"' % mailbox)[1] if x]
    subscribed = [x for x in server.lsub('""', '"%s"' % mailbox)[1] if x]
    print(len(listed), len(subscribed))
elif what == 'count':
    status, answer = server.select('"%s"' % mailbox, readonly=True)
    print(int(answer[0]) if status == 'OK' else 0)
elif what == 'body':
    data, flags, date = imap_import.fetch(server, mailbox)[-1]
    print(' '.join(sorted(flags)))
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
else:
    ids = []
    if server.select('"%s"' % mailbox, readonly=True)[0] == 'OK':
        for item in server.fetch('1:*', '(BODY.PEEK[HEADER.FIELDS (Received)])')[1] or ():
            if isinstance(item, tuple):
                ids += re.findall(rb'id ([0-9a-f-]+);', item[1])
    print(len(ids), len(set(ids)))
