/* SPDX-License-Identifier: Apache-2.0 */
/* System V IPC: linux/ipc.h, linux/sem.h, linux/shm.h, linux/msg.h. */
#ifndef SENTRY_ABI_IPC_H
#define SENTRY_ABI_IPC_H

#include <assert.h>
#include <stdint.h>

enum {
	LINUX_IPC_PRIVATE = 0,
	LINUX_IPC_CREAT = 01000,
	LINUX_IPC_EXCL = 02000,
	LINUX_IPC_NOWAIT = 04000,

	LINUX_IPC_RMID = 0,
	LINUX_IPC_SET = 1,
	LINUX_IPC_STAT = 2,
	LINUX_IPC_INFO = 3,

	LINUX_SEM_GETPID = 11,
	LINUX_SEM_GETVAL = 12,
	LINUX_SEM_GETALL = 13,
	LINUX_SEM_GETNCNT = 14,
	LINUX_SEM_GETZCNT = 15,
	LINUX_SEM_SETVAL = 16,
	LINUX_SEM_SETALL = 17,
	LINUX_SEM_STAT = 18,
	LINUX_SEM_INFO = 19,
	LINUX_SEM_STAT_ANY = 20,
	LINUX_SEM_UNDO = 0x1000,
	LINUX_SEMMNI = 32000,
	LINUX_SEMMSL = 32000,
	LINUX_SEMOPM = 500,
	LINUX_SEMVMX = 32767,

	LINUX_SHM_LOCK = 11,
	LINUX_SHM_UNLOCK = 12,
	LINUX_SHM_STAT = 13,
	LINUX_SHM_INFO = 14,
	LINUX_SHM_STAT_ANY = 15,
	LINUX_SHM_DEST = 01000,
	LINUX_SHM_LOCKED = 02000,
	LINUX_SHM_HUGETLB = 04000,
	LINUX_SHM_NORESERVE = 010000,
	LINUX_SHM_RDONLY = 010000,
	LINUX_SHM_RND = 020000,
	LINUX_SHM_REMAP = 040000,
	LINUX_SHM_EXEC = 0100000,
	LINUX_SHMMNI = 4096,

	LINUX_MSG_STAT = 11,
	LINUX_MSG_INFO = 12,
	LINUX_MSG_STAT_ANY = 13,
	LINUX_MSG_NOERROR = 010000,
	LINUX_MSG_EXCEPT = 020000,
	LINUX_MSG_COPY = 040000,
	LINUX_MSGMNI = 32000,
	LINUX_MSGMAX = 8192,
	LINUX_MSGMNB = 16384,
};

struct linux_ipc64_perm {
	int32_t key;
	uint32_t uid, gid, cuid, cgid, mode;
	uint16_t seq, pad;
	uint64_t unused[2];
};
static_assert(sizeof(struct linux_ipc64_perm) == 48, "");

struct linux_semid64_ds {
	struct linux_ipc64_perm sem_perm;
	int64_t sem_otime;
	uint64_t unused1;
	int64_t sem_ctime;
	uint64_t unused2;
	uint64_t sem_nsems;
	uint64_t unused3[2];
};
static_assert(sizeof(struct linux_semid64_ds) == 104, "");

struct linux_shmid64_ds {
	struct linux_ipc64_perm shm_perm;
	uint64_t shm_segsz;
	int64_t shm_atime, shm_dtime, shm_ctime;
	int32_t shm_cpid, shm_lpid;
	uint64_t shm_nattch;
	uint64_t unused[2];
};
static_assert(sizeof(struct linux_shmid64_ds) == 112, "");

struct linux_msqid64_ds {
	struct linux_ipc64_perm msg_perm;
	int64_t msg_stime, msg_rtime, msg_ctime;
	uint64_t msg_cbytes, msg_qnum, msg_qbytes;
	int32_t msg_lspid, msg_lrpid;
	uint64_t unused[2];
};
static_assert(sizeof(struct linux_msqid64_ds) == 120, "");

struct linux_sembuf {
	uint16_t sem_num;
	int16_t sem_op, sem_flg;
};
static_assert(sizeof(struct linux_sembuf) == 6, "");

struct linux_seminfo {
	int32_t semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz, semvmx, semaem;
};

struct linux_shminfo64 {
	uint64_t shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};

struct linux_shm_info {
	int32_t used_ids;
	uint64_t shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes;
};

struct linux_msginfo {
	int32_t msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql;
	uint16_t msgseg;
};

#endif
