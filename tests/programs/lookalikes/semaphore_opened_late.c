/* Healthy: a process waits for a named semaphore, which another one opens late and posts.
 *
 * Looks hung: nobody else maps the semaphore, and the waiter's maps say "(deleted)" although the name exists: glibc
 * makes it under a temporary name, links it to its own and removes the temporary one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
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

static void open_late(const char *name)
{
    work();
    mark("look-alike-ends");
    sem_t *found = sem_open(name, 0);
    _exit(found != SEM_FAILED && sem_unlink(name) == 0 && sem_post(found) == 0 ? 0 : 1);
}

int main(void)
{
    char name[64];
    int status = 1;
    snprintf(name, sizeof name, "/hangprobe-look-alike-%d", (int)getpid());
    pid_t opener = fork();
    if (opener == 0)
        open_late(name);
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    if (opener < 0 || semaphore == SEM_FAILED)
        return 1;
    mark("look-alike");
    if (sem_wait(semaphore) || waitpid(opener, &status, 0) != opener)
        return 1;
    return status == 0 ? 0 : 1;
}
