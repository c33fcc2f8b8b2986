/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the control socket. */
#include <string.h>

#include "sentry/abi/errno.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/control.h"
#include "sentry/cli/rundir.h"

int client_connect(const char *name)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	int rundir = rundir_open(false, &why), dir, sock, err;
	struct guest_state s;
	uint32_t uid;

	if (rundir == -LINUX_ENOENT)
		return cli_error("there is no guest '%s'", name), -1;
	if (rundir < 0)
		return cli_error("%s", strbuf_str(&why)), -1;
	err = rundir_find(rundir, name, &s, &dir);
	host_close(rundir);
	if (err)
		return cli_error("there is no guest '%s'; 'sentry ls' has those there are", name), -1;
	sock = s.ended ? -LINUX_ESRCH : host_unix_connect_at(dir, "control");
	guest_state_fini(&s);
	host_close(dir);
	if (sock < 0)
		return cli_error("guest '%s' is not running", name), -1;
	if (host_peer_uid(sock, &uid) || uid != host_geteuid()) {
		host_close(sock);
		return cli_error("the control socket of '%s' is not yours", name), -1;
	}
	return sock;
}

int client_failed(const char *name, int err, const struct control_message *m)
{
	int32_t status;

	if (err == -LINUX_EPIPE)
		return cli_error("guest '%s' has ended", name);
	if (err)
		return cli_error("cannot talk to guest '%s': %s", name, cli_strerror(err));
	if (m->type != CONTROL_ERROR || m->size < sizeof(status))
		return cli_error("guest '%s' gives an answer that makes no sense: is it of another version?", name);
	memcpy(&status, m->data, sizeof(status));
	cli_error("%s", (const char *)m->data + sizeof(status));
	return status;
}

int client_ask(int sock, const char *name, enum control_type type, const void *data, size_t size, enum control_type want,
	       struct control_message *ret)
{
	int err = control_send(sock, type, data, size, NULL, 0), status;

	*ret = (struct control_message){ 0 };
	if (!err)
		err = control_recv(sock, CONTROL_ANSWER_MAX, ret);
	if (!err && ret->type == want)
		return 0;
	status = client_failed(name, err, ret);
	control_message_fini(ret);
	return status;
}
