/* The settings of jemalloc, under the name that tikv-jemallocator gives the variable.
 *
 * One arena, and pages given back after a second: rows are gathered on one thread and freed on another, and with an arena
 * per thread each of them would keep its own peak. The variable _RJEM_MALLOC_CONF sets others for one run. */
const char *_rjem_malloc_conf = "narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0";
