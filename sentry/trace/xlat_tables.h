/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of flags and constants, for xlat.c alone.  Values are x86-64 Linux's.  In a table of flags an entry of several bits
 * comes before its parts.
 */
#ifndef SENTRY_TRACE_XLAT_TABLES_H
#define SENTRY_TRACE_XLAT_TABLES_H

static const struct xlat prot_xlat[] = {
	{ 0x1, "PROT_READ" }, { 0x2, "PROT_WRITE" }, { 0x4, "PROT_EXEC" }, { 0x8, "PROT_SEM" },
	{ 0x1000000, "PROT_GROWSDOWN" }, { 0x2000000, "PROT_GROWSUP" },
};

static const struct xlat mmap_xlat[] = {
	{ 0x10, "MAP_FIXED" }, { 0x20, "MAP_ANONYMOUS" }, { 0x4000, "MAP_NORESERVE" }, { 0x40, "MAP_32BIT" },
	{ 0x8000, "MAP_POPULATE" }, { 0x10000, "MAP_NONBLOCK" }, { 0x100, "MAP_GROWSDOWN" },
	{ 0x800, "MAP_DENYWRITE" }, { 0x1000, "MAP_EXECUTABLE" }, { 0x2000, "MAP_LOCKED" }, { 0x20000, "MAP_STACK" },
	{ 0x40000, "MAP_HUGETLB" }, { 0x80000, "MAP_SYNC" }, { 0x100000, "MAP_FIXED_NOREPLACE" },
};

static const struct xlat mremap_xlat[] = {
	{ 0x1, "MREMAP_MAYMOVE" }, { 0x2, "MREMAP_FIXED" }, { 0x4, "MREMAP_DONTUNMAP" },
};

static const struct xlat msync_xlat[] = {
	{ 0x1, "MS_ASYNC" }, { 0x2, "MS_INVALIDATE" }, { 0x4, "MS_SYNC" },
};

static const struct xlat madvise_xlat[] = {
	{ 0, "MADV_NORMAL" }, { 1, "MADV_RANDOM" }, { 2, "MADV_SEQUENTIAL" }, { 3, "MADV_WILLNEED" },
	{ 4, "MADV_DONTNEED" }, { 8, "MADV_FREE" }, { 9, "MADV_REMOVE" }, { 10, "MADV_DONTFORK" },
	{ 11, "MADV_DOFORK" }, { 12, "MADV_MERGEABLE" }, { 13, "MADV_UNMERGEABLE" }, { 14, "MADV_HUGEPAGE" },
	{ 15, "MADV_NOHUGEPAGE" }, { 16, "MADV_DONTDUMP" }, { 17, "MADV_DODUMP" }, { 18, "MADV_WIPEONFORK" },
	{ 19, "MADV_KEEPONFORK" }, { 20, "MADV_COLD" }, { 21, "MADV_PAGEOUT" }, { 22, "MADV_POPULATE_READ" },
	{ 23, "MADV_POPULATE_WRITE" }, { 24, "MADV_DONTNEED_LOCKED" }, { 25, "MADV_COLLAPSE" },
	{ 100, "MADV_HWPOISON" }, { 101, "MADV_SOFT_OFFLINE" },
};

static const struct xlat mlockall_xlat[] = {
	{ 0x1, "MCL_CURRENT" }, { 0x2, "MCL_FUTURE" }, { 0x4, "MCL_ONFAULT" },
};

static const struct xlat mlock2_xlat[] = {
	{ 0x1, "MLOCK_ONFAULT" },
};

static const struct xlat open_xlat[] = {
	{ 0x40, "O_CREAT" }, { 0x80, "O_EXCL" }, { 0x100, "O_NOCTTY" }, { 0x200, "O_TRUNC" }, { 0x400, "O_APPEND" },
	{ 0x800, "O_NONBLOCK" }, { 0x101000, "O_SYNC" }, { 0x1000, "O_DSYNC" }, { 0x2000, "O_ASYNC" },
	{ 0x4000, "O_DIRECT" }, { 0x8000, "O_LARGEFILE" }, { 0x20000, "O_NOFOLLOW" }, { 0x40000, "O_NOATIME" },
	{ 0x80000, "O_CLOEXEC" }, { 0x200000, "O_PATH" }, { 0x410000, "O_TMPFILE" }, { 0x10000, "O_DIRECTORY" },
};

static const struct xlat access_xlat[] = {
	{ 0x4, "R_OK" }, { 0x2, "W_OK" }, { 0x1, "X_OK" },
};

static const struct xlat at_xlat[] = {
	{ 0x100, "AT_SYMLINK_NOFOLLOW" }, { 0x200, "AT_REMOVEDIR" }, { 0x400, "AT_SYMLINK_FOLLOW" },
	{ 0x800, "AT_NO_AUTOMOUNT" }, { 0x1000, "AT_EMPTY_PATH" }, { 0x8000, "AT_RECURSIVE" },
};

static const struct xlat at_eaccess_xlat[] = {
	{ 0x100, "AT_SYMLINK_NOFOLLOW" }, { 0x200, "AT_EACCESS" }, { 0x400, "AT_SYMLINK_FOLLOW" },
	{ 0x800, "AT_NO_AUTOMOUNT" }, { 0x1000, "AT_EMPTY_PATH" },
};

static const struct xlat at_statx_xlat[] = {
	{ 0x2000, "AT_STATX_FORCE_SYNC" }, { 0x4000, "AT_STATX_DONT_SYNC" }, { 0x100, "AT_SYMLINK_NOFOLLOW" },
	{ 0x800, "AT_NO_AUTOMOUNT" }, { 0x1000, "AT_EMPTY_PATH" },
};

static const struct xlat unlinkat_xlat[] = {
	{ 0x200, "AT_REMOVEDIR" },
};

static const struct xlat whence_xlat[] = {
	{ 0, "SEEK_SET" }, { 1, "SEEK_CUR" }, { 2, "SEEK_END" }, { 3, "SEEK_DATA" }, { 4, "SEEK_HOLE" },
};

static const struct xlat statx_mask_xlat[] = {
	{ 0xfff, "STATX_ALL" }, { 0x7ff, "STATX_BASIC_STATS" }, { 0x1, "STATX_TYPE" }, { 0x2, "STATX_MODE" },
	{ 0x4, "STATX_NLINK" }, { 0x8, "STATX_UID" }, { 0x10, "STATX_GID" }, { 0x20, "STATX_ATIME" },
	{ 0x40, "STATX_MTIME" }, { 0x80, "STATX_CTIME" }, { 0x100, "STATX_INO" }, { 0x200, "STATX_SIZE" },
	{ 0x400, "STATX_BLOCKS" }, { 0x800, "STATX_BTIME" }, { 0x1000, "STATX_MNT_ID" },
	{ 0x2000, "STATX_DIOALIGN" },
};

static const struct xlat signal_xlat[] = {
	{ 1, "SIGHUP" }, { 2, "SIGINT" }, { 3, "SIGQUIT" }, { 4, "SIGILL" }, { 5, "SIGTRAP" }, { 6, "SIGABRT" },
	{ 7, "SIGBUS" }, { 8, "SIGFPE" }, { 9, "SIGKILL" }, { 10, "SIGUSR1" }, { 11, "SIGSEGV" }, { 12, "SIGUSR2" },
	{ 13, "SIGPIPE" }, { 14, "SIGALRM" }, { 15, "SIGTERM" }, { 16, "SIGSTKFLT" }, { 17, "SIGCHLD" },
	{ 18, "SIGCONT" }, { 19, "SIGSTOP" }, { 20, "SIGTSTP" }, { 21, "SIGTTIN" }, { 22, "SIGTTOU" },
	{ 23, "SIGURG" }, { 24, "SIGXCPU" }, { 25, "SIGXFSZ" }, { 26, "SIGVTALRM" }, { 27, "SIGPROF" },
	{ 28, "SIGWINCH" }, { 29, "SIGIO" }, { 30, "SIGPWR" }, { 31, "SIGSYS" },
};

static const struct xlat sighow_xlat[] = {
	{ 0, "SIG_BLOCK" }, { 1, "SIG_UNBLOCK" }, { 2, "SIG_SETMASK" },
};

static const struct xlat sa_flags_xlat[] = {
	{ 0x4000000, "SA_RESTORER" }, { 0x8000000, "SA_ONSTACK" }, { 0x10000000, "SA_RESTART" },
	{ 0x20000000, "SA_INTERRUPT" }, { 0x40000000, "SA_NODEFER" }, { 0x80000000, "SA_RESETHAND" },
	{ 0x4, "SA_SIGINFO" }, { 0x1, "SA_NOCLDSTOP" }, { 0x2, "SA_NOCLDWAIT" },
};

static const struct xlat ss_flags_xlat[] = {
	{ 0x1, "SS_ONSTACK" }, { 0x2, "SS_DISABLE" }, { 0x80000000, "SS_AUTODISARM" },
};

static const struct xlat itimer_xlat[] = {
	{ 0, "ITIMER_REAL" }, { 1, "ITIMER_VIRTUAL" }, { 2, "ITIMER_PROF" },
};

static const struct xlat clockid_xlat[] = {
	{ 0, "CLOCK_REALTIME" }, { 1, "CLOCK_MONOTONIC" }, { 2, "CLOCK_PROCESS_CPUTIME_ID" },
	{ 3, "CLOCK_THREAD_CPUTIME_ID" }, { 4, "CLOCK_MONOTONIC_RAW" }, { 5, "CLOCK_REALTIME_COARSE" },
	{ 6, "CLOCK_MONOTONIC_COARSE" }, { 7, "CLOCK_BOOTTIME" }, { 8, "CLOCK_REALTIME_ALARM" },
	{ 9, "CLOCK_BOOTTIME_ALARM" }, { 11, "CLOCK_TAI" },
};

static const struct xlat timer_xlat[] = {
	{ 0x1, "TIMER_ABSTIME" },
};

static const struct xlat timerfd_xlat[] = {
	{ 0x80000, "TFD_CLOEXEC" }, { 0x800, "TFD_NONBLOCK" },
};

static const struct xlat timerfd_set_xlat[] = {
	{ 0x1, "TFD_TIMER_ABSTIME" }, { 0x2, "TFD_TIMER_CANCEL_ON_SET" },
};

static const struct xlat sigev_notify_xlat[] = {
	{ 0, "SIGEV_SIGNAL" }, { 1, "SIGEV_NONE" }, { 2, "SIGEV_THREAD" }, { 4, "SIGEV_THREAD_ID" },
};

static const struct xlat family_xlat[] = {
	{ 0, "AF_UNSPEC" }, { 1, "AF_UNIX" }, { 2, "AF_INET" }, { 10, "AF_INET6" }, { 16, "AF_NETLINK" },
	{ 17, "AF_PACKET" }, { 40, "AF_VSOCK" }, { 38, "AF_ALG" }, { 31, "AF_BLUETOOTH" }, { 29, "AF_CAN" },
	{ 30, "AF_TIPC" }, { 44, "AF_XDP" },
};

static const struct xlat socktype_base_xlat[] = {
	{ 1, "SOCK_STREAM" }, { 2, "SOCK_DGRAM" }, { 3, "SOCK_RAW" }, { 4, "SOCK_RDM" }, { 5, "SOCK_SEQPACKET" },
	{ 6, "SOCK_DCCP" }, { 10, "SOCK_PACKET" },
};

static const struct xlat sock_flags_xlat[] = {
	{ 0x80000, "SOCK_CLOEXEC" }, { 0x800, "SOCK_NONBLOCK" },
};

static const struct xlat ipproto_xlat[] = {
	{ 0, "IPPROTO_IP" }, { 1, "IPPROTO_ICMP" }, { 2, "IPPROTO_IGMP" }, { 6, "IPPROTO_TCP" },
	{ 17, "IPPROTO_UDP" }, { 41, "IPPROTO_IPV6" }, { 58, "IPPROTO_ICMPV6" }, { 132, "IPPROTO_SCTP" },
	{ 136, "IPPROTO_UDPLITE" }, { 255, "IPPROTO_RAW" },
};

static const struct xlat nlproto_xlat[] = {
	{ 0, "NETLINK_ROUTE" }, { 4, "NETLINK_SOCK_DIAG" }, { 9, "NETLINK_AUDIT" }, { 15, "NETLINK_KOBJECT_UEVENT" },
	{ 16, "NETLINK_GENERIC" }, { 12, "NETLINK_NETFILTER" }, { 21, "NETLINK_CRYPTO" },
};

static const struct xlat msg_xlat[] = {
	{ 0x1, "MSG_OOB" }, { 0x2, "MSG_PEEK" }, { 0x4, "MSG_DONTROUTE" }, { 0x8, "MSG_CTRUNC" },
	{ 0x10, "MSG_PROBE" }, { 0x20, "MSG_TRUNC" }, { 0x40, "MSG_DONTWAIT" }, { 0x80, "MSG_EOR" },
	{ 0x100, "MSG_WAITALL" }, { 0x200, "MSG_FIN" }, { 0x400, "MSG_SYN" }, { 0x800, "MSG_CONFIRM" },
	{ 0x1000, "MSG_RST" }, { 0x2000, "MSG_ERRQUEUE" }, { 0x4000, "MSG_NOSIGNAL" }, { 0x8000, "MSG_MORE" },
	{ 0x10000, "MSG_WAITFORONE" }, { 0x40000, "MSG_BATCH" }, { 0x4000000, "MSG_ZEROCOPY" },
	{ 0x20000000, "MSG_FASTOPEN" }, { 0x40000000, "MSG_CMSG_CLOEXEC" },
};

static const struct xlat shutdown_xlat[] = {
	{ 0, "SHUT_RD" }, { 1, "SHUT_WR" }, { 2, "SHUT_RDWR" },
};

static const struct xlat sol_xlat[] = {
	{ 0, "SOL_IP" }, { 1, "SOL_SOCKET" }, { 6, "SOL_TCP" }, { 17, "SOL_UDP" }, { 41, "SOL_IPV6" },
	{ 58, "SOL_ICMPV6" }, { 255, "SOL_RAW" }, { 0x107, "SOL_PACKET" }, { 0x10e, "SOL_NETLINK" },
};

static const struct xlat so_xlat[] = {
	{ 1, "SO_DEBUG" }, { 2, "SO_REUSEADDR" }, { 3, "SO_TYPE" }, { 4, "SO_ERROR" }, { 5, "SO_DONTROUTE" },
	{ 6, "SO_BROADCAST" }, { 7, "SO_SNDBUF" }, { 8, "SO_RCVBUF" }, { 9, "SO_KEEPALIVE" }, { 10, "SO_OOBINLINE" },
	{ 11, "SO_NO_CHECK" }, { 12, "SO_PRIORITY" }, { 13, "SO_LINGER" }, { 15, "SO_REUSEPORT" },
	{ 16, "SO_PASSCRED" }, { 17, "SO_PEERCRED" }, { 18, "SO_RCVLOWAT" }, { 19, "SO_SNDLOWAT" },
	{ 20, "SO_RCVTIMEO_OLD" }, { 21, "SO_SNDTIMEO_OLD" }, { 25, "SO_BINDTODEVICE" }, { 26, "SO_ATTACH_FILTER" },
	{ 27, "SO_DETACH_FILTER" }, { 28, "SO_PEERNAME" }, { 29, "SO_TIMESTAMP_OLD" }, { 30, "SO_ACCEPTCONN" },
	{ 31, "SO_PEERSEC" }, { 32, "SO_SNDBUFFORCE" }, { 33, "SO_RCVBUFFORCE" }, { 34, "SO_PASSSEC" },
	{ 36, "SO_MARK" }, { 38, "SO_PROTOCOL" }, { 39, "SO_DOMAIN" }, { 40, "SO_RXQ_OVFL" }, { 42, "SO_PEEK_OFF" },
	{ 43, "SO_NOFCS" }, { 46, "SO_BUSY_POLL" }, { 49, "SO_INCOMING_CPU" }, { 57, "SO_COOKIE" },
	{ 59, "SO_PEERGROUPS" }, { 60, "SO_ZEROCOPY" },
};

static const struct xlat so_tcp_xlat[] = {
	{ 1, "TCP_NODELAY" }, { 2, "TCP_MAXSEG" }, { 3, "TCP_CORK" }, { 4, "TCP_KEEPIDLE" }, { 5, "TCP_KEEPINTVL" },
	{ 6, "TCP_KEEPCNT" }, { 7, "TCP_SYNCNT" }, { 8, "TCP_LINGER2" }, { 9, "TCP_DEFER_ACCEPT" },
	{ 10, "TCP_WINDOW_CLAMP" }, { 11, "TCP_INFO" }, { 12, "TCP_QUICKACK" }, { 13, "TCP_CONGESTION" },
	{ 14, "TCP_MD5SIG" }, { 18, "TCP_USER_TIMEOUT" }, { 23, "TCP_FASTOPEN" }, { 24, "TCP_TIMESTAMP" },
	{ 25, "TCP_NOTSENT_LOWAT" }, { 30, "TCP_FASTOPEN_CONNECT" }, { 31, "TCP_ULP" },
};

static const struct xlat so_ip_xlat[] = {
	{ 1, "IP_TOS" }, { 2, "IP_TTL" }, { 3, "IP_HDRINCL" }, { 4, "IP_OPTIONS" }, { 6, "IP_RECVOPTS" },
	{ 7, "IP_RETOPTS" }, { 8, "IP_PKTINFO" }, { 10, "IP_MTU_DISCOVER" }, { 11, "IP_RECVERR" },
	{ 12, "IP_RECVTTL" }, { 13, "IP_RECVTOS" }, { 14, "IP_MTU" }, { 15, "IP_FREEBIND" },
	{ 19, "IP_TRANSPARENT" }, { 24, "IP_BIND_ADDRESS_NO_PORT" }, { 32, "IP_MULTICAST_IF" },
	{ 33, "IP_MULTICAST_TTL" }, { 34, "IP_MULTICAST_LOOP" }, { 35, "IP_ADD_MEMBERSHIP" },
	{ 36, "IP_DROP_MEMBERSHIP" },
};

static const struct xlat so_ipv6_xlat[] = {
	{ 16, "IPV6_UNICAST_HOPS" }, { 17, "IPV6_MULTICAST_IF" }, { 18, "IPV6_MULTICAST_HOPS" },
	{ 19, "IPV6_MULTICAST_LOOP" }, { 23, "IPV6_MTU_DISCOVER" }, { 24, "IPV6_MTU" }, { 25, "IPV6_RECVERR" },
	{ 26, "IPV6_V6ONLY" }, { 49, "IPV6_RECVPKTINFO" }, { 50, "IPV6_PKTINFO" }, { 51, "IPV6_RECVHOPLIMIT" },
	{ 52, "IPV6_HOPLIMIT" }, { 67, "IPV6_TCLASS" }, { 66, "IPV6_RECVTCLASS" },
};

static const struct xlat clone_xlat[] = {
	{ 0x100, "CLONE_VM" }, { 0x200, "CLONE_FS" }, { 0x400, "CLONE_FILES" }, { 0x800, "CLONE_SIGHAND" },
	{ 0x1000, "CLONE_PIDFD" }, { 0x2000, "CLONE_PTRACE" }, { 0x4000, "CLONE_VFORK" }, { 0x8000, "CLONE_PARENT" },
	{ 0x10000, "CLONE_THREAD" }, { 0x20000, "CLONE_NEWNS" }, { 0x40000, "CLONE_SYSVSEM" },
	{ 0x80000, "CLONE_SETTLS" }, { 0x100000, "CLONE_PARENT_SETTID" }, { 0x200000, "CLONE_CHILD_CLEARTID" },
	{ 0x400000, "CLONE_DETACHED" }, { 0x800000, "CLONE_UNTRACED" }, { 0x1000000, "CLONE_CHILD_SETTID" },
	{ 0x2000000, "CLONE_NEWCGROUP" }, { 0x4000000, "CLONE_NEWUTS" }, { 0x8000000, "CLONE_NEWIPC" },
	{ 0x10000000, "CLONE_NEWUSER" }, { 0x20000000, "CLONE_NEWPID" }, { 0x40000000, "CLONE_NEWNET" },
	{ 0x80000000, "CLONE_IO" }, { 0x100000000, "CLONE_CLEAR_SIGHAND" }, { 0x200000000, "CLONE_INTO_CGROUP" },
};

static const struct xlat unshare_xlat[] = {
	{ 0x80, "CLONE_NEWTIME" }, { 0x100, "CLONE_VM" }, { 0x200, "CLONE_FS" }, { 0x400, "CLONE_FILES" },
	{ 0x800, "CLONE_SIGHAND" }, { 0x10000, "CLONE_THREAD" }, { 0x20000, "CLONE_NEWNS" },
	{ 0x40000, "CLONE_SYSVSEM" }, { 0x2000000, "CLONE_NEWCGROUP" }, { 0x4000000, "CLONE_NEWUTS" },
	{ 0x8000000, "CLONE_NEWIPC" }, { 0x10000000, "CLONE_NEWUSER" }, { 0x20000000, "CLONE_NEWPID" },
	{ 0x40000000, "CLONE_NEWNET" },
};

static const struct xlat wait_xlat[] = {
	{ 0x1, "WNOHANG" }, { 0x2, "WSTOPPED" }, { 0x4, "WEXITED" }, { 0x8, "WCONTINUED" }, { 0x1000000, "WNOWAIT" },
	{ 0x20000000, "__WNOTHREAD" }, { 0x40000000, "__WALL" }, { 0x80000000, "__WCLONE" },
};

static const struct xlat idtype_xlat[] = {
	{ 0, "P_ALL" }, { 1, "P_PID" }, { 2, "P_PGID" }, { 3, "P_PIDFD" },
};

static const struct xlat fcntl_xlat[] = {
	{ 0, "F_DUPFD" }, { 1, "F_GETFD" }, { 2, "F_SETFD" }, { 3, "F_GETFL" }, { 4, "F_SETFL" }, { 5, "F_GETLK" },
	{ 6, "F_SETLK" }, { 7, "F_SETLKW" }, { 8, "F_SETOWN" }, { 9, "F_GETOWN" }, { 10, "F_SETSIG" },
	{ 11, "F_GETSIG" }, { 15, "F_SETOWN_EX" }, { 16, "F_GETOWN_EX" }, { 36, "F_OFD_GETLK" },
	{ 37, "F_OFD_SETLK" }, { 38, "F_OFD_SETLKW" }, { 0x400, "F_SETLEASE" }, { 0x401, "F_GETLEASE" },
	{ 0x402, "F_NOTIFY" }, { 0x406, "F_DUPFD_CLOEXEC" }, { 0x407, "F_SETPIPE_SZ" }, { 0x408, "F_GETPIPE_SZ" },
	{ 0x409, "F_ADD_SEALS" }, { 0x40a, "F_GET_SEALS" },
};

static const struct xlat fdflags_xlat[] = {
	{ 0x1, "FD_CLOEXEC" },
};

static const struct xlat lock_type_xlat[] = {
	{ 0, "F_RDLCK" }, { 1, "F_WRLCK" }, { 2, "F_UNLCK" },
};

static const struct xlat seals_xlat[] = {
	{ 0x1, "F_SEAL_SEAL" }, { 0x2, "F_SEAL_SHRINK" }, { 0x4, "F_SEAL_GROW" }, { 0x8, "F_SEAL_WRITE" },
	{ 0x10, "F_SEAL_FUTURE_WRITE" },
};

static const struct xlat flock_xlat[] = {
	{ 0x1, "LOCK_SH" }, { 0x2, "LOCK_EX" }, { 0x8, "LOCK_UN" }, { 0x4, "LOCK_NB" },
};

static const struct xlat rlimit_xlat[] = {
	{ 0, "RLIMIT_CPU" }, { 1, "RLIMIT_FSIZE" }, { 2, "RLIMIT_DATA" }, { 3, "RLIMIT_STACK" },
	{ 4, "RLIMIT_CORE" }, { 5, "RLIMIT_RSS" }, { 6, "RLIMIT_NPROC" }, { 7, "RLIMIT_NOFILE" },
	{ 8, "RLIMIT_MEMLOCK" }, { 9, "RLIMIT_AS" }, { 10, "RLIMIT_LOCKS" }, { 11, "RLIMIT_SIGPENDING" },
	{ 12, "RLIMIT_MSGQUEUE" }, { 13, "RLIMIT_NICE" }, { 14, "RLIMIT_RTPRIO" }, { 15, "RLIMIT_RTTIME" },
};

static const struct xlat rusage_who_xlat[] = {
	{ 0, "RUSAGE_SELF" }, { 0xffffffff, "RUSAGE_CHILDREN" }, { 1, "RUSAGE_THREAD" },
};

static const struct xlat prio_xlat[] = {
	{ 0, "PRIO_PROCESS" }, { 1, "PRIO_PGRP" }, { 2, "PRIO_USER" },
};

static const struct xlat ioprio_who_xlat[] = {
	{ 1, "IOPRIO_WHO_PROCESS" }, { 2, "IOPRIO_WHO_PGRP" }, { 3, "IOPRIO_WHO_USER" },
};

static const struct xlat sched_xlat[] = {
	{ 0, "SCHED_OTHER" }, { 1, "SCHED_FIFO" }, { 2, "SCHED_RR" }, { 3, "SCHED_BATCH" }, { 5, "SCHED_IDLE" },
	{ 6, "SCHED_DEADLINE" }, { 0x40000000, "SCHED_RESET_ON_FORK" },
};

static const struct xlat ptrace_xlat[] = {
	{ 0, "PTRACE_TRACEME" }, { 1, "PTRACE_PEEKTEXT" }, { 2, "PTRACE_PEEKDATA" }, { 3, "PTRACE_PEEKUSER" },
	{ 4, "PTRACE_POKETEXT" }, { 5, "PTRACE_POKEDATA" }, { 6, "PTRACE_POKEUSER" }, { 7, "PTRACE_CONT" },
	{ 8, "PTRACE_KILL" }, { 9, "PTRACE_SINGLESTEP" }, { 12, "PTRACE_GETREGS" }, { 13, "PTRACE_SETREGS" },
	{ 16, "PTRACE_ATTACH" }, { 17, "PTRACE_DETACH" }, { 24, "PTRACE_SYSCALL" }, { 0x4200, "PTRACE_SETOPTIONS" },
	{ 0x4201, "PTRACE_GETEVENTMSG" }, { 0x4202, "PTRACE_GETSIGINFO" }, { 0x4204, "PTRACE_GETREGSET" },
	{ 0x4205, "PTRACE_SETREGSET" }, { 0x4206, "PTRACE_SEIZE" }, { 0x4207, "PTRACE_INTERRUPT" },
	{ 0x4208, "PTRACE_LISTEN" }, { 0x420e, "PTRACE_GET_SYSCALL_INFO" },
};

static const struct xlat personality_xlat[] = {
	{ 0x20000, "UNAME26" }, { 0x40000, "ADDR_NO_RANDOMIZE" }, { 0x100000, "MMAP_PAGE_ZERO" },
	{ 0x200000, "ADDR_COMPAT_LAYOUT" }, { 0x400000, "READ_IMPLIES_EXEC" }, { 0x800000, "ADDR_LIMIT_32BIT" },
	{ 0x1000000, "SHORT_INODE" }, { 0x2000000, "WHOLE_SECONDS" }, { 0x4000000, "STICKY_TIMEOUTS" },
	{ 0x8000000, "ADDR_LIMIT_3GB" },
};

static const struct xlat prctl_xlat[] = {
	{ 1, "PR_SET_PDEATHSIG" }, { 2, "PR_GET_PDEATHSIG" }, { 3, "PR_GET_DUMPABLE" }, { 4, "PR_SET_DUMPABLE" },
	{ 7, "PR_GET_KEEPCAPS" }, { 8, "PR_SET_KEEPCAPS" }, { 15, "PR_SET_NAME" }, { 16, "PR_GET_NAME" },
	{ 21, "PR_GET_SECCOMP" }, { 22, "PR_SET_SECCOMP" }, { 23, "PR_CAPBSET_READ" }, { 24, "PR_CAPBSET_DROP" },
	{ 25, "PR_GET_TSC" }, { 26, "PR_SET_TSC" }, { 27, "PR_GET_SECUREBITS" }, { 28, "PR_SET_SECUREBITS" },
	{ 29, "PR_SET_TIMERSLACK" }, { 30, "PR_GET_TIMERSLACK" }, { 35, "PR_SET_MM" },
	{ 36, "PR_SET_CHILD_SUBREAPER" }, { 37, "PR_GET_CHILD_SUBREAPER" }, { 38, "PR_SET_NO_NEW_PRIVS" },
	{ 39, "PR_GET_NO_NEW_PRIVS" }, { 40, "PR_GET_TID_ADDRESS" }, { 41, "PR_SET_THP_DISABLE" },
	{ 42, "PR_GET_THP_DISABLE" }, { 47, "PR_CAP_AMBIENT" }, { 0x59616d61, "PR_SET_PTRACER" },
	{ 52, "PR_GET_SPECULATION_CTRL" }, { 53, "PR_SET_SPECULATION_CTRL" }, { 57, "PR_SET_IO_FLUSHER" },
	{ 58, "PR_GET_IO_FLUSHER" }, { 0x53564d41, "PR_SET_VMA" }, { 65, "PR_SET_MDWE" }, { 66, "PR_GET_MDWE" },
};

static const struct xlat arch_prctl_xlat[] = {
	{ 0x1001, "ARCH_SET_GS" }, { 0x1002, "ARCH_SET_FS" }, { 0x1003, "ARCH_GET_FS" }, { 0x1004, "ARCH_GET_GS" },
	{ 0x1011, "ARCH_GET_CPUID" }, { 0x1012, "ARCH_SET_CPUID" }, { 0x3001, "ARCH_CET_STATUS" },
};

static const struct xlat ms_xlat[] = {
	{ 0x1, "MS_RDONLY" }, { 0x2, "MS_NOSUID" }, { 0x4, "MS_NODEV" }, { 0x8, "MS_NOEXEC" },
	{ 0x10, "MS_SYNCHRONOUS" }, { 0x20, "MS_REMOUNT" }, { 0x40, "MS_MANDLOCK" }, { 0x80, "MS_DIRSYNC" },
	{ 0x100, "MS_NOSYMFOLLOW" }, { 0x400, "MS_NOATIME" }, { 0x800, "MS_NODIRATIME" }, { 0x1000, "MS_BIND" },
	{ 0x2000, "MS_MOVE" }, { 0x4000, "MS_REC" }, { 0x8000, "MS_SILENT" }, { 0x10000, "MS_POSIXACL" },
	{ 0x20000, "MS_UNBINDABLE" }, { 0x40000, "MS_PRIVATE" }, { 0x80000, "MS_SLAVE" }, { 0x100000, "MS_SHARED" },
	{ 0x200000, "MS_RELATIME" }, { 0x1000000, "MS_STRICTATIME" }, { 0x2000000, "MS_LAZYTIME" },
};

static const struct xlat umount_xlat[] = {
	{ 0x1, "MNT_FORCE" }, { 0x2, "MNT_DETACH" }, { 0x4, "MNT_EXPIRE" }, { 0x8, "UMOUNT_NOFOLLOW" },
};

static const struct xlat xattr_xlat[] = {
	{ 0x1, "XATTR_CREATE" }, { 0x2, "XATTR_REPLACE" },
};

static const struct xlat futex_op_xlat[] = {
	{ 0, "FUTEX_WAIT" }, { 1, "FUTEX_WAKE" }, { 2, "FUTEX_FD" }, { 3, "FUTEX_REQUEUE" },
	{ 4, "FUTEX_CMP_REQUEUE" }, { 5, "FUTEX_WAKE_OP" }, { 6, "FUTEX_LOCK_PI" }, { 7, "FUTEX_UNLOCK_PI" },
	{ 8, "FUTEX_TRYLOCK_PI" }, { 9, "FUTEX_WAIT_BITSET" }, { 10, "FUTEX_WAKE_BITSET" },
	{ 11, "FUTEX_WAIT_REQUEUE_PI" }, { 12, "FUTEX_CMP_REQUEUE_PI" }, { 13, "FUTEX_LOCK_PI2" },
};

static const struct xlat epoll_ctl_xlat[] = {
	{ 1, "EPOLL_CTL_ADD" }, { 2, "EPOLL_CTL_DEL" }, { 3, "EPOLL_CTL_MOD" },
};

static const struct xlat epoll_xlat[] = {
	{ 0x1, "EPOLLIN" }, { 0x2, "EPOLLPRI" }, { 0x4, "EPOLLOUT" }, { 0x40, "EPOLLRDNORM" },
	{ 0x80, "EPOLLRDBAND" }, { 0x100, "EPOLLWRNORM" }, { 0x200, "EPOLLWRBAND" }, { 0x400, "EPOLLMSG" },
	{ 0x8, "EPOLLERR" }, { 0x10, "EPOLLHUP" }, { 0x2000, "EPOLLRDHUP" }, { 0x10000000, "EPOLLEXCLUSIVE" },
	{ 0x20000000, "EPOLLWAKEUP" }, { 0x40000000, "EPOLLONESHOT" }, { 0x80000000, "EPOLLET" },
};

static const struct xlat poll_bits_xlat[] = {
	{ 0x1, "POLLIN" }, { 0x2, "POLLPRI" }, { 0x4, "POLLOUT" }, { 0x40, "POLLRDNORM" }, { 0x100, "POLLWRNORM" },
	{ 0x80, "POLLRDBAND" }, { 0x200, "POLLWRBAND" }, { 0x8, "POLLERR" }, { 0x10, "POLLHUP" },
	{ 0x20, "POLLNVAL" }, { 0x400, "POLLMSG" }, { 0x1000, "POLLREMOVE" }, { 0x2000, "POLLRDHUP" },
};

static const struct xlat epoll_create_xlat[] = {
	{ 0x80000, "EPOLL_CLOEXEC" },
};

static const struct xlat eventfd_xlat[] = {
	{ 0x1, "EFD_SEMAPHORE" }, { 0x80000, "EFD_CLOEXEC" }, { 0x800, "EFD_NONBLOCK" },
};

static const struct xlat signalfd_xlat[] = {
	{ 0x80000, "SFD_CLOEXEC" }, { 0x800, "SFD_NONBLOCK" },
};

static const struct xlat dup3_xlat[] = {
	{ 0x80000, "O_CLOEXEC" },
};

static const struct xlat pipe2_xlat[] = {
	{ 0x800, "O_NONBLOCK" }, { 0x4000, "O_DIRECT" }, { 0x80000, "O_CLOEXEC" },
};

static const struct xlat inotify_init_xlat[] = {
	{ 0x800, "IN_NONBLOCK" }, { 0x80000, "IN_CLOEXEC" },
};

static const struct xlat inotify_xlat[] = {
	{ 0x1, "IN_ACCESS" }, { 0x2, "IN_MODIFY" }, { 0x4, "IN_ATTRIB" }, { 0x8, "IN_CLOSE_WRITE" },
	{ 0x10, "IN_CLOSE_NOWRITE" }, { 0x20, "IN_OPEN" }, { 0x40, "IN_MOVED_FROM" }, { 0x80, "IN_MOVED_TO" },
	{ 0x100, "IN_CREATE" }, { 0x200, "IN_DELETE" }, { 0x400, "IN_DELETE_SELF" }, { 0x800, "IN_MOVE_SELF" },
	{ 0x2000, "IN_UNMOUNT" }, { 0x4000, "IN_Q_OVERFLOW" }, { 0x8000, "IN_IGNORED" }, { 0x1000000, "IN_ONLYDIR" },
	{ 0x2000000, "IN_DONT_FOLLOW" }, { 0x4000000, "IN_EXCL_UNLINK" }, { 0x20000000, "IN_MASK_ADD" },
	{ 0x40000000, "IN_ISDIR" }, { 0x80000000, "IN_ONESHOT" },
};

static const struct xlat splice_xlat[] = {
	{ 0x1, "SPLICE_F_MOVE" }, { 0x2, "SPLICE_F_NONBLOCK" }, { 0x4, "SPLICE_F_MORE" }, { 0x8, "SPLICE_F_GIFT" },
};

static const struct xlat sync_file_range_xlat[] = {
	{ 0x1, "SYNC_FILE_RANGE_WAIT_BEFORE" }, { 0x2, "SYNC_FILE_RANGE_WRITE" },
	{ 0x4, "SYNC_FILE_RANGE_WAIT_AFTER" },
};

static const struct xlat fallocate_xlat[] = {
	{ 0x1, "FALLOC_FL_KEEP_SIZE" }, { 0x2, "FALLOC_FL_PUNCH_HOLE" }, { 0x4, "FALLOC_FL_NO_HIDE_STALE" },
	{ 0x8, "FALLOC_FL_COLLAPSE_RANGE" }, { 0x10, "FALLOC_FL_ZERO_RANGE" }, { 0x20, "FALLOC_FL_INSERT_RANGE" },
	{ 0x40, "FALLOC_FL_UNSHARE_RANGE" },
};

static const struct xlat fadvise_xlat[] = {
	{ 0, "POSIX_FADV_NORMAL" }, { 1, "POSIX_FADV_RANDOM" }, { 2, "POSIX_FADV_SEQUENTIAL" },
	{ 3, "POSIX_FADV_WILLNEED" }, { 4, "POSIX_FADV_DONTNEED" }, { 5, "POSIX_FADV_NOREUSE" },
};

static const struct xlat rename_xlat[] = {
	{ 0x1, "RENAME_NOREPLACE" }, { 0x2, "RENAME_EXCHANGE" }, { 0x4, "RENAME_WHITEOUT" },
};

static const struct xlat getrandom_xlat[] = {
	{ 0x1, "GRND_NONBLOCK" }, { 0x2, "GRND_RANDOM" }, { 0x4, "GRND_INSECURE" },
};

static const struct xlat memfd_xlat[] = {
	{ 0x1, "MFD_CLOEXEC" }, { 0x2, "MFD_ALLOW_SEALING" }, { 0x4, "MFD_HUGETLB" },
};

static const struct xlat membarrier_xlat[] = {
	{ 0, "MEMBARRIER_CMD_QUERY" }, { 1, "MEMBARRIER_CMD_GLOBAL" }, { 2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED" },
	{ 4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED" }, { 8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED" },
	{ 16, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED" },
};

static const struct xlat rwf_xlat[] = {
	{ 0x1, "RWF_HIPRI" }, { 0x2, "RWF_DSYNC" }, { 0x4, "RWF_SYNC" }, { 0x8, "RWF_NOWAIT" },
	{ 0x10, "RWF_APPEND" },
};

static const struct xlat kcmp_xlat[] = {
	{ 0, "KCMP_FILE" }, { 1, "KCMP_VM" }, { 2, "KCMP_FILES" }, { 3, "KCMP_FS" }, { 4, "KCMP_SIGHAND" },
	{ 5, "KCMP_IO" }, { 6, "KCMP_SYSVSEM" }, { 7, "KCMP_EPOLL_TFD" },
};

static const struct xlat seccomp_xlat[] = {
	{ 0, "SECCOMP_SET_MODE_STRICT" }, { 1, "SECCOMP_SET_MODE_FILTER" }, { 2, "SECCOMP_GET_ACTION_AVAIL" },
	{ 3, "SECCOMP_GET_NOTIF_SIZES" },
};

static const struct xlat pidfd_open_xlat[] = {
	{ 0x800, "PIDFD_NONBLOCK" }, { 0x80, "PIDFD_THREAD" },
};

static const struct xlat close_range_xlat[] = {
	{ 0x2, "CLOSE_RANGE_UNSHARE" }, { 0x4, "CLOSE_RANGE_CLOEXEC" },
};

static const struct xlat resolve_xlat[] = {
	{ 0x1, "RESOLVE_NO_XDEV" }, { 0x2, "RESOLVE_NO_MAGICLINKS" }, { 0x4, "RESOLVE_NO_SYMLINKS" },
	{ 0x8, "RESOLVE_BENEATH" }, { 0x10, "RESOLVE_IN_ROOT" }, { 0x20, "RESOLVE_CACHED" },
};

static const struct xlat mpol_xlat[] = {
	{ 0, "MPOL_DEFAULT" }, { 1, "MPOL_PREFERRED" }, { 2, "MPOL_BIND" }, { 3, "MPOL_INTERLEAVE" },
	{ 4, "MPOL_LOCAL" },
};

static const struct xlat ioctl_xlat[] = {
	{ 0x5401, "TCGETS" }, { 0x5402, "TCSETS" }, { 0x5403, "TCSETSW" }, { 0x5404, "TCSETSF" },
	{ 0x5405, "TCGETA" }, { 0x5406, "TCSETA" }, { 0x5407, "TCSETAW" }, { 0x5408, "TCSETAF" },
	{ 0x5409, "TCSBRK" }, { 0x540a, "TCXONC" }, { 0x540b, "TCFLSH" }, { 0x540c, "TIOCEXCL" },
	{ 0x540d, "TIOCNXCL" }, { 0x540e, "TIOCSCTTY" }, { 0x540f, "TIOCGPGRP" }, { 0x5410, "TIOCSPGRP" },
	{ 0x5411, "TIOCOUTQ" }, { 0x5412, "TIOCSTI" }, { 0x5413, "TIOCGWINSZ" }, { 0x5414, "TIOCSWINSZ" },
	{ 0x5415, "TIOCMGET" }, { 0x5416, "TIOCMBIS" }, { 0x5417, "TIOCMBIC" }, { 0x5418, "TIOCMSET" },
	{ 0x541b, "FIONREAD" }, { 0x541c, "TIOCLINUX" }, { 0x541d, "TIOCCONS" }, { 0x5421, "FIONBIO" },
	{ 0x5422, "TIOCNOTTY" }, { 0x5423, "TIOCSETD" }, { 0x5424, "TIOCGETD" }, { 0x5425, "TCSBRKP" },
	{ 0x5429, "TIOCGSID" }, { 0x80045430, "TIOCGPTN" }, { 0x40045431, "TIOCSPTLCK" }, { 0x5441, "TIOCGPTPEER" },
	{ 0x5450, "FIONCLEX" }, { 0x5451, "FIOCLEX" }, { 0x5452, "FIOASYNC" }, { 0x8912, "SIOCGIFCONF" },
	{ 0x8913, "SIOCGIFFLAGS" }, { 0x8915, "SIOCGIFADDR" }, { 0x8910, "SIOCGIFNAME" }, { 0x8933, "SIOCGIFINDEX" },
	{ 0x8927, "SIOCGIFHWADDR" }, { 0x8921, "SIOCGIFMTU" }, { 0x40049409, "FICLONE" },
	{ 0x4020940d, "FICLONERANGE" }, { 0x80086601, "FS_IOC_GETFLAGS" }, { 0x40086602, "FS_IOC_SETFLAGS" },
	{ 0xc020660b, "FS_IOC_FIEMAP" }, { 0xc0185879, "FITRIM" }, { 0x80081272, "BLKGETSIZE64" },
	{ 0x802c542a, "TCGETS2" }, { 0x402c542b, "TCSETS2" },
};

static const struct xlat fs_magic_xlat[] = {
	{ 0xef53, "EXT2_SUPER_MAGIC" }, { 0x1021994, "TMPFS_MAGIC" }, { 0x9fa0, "PROC_SUPER_MAGIC" },
	{ 0x62656572, "SYSFS_MAGIC" }, { 0x1cd1, "DEVPTS_SUPER_MAGIC" }, { 0x50495045, "PIPEFS_MAGIC" },
	{ 0x534f434b, "SOCKFS_MAGIC" }, { 0x794c7630, "OVERLAYFS_SUPER_MAGIC" },
	{ 0x63677270, "CGROUP2_SUPER_MAGIC" }, { 0x58465342, "XFS_SUPER_MAGIC" },
	{ 0x9123683e, "BTRFS_SUPER_MAGIC" }, { 0x858458f6, "RAMFS_MAGIC" }, { 0x9041934, "ANON_INODE_FS_MAGIC" },
};

static const struct xlat st_flags_xlat[] = {
	{ 0x20, "ST_VALID" }, { 0x1, "ST_RDONLY" }, { 0x2, "ST_NOSUID" }, { 0x4, "ST_NODEV" }, { 0x8, "ST_NOEXEC" },
	{ 0x10, "ST_SYNCHRONOUS" }, { 0x40, "ST_MANDLOCK" }, { 0x400, "ST_NOATIME" }, { 0x800, "ST_NODIRATIME" },
	{ 0x1000, "ST_RELATIME" },
};

static const struct xlat si_code_xlat[] = {
	{ 0, "SI_USER" }, { 128, "SI_KERNEL" }, { 0xffffffff, "SI_QUEUE" }, { 0xfffffffe, "SI_TIMER" },
	{ 0xfffffffd, "SI_MESGQ" }, { 0xfffffffc, "SI_ASYNCIO" }, { 0xfffffffb, "SI_SIGIO" },
	{ 0xfffffffa, "SI_TKILL" },
};

static const struct xlat cld_code_xlat[] = {
	{ 1, "CLD_EXITED" }, { 2, "CLD_KILLED" }, { 3, "CLD_DUMPED" }, { 4, "CLD_TRAPPED" }, { 5, "CLD_STOPPED" },
	{ 6, "CLD_CONTINUED" },
};

static const struct xlat segv_code_xlat[] = {
	{ 1, "SEGV_MAPERR" }, { 2, "SEGV_ACCERR" }, { 3, "SEGV_BNDERR" }, { 4, "SEGV_PKUERR" },
};

static const struct xlat bus_code_xlat[] = {
	{ 1, "BUS_ADRALN" }, { 2, "BUS_ADRERR" }, { 3, "BUS_OBJERR" },
};

static const struct xlat fpe_code_xlat[] = {
	{ 1, "FPE_INTDIV" }, { 2, "FPE_INTOVF" }, { 3, "FPE_FLTDIV" }, { 4, "FPE_FLTOVF" }, { 5, "FPE_FLTUND" },
	{ 6, "FPE_FLTRES" }, { 7, "FPE_FLTINV" },
};

static const struct xlat ill_code_xlat[] = {
	{ 1, "ILL_ILLOPC" }, { 2, "ILL_ILLOPN" }, { 3, "ILL_ILLADR" }, { 4, "ILL_ILLTRP" }, { 5, "ILL_PRVOPC" },
	{ 6, "ILL_PRVREG" }, { 7, "ILL_COPROC" }, { 8, "ILL_BADSTK" },
};

static const struct xlat trap_code_xlat[] = {
	{ 1, "TRAP_BRKPT" }, { 2, "TRAP_TRACE" }, { 3, "TRAP_BRANCH" }, { 4, "TRAP_HWBKPT" },
};

static const struct xlat_table tables[] = {
	{ "prot", XLAT_FLAGS, prot_xlat, ARRAY_SIZE(prot_xlat), "PROT_???" },
	{ "mmap", XLAT_FLAGS, mmap_xlat, ARRAY_SIZE(mmap_xlat), "MAP_???" },
	{ "mremap", XLAT_FLAGS, mremap_xlat, ARRAY_SIZE(mremap_xlat), "MREMAP_???" },
	{ "msync", XLAT_FLAGS, msync_xlat, ARRAY_SIZE(msync_xlat), "MS_???" },
	{ "madvise", XLAT_ENUM, madvise_xlat, ARRAY_SIZE(madvise_xlat), "MADV_???" },
	{ "mlockall", XLAT_FLAGS, mlockall_xlat, ARRAY_SIZE(mlockall_xlat), "MCL_???" },
	{ "mlock2", XLAT_FLAGS, mlock2_xlat, ARRAY_SIZE(mlock2_xlat), "MLOCK_???" },
	{ "open", XLAT_FLAGS, open_xlat, ARRAY_SIZE(open_xlat), "O_???" },
	{ "access", XLAT_FLAGS, access_xlat, ARRAY_SIZE(access_xlat), "?_OK" },
	{ "at", XLAT_FLAGS, at_xlat, ARRAY_SIZE(at_xlat), "AT_???" },
	{ "at_eaccess", XLAT_FLAGS, at_eaccess_xlat, ARRAY_SIZE(at_eaccess_xlat), "AT_???" },
	{ "at_statx", XLAT_FLAGS, at_statx_xlat, ARRAY_SIZE(at_statx_xlat), "AT_???" },
	{ "unlinkat", XLAT_FLAGS, unlinkat_xlat, ARRAY_SIZE(unlinkat_xlat), "AT_???" },
	{ "whence", XLAT_ENUM, whence_xlat, ARRAY_SIZE(whence_xlat), "SEEK_???" },
	{ "statx_mask", XLAT_FLAGS, statx_mask_xlat, ARRAY_SIZE(statx_mask_xlat), "STATX_???" },
	{ "signal", XLAT_ENUM, signal_xlat, ARRAY_SIZE(signal_xlat), "SIG_???" },
	{ "sighow", XLAT_ENUM, sighow_xlat, ARRAY_SIZE(sighow_xlat), "SIG_???" },
	{ "sa_flags", XLAT_FLAGS, sa_flags_xlat, ARRAY_SIZE(sa_flags_xlat), "SA_???" },
	{ "ss_flags", XLAT_FLAGS, ss_flags_xlat, ARRAY_SIZE(ss_flags_xlat), "SS_???" },
	{ "itimer", XLAT_ENUM, itimer_xlat, ARRAY_SIZE(itimer_xlat), "ITIMER_???" },
	{ "clockid", XLAT_ENUM, clockid_xlat, ARRAY_SIZE(clockid_xlat), "CLOCK_???" },
	{ "timer", XLAT_FLAGS, timer_xlat, ARRAY_SIZE(timer_xlat), "TIMER_???" },
	{ "timerfd", XLAT_FLAGS, timerfd_xlat, ARRAY_SIZE(timerfd_xlat), "TFD_???" },
	{ "timerfd_set", XLAT_FLAGS, timerfd_set_xlat, ARRAY_SIZE(timerfd_set_xlat), "TFD_???" },
	{ "sigev_notify", XLAT_ENUM, sigev_notify_xlat, ARRAY_SIZE(sigev_notify_xlat), "SIGEV_???" },
	{ "family", XLAT_ENUM, family_xlat, ARRAY_SIZE(family_xlat), "AF_???" },
	{ "socktype_base", XLAT_ENUM, socktype_base_xlat, ARRAY_SIZE(socktype_base_xlat), "SOCK_???" },
	{ "sock_flags", XLAT_FLAGS, sock_flags_xlat, ARRAY_SIZE(sock_flags_xlat), "SOCK_???" },
	{ "ipproto", XLAT_ENUM, ipproto_xlat, ARRAY_SIZE(ipproto_xlat), "IPPROTO_???" },
	{ "nlproto", XLAT_ENUM, nlproto_xlat, ARRAY_SIZE(nlproto_xlat), "NETLINK_???" },
	{ "msg", XLAT_FLAGS, msg_xlat, ARRAY_SIZE(msg_xlat), "MSG_???" },
	{ "shutdown", XLAT_ENUM, shutdown_xlat, ARRAY_SIZE(shutdown_xlat), "SHUT_???" },
	{ "sol", XLAT_ENUM, sol_xlat, ARRAY_SIZE(sol_xlat), "SOL_???" },
	{ "so", XLAT_ENUM, so_xlat, ARRAY_SIZE(so_xlat), "SO_???" },
	{ "so_tcp", XLAT_ENUM, so_tcp_xlat, ARRAY_SIZE(so_tcp_xlat), "TCP_???" },
	{ "so_ip", XLAT_ENUM, so_ip_xlat, ARRAY_SIZE(so_ip_xlat), "IP_???" },
	{ "so_ipv6", XLAT_ENUM, so_ipv6_xlat, ARRAY_SIZE(so_ipv6_xlat), "IPV6_???" },
	{ "clone", XLAT_FLAGS, clone_xlat, ARRAY_SIZE(clone_xlat), "CLONE_???" },
	{ "unshare", XLAT_FLAGS, unshare_xlat, ARRAY_SIZE(unshare_xlat), "CLONE_???" },
	{ "wait", XLAT_FLAGS, wait_xlat, ARRAY_SIZE(wait_xlat), "W???" },
	{ "idtype", XLAT_ENUM, idtype_xlat, ARRAY_SIZE(idtype_xlat), "P_???" },
	{ "fcntl", XLAT_ENUM, fcntl_xlat, ARRAY_SIZE(fcntl_xlat), "F_???" },
	{ "fdflags", XLAT_FLAGS, fdflags_xlat, ARRAY_SIZE(fdflags_xlat), "FD_???" },
	{ "lock_type", XLAT_ENUM, lock_type_xlat, ARRAY_SIZE(lock_type_xlat), "F_???" },
	{ "seals", XLAT_FLAGS, seals_xlat, ARRAY_SIZE(seals_xlat), "F_SEAL_???" },
	{ "flock", XLAT_FLAGS, flock_xlat, ARRAY_SIZE(flock_xlat), "LOCK_???" },
	{ "rlimit", XLAT_ENUM, rlimit_xlat, ARRAY_SIZE(rlimit_xlat), "RLIMIT_???" },
	{ "rusage_who", XLAT_ENUM, rusage_who_xlat, ARRAY_SIZE(rusage_who_xlat), "RUSAGE_???" },
	{ "prio", XLAT_ENUM, prio_xlat, ARRAY_SIZE(prio_xlat), "PRIO_???" },
	{ "ioprio_who", XLAT_ENUM, ioprio_who_xlat, ARRAY_SIZE(ioprio_who_xlat), "IOPRIO_WHO_???" },
	{ "sched", XLAT_ENUM, sched_xlat, ARRAY_SIZE(sched_xlat), "SCHED_???" },
	{ "ptrace", XLAT_ENUM, ptrace_xlat, ARRAY_SIZE(ptrace_xlat), "PTRACE_???" },
	{ "personality", XLAT_FLAGS, personality_xlat, ARRAY_SIZE(personality_xlat), "PER_???" },
	{ "prctl", XLAT_ENUM, prctl_xlat, ARRAY_SIZE(prctl_xlat), "PR_???" },
	{ "arch_prctl", XLAT_ENUM, arch_prctl_xlat, ARRAY_SIZE(arch_prctl_xlat), "ARCH_???" },
	{ "ms", XLAT_FLAGS, ms_xlat, ARRAY_SIZE(ms_xlat), "MS_???" },
	{ "umount", XLAT_FLAGS, umount_xlat, ARRAY_SIZE(umount_xlat), "MNT_???" },
	{ "xattr", XLAT_FLAGS, xattr_xlat, ARRAY_SIZE(xattr_xlat), "XATTR_???" },
	{ "futex_op", XLAT_ENUM, futex_op_xlat, ARRAY_SIZE(futex_op_xlat), "FUTEX_???" },
	{ "epoll_ctl", XLAT_ENUM, epoll_ctl_xlat, ARRAY_SIZE(epoll_ctl_xlat), "EPOLL_CTL_???" },
	{ "epoll", XLAT_FLAGS, epoll_xlat, ARRAY_SIZE(epoll_xlat), "EPOLL???" },
	{ "poll_bits", XLAT_FLAGS, poll_bits_xlat, ARRAY_SIZE(poll_bits_xlat), "POLL???" },
	{ "epoll_create", XLAT_FLAGS, epoll_create_xlat, ARRAY_SIZE(epoll_create_xlat), "EPOLL_???" },
	{ "eventfd", XLAT_FLAGS, eventfd_xlat, ARRAY_SIZE(eventfd_xlat), "EFD_???" },
	{ "signalfd", XLAT_FLAGS, signalfd_xlat, ARRAY_SIZE(signalfd_xlat), "SFD_???" },
	{ "dup3", XLAT_FLAGS, dup3_xlat, ARRAY_SIZE(dup3_xlat), "O_???" },
	{ "pipe2", XLAT_FLAGS, pipe2_xlat, ARRAY_SIZE(pipe2_xlat), "O_???" },
	{ "inotify_init", XLAT_FLAGS, inotify_init_xlat, ARRAY_SIZE(inotify_init_xlat), "IN_???" },
	{ "inotify", XLAT_FLAGS, inotify_xlat, ARRAY_SIZE(inotify_xlat), "IN_???" },
	{ "splice", XLAT_FLAGS, splice_xlat, ARRAY_SIZE(splice_xlat), "SPLICE_F_???" },
	{ "sync_file_range", XLAT_FLAGS, sync_file_range_xlat, ARRAY_SIZE(sync_file_range_xlat), "SYNC_FILE_RANGE_???" },
	{ "fallocate", XLAT_FLAGS, fallocate_xlat, ARRAY_SIZE(fallocate_xlat), "FALLOC_FL_???" },
	{ "fadvise", XLAT_ENUM, fadvise_xlat, ARRAY_SIZE(fadvise_xlat), "POSIX_FADV_???" },
	{ "rename", XLAT_FLAGS, rename_xlat, ARRAY_SIZE(rename_xlat), "RENAME_???" },
	{ "getrandom", XLAT_FLAGS, getrandom_xlat, ARRAY_SIZE(getrandom_xlat), "GRND_???" },
	{ "memfd", XLAT_FLAGS, memfd_xlat, ARRAY_SIZE(memfd_xlat), "MFD_???" },
	{ "membarrier", XLAT_ENUM, membarrier_xlat, ARRAY_SIZE(membarrier_xlat), "MEMBARRIER_CMD_???" },
	{ "rwf", XLAT_FLAGS, rwf_xlat, ARRAY_SIZE(rwf_xlat), "RWF_???" },
	{ "kcmp", XLAT_ENUM, kcmp_xlat, ARRAY_SIZE(kcmp_xlat), "KCMP_???" },
	{ "seccomp", XLAT_ENUM, seccomp_xlat, ARRAY_SIZE(seccomp_xlat), "SECCOMP_???" },
	{ "pidfd_open", XLAT_FLAGS, pidfd_open_xlat, ARRAY_SIZE(pidfd_open_xlat), "PIDFD_???" },
	{ "close_range", XLAT_FLAGS, close_range_xlat, ARRAY_SIZE(close_range_xlat), "CLOSE_RANGE_???" },
	{ "resolve", XLAT_FLAGS, resolve_xlat, ARRAY_SIZE(resolve_xlat), "RESOLVE_???" },
	{ "mpol", XLAT_ENUM, mpol_xlat, ARRAY_SIZE(mpol_xlat), "MPOL_???" },
	{ "ioctl", XLAT_ENUM, ioctl_xlat, ARRAY_SIZE(ioctl_xlat), NULL },
	{ "fs_magic", XLAT_ENUM, fs_magic_xlat, ARRAY_SIZE(fs_magic_xlat), NULL },
	{ "st_flags", XLAT_FLAGS, st_flags_xlat, ARRAY_SIZE(st_flags_xlat), "ST_???" },
	{ "si_code", XLAT_ENUM, si_code_xlat, ARRAY_SIZE(si_code_xlat), "SI_???" },
	{ "cld_code", XLAT_ENUM, cld_code_xlat, ARRAY_SIZE(cld_code_xlat), "CLD_???" },
	{ "segv_code", XLAT_ENUM, segv_code_xlat, ARRAY_SIZE(segv_code_xlat), "SEGV_???" },
	{ "bus_code", XLAT_ENUM, bus_code_xlat, ARRAY_SIZE(bus_code_xlat), "BUS_???" },
	{ "fpe_code", XLAT_ENUM, fpe_code_xlat, ARRAY_SIZE(fpe_code_xlat), "FPE_???" },
	{ "ill_code", XLAT_ENUM, ill_code_xlat, ARRAY_SIZE(ill_code_xlat), "ILL_???" },
	{ "trap_code", XLAT_ENUM, trap_code_xlat, ARRAY_SIZE(trap_code_xlat), "TRAP_???" },
};

#endif
