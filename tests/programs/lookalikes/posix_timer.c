/* Healthy: a POSIX timer (timer_create) ends a wait that has no time-out.
 *
 * Argument `thread`: SIGEV_THREAD, its function posts a semaphore that the main thread waits for.
 * Argument `handler`: SIGEV_SIGNAL, the handler of SIGUSR2 in a child interrupts a wait on a futex.
 * Argument `kill`: SIGEV_SIGNAL with the default action of SIGTERM ends a parked child.
 * Looks hung: in the last two the parent waits for its child, and the child, single-threaded, for a private futex that
 * nobody can wake. The timer stands in /proc/PID/timers only.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sem_t semaphore;
static volatile sig_atomic_t is_told;

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

static void post(union sigval unused)
{
    (void)unused;
    mark("look-alike-ends");
    if (sem_post(&semaphore))
        _exit(1);
}

static void be_told(int unused)
{
    (void)unused;
    is_told = 1;
}

static void set_timer(struct sigevent *event)
{
    timer_t timer;
    struct itimerspec after = {.it_value = {4, 200000000}};
    if (timer_create(CLOCK_MONOTONIC, event, &timer) || timer_settime(timer, 0, &after, NULL))
        _exit(1);
}

static int wait_for_thread(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = post};
    sem_init(&semaphore, 0, 0);
    set_timer(&event);
    mark("look-alike");
    return sem_wait(&semaphore) ? 1 : 0;
}

static void wait_for_signal(int number)
{
    int word = 0;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
    struct sigaction action = {.sa_handler = be_told}; /* without SA_RESTART: the wait is not begun anew */
    if (number == SIGUSR2 && sigaction(number, &action, NULL))
        _exit(1);
    set_timer(&event);
    mark("look-alike");
    while (!is_told)
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    _exit(7);
}

int main(int argc, char **argv)
{
    int status = 0;
    if (argc != 2)
        return 2;
    if (strcmp(argv[1], "thread") == 0)
        return wait_for_thread();
    int is_kill = strcmp(argv[1], "kill") == 0;
    pid_t child = fork();
    if (child == 0)
        wait_for_signal(is_kill ? SIGTERM : SIGUSR2);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    mark("look-alike-ends");
    if (is_kill)
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : 1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : 1;
}
