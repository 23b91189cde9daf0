// Between the server and its disk, by LD_PRELOAD.
//
// SHIM_FAIL=FILE    while FILE is there, fsync and fdatasync of a .segment or .large fail with EIO; each such call is a line in FILE
// SHIM_SHADOW=DIR   after each fsync and fdatasync what was synced is copied to DIR: a file's content under its inode, a
//                   directory's names as lines `inode name`
// SHIM_SLOW=MS      reading of a .segment or .large takes so long
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t shadowing = PTHREAD_MUTEX_INITIALIZER;

static void path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = 0;
}

static int is_journal(const char *path) { return strstr(path, ".segment") || strstr(path, ".large"); }

static void shadow(int fd) {
    const char *to = getenv("SHIM_SHADOW");
    struct stat data;
    char path[4096], copy[4200], name[4200], buffer[65536];
    if (!to || fstat(fd, &data)) return;
    pthread_mutex_lock(&shadowing);
    int is_dir = S_ISDIR(data.st_mode);
    snprintf(copy, sizeof copy, "%s/new", to);
    snprintf(name, sizeof name, is_dir ? "%s/names-%lu" : "%s/%lu", to, (unsigned long)data.st_ino);
    path_of(fd, path, sizeof path);
    FILE *out = fopen(copy, "w");
    if (is_dir) {
        fprintf(out, "%s\n", path);
        DIR *open = opendir(path);
        for (struct dirent *one; (one = readdir(open));)
            fprintf(out, "%lu %s\n", (unsigned long)one->d_ino, one->d_name);
        closedir(open);
    } else {
        // Of its own, so that the other's position stays; the locks of SQLite do not, but there is one process.
        static ssize_t (*real)(int, void *, size_t, off_t);
        if (!real) real = dlsym(RTLD_NEXT, "pread64");
        ssize_t count;
        for (off_t at = 0; (count = real(fd, buffer, sizeof buffer, at)) > 0; at += count)
            fwrite(buffer, 1, count, out);
    }
    fclose(out);
    rename(copy, name);
    pthread_mutex_unlock(&shadowing);
}

static int sync_by(const char *call, int fd) {
    const char *fail = getenv("SHIM_FAIL");
    char path[4096];
    path_of(fd, path, sizeof path);
    if (fail && is_journal(path) && !access(fail, F_OK)) {
        FILE *log = fopen(fail, "a");
        fprintf(log, "%s %s\n", call, path);
        fclose(log);
        errno = EIO;
        return -1;
    }
    int (*real)(int) = dlsym(RTLD_NEXT, call);
    int result = real(fd);
    if (!result) shadow(fd);
    return result;
}

int fsync(int fd) { return sync_by("fsync", fd); }
int fdatasync(int fd) { return sync_by("fdatasync", fd); }

ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pread64");
    const char *slow = getenv("SHIM_SLOW");
    if (slow) {
        char path[4096];
        path_of(fd, path, sizeof path);
        if (is_journal(path)) usleep(atoi(slow) * 1000);
    }
    return real(fd, buffer, count, offset);
}
