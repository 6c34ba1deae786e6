/* Healthy: threads of a forked child spin at a barrier, more of them than the machine has cores, until one is done.
 *
 * Looks hung: the parent waits for the child without a time-out, and the child uses all processor time and shows no
 * progress; none of its threads ever blocks.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 4.2

static int is_done;

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

static void *spin(void *unused)
{
    while (!__atomic_load_n(&is_done, __ATOMIC_ACQUIRE))
        sched_yield();
    return unused;
}

static void compute_beside_spinning_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN), threads = cores < 8 ? cores : 8;
    pthread_t spinning[8];
    for (long each = 0; each < threads; each++)
        if (pthread_create(&spinning[each], NULL, spin, NULL))
            _exit(1);
    mark("look-alike");
    for (double end = now_s() + SECONDS; now_s() < end;)
        ;
    mark("look-alike-ends");
    __atomic_store_n(&is_done, 1, __ATOMIC_RELEASE);
    for (long each = 0; each < threads; each++)
        pthread_join(spinning[each], NULL);
    _exit(0);
}

int main(void)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0)
        compute_beside_spinning_threads();
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
