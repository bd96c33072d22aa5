// Unix sockets, for which busybox has no words. Built static by socket_test.py, run in containers.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char* what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static struct sockaddr_un address(const char* path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strncpy(at.sun_path, path, sizeof at.sun_path - 1);
    return at;
}

static int dial(const char* path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr_un at = address(path);
    return connect(fd, (const struct sockaddr*)&at, sizeof at) == 0 ? fd : -1;
}

static int put(int fd, const char* data, ssize_t size) {
    while (size > 0) {
        const ssize_t done = write(fd, data, size);
        if (done <= 0) return -1;
        data += done;
        size -= done;
    }
    return 0;
}

// Standard input to the socket and the socket to standard output, until the socket ends.
static int client(const char* path) {
    static char data[65536];
    const int fd = dial(path);
    if (fd < 0) return fail("connect");
    struct pollfd entries[2] = {{0, POLLIN, 0}, {fd, POLLIN, 0}};
    while (1) {
        poll(entries, 2, -1);
        if (entries[0].revents) {
            const ssize_t size = read(0, data, 4096);
            if (size > 0) put(fd, data, size);
            else shutdown(fd, SHUT_WR), entries[0].fd = -1;
        }
        if (entries[1].revents) {
            const ssize_t size = read(fd, data, sizeof data);
            if (size <= 0) return size == 0 ? 0 : fail("read");
            if (put(1, data, size) != 0) return fail("write");
        }
    }
}

// What comes goes back.
static int echo(const char* path) {
    static char data[65536];
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr_un at = address(path);
    unlink(path);
    if (bind(listener, (const struct sockaddr*)&at, sizeof at) != 0 || listen(listener, 128) != 0) return fail("listen");
    puts("ready");
    fflush(stdout);
    while (1) {
        const int fd = accept(listener, NULL, NULL);
        if (fd < 0) return fail("accept");
        if (fork() == 0) {
            ssize_t size;
            while ((size = read(fd, data, sizeof data)) > 0 && put(fd, data, size) == 0) {
            }
            _exit(0);
        }
        close(fd);
    }
}

// So many connections at once, each with a text of its own.
static int many(const char* path, int count) {
    int* fds = calloc(count, sizeof *fds);
    for (int i = 0; i < count; ++i)
        if ((fds[i] = dial(path)) < 0) return fail("connect");
    char text[32], answer[32];
    for (int i = 0; i < count; ++i) {
        const int size = snprintf(text, sizeof text, "connection %d", i);
        if (put(fds[i], text, size) != 0) return fail("write");
        shutdown(fds[i], SHUT_WR);
    }
    for (int i = count - 1; i >= 0; --i) {
        const int size = snprintf(text, sizeof text, "connection %d", i);
        int got = 0;
        ssize_t more;
        while ((more = read(fds[i], answer + got, sizeof answer - got)) > 0) got += more;
        if (got != size || memcmp(text, answer, size) != 0) return fprintf(stderr, "%d: %.*s\n", i, got, answer), 1;
    }
    puts("ok");
    return 0;
}

// Says it and goes.
static int say(const char* path, const char* text) {
    const int fd = dial(path);
    if (fd < 0) return fail("connect");
    return put(fd, text, strlen(text)) != 0;
}

int main(int argc, char** argv) {
    if (argc == 3 && !strcmp(argv[1], "client")) return client(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "echo")) return echo(argv[2]);
    if (argc == 4 && !strcmp(argv[1], "many")) return many(argv[2], atoi(argv[3]));
    if (argc == 4 && !strcmp(argv[1], "say")) return say(argv[2], argv[3]);
    return 2;
}
