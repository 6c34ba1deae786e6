/* Healthy: what a wait without a time-out waits for is made ready by the kernel itself, not by any process.
 *
 * Argument `timer`: poll() on a timerfd. `timer-read`: read() of it. `inotify`: poll() on a watched folder, in which a
 * stranger makes a file late.
 * Looks hung: no other process has the descriptor, or could do anything with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

static int set_timer(void)
{
    struct itimerspec after = {.it_value = {4, 200000000}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    return timer < 0 || timerfd_settime(timer, 0, &after, NULL) ? -1 : timer;
}

static int watch(char *folder, char *file, pid_t *stranger)
{
    int watched = inotify_init1(IN_CLOEXEC);
    if (!mkdtemp(folder) || watched < 0 || inotify_add_watch(watched, folder, IN_CREATE) < 0)
        return -1;
    sprintf(file, "%s/made", folder);
    *stranger = fork();
    if (*stranger == 0) {
        close(watched);
        work();
        _exit(open(file, O_WRONLY | O_CREAT, 0600) < 0);
    }
    return watched;
}

int main(int argc, char **argv)
{
    uint64_t expired = 0;
    int status = 0;
    pid_t stranger = 0;
    const char *outer = getenv("TMPDIR");
    char folder[4096], file[sizeof folder + 8];
    if (argc != 2)
        return 2;
    snprintf(folder, sizeof folder, "%s/hangprobe-look-alike-XXXXXX", outer ? outer : "/tmp");
    int is_inotify = strcmp(argv[1], "inotify") == 0;
    struct pollfd ready = {.fd = is_inotify ? watch(folder, file, &stranger) : set_timer(), .events = POLLIN};
    if (ready.fd < 0)
        return 1;
    mark("look-alike");
    if (strcmp(argv[1], "timer-read") != 0 && poll(&ready, 1, -1) != 1)
        return 1;
    if (!is_inotify && (read(ready.fd, &expired, sizeof expired) != sizeof expired || expired != 1))
        return 1;
    mark("look-alike-ends");
    if (is_inotify && (waitpid(stranger, &status, 0) != stranger || unlink(file) || rmdir(folder)))
        return 1;
    return status == 0 ? 0 : 1;
}
