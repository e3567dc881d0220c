/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What servers say, one dialogue a row: all rows of the table in deaddrop-imap(8) that need no clock and no network, and the ways to log in.  Each is played whole, byte by
 * byte and split at random, and must come out the same.
 */
#include <signal.h>

#include "imap_server.h"

#define RANDOM_SPLITS 8
#define BIG (1020U * 1024)		/* more than lies between the two */

struct play {
	const char *name;
	const char *capabilities;	/* NULL: each of the kinds */
	struct server_line script[4];
	/* what comes of each item: its letter, K, Z or X, or W where it waits for the next session; behind it "?" where it is unclear; status, and how the text begins */
	const char *outcome;
	const char *why;		/* how the session's end is said to begin; NULL: it goes on */
	const char *commands;		/* NULL: any */
	const char *sends, *never;	/* bytes that the client must have sent, and must not; NULL: none */
	const char *greeting, *user, *password, *mailbox;
	bool account;			/* is left alone */
	bool login;			/* it is the login that failed */
	bool kept;			/* the account says "create no" */
	bool missing, unclear, nul, big, utf8;
	uint64_t limit;
};

#define APPEND(text) { { .to = "APPEND", .says = text "\r\n" } }
#define APPEND_GOES(text) { { .to = "APPEND", .says = text, .goes = true } }
#define CAPABLE "IMAP4rev1 LITERAL+"
#define PREFIX "* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n@ OK\r\n"

static const struct play plays[] = {
	/* done */
	{ .name = "OK", .script = APPEND("@ OK"), .outcome = "K 2.0.0 INBOX" },
	{ .name = "OK with the UID", .script = APPEND("@ OK [APPENDUID 1 7] x"), .outcome = "K 2.0.0 INBOX uid=7" },
	{ .name = "APPENDUID with its numbers swapped, or none", .script = APPEND("@ OK [APPENDUID 7] x"), .outcome = "K 2.0.0 INBOX" },
	{ .name = "APPENDUID that is none", .script = APPEND("@ OK [APPENDUID x y z] x"), .outcome = "K 2.0.0 INBOX" },
	{ .name = "news before the OK", .script = APPEND("* 3 EXISTS\r\n* OK [ALERT] hello\r\n* NO almost full\r\n* 1 RECENT\r\n@ OK"), .outcome = "K 2.0.0 INBOX" },
	{ .name = "news before the +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "* OK wait\r\n* 4 EXISTS\r\n+ now\r\n" } },
	  .outcome = "K 2.0.0 INBOX uid=1" },
	{ .name = "an empty +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "+\r\n" } }, .outcome = "K 2.0.0 INBOX uid=1" },
	{ .name = "letters of either case", .script = APPEND("* oK x\r\n@ ok [appenduid 1 9] x"), .outcome = "K 2.0.0 INBOX uid=9" },
	/* too big */
	{ .name = "NO [TOOBIG]", .script = APPEND("@ NO [TOOBIG] no"), .outcome = "X 5.3.4 INBOX: NO [TOOBIG] no" },
	{ .name = "BAD [TOOBIG]", .script = APPEND("@ BAD [toobig] no"), .outcome = "X 5.3.4" },
	{ .name = "the size by text", .script = APPEND("@ BAD command line limit exceeded"), .outcome = "X 5.3.4" },
	{ .name = "another", .script = APPEND("@ NO Maximum message size exceeded"), .outcome = "X 5.3.4" },
	{ .name = "another", .script = APPEND("@ NO message too large"), .outcome = "X 5.3.4" },
	{ .name = "another", .script = APPEND("@ NO Message too big"), .outcome = "X 5.3.4" },
	{ .name = "another", .script = APPEND("@ NO this exceeds the size limit"), .outcome = "X 5.3.4" },
	{ .name = "over APPENDLIMIT", .capabilities = CAPABLE " APPENDLIMIT=50", .outcome = "X 5.3.4 ", .never = "APPEND " },
	{ .name = "over the mailbox's APPENDLIMIT", .capabilities = CAPABLE " APPENDLIMIT",
	  .script = { { .to = "STATUS", .says = "* STATUS INBOX (APPENDLIMIT 50)\r\n@ OK\r\n" } }, .outcome = "X 5.3.4 ", .never = "APPEND " },
	{ .name = "a mailbox without a limit", .capabilities = CAPABLE " APPENDLIMIT",
	  .script = { { .to = "STATUS", .says = "* STATUS INBOX (APPENDLIMIT NIL)\r\n@ OK\r\n" } }, .outcome = "K" },
	{ .name = "STATUS refused", .capabilities = CAPABLE " APPENDLIMIT", .script = { { .to = "STATUS", .says = "@ NO what?\r\n" } }, .outcome = "K" },
	{ .name = "over our limit", .outcome = "X 5.3.4 ", .never = "APPEND ", .limit = 50 },
	/* what cannot be stored */
	{ .name = "NUL", .outcome = "X 5.6.0 ", .never = "APPEND ", .nul = true },
	{ .name = "NUL in a binary literal", .capabilities = CAPABLE " BINARY", .outcome = "K", .sends = "~{", .nul = true },
	{ .name = "NO [UNKNOWN-CTE]", .script = APPEND("@ NO [UNKNOWN-CTE] x"), .outcome = "X 5.6.1" },
	{ .name = "bare newlines", .script = APPEND("@ NO Message contains bare newlines"), .outcome = "X 5.6.0" },
	{ .name = "NUL by text", .script = APPEND("@ NO Message contains NUL characters"), .outcome = "X 5.6.0" },
	{ .name = "an invalid header", .script = APPEND("@ NO Message contains invalid header"), .outcome = "X 5.6.0" },
	{ .name = "parsing", .script = APPEND("@ BAD Command Error: unable to parse message"), .outcome = "X 5.6.0" },
	/* a mailbox that is missing */
	{ .name = "made once", .outcome = "K", .commands = "CAPABILITY APPEND CREATE SUBSCRIBE APPEND ", .missing = true },
	{ .name = "made, and missing still", .script = APPEND("@ NO [TRYCREATE] make it"), .outcome = "Z 4.2.0 INBOX: NO [TRYCREATE]",
	  .commands = "CAPABILITY APPEND CREATE SUBSCRIBE APPEND " },
	{ .name = "somebody else made it",
	  .script = { { .to = "APPEND", .says = "@ NO [TRYCREATE] make it\r\n", .behind = 0, .times = 1 }, { .to = "CREATE", .says = "@ NO [ALREADYEXISTS] it is there\r\n" } },
	  .outcome = "K", .commands = "CAPABILITY APPEND CREATE APPEND " },
	{ .name = "CREATE refused", .script = { { .to = "APPEND", .says = "@ NO [NONEXISTENT] x\r\n" }, { .to = "CREATE", .says = "@ NO [CANNOT] not here\r\n" } },
	  .outcome = "Z 4.2.0", .commands = "CAPABILITY APPEND CREATE APPEND " },
	{ .name = "SUBSCRIBE refused", .script = { { .to = "SUBSCRIBE", .says = "@ NO x\r\n" } }, .outcome = "K", .missing = true },
	{ .name = "not to be made", .script = APPEND("@ NO [TRYCREATE] make it"), .outcome = "Z 4.2.0 INBOX: NO [TRYCREATE]", .commands = "CAPABILITY APPEND ",
	  .kept = true },
	/* later */
	{ .name = "NO [OVERQUOTA]", .script = APPEND("@ NO [OVERQUOTA] full"), .outcome = "Z 4.2.2", .account = true },
	{ .name = "BAD [OVERQUOTA]", .script = APPEND("@ BAD [OVERQUOTA] full"), .outcome = "Z 4.2.2", .account = true },
	{ .name = "quota by text", .script = APPEND("@ NO Quota exceeded"), .outcome = "Z 4.2.2", .account = true },
	{ .name = "a full mailbox", .script = APPEND("@ NO mailbox full"), .outcome = "Z 4.2.2", .account = true },
	{ .name = "NO [LIMIT]", .script = APPEND("@ NO [LIMIT] slow down"), .outcome = "Z 4.3.2", .account = true },
	{ .name = "NO [UNAVAILABLE]", .script = APPEND("@ NO [UNAVAILABLE] x"), .outcome = "Z 4.3.2", .account = true },
	{ .name = "NO [INUSE]", .script = APPEND("@ NO [INUSE] x"), .outcome = "Z 4.3.2" },
	{ .name = "NO [NOPERM]", .script = APPEND("@ NO [NOPERM] not into Junk"), .outcome = "Z 4.7.1 INBOX: NO [NOPERM] not into Junk" },
	{ .name = "NO [CANNOT]", .script = APPEND("@ NO [CANNOT] x"), .outcome = "Z 4.3.5" },
	{ .name = "NO [CONTACTADMIN]", .script = APPEND("@ NO [CONTACTADMIN] x"), .outcome = "Z 4.3.5" },
	{ .name = "NO [SERVERBUG]", .script = APPEND("@ NO [SERVERBUG] x"), .outcome = "Z 4.3.0" },
	{ .name = "NO [EXPIRED]", .script = APPEND("@ NO [EXPIRED] x"), .outcome = "Z 4.7.8", .account = true },
	{ .name = "NO", .script = APPEND("@ NO"), .outcome = "Z 4.2.0" },
	{ .name = "BAD", .script = APPEND("@ BAD"), .outcome = "Z 4.2.0" },
	{ .name = "a code that nobody knows", .script = APPEND("@ NO [X-NEW what] ever"), .outcome = "Z 4.2.0 INBOX: NO [X-NEW what] ever" },
	{ .name = "a code without an end", .script = APPEND("@ BAD [unclosed"), .outcome = "Z 4.2.0" },
	{ .name = "iCloud's exception", .script = APPEND("@ NO Unexpected exception"), .outcome = "Z 4.2.0" },
	{ .name = "too many sessions", .script = APPEND("@ BAD User is authenticated but not connected."), .outcome = "Z 4.3.2", .account = true },
	/* before the literal, or while it is on its way */
	{ .name = "NO for a +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "@ NO [TOOBIG] x\r\n" } }, .outcome = "X 5.3.4 INBOX: NO [TOOBIG] x",
	  .never = "Subject" },
	{ .name = "BAD for a +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "* OK wait\r\n@ BAD\r\n" } }, .outcome = "Z 4.2.0",
	  .never = "Subject" },
	{ .name = "over quota for a +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "@ NO [OVERQUOTA] x\r\n" } }, .outcome = "Z 4.2.2",
	  .never = "Subject", .account = true },
	{ .name = "missing for a +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "@ NO [TRYCREATE] x\r\n", .behind = 0, .times = 1 } },
	  .outcome = "K", .commands = "CAPABILITY APPEND CREATE SUBSCRIBE APPEND " },
	{ .name = "NO on the way", .capabilities = CAPABLE, .script = { { .to = "{", .says = "@ NO [TOOBIG] x\r\n" }, { .to = "APPEND", .says = "" } },
	  .outcome = "X 5.3.4 INBOX: NO [TOOBIG] x", .big = true },
	{ .name = "over quota on the way", .capabilities = CAPABLE, .script = { { .to = "{", .says = "@ NO [OVERQUOTA] x\r\n" }, { .to = "APPEND", .says = "" } },
	  .outcome = "Z 4.2.2", .big = true, .account = true },
	{ .name = "missing on the way", .capabilities = CAPABLE,
	  .script = { { .to = "{", .says = "@ NO [TRYCREATE] x\r\n", .behind = 0, .times = 1 }, { .to = "APPEND", .says = "", .behind = 0, .times = 1 } },
	  .outcome = "K", .commands = "CAPABILITY APPEND CREATE SUBSCRIBE APPEND ", .big = true },
	{ .name = "NO on the way, and it closes", .capabilities = CAPABLE, .script = { { .to = "{", .says = "@ NO [TOOBIG] x\r\n", .goes = true } },
	  .outcome = "X 5.3.4 INBOX: NO [TOOBIG] x", .why = "4.4.2", .big = true },
	{ .name = "NO of another kind, and it closes", .capabilities = CAPABLE, .script = { { .to = "{", .says = "@ NO x\r\n", .goes = true } }, .outcome = "Z 4.2.0 INBOX: NO x",
	  .why = "4.4.2", .big = true },
	/* untagged, and no more */
	{ .name = "* BAD [TOOBIG]", .script = APPEND_GOES("* BAD [TOOBIG] x\r\n"), .outcome = "X 5.3.4 * BAD [TOOBIG] x", .why = "4.4.2" },
	{ .name = "* NO about the size", .script = APPEND_GOES("* NO maximum message size exceeded\r\n"), .outcome = "X 5.3.4", .why = "4.4.2" },
	{ .name = "* BYE about the size", .script = APPEND_GOES("* BYE maximum message size exceeded\r\n"), .outcome = "X 5.3.4", .why = "4.4.2" },
	{ .name = "* NO [OVERQUOTA]", .script = APPEND_GOES("* NO [OVERQUOTA] x\r\n"), .outcome = "W?", .why = "4.4.2" },
	{ .name = "* BYE", .script = APPEND_GOES("* BYE maintenance\r\n"), .outcome = "W?", .why = "4.4.2 tunnel: BYE maintenance" },
	{ .name = "* BYE AccessTokenExpired", .script = APPEND_GOES("* BYE AccessTokenExpired\r\n"), .outcome = "W?", .why = "4.4.2" },
	{ .name = "* BYE for a +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "* BYE x\r\n", .goes = true } }, .outcome = "W", .why = "4.4.2",
	  .never = "Subject" },
	{ .name = "* BAD [TOOBIG] for a +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "* BAD [TOOBIG] x\r\n", .goes = true } },
	  .outcome = "X 5.3.4", .why = "4.4.2", .never = "Subject" },
	{ .name = "the end without a word", .script = APPEND_GOES(""), .outcome = "W?", .why = "4.4.2 tunnel: it closed the connection" },
	{ .name = "the end within an answer", .script = APPEND_GOES("@ OK [APPENDUID"), .outcome = "W?", .why = "4.4.2" },
	/* nonsense */
	{ .name = "OK for a +", .capabilities = "IMAP4rev1", .script = { { .to = "+", .says = "@ OK\r\n" } }, .outcome = "W", .why = "4.5.0", .never = "Subject" },
	{ .name = "OK on the way", .capabilities = CAPABLE, .script = { { .to = "{", .says = "@ OK\r\n" } }, .outcome = "W?", .why = "4.5.0", .big = true },
	{ .name = "an answer to nothing", .script = APPEND("d999 OK x"), .outcome = "W?", .why = "4.5.0" },
	{ .name = "a second answer", .script = APPEND("@ OK\r\n@ OK"), .outcome = "K", .why = "4.5.0" },
	{ .name = "no IMAP", .script = APPEND("what is this"), .outcome = "W?", .why = "4.5.0" },
	{ .name = "an empty line", .script = APPEND(""), .outcome = "W?", .why = "4.5.0" },
	{ .name = "a tag alone", .script = APPEND("@"), .outcome = "W?", .why = "4.5.0" },
	{ .name = "+ unasked", .script = APPEND("+ more"), .outcome = "W?", .why = "4.5.0" },
	{ .name = "a literal without an end", .script = APPEND_GOES("* X {4000000000}\r\n"), .outcome = "W?", .why = "4.5.0" },
	/* looking for what may be there */
	{ .name = "no EXAMINE", .script = { { .to = "EXAMINE", .says = "@ NO [INUSE] x\r\n" }, { .to = "LIST", .says = "* LIST () \"/\" INBOX\r\n@ OK\r\n" } },
	  .outcome = "Z? 4.2.0", .never = "APPEND ", .unclear = true },
	{ .name = "no EXAMINE and no LIST", .script = { { .to = "EXAMINE", .says = "@ BAD x\r\n" }, { .to = "LIST", .says = "@ NO x\r\n" } }, .outcome = "Z? 4.2.0",
	  .never = "APPEND ", .unclear = true },
	{ .name = "no FETCH", .script = { { .to = "EXAMINE", .says = "* 3 EXISTS\r\n@ OK\r\n" }, { .to = "FETCH", .says = "@ NO x\r\n" } }, .outcome = "Z? 4.2.0",
	  .never = "APPEND ", .unclear = true },
	{ .name = "no SEARCH", .script = { { .to = "UID", .says = "@ NO x\r\n" } }, .outcome = "K", .unclear = true },
	{ .name = "the mailbox is gone", .script = { { .to = "EXAMINE", .says = "@ NO x\r\n" }, { .to = "LIST", .says = "@ OK\r\n" } }, .outcome = "K",
	  .unclear = true },
	{ .name = "BYE while it looks", .script = { { .to = "EXAMINE", .says = "* BYE x\r\n", .goes = true } }, .outcome = "W?", .why = "4.4.2", .never = "APPEND ",
	  .unclear = true },
	/* greetings and logins */
	{ .name = "a BYE for a greeting", .capabilities = CAPABLE, .outcome = "W", .why = "4.4.2 tunnel: BYE too many", .greeting = "* BYE too many" },
	{ .name = "a NO for a greeting", .capabilities = CAPABLE, .outcome = "W", .why = "4.3.2", .greeting = "* NO not now" },
	{ .name = "another protocol", .capabilities = CAPABLE, .outcome = "W", .why = "4.5.0", .greeting = "220 mail ESMTP" },
	{ .name = "LOGIN", .capabilities = CAPABLE, .outcome = "K", .sends = "LOGIN \"frank\" \"se\\\"c\\\\ret\"\r\n",
	  .commands = "CAPABILITY LOGIN CAPABILITY APPEND ", .greeting = "* OK hi", .user = "frank", .password = "se\"c\\ret" },
	{ .name = "LOGIN with literals", .capabilities = CAPABLE, .outcome = "K", .sends = "LOGIN {5}\r\nfrank {3}\r\ns\xc3\xa9\r\n", .greeting = "* OK hi",
	  .user = "frank", .password = "s\xc3\xa9" },
	{ .name = "LOGIN refused", .capabilities = CAPABLE, .script = { { .to = "LOGIN", .says = "@ NO [AUTHENTICATIONFAILED] no\r\n" } }, .outcome = "W",
	  .why = "4.7.8", .greeting = "* OK hi", .user = "frank", .password = "x", .login = true },
	{ .name = "LOGIN with BAD", .capabilities = CAPABLE, .script = { { .to = "LOGIN", .says = "@ BAD what?\r\n" } }, .outcome = "W", .why = "4.7.8",
	  .greeting = "* OK hi", .user = "frank", .password = "x", .login = true },
	{ .name = "LOGIN refused for now", .capabilities = CAPABLE, .script = { { .to = "LOGIN", .says = "@ NO [UNAVAILABLE] x\r\n" } }, .outcome = "W",
	  .why = "4.3.2", .greeting = "* OK hi", .user = "frank", .password = "x" },
	{ .name = "too many connections", .capabilities = CAPABLE, .script = { { .to = "LOGIN", .says = "@ NO [ALERT] Too many simultaneous connections. (Failure)\r\n" } },
	  .outcome = "W", .why = "4.3.2", .greeting = "* OK hi", .user = "frank", .password = "x" },
	{ .name = "the first literal of LOGIN refused", .capabilities = CAPABLE, .script = { { .to = "+", .says = "@ NO no\r\n" } }, .outcome = "W", .why = "4.7.8",
	  .greeting = "* OK hi", .user = "frank", .password = "s\xc3\xa9", .never = "s\xc3\xa9", .login = true },
	{ .name = "LOGINDISABLED", .capabilities = CAPABLE " LOGINDISABLED", .outcome = "W", .why = "4.7.8", .commands = "CAPABILITY ", .greeting = "* OK hi",
	  .user = "frank", .password = "x", .login = true },
	{ .name = "BYE for a LOGIN", .capabilities = CAPABLE, .script = { { .to = "LOGIN", .says = "* BYE x\r\n", .goes = true } }, .outcome = "W", .why = "4.4.2",
	  .greeting = "* OK hi", .user = "frank", .password = "x" },
	{ .name = "PLAIN at once", .capabilities = CAPABLE " SASL-IR AUTH=PLAIN", .outcome = "K", .sends = "AUTHENTICATE PLAIN AGZyYW5rAHNlY3JldA==\r\n",
	  .greeting = "* OK hi", .user = "frank", .password = "secret" },
	{ .name = "PLAIN when it is asked for", .capabilities = CAPABLE " AUTH=PLAIN",
	  .script = { { .to = "AUTHENTICATE", .says = "+ \r\n" }, { .to = "", .says = "d2 OK in\r\n" } }, .outcome = "K",
	  .sends = "PLAIN\r\nAGZyYW5rAHNlY3JldA==\r\n", .greeting = "* OK hi", .user = "frank",
	  .password = "secret" },
	{ .name = "the mechanism LOGIN", .capabilities = CAPABLE " AUTH=LOGIN",
	  .script = { { .to = "AUTHENTICATE", .says = "+ VXNlcm5hbWU6\r\n" }, { .to = "", .says = "+ UGFzc3dvcmQ6\r\n", .behind = 0, .times = 1 }, { .to = "", .says = "d2 OK in\r\n", .behind = 1 } },
	  .outcome = "K", .sends = "LOGIN\r\nZnJhbms=\r\nc2VjcmV0\r\n", .greeting = "* OK hi", .user = "frank", .password = "secret" },
	{ .name = "CRAM-MD5 (RFC 2195)", .capabilities = CAPABLE " AUTH=CRAM-MD5",
	  .script = { { .to = "AUTHENTICATE", .says = "+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n" }, { .to = "", .says = "d2 OK in\r\n" } },
	  .outcome = "K", .sends = "CRAM-MD5\r\ndGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n", .greeting = "* OK hi", .user = "tim",
	  .password = "tanstaaftanstaaf" },
	{ .name = "a challenge that is none", .capabilities = CAPABLE " AUTH=CRAM-MD5",
	  .script = { { .to = "AUTHENTICATE", .says = "+ =====\r\n" }, { .to = "", .says = "d2 BAD cancelled\r\n" } }, .outcome = "W", .why = "4.7.8",
	  .sends = "CRAM-MD5\r\n*\r\n", .greeting = "* OK hi", .user = "frank", .password = "secret", .login = true },
	{ .name = "SCRAM without its proof", .capabilities = CAPABLE " AUTH=SCRAM-SHA-256 SASL-IR", .script = { { .to = "AUTHENTICATE", .says = "@ OK in\r\n" } },
	  .outcome = "W", .why = "4.7.8", .greeting = "* OK hi", .user = "frank", .password = "secret", .never = "APPEND ", .login = true },
	{ .name = "AUTHENTICATE refused", .capabilities = CAPABLE " AUTH=PLAIN SASL-IR",
	  .script = { { .to = "AUTHENTICATE", .says = "@ NO [AUTHORIZATIONFAILED] x\r\n" } }, .outcome = "W", .why = "4.7.8", .greeting = "* OK hi",
	  .user = "frank", .password = "secret", .login = true },
	{ .name = "capabilities in the greeting and the answer", .capabilities = "?",
	  .script = { { .to = "LOGIN", .says = "@ OK [CAPABILITY IMAP4rev1 LITERAL+] in\r\n" } }, .outcome = "K", .sends = "+}\r\n", .commands = "LOGIN APPEND ",
	  .greeting = "* OK [CAPABILITY IMAP4rev1] hi", .user = "frank", .password = "x" },
	{ .name = "what was there before the login is there no more", .capabilities = "IMAP4rev1",
	  .script = { { .to = "CAPABILITY", .says = "* CAPABILITY IMAP4rev1 LITERAL+ MULTIAPPEND\r\n@ OK\r\n", .behind = 0, .times = 1 } }, .outcome = "K",
	  .never = "+}", .greeting = "* OK hi", .user = "frank", .password = "x" },
	/* names */
	{ .name = "a prefix", .capabilities = CAPABLE " NAMESPACE", .script = { { .to = "NAMESPACE", .says = PREFIX } }, .outcome = "K 2.0.0 a/b",
	  .sends = "APPEND \"INBOX.a.b\" ", .mailbox = "a/b" },
	{ .name = "a prefix, below INBOX", .capabilities = CAPABLE " NAMESPACE", .script = { { .to = "NAMESPACE", .says = PREFIX } }, .outcome = "K",
	  .sends = "APPEND \"INBOX.a\" ", .mailbox = "inbox/a" },
	{ .name = "a prefix as literals", .capabilities = CAPABLE " NAMESPACE",
	  .script = { { .to = "NAMESPACE", .says = "* NAMESPACE (({6}\r\nINBOX. {1}\r\n.)) NIL NIL\r\n@ OK\r\n" } }, .outcome = "K",
	  .sends = "APPEND \"INBOX.a.b\" ", .mailbox = "a/b" },
	{ .name = "NAMESPACE refused", .capabilities = CAPABLE " NAMESPACE", .script = { { .to = "NAMESPACE", .says = "@ BAD x\r\n" } }, .outcome = "K",
	  .sends = "APPEND \"a/b\" ", .mailbox = "a/b" },
	{ .name = "a separator", .capabilities = CAPABLE, .script = { { .to = "LIST", .says = "* LIST (\\Noselect) \".\" \"\"\r\n@ OK\r\n" } }, .outcome = "K",
	  .sends = "APPEND \"a.b\" ", .mailbox = "a/b" },
	{ .name = "a separator within a name", .capabilities = CAPABLE, .script = { { .to = "LIST", .says = "* LIST (\\Noselect) \".\" \"\"\r\n@ OK\r\n" } },
	  .outcome = "Z 4.3.5", .never = "APPEND ", .mailbox = "a.b" },
	{ .name = "levels where there are none", .capabilities = CAPABLE, .script = { { .to = "LIST", .says = "* LIST (\\Noselect) NIL \"\"\r\n@ OK\r\n" } },
	  .outcome = "Z 4.3.5", .never = "APPEND ", .mailbox = "a/b" },
	{ .name = "letters, & and quotes", .capabilities = CAPABLE, .outcome = "K", .sends = "APPEND \"B&APY-x &- \\\"c\\\\\" ", .mailbox = "B\xc3\xb6x & \"c\\" },
	{ .name = "names in UTF-8", .capabilities = CAPABLE " UTF8=ACCEPT ENABLE", .script = { { .to = "ENABLE", .says = "* ENABLED UTF8=ACCEPT\r\n@ OK\r\n" } },
	  .outcome = "K", .sends = "APPEND \"B\xc3\xb6x\" ", .mailbox = "B\xc3\xb6x", .utf8 = true },
	{ .name = "UTF-8 that was not enabled", .capabilities = CAPABLE " UTF8=ACCEPT ENABLE", .outcome = "K", .sends = "APPEND \"B&APY-x\" ",
	  .mailbox = "B\xc3\xb6x", .utf8 = true },
};

static void set_account(struct world *w, const struct play *play)
{
	static char name[32];

	snprintf(w->user, sizeof w->user, "%s", play->user ? play->user : "");
	w->account.user = play->user ? w->user : NULL;
	if (play->password)
		assert_int_equal(str_add(&w->account.password, play->password), 0);
	if (play->mailbox) {
		snprintf(name, sizeof name, "%s", play->mailbox);
		w->account.mailbox = name;
	}
	w->account.create = !play->kept;
	w->account.limit = play->limit;
	w->account.utf8 = play->utf8;
}

static void add_item(struct world *w, const struct play *play)
{
	struct item *item = world_add(w, play->mailbox ? play->mailbox : "INBOX", "text\n");

	item->unclear = play->unclear;
	if (play->nul)
		assert_int_equal(str_append(&item->job->head, "a\0b\n", 4), 0);
	for (size_t len = 0; play->big && len < BIG; len += 64)
		assert_int_equal(str_add(&item->job->head, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"), 0);
	if (play->nul || play->big)
		assert_int_equal(body_open(&item->body, item->job), 0);
}

static void put_end(struct str *out, const struct world *w, const struct server *server)
{
	const struct world_item *item = &w->items[0];
	bool settled = item->place == WORLD_SETTLED;

	assert_int_not_equal(item->place, WORLD_TAKEN);
	str_printf(out, "%c%s %s %s\n", settled ? (char)item->outcome.verdict : 'W', item->item.unclear ? "?" : "", settled ? item->outcome.status : "", settled ? item->outcome.text : "");
	str_printf(out, "%s %s\n", w->failed ? w->why.status : "", w->failed ? w->why.text : "");
	str_printf(out, "%s\naccount %d login %d stored %zu\n", server->commands.data, w->overloaded, w->failed && w->login, server->count);
}

static bool begins(const char *text, const char *beginning)
{
	return !strncmp(text, beginning, strlen(beginning));
}

static void check_end(const struct play *play, const struct server *server, const struct world *w, const char *end)
{
	const char *why = strchr(end, '\n') + 1, *commands = strchr(why, '\n') + 1;
	char marks[40];

	snprintf(marks, sizeof marks, "\naccount %d login %d ", play->account, play->login);
	if (!begins(end, play->outcome) || (end[1] == '?') != (play->outcome[1] == '?'))
		fail_msg("%s: the outcome is not %s", play->name, play->outcome);
	if (play->why ? !begins(why, play->why) : w->failed)
		fail_msg("%s: the session's end is not %s", play->name, play->why ? play->why : "to come yet");
	if (play->commands && strncmp(commands, play->commands, strlen(play->commands)))
		fail_msg("%s: the commands are not %s", play->name, play->commands);
	if (!strstr(commands, marks))
		fail_msg("%s: not%s", play->name, marks);
	if (play->sends && !memmem(server->heard_all.data, server->heard_all.len, play->sends, strlen(play->sends)))
		fail_msg("%s: it did not send %s", play->name, play->sends);
	if (play->never && memmem(server->heard_all.data, server->heard_all.len, play->never, strlen(play->never)))
		fail_msg("%s: it sent %s", play->name, play->never);
}

/* piece: 0 is by chance */
static void play_once(const struct play *play, const char *capabilities, size_t piece, unsigned seed, struct str *end)
{
	struct world w;
	struct server server;

	world_open(&w);
	server = server_with(&w, capabilities);
	server.piece = piece;
	server.seed = seed;
	server.missing = play->missing;
	if (play->greeting)
		server.greeting = play->greeting;
	memcpy(server.script, play->script, sizeof play->script);
	set_account(&w, play);
	add_item(&w, play);
	world_connect(&w);
	serve(&server);
	put_end(end, &w, &server);
	check_end(play, &server, &w, end->data);
	world_close(&w);
	server_free(&server);
}

static void play_all_ways(const struct play *play, const char *capabilities)
{
	struct str whole = STR_INIT(1U << 20), split = STR_INIT(1U << 20);

	play_once(play, capabilities, SIZE_MAX, 0, &whole);
	for (unsigned seed = 0; seed <= RANDOM_SPLITS; seed++) {
		str_cut(&split, 0);
		play_once(play, capabilities, !seed, seed, &split);
		if (strcmp(split.data, whole.data))
			fail_msg("%s, split %u: %s in place of %s", play->name, seed, split.data, whole.data);
	}
	str_free(&whole);
	str_free(&split);
}

static void test_plays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof plays / sizeof *plays; i++)
		for (size_t kind = 0; kind < KINDS; kind++)
			if (!kind || !plays[i].capabilities)
				play_all_ways(&plays[i], plays[i].capabilities ? plays[i].capabilities : kinds[kind]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_plays) };

	signal(SIGPIPE, SIG_IGN);	/* as in every stage */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
