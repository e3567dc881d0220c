#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses through sendmail -bv: our own vectors, and those of isemail, Postfix and nullmailer where they are.  Where we differ from them on purpose, the difference
stands here by name, and in deaddrop(7) under DEVIATIONS; any other difference fails, and so does one that is gone."""
import json, os, re, subprocess, tempfile, xml.etree.ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INJECT = os.path.join(TOP, 'build', 'bin', 'deaddrop-inject')
SHARED = os.path.join(TOP, '..', 'shared', 'corpus')
number = 0
# What deaddrop(7) has to say: a word of the sentence, by the name used below.
DEVIATIONS = {'bare': 'without a domain', 'dots': 'a..b', 'backslash': 'backslash outside quotes', 'labels': 'hyphen', 'commas': 'comma is missing',
              'blanks': 'CR or LF', 'literals': 'domain literal', 'controls': 'control characters', 'domain': 'letters, digits', 'utf-8': 'UTF-8',
              'one label': 'one label', 'quotes': 'keeps its quotes', 'unclosed': 'not closed', 'paths': 'far!user', 'empty': 'nothing before or behind'}
# isemail's verdict is the other way round for these
ISEMAIL = {'bare': [2, 17, 18], 'dots': [15, 16], 'backslash': [20], 'labels': [30, 31, 35, 102], 'utf-8': [160], 'domain': [161], 'controls': [124, 125, 134, 138, 139],
           'literals': [63, 64, 65, 66, 67, 69, 70, 73, 74, 76, 78, 80, 82, 83, 84, 112, 115, 116, 117, 120, 121, 159],
           'blanks': [99, 127, 128, 129, 130, 131, 132, 133, 135, 141, 142, 143, 145, 146, 147, 150, 151, 152, 154, 155, 156]}
NULLMAILER = {'missing domain': 'one label', 'escaped specials': 'quotes'}
POSTFIX = {'"': 'unclosed', '"wietse venema': 'unclosed', 'wietse@[stuff': 'unclosed', 'wietse@["stuff]': 'literals',
           '"wietse venema"@porcupine.org ("wietse ) venema")': 'unclosed', '"wietse venema"@porcupine.org ( ("wietse ) venema") )': 'unclosed'}

REWRITTEN = {'!': 'paths', 'a!': 'paths', '!b': 'paths', 'a!b': 'paths', '%': 'paths', 'a%': 'paths', '%b': 'paths', 'a%b': 'paths', '@': 'empty', 'a@': 'empty',
             'a@.': 'empty', 'a@b': 'one label', 'a@b.': 'labels'}


def ok(good, name, why=''):
    global number
    number += 1
    print('ok' if good else 'not ok', number, '-', name, flush=True)
    if not good and why:
        print('# ' + why.replace('\n', '\n# '), flush=True)


config = tempfile.NamedTemporaryFile('w', prefix='deaddrop-test.', suffix='.conf')


def verify(text, name):
    """The addresses, and whether something was none."""
    config.seek(0)
    config.truncate()
    config.write('name %s\n' % name)
    config.flush()
    r = subprocess.run([INJECT, '-bv', '--config', config.name, '--', text.encode()], capture_output=True)
    out = r.stdout.decode(errors='surrogateescape')
    good = re.findall(r'(?m)^(.*) \.\.\. well formed$', out)
    bad = ' ... no address\n' in out
    assert r.returncode == (67 if bad else 0), (text, r)
    return good, bad


with open(os.path.join(TOP, 'lib', 'deaddrop.7'), encoding='utf-8') as f:
    page = ' '.join(re.sub(r'(?m)^\.(Ql|Dq|Xr) ?', '', f.read().split('.Sh DEVIATIONS')[1]).split())
missing = [d for d, words in DEVIATIONS.items() if words not in page]
ok(not missing, 'deaddrop(7) lists each difference', str(missing))

wrong, used = [], set()
with open(os.path.join(TOP, 'tests', 'corpus', 'addresses', 'vectors'), encoding='utf-8') as f:
    for line in f:
        v = json.loads(line)
        used.add(v.get('deviation'))
        got = verify(v['in'], 'name.test')
        if got != (v['out'], bool(v.get('bad'))):
            wrong.append('%r gives %r, wanted %r' % (v['in'], got, v['out']))
ok(not wrong, 'our own vectors', '\n'.join(wrong))
ok(used - {None} <= set(DEVIATIONS), 'each with a name that is known')

if os.path.exists(os.path.join(SHARED, 'addr-isemail', 'tests.xml')):
    differ = []
    for t in xml.etree.ElementTree.parse(os.path.join(SHARED, 'addr-isemail', 'tests.xml')).getroot().iter('test'):
        text = ''.join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x2420 else c for c in t.findtext('address') or '')
        if '\0' in text:
            continue            # no argument can hold it
        good, bad = verify(text, 'name.test')
        if (len(good) == 1 and not bad) != (t.findtext('category') != 'ISEMAIL_ERR'):
            differ.append(int(t.get('id')))
    named = sorted(i for ids in ISEMAIL.values() for i in ids)
    ok(sorted(differ) == named, 'isemail: the differences are those that are meant', 'new: %s\ngone: %s' % (set(differ) - set(named), set(named) - set(differ)))
else:
    print('# isemail is not here')

if os.path.exists(os.path.join(SHARED, 'addr-nullmailer', 'address-test.jsonl')):
    differ = []
    with open(os.path.join(SHARED, 'addr-nullmailer', 'address-test.jsonl'), encoding='utf-8') as f:
        for line in f:
            v = json.loads(line)
            good, bad = verify(v['in'], 'a.b.c')
            if bad or ''.join(a + '\n' for a in good) != v['recipients']:
                differ.append(v['case'])
    ok(sorted(differ) == sorted(NULLMAILER), 'nullmailer: the same', str(differ))

path = os.path.join(SHARED, 'addr-postfix', 'global__tok822_parse.ref')
if os.path.exists(path):
    with open(path, encoding='utf-8') as f:
        blocks = re.findall(r'(?ms)^>>>(.*?)<<<\n.*?^Externalized, no newlines inserted:\n(.*?)\n\n', f.read())
    differ, same = [], 0
    for text, external in blocks:
        theirs = [verify(a, 'name.test') for a in [external]][0]
        mine = verify(text, 'name.test')
        if not theirs[0] and len(text) > 60:
            continue            # lines of one letter that test folding
        if mine[1] or mine != theirs:
            differ.append(re.sub('zzz.*', '', text))
        else:
            same += 1
    ok(sorted(differ) == sorted(POSTFIX) and same > 5, 'Postfix: its own form of an address is the same address to us', '%d the same, different: %r' % (same, differ))
path = os.path.join(SHARED, 'addr-postfix', 'global__quote_822_local.ref')
if os.path.exists(path):
    with open(path, encoding='utf-8') as f:
        quoted = re.findall(r"(?m)^'(.*)' quoted '(.*)'$", f.read())
    ok(all(verify(q, 'name.test')[0] == [q] for u, q in quoted if u), 'what Postfix quotes stays as it is', str(quoted))
path = os.path.join(SHARED, 'addr-postfix', 'global__rewrite_clnt.ref')
if os.path.exists(path):
    with open(path, encoding='utf-8') as f:
        rules = re.findall(r'(?m)^rule +local\naddress +(.*)\nresult +(.*)\n', f.read())
    differ = [a for a, theirs in rules if verify(a, 'MYDOMAIN') != ([theirs], False)]
    ok(sorted(differ) == sorted(REWRITTEN) and len(rules) == 13, 'Postfix rewrites more than we do', str(differ))
path = os.path.join(SHARED, 'addr-postfix', 'global__mail_addr_crunch.ref')
if os.path.exists(path):
    with open(path, encoding='utf-8') as f:
        theirs = re.findall(r'(?m)^\|(.*)\|$', f.read().split('external to external, without extension')[1].split('====')[0])
    ok(verify('foo@example.com, "foo bar"@example.com, foo+ext@example.com', 'name.test') == (theirs, False), 'a list that Postfix takes apart', str(theirs))
ok(all(d in DEVIATIONS for known in (ISEMAIL, NULLMAILER.values(), POSTFIX.values(), REWRITTEN.values()) for d in known), 'each difference has a name')
ok(not set(DEVIATIONS) - used, 'and a vector of our own', str(set(DEVIATIONS) - used))
print('1..%d' % number)
