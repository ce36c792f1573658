/*
 * Faults on purpose, for the crash tests only: a library that stands between a process and libc (LD_PRELOAD), and
 * kills, stops or fails chosen calls. Rules come from a file that every process of one instance has mapped
 * ($SCES_FAULTS), so that they can be changed while all run, and their hits counted over all.
 *
 *   cc -shared -fPIC -O2 -o faults.so faults.c -ldl
 *
 * The file: 64 counters of hits, 64 of actions (32 bits each), then text, a rule a line, ended by a zero byte:
 *
 *   WHO OPERATION PATTERN ACTION FIRST COUNT ODDS
 *   smtpd sync incoming/.tmp.* kill 1 1 1
 *
 *   WHO        a process by its title without "sces/"; * for any; "command" for what has no such title
 *   OPERATION  open read write sync rename link unlink time mkdir list chmod truncate
 *   PATTERN    fnmatch(3) over the path in the spool, "from>to" for rename and link; of a socket "socket:" and what is
 *              written, its beginning and end; control characters and blanks are shown as ~
 *   ACTION     kill, stop: before the call. killed, stopped: after it. torn: half of what was to be written, then
 *              kill. short: half is written. slow: 300 ms later. lose: not done, though said to be.
 *              A number: the call fails with that errno.
 *   FIRST COUNT ODDS   acts on the FIRST hit and those that follow, COUNT in all (0: for ever), each one time in ODDS
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RULES 64
#define MAPPED 65536

struct control {
    uint32_t hits[RULES];
    uint32_t acted[RULES];
    volatile char text[MAPPED - 2 * RULES * 4];
};

enum what { NOTHING, KILLED, STOPPED, TORN, SHORT, LOSE, FAIL };

static struct control *control;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("SCES_FAULTS");
    int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    void *at;

    if (fd < 0)
        return;
    at = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED)
        control = at;
    syscall(SYS_close, fd);
}

/* The process's title, without "sces/"; "command" for others. */
static void title(char *name, size_t size)
{
    int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t count = fd < 0 ? 0 : syscall(SYS_read, fd, name, size - 1);

    if (fd >= 0)
        syscall(SYS_close, fd);
    name[count > 0 ? count : 0] = 0;
    if (strncmp(name, "sces/", 5) == 0)
        memmove(name, name + 5, strlen(name + 5) + 1);
    else
        strcpy(name, "command");
    name[strcspn(name, " ")] = 0;
}

/* As it stands in the spool, which is the working directory of every process. */
static void in_spool(const char *path, char *shown, size_t size)
{
    char here[4096];
    size_t length = *path == '/' && getcwd(here, sizeof here) ? strlen(here) : 0;

    if (length > 0 && strncmp(path, here, length) == 0 && path[length] == '/')
        path += length + 1;
    snprintf(shown, size, "%s", path);
}

static void show_bytes(char *to, const char *from, size_t count)
{
    for (; count > 0; count--, from++)
        *to++ = (unsigned char)*from <= ' ' ? '~' : *from;
    *to = 0;
}

static void of_fd(int fd, const struct iovec *parts, int count, char *shown, size_t size)
{
    char link[64], target[4096];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = syscall(SYS_readlink, link, target, sizeof target - 1);
    target[length > 0 ? length : 0] = 0;
    if (strncmp(target, "socket:", 7) == 0 && count > 0) {
        const struct iovec *last = parts + count - 1;
        size_t head = parts->iov_len < 200 ? parts->iov_len : 200;
        size_t tail = last->iov_len < 40 ? last->iov_len : 40;

        show_bytes(target + 7, parts->iov_base, head);
        if (count > 1 || parts->iov_len > 200)
            show_bytes(target + 7 + head, (const char *)last->iov_base + last->iov_len - tail, tail);
    }
    in_spool(target, shown, size);
}

static void die(int signal)
{
    syscall(SYS_kill, getpid(), signal);
    while (signal == SIGKILL)
        usleep(1000);
}

/* What is to become of this call; for FAIL errno is set. Kills and stops that come before the call are done here. */
static enum what judge(const char *operation, const char *subject)
{
    static __thread unsigned seed;
    char rules[4096], name[256] = "";
    char *line, *rest = rules;
    int number = 0;

    for (size_t at = 0; at < sizeof rules - 1 && (rules[at] = control->text[at]) != 0; at++)
        rules[at + 1] = 0;
    for (; (line = strsep(&rest, "\n")) && number < RULES; number++) {
        char who[64], what[16], pattern[512], action[16];
        unsigned first, count, odds, hit;
        int error;

        if (sscanf(line, "%63s %15s %511s %15s %u %u %u", who, what, pattern, action, &first, &count, &odds) != 7)
            continue;
        if (strcmp(what, operation) != 0 || fnmatch(pattern, subject, 0) != 0)
            continue;
        if (*name == 0)
            title(name, sizeof name);
        if (strcmp(who, name) != 0 && (strcmp(who, "*") != 0 || strcmp(name, "command") == 0))
            continue;
        hit = __atomic_add_fetch(&control->hits[number], 1, __ATOMIC_SEQ_CST);
        if (hit < first || (count > 0 && hit >= first + count))
            continue;
        if (seed == 0)
            seed = getpid() + syscall(SYS_gettid) + time(NULL);
        if (odds > 1 && rand_r(&seed) % odds != 0)
            continue;
        __atomic_add_fetch(&control->acted[number], 1, __ATOMIC_SEQ_CST);
        if (strcmp(action, "kill") == 0)
            die(SIGKILL);
        if (strcmp(action, "stop") == 0)
            die(SIGSTOP);
        if (strcmp(action, "slow") == 0)
            usleep(300000);
        if (strcmp(action, "killed") == 0)
            return KILLED;
        if (strcmp(action, "stopped") == 0)
            return STOPPED;
        if (strcmp(action, "torn") == 0)
            return TORN;
        if (strcmp(action, "short") == 0)
            return SHORT;
        if (strcmp(action, "lose") == 0)
            return LOSE;
        if ((error = atoi(action)) > 0) {
            errno = error;
            return FAIL;
        }
    }
    return NOTHING;
}

/* Is there any rule about this operation? Cheap, since it is asked at every call. */
static int concerns(const char *operation)
{
    return control && control->text[0] != 0 && strstr((const char *)control->text, operation) != NULL;
}

static enum what judge_path(const char *operation, const char *path)
{
    char shown[4096];

    if (!path || !concerns(operation))
        return NOTHING;
    in_spool(path, shown, sizeof shown);
    return judge(operation, shown);
}

static enum what judge_two(const char *operation, const char *from, const char *to)
{
    char shown[8200];
    size_t length;

    if (!concerns(operation))
        return NOTHING;
    in_spool(from, shown, 4096);
    length = strlen(shown);
    shown[length] = '>';
    in_spool(to, shown + length + 1, 4096);
    return judge(operation, shown);
}

static enum what judge_fd(const char *operation, int fd, const struct iovec *parts, int count)
{
    char shown[4096];

    if (!concerns(operation))
        return NOTHING;
    of_fd(fd, parts, count, shown, sizeof shown);
    return judge(operation, shown);
}

/* After the call: its result, unless somebody is to be killed or stopped now. */
static ssize_t done(enum what what, ssize_t result)
{
    int error = errno;

    if (what == KILLED || what == TORN)
        die(SIGKILL);
    if (what == STOPPED)
        die(SIGSTOP);
    errno = error;
    return result;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define AROUND(what, call) ((what) == FAIL ? -1 : (what) == LOSE ? 0 : done((what), (call)))

static ssize_t total(const struct iovec *parts, int count)
{
    ssize_t sum = 0;

    while (count-- > 0)
        sum += (parts++)->iov_len;
    return sum;
}

/* All kinds of writes: `at` is the position, -1 for the current one. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t at)
{
    enum what what = judge_fd("write", fd, parts, count);

    if (what == FAIL)
        return -1;
    if (what == LOSE)
        return total(parts, count);
    if (what == TORN || what == SHORT) {
        struct iovec half = *parts;

        if (count == 1)
            half.iov_len = (half.iov_len + 1) / 2; /* of several the first only */
        return done(what, at < 0 ? REAL(writev)(fd, &half, 1) : REAL(pwritev)(fd, &half, 1, at));
    }
    return done(what, at < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev)(fd, parts, count, at));
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    struct iovec one = { (void *)bytes, count };

    return concerns("write") ? write_parts(fd, &one, 1, -1) : REAL(write)(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at)
{
    struct iovec one = { (void *)bytes, count };

    return concerns("write") ? write_parts(fd, &one, 1, at) : REAL(pwrite64)(fd, bytes, count, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return concerns("write") ? write_parts(fd, parts, count, -1) : REAL(writev)(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    return concerns("write") ? write_parts(fd, parts, count, at) : REAL(pwritev)(fd, parts, count, at);
}

ssize_t read(int fd, void *bytes, size_t count)
{
    enum what what = judge_fd("read", fd, NULL, 0);

    return AROUND(what, REAL(read)(fd, bytes, count));
}

ssize_t pread64(int fd, void *bytes, size_t count, off_t at)
{
    enum what what = judge_fd("read", fd, NULL, 0);

    return AROUND(what, REAL(pread64)(fd, bytes, count, at));
}

int fsync(int fd)
{
    enum what what = judge_fd("sync", fd, NULL, 0);

    return AROUND(what, REAL(fsync)(fd));
}

int fdatasync(int fd)
{
    enum what what = judge_fd("sync", fd, NULL, 0);

    return AROUND(what, REAL(fdatasync)(fd));
}

static int open_any(const char *name, const char *path, int flags, mode_t mode)
{
    enum what what = judge_path("open", path);

    return AROUND(what, ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode));
}

static mode_t mode_of(int flags, va_list rest)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = mode_of(flags, rest);
    va_end(rest);
    return open_any("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = mode_of(flags, rest);
    va_end(rest);
    return open_any("open64", path, flags, mode);
}

int rename(const char *from, const char *to)
{
    enum what what = judge_two("rename", from, to);

    return AROUND(what, REAL(rename)(from, to));
}

int link(const char *from, const char *to)
{
    enum what what = judge_two("link", from, to);

    return AROUND(what, REAL(link)(from, to));
}

int unlink(const char *path)
{
    enum what what = judge_path("unlink", path);

    return AROUND(what, REAL(unlink)(path));
}

int ftruncate64(int fd, off_t size)
{
    enum what what = judge_fd("truncate", fd, NULL, 0);

    return AROUND(what, REAL(ftruncate64)(fd, size));
}

int mkdir(const char *path, mode_t mode)
{
    enum what what = judge_path("mkdir", path);

    return AROUND(what, REAL(mkdir)(path, mode));
}

int chmod(const char *path, mode_t mode)
{
    enum what what = judge_path("chmod", path);

    return AROUND(what, REAL(chmod)(path, mode));
}

int utimensat(int directory, const char *path, const struct timespec times[2], int flags)
{
    enum what what = judge_path("time", path);

    return AROUND(what, REAL(utimensat)(directory, path, times, flags));
}

int scandir64(const char *path, struct dirent64 ***names, int (*filter)(const struct dirent64 *),
              int (*compare)(const struct dirent64 **, const struct dirent64 **))
{
    enum what what = judge_path("list", path);

    return AROUND(what, REAL(scandir64)(path, names, filter, compare));
}

DIR *opendir(const char *path)
{
    enum what what = judge_path("list", path);

    return what == FAIL ? NULL : REAL(opendir)(path);
}
