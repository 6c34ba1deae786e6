/* Healthy: a tracer waits for any child; a tracee that is no child of it ends late, and that ends the wait.
 *
 * Looks hung: the tracer's only child is parked for ever. The tracee is that one's child.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CANNOT_EXIST 77

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

static void end_late(void)
{
    work();
    mark("look-alike-ends");
    _exit(7);
}

int main(void)
{
    int ends[2], parking[2], status = 0;
    pid_t tracee = 0;
    if (pipe(ends) || pipe(parking))
        return 1;
    pid_t parked = fork();
    if (parked == 0) {
        char never;
        tracee = fork();
        if (tracee == 0)
            end_late();
        if (write(ends[1], &tracee, sizeof tracee) != sizeof tracee)
            _exit(1);
        close(ends[1]);
        _exit(read(parking[0], &never, 1) == 0); /* it holds the write end itself: this never returns */
    }
    close(parking[1]);
    if (parked < 0 || read(ends[0], &tracee, sizeof tracee) != sizeof tracee)
        return 1;
    if (ptrace(PTRACE_SEIZE, tracee, NULL, NULL)) {
        fprintf(stderr, "tracing is not allowed here: %s\n", strerror(errno));
        kill(parked, SIGKILL);
        return CANNOT_EXIST;
    }
    mark("look-alike");
    pid_t ended = waitpid(-1, &status, __WALL);
    kill(parked, SIGKILL);
    waitpid(parked, NULL, 0);
    return ended == tracee && WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : 1;
}
