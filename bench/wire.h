/* What the upstream and the load generator share: a growable buffer, the clock, sockets, time stamps made of letters. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    char *data;
    size_t length, capacity;
};

void buffer_reserve(struct buffer *buffer, size_t extra);
void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_print(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_drop(struct buffer *buffer, size_t length); /* from the front */
void buffer_free(struct buffer *buffer);

/* The value of a header in a head of `length` bytes, or NULL; it ends at the line's "\r\n". */
const char *header(const char *head, size_t length, const char *name);

uint64_t now_ns(void); /* monotonic, the same for all processes of the machine */

int listen_on(uint16_t port);  /* on 127.0.0.1, not blocking */
int connect_to(uint16_t port); /* on 127.0.0.1, not blocking once connected; -1 when refused */

int timer_new(void);
void timer_at(int timer, uint64_t due_ns); /* wakes epoll at this time, also when it has passed; UINT64_MAX: never */
void timer_clear(int timer);

/* A time as letters a to p: no detector of card or phone numbers takes it for one. */
enum { STAMP_MARK = '@', STAMP_LENGTH = 16 };
void stamp_write(char *stamp, uint64_t ns);
uint64_t stamp_read(const char *stamp);

_Noreturn void die(const char *what);

#endif
