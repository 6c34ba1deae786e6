/* Healthy: a pipe's writer is a process whose main thread has left by pthread_exit; its other thread writes late.
 *
 * Looks hung: the reader keeps a write end of its own. Of the writer's process /proc/PID/fd and maps are empty, since
 * its leader is a zombie; only /proc/PID/task/TID/fd of the living thread shows the write end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ends[2];

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

static void *write_late(void *unused)
{
    work();
    mark("look-alike-ends");
    _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    return unused;
}

int main(void)
{
    pthread_t thread;
    char byte = 0;
    int status = 1;
    if (pipe(ends))
        return 1;
    pid_t writer = fork();
    if (writer == 0) {
        if (pthread_create(&thread, NULL, write_late, NULL))
            return 1;
        pthread_exit(NULL);
    }
    mark("look-alike");
    if (writer < 0 || read(ends[0], &byte, 1) != 1 || waitpid(writer, &status, 0) != writer)
        return 1;
    return byte == 'x' && status == 0 ? 0 : 1;
}
