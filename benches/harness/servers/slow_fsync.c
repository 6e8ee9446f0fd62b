/* Preloaded: fsync and fdatasync that take FSYNC_MS milliseconds in place of the disk's own
 * time (as it is when that is not set), and are counted in the file FSYNC_COUNT, 8 bytes that all
 * processes share. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t *count;
static int is_slowed;
static struct timespec delay;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("FSYNC_COUNT"), *ms = getenv("FSYNC_MS");
    int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *map = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        count = map == MAP_FAILED ? NULL : map;
        close(fd);
    }
    if (ms) {
        double seconds = strtod(ms, NULL) / 1e3;
        is_slowed = 1;
        delay.tv_sec = (time_t)seconds;
        delay.tv_nsec = (long)((seconds - delay.tv_sec) * 1e9);
    }
}

static int sync_file(const char *name, int fd) {
    if (count)
        ++*count;
    if (!is_slowed)
        return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
    struct timespec left = delay;
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
    return 0;
}

int fsync(int fd) { return sync_file("fsync", fd); }
int fdatasync(int fd) { return sync_file("fdatasync", fd); }
