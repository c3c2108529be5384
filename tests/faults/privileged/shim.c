/* Makes a disk fail for one process, and lets it recover: LD_PRELOAD with
 *   FAULT_CONTROL  a file; while it exists and holds "<errno> <calls>", those calls fail
 *   FAULT_FOLDER   for files below this folder alone
 * <errno> is a number, <calls> letters: s fsync and fdatasync, w write and pwrite, t ftruncate,
 * o open for writing, u unlink. Each call asks the file system, so that a fault begins and ends at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int below(const char *path)
{
    const char *folder = getenv("FAULT_FOLDER");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

/* The errno that `call` is to fail with now, or 0. Raw system calls: the wrappers below are not to be met. */
static int fault(char call)
{
    const char *control = getenv("FAULT_CONTROL");
    char text[64];
    if (!control)
        return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0)
        return 0;
    text[length] = 0;
    char *calls = strchr(text, ' ');
    return calls && strchr(calls, call) ? atoi(text) : 0;
}

static int fault_at(char call, int fd)
{
    char link[64], path[PATH_MAX];
    int saved = errno;
    int code = fault(call);
    if (code) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length < 0)
            code = 0;
        else {
            path[length] = 0;
            if (!below(path))
                code = 0;
        }
    }
    errno = saved;
    return code;
}

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL_AT(call, fd) do { int code = fault_at(call, fd); if (code) { errno = code; return -1; } } while (0)

int fsync(int fd) { NEXT(fsync); FAIL_AT('s', fd); return next(fd); }
int fdatasync(int fd) { NEXT(fdatasync); FAIL_AT('s', fd); return next(fd); }
ssize_t write(int fd, const void *b, size_t n) { NEXT(write); FAIL_AT('w', fd); return next(fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { NEXT(pwrite); FAIL_AT('w', fd); return next(fd, b, n, at); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { NEXT(pwrite64); FAIL_AT('w', fd); return next(fd, b, n, at); }
int ftruncate(int fd, off_t size) { NEXT(ftruncate); FAIL_AT('t', fd); return next(fd, size); }
int ftruncate64(int fd, off64_t size) { NEXT(ftruncate64); FAIL_AT('t', fd); return next(fd, size); }

static int opening(const char *path, int flags)
{
    if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT))
        return 0;
    return below(path) ? fault('o') : 0;
}

#define OPEN(name, before, path) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } \
    int code = opening(path, flags); \
    if (code) { errno = code; return -1; } \
    NEXT(name); \
    return next(before path, flags, mode)
#define COMMA ,

int open(const char *path, int flags, ...) { OPEN(open, , path); }
int open64(const char *path, int flags, ...) { OPEN(open64, , path); }
int openat(int at, const char *path, int flags, ...) { OPEN(openat, at COMMA, path); }
int openat64(int at, const char *path, int flags, ...) { OPEN(openat64, at COMMA, path); }

int unlink(const char *path)
{
    NEXT(unlink);
    int code = below(path) ? fault('u') : 0;
    if (code) { errno = code; return -1; }
    return next(path);
}
