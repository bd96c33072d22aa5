// Locks of files, for locks_test.py: built static, run on the host and in containers.
//
//     lock_probe KIND ACTION FILE [N]
//
// KIND: fcntl, ofd (locks of the open file), flock; with "-shared" behind it others may read.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

static const char* kind;

static int fail(const char* what) {
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static int say(const char* what) {
    puts(what);
    fflush(stdout);
    return 0;
}

static int open_file(const char* path) {
    const int fd = open(path, O_RDWR | O_CREAT, 0644);
    return fd < 0 ? fail(path) : fd;
}

// type: F_RDLCK, F_WRLCK, F_UNLCK. Returns -1 and errno as fcntl.
static int set(int fd, int type, int wait) {
    struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
    if (strncmp(kind, "flock", 5) == 0)
        return flock(fd, (type == F_UNLCK   ? LOCK_UN
                          : type == F_RDLCK ? LOCK_SH
                                            : LOCK_EX) |
                             (wait ? 0 : LOCK_NB));
    if (strncmp(kind, "ofd", 3) == 0) return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &whole);
    return fcntl(fd, wait ? F_SETLKW : F_SETLK, &whole);
}

static void must_set(int fd, int type) {
    if (set(fd, type, 1) != 0) fail("lock");
}

static long number_in(const char* path) {
    char text[32] = "";
    const int fd = open(path, O_RDONLY);
    if (fd < 0 && errno == ENOENT) return 0;
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0) fail(path);
    close(fd);
    return atol(text);
}

// Adds 1 to a number, N times, always under the lock; whoever does not see what another wrote loses
// some. "written" and "mapped": in the locked file. "renamed": in another that replaces the last.
static int tally(const char* how, const char* path, int count) {
    const int fd = open_file(path);
    long number = 0;
    long* mapped = &number;
    char beside[256], next[256];
    snprintf(beside, sizeof beside, "%s.number", path);
    snprintf(next, sizeof next, "%s.next", path);
    if (strcmp(how, "mapped") == 0) {
        if (ftruncate(fd, 4096) != 0) fail("ftruncate");
        mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED) fail("mmap");
    }
    say("ready");
    for (int i = 0; i < count; ++i) {
        must_set(fd, F_WRLCK);
        if (strcmp(how, "written") == 0 && pread(fd, &number, sizeof number, 0) < 0) fail("pread");
        if (strcmp(how, "renamed") == 0) number = number_in(beside);
        ++*mapped;
        if (strcmp(how, "written") == 0 && pwrite(fd, &number, sizeof number, 0) < 0)
            fail("pwrite");
        if (strcmp(how, "renamed") == 0) {
            const int new = open_file(next);
            if (dprintf(new, "%ld", number) < 0 || close(new) != 0 || rename(next, beside) != 0)
                fail("rename");
        }
        must_set(fd, F_UNLCK);
    }
    must_set(fd, F_RDLCK);
    if (strcmp(how, "written") == 0 && pread(fd, &number, sizeof number, 0) < 0) fail("pread");
    if (strcmp(how, "renamed") == 0) number = number_in(beside);
    printf("%ld\n", *mapped);
    return 0;
}

static void ignore(int number) { (void)number; }

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    kind = argv[1];
    const char* action = argv[2];
    const int type = strstr(kind, "-shared") ? F_RDLCK : F_WRLCK;
    if (argc > 4) return tally(action, argv[3], atoi(argv[4]));

    const int fd = open_file(argv[3]);
    if (strcmp(action, "try") == 0) {
        if (set(fd, type, 0) == 0) return say("ok");
        return errno == EAGAIN || errno == EACCES ? (say("busy"), 3) : fail("lock");
    }
    if (strcmp(action, "interrupted") == 0) {  // by a signal that does not restart
        const struct sigaction handler = {.sa_handler = ignore};
        sigaction(SIGALRM, &handler, NULL);
        alarm(1);
        return set(fd, type, 1) == 0 ? say("ok")
               : errno == EINTR      ? say("interrupted")
                                     : fail("lock");
    }
    if (strcmp(action, "stronger") == 0) {
        must_set(fd, F_RDLCK);
        say("shared");
    }
    must_set(fd, type);
    say("ok");
    if (strcmp(action, "close") == 0) close(fd);
    if (strcmp(action, "hold") == 0 || strcmp(action, "close") == 0) pause();
    return 0;
}
