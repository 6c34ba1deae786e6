/* Healthy: a pipe's write end is handed on by fork and exit every 2 ms; the last holder writes.
 *
 * Looks hung: the reader keeps a write end of its own, and whoever looks at /proc process by process can miss each of
 * the others: the one that holds the pipe now did not exist when /proc was listed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 4.2

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

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static void hand_on(int writing)
{
    double end = now_s() + SECONDS;
    struct timespec pause = {0, 2000000};
    while (now_s() < end) {
        nanosleep(&pause, NULL);
        pid_t heir = fork();
        if (heir < 0)
            _exit(1);
        if (heir > 0)
            _exit(0);
    }
    mark("look-alike-ends");
    _exit(write(writing, "x", 1) == 1 ? 0 : 1);
}

int main(void)
{
    int ends[2];
    char byte = 0;
    if (pipe(ends))
        return 1;
    pid_t first = fork();
    if (first == 0) {
        close(ends[0]);
        hand_on(ends[1]);
    }
    mark("look-alike");
    return first > 0 && read(ends[0], &byte, 1) == 1 && byte == 'x' ? 0 : 1;
}
