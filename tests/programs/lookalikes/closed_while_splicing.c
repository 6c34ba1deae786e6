/* Healthy: a pipe's late writer is a system call that is under way: splice() into it, its descriptor closed meanwhile.
 *
 * Looks hung: the reader keeps a write end of its own, and no descriptor table shows another one. But the splice() of a
 * thread of the other process holds the pipe open, and moves what arrives in a second pipe, which comes late.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int watched[2], feed[2];
static pid_t splicer;

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

static void *move(void *unused)
{
    __atomic_store_n(&splicer, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    if (splice(feed[0], NULL, watched[1], NULL, 1, 0) != 1)
        _exit(1);
    return unused;
}

/* Wait until the other thread is inside splice(): the first word of its `syscall` is the number. */
static void wait_until_inside(void)
{
    char path[64], text[16] = "", wanted[16];
    struct timespec rest = {0, 1000000};
    snprintf(wanted, sizeof wanted, "%d ", SYS_splice);
    while (strncmp(text, wanted, strlen(wanted)) != 0) {
        nanosleep(&rest, NULL);
        snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)__atomic_load_n(&splicer, __ATOMIC_SEQ_CST));
        int file = open(path, O_RDONLY);
        if (file >= 0) {
            ssize_t got = read(file, text, sizeof text - 1);
            text[got > 0 ? got : 0] = 0;
            close(file);
        }
    }
}

static void feed_late(void)
{
    pthread_t thread;
    if (pipe(feed) || pthread_create(&thread, NULL, move, NULL))
        _exit(1);
    wait_until_inside();
    close(watched[1]);
    close(watched[0]);
    mark("look-alike");
    work();
    mark("look-alike-ends");
    if (write(feed[1], "x", 1) != 1 || pthread_join(thread, NULL))
        _exit(1);
    _exit(0);
}

int main(void)
{
    int status = 1;
    char byte = 0;
    if (pipe(watched))
        return 1;
    pid_t feeder = fork();
    if (feeder == 0)
        feed_late();
    if (feeder < 0 || read(watched[0], &byte, 1) != 1 || waitpid(feeder, &status, 0) != feeder)
        return 1;
    return byte == 'x' && status == 0 ? 0 : 1;
}
