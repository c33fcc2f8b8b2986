/* SPDX-License-Identifier: Apache-2.0 */
/* add_key(2), request_key(2), keyctl(2): what is linked where, who may do what, and how keys end. */
#include "tests/contract/contract.h"

#include <linux/keyctl.h>

typedef int32_t serial_t;

static serial_t add(const char *type, const char *desc, const void *data, size_t n, serial_t ring)
{
	return syscall(SYS_add_key, type, desc, data, n, ring);
}

static serial_t request(const char *type, const char *desc, const char *callout, serial_t dest)
{
	return syscall(SYS_request_key, type, desc, callout, dest);
}

static long ctl(int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return syscall(SYS_keyctl, op, a, b, c, d);
}
#define CTL(...) ctl(__VA_ARGS__, 0, 0, 0, 0)
#define ctl(op, a, b, c, d, ...) (ctl)(op, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), (unsigned long)(d))

#define THREAD KEY_SPEC_THREAD_KEYRING
#define PROCESS KEY_SPEC_PROCESS_KEYRING
#define SESSION KEY_SPEC_SESSION_KEYRING
#define POS(x) ((unsigned)(x) << 24)

/* Type, permissions and description; the owner is who runs this. */
static void describe(const char *what, serial_t k)
{
	char buf[256] = "", type[32] = "", desc[128] = "";
	unsigned perm = 0;
	int uid = -1, gid = -1;
	long n = CTL(KEYCTL_DESCRIBE, k, buf, sizeof(buf));

	if (n < 0) {
		say("%s: %s", what, errno_name(errno));
		return;
	}
	sscanf(buf, "%31[^;];%d;%d;%x;%127s", type, &uid, &gid, &perm, desc);
	say("%s: %s %#x %s, %s, length %s", what, type, perm, desc, uid == (int)getuid() ? "mine" : "not mine",
	    n == (long)strlen(buf) + 1 ? "right" : "wrong");
}

static void show_payload(const char *what, serial_t k)
{
	char buf[64] = "";
	long n = CTL(KEYCTL_READ, k, buf, sizeof(buf));

	if (n < 0)
		say("%s: %s", what, errno_name(errno));
	else
		say("%s: %ld bytes \"%.*s\"", what, n, (int)n, buf);
}

static void bad_arguments(void)
{
	static char big[33000];

	SECTION("arguments");
	memset(big, 'x', sizeof(big) - 1);
	OK(add("user", "a", "p", 1, 0));
	OK(add("user", "a", "p", 1, 0x7ffffff0));
	OK(add("user", "a", NULL, 0, PROCESS));
	OK(add("user", "a", NULL, 1, PROCESS));
	OK(add("user", "", "p", 1, PROCESS));
	OK(add("user", NULL, "p", 1, PROCESS));
	OK(add("user", "a", big, 32768, PROCESS));
	OK(add("user", "a", big, 1 << 20, PROCESS));
	OK(add("no-such-type", "a", "p", 1, PROCESS));
	OK(add("", "a", "p", 1, PROCESS));
	OK(add(".hidden", "a", "p", 1, PROCESS));
	OK(add("a-type-with-a-name-of-far-too-many-letters", "a", "p", 1, PROCESS));
	OK(add(BAD_PTR, "a", "p", 1, PROCESS));
	OK(add("user", BAD_PTR, "p", 1, PROCESS));
	OK(add("user", big, "p", 1, PROCESS));
	OK(add("keyring", ".hidden", NULL, 0, PROCESS));
	OK(add("keyring", "a", "p", 1, PROCESS));
	OK(add("logon", "plain", "p", 1, PROCESS));
	OK(add("logon", ":plain", "p", 1, PROCESS));
	OK(add("logon", "service:key", "p", 1, PROCESS));
	OK(add("user", "a", "p", 1, KEY_SPEC_GROUP_KEYRING));
	OK(add("user", "a", "p", 1, -20));
	CALL(CTL(9999));
	CALL(CTL(-1));
	CALL(CTL(KEYCTL_GET_KEYRING_ID, 0, 0));
	CALL(CTL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_REQKEY_AUTH_KEY, 0));
	CALL(CTL(KEYCTL_SETPERM, PROCESS, -1));
	CALL(CTL(KEYCTL_SET_REQKEY_KEYRING, 99));
	CALL(CTL(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_GROUP_KEYRING));
	CALL(CTL(KEYCTL_UPDATE, PROCESS, "x", 1));
	CALL(CTL(KEYCTL_UPDATE, PROCESS, big, 5000));
	CALL(CTL(KEYCTL_INSTANTIATE, 5, "x", 1, 0));
	CALL(CTL(KEYCTL_NEGATE, 5, 1, 0));
	CALL(CTL(KEYCTL_ASSUME_AUTHORITY, 0));
	CALL(CTL(KEYCTL_ASSUME_AUTHORITY, -5));
	CALL(CTL(KEYCTL_ASSUME_AUTHORITY, 0x7ffffff0));
	CALL(CTL(KEYCTL_JOIN_SESSION_KEYRING, BAD_PTR));
	CALL(CTL(KEYCTL_JOIN_SESSION_KEYRING, ".x"));
	CALL(CTL(KEYCTL_JOIN_SESSION_KEYRING, ""));
	CALL(CTL(KEYCTL_CHOWN, PROCESS, -1, -1));
	CALL(CTL(KEYCTL_CHOWN, 0x7ffffff0, -1, -1));
}

static void special_keyrings(void)
{
	SECTION("special keyrings");
	CALL(CTL(KEYCTL_GET_KEYRING_ID, THREAD, 0));
	OK(CTL(KEYCTL_GET_KEYRING_ID, THREAD, 1));
	describe("thread", THREAD);
	describe("process", PROCESS);
	describe("session", SESSION);
	IN_CHILD("child") {
		CALL(CTL(KEYCTL_GET_KEYRING_ID, THREAD, 0));
		CALL(CTL(KEYCTL_GET_KEYRING_ID, PROCESS, 0));
		OK(CTL(KEYCTL_GET_KEYRING_ID, SESSION, 0));
		OK(CTL(KEYCTL_JOIN_SESSION_KEYRING, NULL));
		describe("anonymous", SESSION);
		OK(CTL(KEYCTL_JOIN_SESSION_KEYRING, "of_this_test"));
		describe("named", SESSION);
	}
}

static void *other_thread(void *arg)
{
	serial_t *ids = arg;

	YES(CTL(KEYCTL_GET_KEYRING_ID, THREAD, 0) != ids[0]);
	YES(CTL(KEYCTL_GET_KEYRING_ID, PROCESS, 0) == ids[1]);
	YES(CTL(KEYCTL_GET_KEYRING_ID, SESSION, 0) == ids[2]);
	OK(CTL(KEYCTL_JOIN_SESSION_KEYRING, NULL));
	return NULL;
}

static void threads(void)
{
	serial_t ids[] = { CTL(KEYCTL_GET_KEYRING_ID, THREAD, 1), CTL(KEYCTL_GET_KEYRING_ID, PROCESS, 1),
			   CTL(KEYCTL_GET_KEYRING_ID, SESSION, 1) };
	pthread_t th;

	SECTION("threads");
	MUST(pthread_create(&th, NULL, other_thread, ids));
	pthread_join(th, NULL);
	YES(CTL(KEYCTL_GET_KEYRING_ID, SESSION, 0) == ids[2]);
}

static void payloads(void)
{
	char buf[16] = "................";
	serial_t k = MUST(add("user", "with:payload", "first", 5, PROCESS)), logon;

	SECTION("payloads");
	describe("user", k);
	show_payload("first", k);
	YES(add("user", "with:payload", "second", 6, PROCESS) == k);
	show_payload("second", k);
	CALL(CTL(KEYCTL_UPDATE, k, "third", 5));
	show_payload("third", k);
	CALL(CTL(KEYCTL_UPDATE, k, NULL, 0));
	CALL(CTL(KEYCTL_READ, k, NULL, 0));
	CALL(CTL(KEYCTL_READ, k, buf, 3));
	BYTES(buf, 8);
	CALL(CTL(KEYCTL_READ, k, BAD_PTR, 16));
	CALL(CTL(KEYCTL_DESCRIBE, k, buf, 4));
	BYTES(buf, 8);
	CALL(CTL(KEYCTL_GET_SECURITY, k, NULL, 0));
	logon = MUST(add("logon", "service:secret", "secret", 6, PROCESS));
	describe("logon", logon);
	show_payload("logon", logon);
	CALL(CTL(KEYCTL_CLEAR, k));
	CALL(CTL(KEYCTL_LINK, logon, k));
	CALL(CTL(KEYCTL_UNLINK, logon, k));
}

static void links(void)
{
	serial_t ring = MUST(add("keyring", "ring", NULL, 0, PROCESS)), inner = MUST(add("keyring", "inner", NULL, 0, ring));
	serial_t k = MUST(add("user", "linked", "x", 1, inner)), ids[8] = { 0 }, deep;

	SECTION("links");
	describe("keyring", ring);
	YES(CTL(KEYCTL_SEARCH, ring, "user", "linked", 0) == k);
	YES(CTL(KEYCTL_SEARCH, PROCESS, "user", "linked", 0) == k);
	YES(request("user", "linked", NULL, 0) == k);
	OK(CTL(KEYCTL_SEARCH, ring, "user", "not there", 0));
	OK(CTL(KEYCTL_SEARCH, ring, "no-such-type", "linked", 0));
	OK(CTL(KEYCTL_SEARCH, k, "user", "linked", 0));
	CALL(CTL(KEYCTL_LINK, ring, inner));
	CALL(CTL(KEYCTL_LINK, ring, ring));
	CALL(CTL(KEYCTL_LINK, k, ring));
	CALL(CTL(KEYCTL_READ, ring, ids, sizeof(ids)));
	say("both: %s", (ids[0] == k && ids[1] == inner) || (ids[0] == inner && ids[1] == k) ? "yes" : "no");
	memset(ids, 0, sizeof(ids));
	CALL(CTL(KEYCTL_READ, ring, ids, 4));
	YES(ids[1] == 0);
	CALL(CTL(KEYCTL_READ, ring, ids, 7));
	CALL(CTL(KEYCTL_UNLINK, k, ring));
	CALL(CTL(KEYCTL_UNLINK, k, ring));
	CALL(CTL(KEYCTL_MOVE, k, inner, ring, 2));
	CALL(CTL(KEYCTL_MOVE, k, ring, inner, 0));
	CALL(CTL(KEYCTL_MOVE, k, inner, ring, 0));
	OK(add("user", "linked", "other", 5, inner));
	CALL(CTL(KEYCTL_MOVE, k, ring, inner, KEYCTL_MOVE_EXCL));
	CALL(CTL(KEYCTL_CLEAR, ring));
	YES(add("keyring", "ring", NULL, 0, PROCESS) != ring);
	SECTION("depth");
	deep = MUST(add("keyring", "deep", NULL, 0, PROCESS));
	for (int i = 0; i < 5; i++) {
		char name[16];

		snprintf(name, sizeof(name), "deep%d", i);
		deep = MUST(add("keyring", name, NULL, 0, deep));
	}
	MUST(add("user", "bottom", "x", 1, deep));
	OK(request("user", "bottom", NULL, 0));
	deep = MUST(add("keyring", "deeper", NULL, 0, deep));
	MUST(add("user", "bottom2", "x", 1, deep));
	OK(request("user", "bottom2", NULL, 0));
	CALL(CTL(KEYCTL_RESTRICT_KEYRING, deep, NULL, NULL));
	CALL(CTL(KEYCTL_RESTRICT_KEYRING, deep, NULL, NULL));
	OK(add("user", "refused", "x", 1, deep));
	k = MUST(add("user", "not a keyring", "x", 1, PROCESS));
	CALL(CTL(KEYCTL_RESTRICT_KEYRING, k, NULL, NULL));
}

static void endings(void)
{
	serial_t k = MUST(add("user", "ends", "x", 1, PROCESS)), e;

	SECTION("endings");
	CALL(CTL(KEYCTL_REVOKE, k));
	CALL(CTL(KEYCTL_REVOKE, k));
	describe("revoked", k);
	show_payload("revoked", k);
	OK(request("user", "ends", NULL, 0));
	YES(add("user", "ends", "x", 1, PROCESS) != k);
	OK(request("user", "ends", NULL, 0));
	e = MUST(add("user", "expires", "x", 1, PROCESS));
	CALL(CTL(KEYCTL_SET_TIMEOUT, e, 1));
	sleep_ms(2100);
	describe("expired", e);
	show_payload("expired", e);
	OK(request("user", "expires", NULL, 0));
	CALL(CTL(KEYCTL_SET_TIMEOUT, e, 0));
	k = MUST(add("user", "invalid", "x", 1, PROCESS));
	CALL(CTL(KEYCTL_INVALIDATE, k));
	/* Collected when there is time for it. */
	for (int i = 0; i < 100 && CTL(KEYCTL_DESCRIBE, k, NULL, 0) >= 0; i++)
		sleep_ms(10);
	describe("invalidated", k);
	OK(request("user", "invalid", NULL, 0));
}

static void rights(void)
{
	serial_t k = MUST(add("user", "mine", "x", 1, PROCESS)), ring = MUST(add("keyring", "closed", NULL, 0, PROCESS));
	serial_t inside = MUST(add("user", "inside", "x", 1, ring));

	SECTION("rights");
	CALL(CTL(KEYCTL_SETPERM, k, POS(0x29)));
	describe("without read", k);
	show_payload("without read", k);
	CALL(CTL(KEYCTL_UPDATE, k, "y", 1));
	OK(add("user", "mine", "y", 1, PROCESS));
	CALL(CTL(KEYCTL_LINK, k, SESSION));
	CALL(CTL(KEYCTL_SETPERM, k, POS(0x20)));
	describe("without view", k);
	OK(request("user", "mine", NULL, 0));
	/* What can't be searched for isn't possessed. */
	CALL(CTL(KEYCTL_SETPERM, k, POS(0x3f)));
	CALL(CTL(KEYCTL_SETPERM, ring, POS(0x37)));
	OK(request("user", "inside", NULL, 0));
	describe("in a keyring without search", inside);
	show_payload("in a keyring without search", inside);
	CALL(CTL(KEYCTL_UNLINK, inside, ring));
	IN_CHILD("nobody's") {
		serial_t mine = MUST(add("user", "of root", "x", 1, SESSION));

		drop_privileges();
		describe("of another process", k);
		show_payload("of another process", k);
		(void)mine;
		CALL(CTL(KEYCTL_CHOWN, k, 0, -1));
		CALL(CTL(KEYCTL_REVOKE, k));
		OK(CTL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1));
		OK(add("user", "in the user's", "x", 1, KEY_SPEC_USER_KEYRING));
		CALL(CTL(KEYCTL_CLEAR, KEY_SPEC_USER_KEYRING));
	}
}

static void requests(void)
{
	serial_t ring = MUST(add("keyring", "results", NULL, 0, PROCESS)), k = MUST(add("user", "known", "x", 1, PROCESS));

	SECTION("requests");
	YES(request("user", "known", NULL, ring) == k);
	CALL(CTL(KEYCTL_READ, ring, NULL, 0));
	OK(request("user", "unknown", NULL, 0));
	OK(request("no-such-type", "unknown", NULL, 0));
	OK(request(BAD_PTR, "unknown", NULL, 0));
	OK(request("user", BAD_PTR, NULL, 0));
	OK(request("user", "unknown", BAD_PTR, 0));
	OK(request("user", "unknown", NULL, 0x7ffffff0));
	OK(request(".user", "unknown", NULL, 0));
	CALL(CTL(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_NO_CHANGE));
	CALL(CTL(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_PROCESS_KEYRING));
	CALL(CTL(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_NO_CHANGE));
	CALL(CTL(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_DEFAULT));
}

static void to_parent(void)
{
	serial_t before;

	SECTION("to the parent");
	if (!MUST(fork())) {
		before = CTL(KEYCTL_GET_KEYRING_ID, SESSION, 0);
		IN_CHILD("giver") {
			MUST(CTL(KEYCTL_JOIN_SESSION_KEYRING, NULL));
			CALL(CTL(KEYCTL_SESSION_TO_PARENT));
		}
		YES(CTL(KEYCTL_GET_KEYRING_ID, SESSION, 0) != before);
		_exit(0);
	}
	reap("receiver", wait(NULL));
}

int main(void)
{
	if (CTL(KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		skip("no keyrings here");
	bad_arguments();
	special_keyrings();
	threads();
	payloads();
	links();
	endings();
	rights();
	requests();
	to_parent();
	return 0;
}
