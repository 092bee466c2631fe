#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* The settings of jemalloc, under the name that tikv-jemallocator gives the variable.
 *
 * One arena, and pages given back after a second: rows are gathered on one thread and freed on another, and with an arena
 * per thread each of them would keep its own peak. The variable _RJEM_MALLOC_CONF sets others for one run. */
const char *_rjem_malloc_conf = "narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0";

#ifdef __GLIBC__
/* The settings of glibc's allocator, which serves C code such as zstd.
 *
 * Each column that is encoded has a zstd context of 0.7 MB. By default glibc asks the system for it anew each time, and the
 * system clears its pages. With these settings the memory of one column serves the next one. Two arenas are enough for the
 * runs that are encoded at the same time, and more of them would each keep memory of their own. */
__attribute__((constructor)) static void keep_memory_of_c_code(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
}
#endif
