/* In place of the system's random numbers: always the same ones.
 *
 * The hash maps of Rust's standard library, and with them all crates that use them, iterate in an order that depends on
 * the system's random numbers. The simulator is loaded with this library, so that the order is the same in each run.
 * Everything else that the program draws at random follows from the seed (src/chance.rs). */

#include <stddef.h>
#include <string.h>
#include <sys/types.h>

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    (void)flags;
    memset(buffer, 0x5a, length);
    return (ssize_t)length;
}
