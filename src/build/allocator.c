/* The settings of jemalloc, under the names that tikv-jemallocator gives the variable: the first one where jemalloc serves C
 * code, too, the second one on systems where it cannot (macOS).
 *
 * One arena, and pages given back after a second: rows are gathered on one thread and freed on another, and with an arena
 * per thread each of them would keep its own peak. The variable MALLOC_CONF (_RJEM_MALLOC_CONF) sets others for one run. */
#define SETTINGS "narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0"

const char *malloc_conf = SETTINGS;
const char *_rjem_malloc_conf = SETTINGS;
