/* Healthy: an io_uring of the parent writes to a pipe by itself: a WRITE linked to a TIMEOUT of some seconds.
 *
 * Looks hung: the child waits in read() on the pipe, and the only holder of the write end, its parent, waits for the
 * child. The kernel wakes the reader without any thread of the submitter. Raw syscalls: no library is needed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CANNOT_EXIST 77

static struct __kernel_timespec after = {4, 200000000};

static void mark(const char *word)
{
    const char *folder = getenv("HANGPROBE_MARKS");
    char path[4096], line[128];
    struct timespec now;
    if (!folder)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(path, sizeof path, "%s/rank-0.marks", folder);
    int length = snprintf(line, sizeof line, "%lld.%06ld %d %s\n", (long long)now.tv_sec, now.tv_nsec / 1000,
                          (int)getpid(), word);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || write(file, line, length) != length)
        _exit(1);
    close(file);
}

/* Submit a TIMEOUT and, linked to it, a WRITE of one byte. A link goes on after a timeout only if its expiry counts as
 * success: IORING_TIMEOUT_ETIME_SUCCESS (Linux 5.16). */
static int submit(int writing)
{
    struct io_uring_params parameters;
    memset(&parameters, 0, sizeof parameters);
    int ring = syscall(SYS_io_uring_setup, 4, &parameters);
    if (ring < 0) {
        fprintf(stderr, "no io_uring here: %s\n", strerror(errno));
        return CANNOT_EXIST;
    }
    struct io_sqring_offsets *at = &parameters.sq_off;
    char *queue = mmap(NULL, at->array + 4 * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
                       IORING_OFF_SQ_RING);
    struct io_uring_sqe *entries = mmap(NULL, 4 * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                                        ring, IORING_OFF_SQES);
    if (queue == MAP_FAILED || entries == MAP_FAILED)
        return 1;
    memset(entries, 0, 2 * sizeof *entries);
    entries[0].opcode = IORING_OP_TIMEOUT;
    entries[0].flags = IOSQE_IO_LINK;
    entries[0].addr = (unsigned long)&after;
    entries[0].len = 1;
    entries[0].timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS;
    entries[1].opcode = IORING_OP_WRITE;
    entries[1].fd = writing;
    entries[1].addr = (unsigned long)"x";
    entries[1].len = 1;
    unsigned *array = (unsigned *)(queue + at->array);
    array[0] = 0;
    array[1] = 1;
    __atomic_store_n((unsigned *)(queue + at->tail), 2, __ATOMIC_RELEASE);
    return syscall(SYS_io_uring_enter, ring, 2, 0, 0, NULL, 0) == 2 ? 0 : 1;
}

int main(void)
{
    int ends[2], status = 1;
    char byte = 0;
    if (pipe(ends))
        return 1;
    pid_t reader = fork();
    if (reader == 0) {
        close(ends[1]);
        mark("look-alike");
        ssize_t got = read(ends[0], &byte, 1);
        mark("look-alike-ends");
        _exit(got == 1 && byte == 'x' ? 0 : 1);
    }
    close(ends[0]);
    int failure = submit(ends[1]);
    if (failure) {
        close(ends[1]);
        waitpid(reader, NULL, 0);
        return failure;
    }
    return waitpid(reader, &status, 0) == reader && status == 0 ? 0 : 1;
}
