/* Healthy: the late writer of a pipe has its descriptors in a table that does not show where one looks first.
 *
 * Argument `relative`: two processes share one descriptor table (clone with CLONE_FILES); the one that was forked from
 * the reader ends, the other one is the only holder of the write end then.
 * Argument `thread`: a thread of the reader took a table of its own (unshare with CLONE_FILES); the main thread closes
 * its write end, so that /proc/PID/fd does not show it, only /proc/PID/task/TID/fd of that thread.
 * Looks hung: the reader waits, and no process seems to hold the write end but a parked child.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ends[2];
static char stack[65536] __attribute__((aligned(16)));
static pthread_barrier_t unshared;

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

static int write_late(void *unused)
{
    (void)unused;
    work();
    mark("look-alike-ends");
    return write(ends[1], "x", 1) == 1 ? 0 : 1;
}

static void *unshare_and_write(void *unused)
{
    if (unshare(CLONE_FILES))
        _exit(1);
    pthread_barrier_wait(&unshared);
    if (write_late(NULL))
        _exit(1);
    return unused;
}

static void start_relative(void)
{
    pid_t first = fork();
    if (first == 0)
        _exit(clone(write_late, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL) > 0 ? 0 : 1);
    waitpid(first, NULL, 0);
}

static void start_thread(void)
{
    pthread_t thread;
    pthread_barrier_init(&unshared, NULL, 2);
    if (pthread_create(&thread, NULL, unshare_and_write, NULL))
        _exit(1);
    pthread_barrier_wait(&unshared);
}

int main(int argc, char **argv)
{
    char byte = 0, never;
    int parking[2];
    if (argc != 2 || pipe(ends) || pipe(parking))
        return 2;
    pid_t parked = fork();
    if (parked == 0)
        _exit(read(parking[0], &never, 1) == 0); /* it holds the write end itself: this never returns */
    close(parking[0]);
    close(parking[1]);
    if (strcmp(argv[1], "thread") == 0)
        start_thread();
    else
        start_relative();
    close(ends[1]);
    mark("look-alike");
    int is_read = read(ends[0], &byte, 1) == 1 && byte == 'x';
    kill(parked, SIGKILL);
    waitpid(parked, NULL, 0);
    return is_read ? 0 : 1;
}
