# SPDX-License-Identifier: GPL-3.0-or-later
# What a reader took from a mailbox, against what was delivered into it:
#
#   local_compare.py maildir|mbox SOURCE files|imap|packf COPY
#
# SOURCE is the Maildir or mbox file; COPY a directory with a file for each message that the reader wrote, or the file that holds an IMAP server's answers to
# FETCH 1:* BODY.PEEK[], or a file of nmh's packf. Prints "same N", or what differs. What each reader is known to do to any message is in its function.
import os, re, sys
from collections import Counter

kind, source, form, copy = sys.argv[1:5]
read = lambda path: open(path, 'rb').read()


def split_mbox(data):
    return [p[p.index(b'\n') + 1:-1] for p in re.split(rb'(?m)^(?=From [^\n]*\d{4}\n)', data)[1:]]


def messages(path):
    if kind == 'mbox':
        return split_mbox(read(path))
    names = [os.path.join(path, s, f) for s in ('new', 'cur') if os.path.isdir(os.path.join(path, s)) for f in os.listdir(os.path.join(path, s))]
    return [read(n) for n in names or [os.path.join(path, f) for f in os.listdir(path) if f.isdigit()]]


def fetched(data):
    found = []
    while True:
        m = re.search(rb'\* \d+ FETCH [^\r\n]*BODY\[\] \{(\d+)\}\r\n', data)
        if not m:
            return found
        found.append(data[m.end():m.end() + int(m.group(1))])
        data = data[m.end() + int(m.group(1)):]


if form == 'imap':
    # Lines end in CRLF, whatever CRs stood before it, and a NUL becomes 0x80, for IMAP has no NUL
    normal = lambda text: re.sub(rb'\r+\n', b'\n', text).replace(b'\0', b'\x80').rstrip(b'\n')
    got = fetched(read(copy))
elif form == 'packf':
    # nmh makes the From_ line of Return-Path, and its lines end at a NUL
    normal = lambda text: re.sub(rb'\AReturn-Path: [^\n]*\n', b'', re.sub(rb'(?m)^>(From )|\0[^\n]*', rb'\1', text)).rstrip(b'\n')
    got = split_mbox(read(copy))
else:
    # mutt says how long a message is, leaves out a From_ line in a header, and puts an empty line of its own before the first that is no field
    def normal(text):
        text = re.sub(rb'\A((?:[\w-]+: [^\n]*\n)*)From [^\n]*\n', rb'\1', text)
        return b'\n'.join(line for line in text.split(b'\n') if line.strip(b'\r') and not re.match(rb'(Content-Length|Lines): \d+$', line))
    got = [read(os.path.join(copy, s, f)) for s in ('new', 'cur') for f in os.listdir(os.path.join(copy, s))]
# A NUL in a header ends what mutt, nmh and Dovecot's mbox see of it: such a message has to be there, no more
sources = messages(source)
seen = [text for text in sources if (form, kind) == ('imap', 'maildir') or b'\0' not in text.split(b'\n\n')[0]]
want, got = sorted(map(normal, seen)), sorted(map(normal, got))
if not Counter(want) - Counter(got) and len(got) == len(sources):
    print('same %d' % len(got))
    sys.exit()
print('%d, not %d' % (len(got), len(want)))
for w in [w for w in want if w not in got][:5]:
    near = [g for g in got if g not in want and g[:80] == w[:80]] or [b'']
    at = next((i for i, (a, b) in enumerate(zip(w, near[0])) if a != b), min(len(w), len(near[0])))
    print('wanted %r, got %r, at %d of %d and %d' % (w[at - 40 if at > 40 else 0:at + 60], near[0][at - 40 if at > 40 else 0:at + 60], at, len(w), len(near[0])))
