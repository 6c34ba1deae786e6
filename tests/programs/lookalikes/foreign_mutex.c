/* Healthy: a mutex whose owner seems to be no thread of its process; it is unlocked late.
 *
 * Argument `errorcheck`: run it in a PID namespace of its own (unshare --pid --fork). The lock word names a TID of that
 * namespace, seen from outside it is no thread of the process: every contended mutex looks orphaned. The owner works.
 * Argument `normal`: the owner has ended, and another thread unlocks the mutex: that works for a mutex of the normal
 * kind with glibc.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex;
static pthread_barrier_t locked;

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

static void *lock_and_leave(void *unused)
{
    pthread_mutex_lock(&mutex);
    return unused;
}

static void *unlock_late(void *unused)
{
    work();
    mark("look-alike-ends");
    if (pthread_mutex_unlock(&mutex))
        _exit(1);
    return unused;
}

static void *lock_and_work(void *unused)
{
    pthread_mutex_lock(&mutex);
    pthread_barrier_wait(&locked);
    return unlock_late(unused);
}

int main(int argc, char **argv)
{
    pthread_t first, second;
    pthread_mutexattr_t kind;
    if (argc != 2)
        return 2;
    int is_normal = strcmp(argv[1], "normal") == 0;
    pthread_barrier_init(&locked, NULL, 2);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, is_normal ? PTHREAD_MUTEX_NORMAL : PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &kind);
    if (is_normal) {
        if (pthread_create(&first, NULL, lock_and_leave, NULL) || pthread_join(first, NULL))
            return 1;
        if (pthread_create(&second, NULL, unlock_late, NULL))
            return 1;
    } else {
        if (pthread_create(&second, NULL, lock_and_work, NULL))
            return 1;
        pthread_barrier_wait(&locked);
    }
    mark("look-alike");
    if (pthread_mutex_lock(&mutex) || pthread_mutex_unlock(&mutex))
        return 1;
    return pthread_join(second, NULL);
}
