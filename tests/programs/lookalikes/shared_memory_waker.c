/* Healthy: a private futex is woken by a process that shares the memory (clone with CLONE_VM, without CLONE_THREAD).
 *
 * Looks hung: the waiter is the only thread of its process, and a private futex is woken by one's own threads; but
 * another process is at home in the same address space (kcmp with KCMP_VM tells).
 * Argument `thread`: the main thread of that process has ended, a second thread of it wakes: its leader is a zombie.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int word;
static char stack[65536] __attribute__((aligned(16)));
static char second_stack[65536] __attribute__((aligned(16)));

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

/* Work with short rests: a waker in one long sleep could be waited for, this one has to be found. */
static void work(void)
{
    struct timespec rest = {0, 5000000};
    for (int turn = 0; turn < 840; turn++)
        nanosleep(&rest, NULL);
}

static int wake_late(void *unused)
{
    (void)unused;
    work();
    mark("look-alike-ends");
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    return syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1 ? 0 : 1;
}

static int start_thread_and_leave(void *unused)
{
    int flags = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES;
    if (clone(wake_late, second_stack + sizeof second_stack, flags, unused) < 0)
        return 1;
    syscall(SYS_exit, 0);
    return 1;
}

int main(int argc, char **argv)
{
    int status = 1;
    int is_thread = argc == 2 && strcmp(argv[1], "thread") == 0;
    pid_t waker = clone(is_thread ? start_thread_and_leave : wake_late, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
    if (waker < 0)
        return 1;
    mark("look-alike");
    while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0)
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return waitpid(waker, &status, 0) == waker && status == 0 ? 0 : 1;
}
