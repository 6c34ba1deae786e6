/* Healthy: a semaphore in an anonymous shared mapping, inherited by fork, is posted late by a grandchild.
 *
 * Looks hung: the main thread waits on a shared futex, and its only child is parked for ever on another one; the
 * grandchild that posts has been left by its parent.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
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

static void post_late(sem_t *semaphore)
{
    work();
    mark("look-alike-ends");
    _exit(sem_post(semaphore) ? 1 : 0);
}

int main(void)
{
    sem_t *both = mmap(NULL, 2 * sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED || sem_init(&both[0], 1, 0) || sem_init(&both[1], 1, 0))
        return 1;
    pid_t parked = fork();
    if (parked == 0)
        _exit(sem_wait(&both[1]));
    pid_t middle = fork();
    if (middle == 0) {
        if (fork() == 0)
            post_late(&both[0]);
        _exit(0);
    }
    waitpid(middle, NULL, 0);
    mark("look-alike");
    if (parked < 0 || sem_wait(&both[0]))
        return 1;
    kill(parked, SIGKILL);
    return waitpid(parked, NULL, 0) == parked ? 0 : 1;
}
