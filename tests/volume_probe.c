// What busybox has no words for: one file operation a call. Built static by volume_test.py, run in
// containers. Prints "ok", or what failed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int fail(const char* what) {
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static int map(const char* path) {
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ftruncate(fd, 8192) != 0) return fail("open");
    char* memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return fail("mmap");
    memcpy(memory + 4090, "across pages", 12);
    char read_back[12];
    if (msync(memory, 8192, MS_SYNC) != 0 || pread(fd, read_back, 12, 4090) != 12)
        return fail("msync");
    return puts(memcmp(read_back, "across pages", 12) == 0 ? "ok" : "lost"), 0;
}

static int attribute(const char* path) {
    char value[16] = "";
    if (setxattr(path, "user.hako", "kept", 4, 0) != 0) return fail("setxattr");
    if (getxattr(path, "user.hako", value, sizeof value) != 4) return fail("getxattr");
    return puts(strcmp(value, "kept") == 0 ? "ok" : value), 0;
}

static int unlinked(const char* path) {
    const int fd = open(path, O_RDWR | O_CREAT, 0644);
    char text[6] = "";
    if (fd < 0 || unlink(path) != 0) return fail("unlink");
    if (write(fd, "still", 5) != 5 || pread(fd, text, 5, 0) != 5) return fail("use");
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_nlink != 0) return fail("fstat");
    return puts(strcmp(text, "still") == 0 ? "ok" : text), 0;
}

static int many(const char* folder, int count) {
    char path[256], text[32];
    for (int i = 0; i < count; ++i) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
        if (fd < 0 || write(fd, path, strlen(path)) < 0) return fail(path);
        close(fd);
    }
    for (int i = 0; i < count; ++i) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        const int fd = open(path, O_RDONLY);
        if (fd < 0 || read(fd, text, sizeof text) != (ssize_t)strlen(path)) return fail(path);
        close(fd);
    }
    return puts("ok"), 0;
}

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const char* verb = argv[1];
    const char* path = argv[2];
    if (strcmp(verb, "mmap") == 0) return map(path);
    if (strcmp(verb, "xattr") == 0) return attribute(path);
    if (strcmp(verb, "unlinked") == 0) return unlinked(path);
    if (strcmp(verb, "many") == 0) return many(path, atoi(argv[3]));
    return 2;
}
