/* Whether the single file can unpack itself, asked before PyInstaller's boot-loader tries.
 *
 * The boot-loader takes the first folder in which it can make another: $TMPDIR, $TEMP, $TMP, /tmp, /var/tmp,
 * /usr/tmp. When that one is full or does not allow programs, what people would read comes from zlib or from
 * the dynamic linker. This is linked to the boot-loader, runs before its main(), and says it in a sentence.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PAGE 4096
#define LONGEST 4096
#define ENDS_WITH "or use the form of the program that is a folder, and unpacks nothing.\n"
#define LARGEST_CONTENTS (64u << 20)

/* The end of an archive of PyInstaller, and an entry of its table of contents. All numbers are big-endian. */
struct end {
    char magic[8];
    uint32_t length, contents_at, contents_length, python;
    char library[64];
};
struct entry {
    uint32_t length, at, packed, unpacked;
    char is_packed, kind, name[];
};
static const char UNPACKED[] = "bxZnd";

enum fault { NONE, NO_FILE, NO_BYTES, NOT_ALLOWED, FULL };

/* Its mark, in two parts, so that this code is not taken for an end itself. */
static bool is_end(const char *at)
{
    return memcmp(at, "MEI", 3) == 0 && memcmp(at + 3, "\014\013\012\013\016", 5) == 0;
}

static bool read_at(FILE *file, long at, void *to, size_t size)
{
    return fseek(file, at, SEEK_SET) == 0 && fread(to, size, 1, file) == 1;
}

/* Where the archive's end begins in the file, or -1: close to the file's own. */
static long find_end(FILE *file, struct end *end)
{
    static char tail[16 * PAGE];
    long size, from;
    size_t read, at;

    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < (long)sizeof *end)
        return -1;
    from = size > (long)sizeof tail ? size - (long)sizeof tail : 0;
    if (fseek(file, from, SEEK_SET) != 0)
        return -1;
    read = fread(tail, 1, sizeof tail, file);
    for (at = read < sizeof *end ? 0 : read - sizeof *end + 1; at-- > 0;)
        if (is_end(tail + at)) {
            memcpy(end, tail + at, sizeof *end);
            return from + (long)at;
        }
    return -1;
}

/* Bytes that this program takes once it is unpacked; 0 if it is not, or nobody can tell. */
static uint64_t bytes_unpacked(const char *program)
{
    FILE *file = fopen(program, "rb");
    struct end end;
    struct entry entry;
    uint64_t sum = 0;
    char *contents = NULL;
    long at;

    if (file == NULL)
        return 0;
    if ((at = find_end(file, &end)) >= 0) {
        uint32_t size = be32toh(end.contents_length), step, offset;

        at += (long)sizeof end - (long)be32toh(end.length) + (long)be32toh(end.contents_at);
        contents = at >= 0 && size < LARGEST_CONTENTS ? malloc(size) : NULL;
        if (contents != NULL && read_at(file, at, contents, size))
            for (offset = 0; offset + sizeof entry < size; offset += step) {
                memcpy(&entry, contents + offset, sizeof entry);
                step = be32toh(entry.length);
                if (step < sizeof entry)
                    break;
                if (memchr(UNPACKED, entry.kind, sizeof UNPACKED - 1))
                    sum += ((uint64_t)be32toh(entry.unpacked) + PAGE - 1) / PAGE * PAGE;
            }
    }
    free(contents);
    fclose(file);
    return sum;
}

/* Whether this is the boot-loader itself, rather than what it starts, which finds all unpacked. */
static bool is_first(const char *program)
{
    const char *archive = getenv("_PYI_ARCHIVE_FILE"), *level = getenv("_PYI_PARENT_PROCESS_LEVEL");
    const char *reset = getenv("PYINSTALLER_RESET_ENVIRONMENT");

    if (reset != NULL && strcmp(reset, "1") == 0)
        return true;
    return archive == NULL || strcmp(archive, program) != 0 || level == NULL || level[0] == 0;
}

/* What is wrong with a folder, as a file in it shows; `errno` says why there is no file, or nothing in it. */
static enum fault try_folder(const char *folder, uint64_t needed, uint64_t *free_bytes)
{
    char name[LONGEST];
    static const char page[PAGE];
    struct statvfs about;
    void *mapped;
    int file, kept;
    bool written;

    if (snprintf(name, sizeof name, "%s/.ingestbox-XXXXXX", folder) >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return NO_FILE;
    }
    if ((file = mkstemp(name)) < 0)
        return NO_FILE;
    unlink(name);
    written = write(file, page, PAGE) == PAGE;
    kept = errno;
    mapped = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    if (mapped != MAP_FAILED)
        munmap(mapped, PAGE);
    *free_bytes = UINT64_MAX;
    if (fstatvfs(file, &about) == 0 && about.f_blocks != 0)
        *free_bytes = (uint64_t)(geteuid() == 0 ? about.f_bfree : about.f_bavail) * about.f_frsize;
    close(file);
    if (mapped == MAP_FAILED)
        return NOT_ALLOWED;
    errno = kept;
    return *free_bytes < needed ? FULL : written ? NONE : NO_BYTES;
}

static unsigned long long megabytes(uint64_t bytes)
{
    return (bytes + 999999) / 1000000;
}

/* Called by the C library with main()'s own arguments, before it. */
__attribute__((constructor)) static void room(void)
{
    const char *folders[] = {getenv("TMPDIR"), getenv("TEMP"), getenv("TMP"), "/tmp", "/var/tmp", "/usr/tmp"};
    const size_t count = sizeof folders / sizeof *folders;
    char program[LONGEST], reasons[2 * LONGEST] = "";
    enum fault fault = NO_FILE;
    uint64_t needed, bytes, others;
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    size_t taken, other;
    const char *reason;

    if (length <= 0)
        return;
    program[length] = 0;
    if (!is_first(program) || (needed = bytes_unpacked(program)) == 0)
        return;
    signal(SIGXFSZ, SIG_IGN); /* a limit to the size of files is an error, as Python has it */
    for (taken = 0; taken < count; taken++) {
        const char *folder = folders[taken];
        size_t said = strlen(reasons);

        if (folder == NULL || folder[0] == 0)
            continue;
        if ((fault = try_folder(folder, needed, &bytes)) != NO_FILE)
            break;
        snprintf(reasons + said, sizeof reasons - said, "%s%s: %s", said ? "; " : "", folder,
                 strerror(errno));
    }
    if (fault == NONE)
        return;
    reason = strerror(errno);
    if (fault == NO_FILE) {
        fprintf(stderr, "Error: ingestbox cannot unpack itself, since no folder for it can be written (%s). "
                        "Set TMPDIR to one that has %llu MB free, " ENDS_WITH, reasons, megabytes(needed));
        _exit(1);
    }
    if (fault == NOT_ALLOWED)
        fprintf(stderr, "Error: ingestbox cannot unpack itself below %s, which does not allow programs "
                        "(it is mounted noexec). Set TMPDIR to a folder that does", folders[taken]);
    else if (fault == NO_BYTES)
        fprintf(stderr, "Error: ingestbox cannot unpack itself below %s, where nothing can be written (%s). "
                        "Set TMPDIR to a folder that has %llu MB free",
                folders[taken], reason, megabytes(needed));
    else
        fprintf(stderr, "Error: ingestbox cannot unpack itself below %s: that takes %llu MB, and %llu MB are "
                        "free. Make room there, set TMPDIR to a folder that has it",
                folders[taken], megabytes(needed), (unsigned long long)(bytes / 1000000));
    for (other = taken + 1; other < count; other++)
        if (folders[other] && folders[other][0] && try_folder(folders[other], needed, &others) == NONE) {
            fprintf(stderr, " (TMPDIR=%s will do)", folders[other]);
            break;
        }
    fprintf(stderr, ", " ENDS_WITH);
    _exit(1);
}
