/* Healthy: a futex in a mapped file whose name was removed, but which has a second name; a stranger maps that one late.
 *
 * Looks hung: the waiter's maps say "(deleted)", and no other process maps the file or has it open.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE 4096

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

static int *map(int memory)
{
    return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
}

static void wake_late(const char *second)
{
    work();
    mark("look-alike-ends");
    int memory = open(second, O_RDWR | O_CLOEXEC);
    int *word = memory < 0 ? MAP_FAILED : map(memory);
    if (word == MAP_FAILED || unlink(second))
        _exit(1);
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    _exit(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1 ? 0 : 1);
}

int main(void)
{
    int status = 1;
    const char *folder = getenv("TMPDIR");
    char first[4096], second[sizeof first + 2];
    snprintf(first, sizeof first, "%s/hangprobe-look-alike-XXXXXX", folder ? folder : "/tmp");
    int memory = mkstemp(first);
    snprintf(second, sizeof second, "%s.2", first);
    if (memory < 0 || ftruncate(memory, SIZE) || link(first, second) || unlink(first))
        return 1;
    int *word = map(memory);
    close(memory);
    pid_t waker = fork();
    if (waker == 0) {
        munmap(word, SIZE);
        wake_late(second);
    }
    if (waker < 0 || word == MAP_FAILED)
        return 1;
    mark("look-alike");
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0)
        syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
    return waitpid(waker, &status, 0) == waker && status == 0 ? 0 : 1;
}
