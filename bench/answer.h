/* Reads HTTP answers as they arrive, in pieces of any size, and tells what came and whether it was whole. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

enum part { HEAD, SIZED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, WHOLE, BROKEN };
enum { TAIL_LENGTH = 1024 };

/* Told of each event of a stream, with the time in its text; 0: it carries none. */
typedef void event_fn(void *context, uint64_t stamp);

struct answer {
    enum part part;
    int status;
    bool keep_alive, is_stream, said_done;
    uint64_t left;          /* bytes of the body, or of this transfer chunk, that are still to come */
    uint64_t body_length;   /* bytes of the body so far */
    int events;             /* of a stream, without [DONE] */
    struct buffer line;     /* the head, or a line of the framing, as far as it has come */
    struct buffer event;    /* of a stream, as far as it has come */
    char tail[TAIL_LENGTH]; /* the last bytes of the body */
    size_t tail_length;
};

void answer_begin(struct answer *answer);
/* Takes what belongs to this answer and returns how much that was; all of it, unless the answer is WHOLE or BROKEN. */
size_t answer_feed(struct answer *answer, const char *data, size_t length, event_fn *on_event, void *context);
void answer_free(struct answer *answer);

#endif
