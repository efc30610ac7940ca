/* Reads HTTP answers as they arrive. */
#define _GNU_SOURCE
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_LIMIT = 16 << 10 };

void answer_begin(struct answer *answer) {
    struct buffer line = answer->line, event = answer->event;
    line.length = event.length = 0;
    *answer = (struct answer){.line = line, .event = event};
}

void answer_free(struct answer *answer) {
    buffer_free(&answer->line);
    buffer_free(&answer->event);
}

/* ---- the body ---- */

static void keep_tail(struct answer *answer, const char *data, size_t length) {
    if (length >= TAIL_LENGTH) {
        memcpy(answer->tail, data + length - TAIL_LENGTH, TAIL_LENGTH);
        answer->tail_length = TAIL_LENGTH;
        return;
    }
    size_t kept = answer->tail_length + length > TAIL_LENGTH ? TAIL_LENGTH - length : answer->tail_length;
    memmove(answer->tail, answer->tail + answer->tail_length - kept, kept);
    memcpy(answer->tail + kept, data, length);
    answer->tail_length = kept + length;
}

static void read_event(struct answer *answer, const char *event, size_t length, event_fn *on_event, void *context) {
    if (length > 6 && memcmp(event, "event:", 6) == 0) { /* named, as Anthropic's are */
        const char *line = memchr(event, '\n', length);
        if (!line) return;
        length -= (size_t)(line + 1 - event);
        event = line + 1;
    }
    if (length < 5 || memcmp(event, "data:", 5) != 0) return;
    if (length <= 16 && memmem(event, length, "[DONE]", 6)) {
        answer->said_done = true;
        return;
    }
    if (length <= 40 && memmem(event, length, "message_stop", 12)) answer->said_done = true;
    const char *mark = memchr(event, STAMP_MARK, length);
    bool stamped = mark && event + length - mark > STAMP_LENGTH;
    answer->events++;
    on_event(context, stamped ? stamp_read(mark + 1) : 0);
}

static void read_events(struct answer *answer, const char *data, size_t length, event_fn *on_event, void *context) {
    buffer_append(&answer->event, data, length);
    const char *event = answer->event.data, *end = event + answer->event.length, *blank;
    while ((blank = memmem(event, (size_t)(end - event), "\n\n", 2))) {
        read_event(answer, event, (size_t)(blank - event), on_event, context);
        event = blank + 2;
    }
    buffer_drop(&answer->event, (size_t)(event - answer->event.data));
}

static void read_body(struct answer *answer, const char *data, size_t length, event_fn *on_event, void *context) {
    answer->body_length += length;
    answer->left -= length;
    if (answer->is_stream && answer->status == 200)
        read_events(answer, data, length, on_event, context);
    else
        keep_tail(answer, data, length);
}

/* ---- the framing ---- */

static bool says(const char *value, const char *word) {
    return value && strncasecmp(value, word, strlen(word)) == 0;
}

static void read_head(struct answer *answer) {
    const char *head = answer->line.data;
    size_t length = answer->line.length;
    const char *size = header(head, length, "content-length");
    answer->status = length > 12 && memcmp(head, "HTTP/1.", 7) == 0 ? atoi(head + 9) : 0;
    answer->keep_alive = !says(header(head, length, "connection"), "close");
    answer->is_stream = says(header(head, length, "content-type"), "text/event-stream");
    if (!answer->status)
        answer->part = BROKEN;
    else if (says(header(head, length, "transfer-encoding"), "chunked"))
        answer->part = CHUNK_SIZE;
    else if (size && (answer->left = strtoull(size, NULL, 10)) > 0)
        answer->part = SIZED;
    else
        answer->part = size ? WHOLE : BROKEN;
}

static void read_line(struct answer *answer) {
    if (answer->part == HEAD) {
        read_head(answer);
    } else if (answer->part == CHUNK_SIZE) {
        answer->left = strtoull(answer->line.data, NULL, 16);
        answer->part = answer->left ? CHUNK_DATA : TRAILER;
    } else if (answer->part == CHUNK_END) {
        answer->part = CHUNK_SIZE;
    } else if (answer->line.length == 2) {
        answer->part = WHOLE;
    }
    answer->line.length = 0;
}

/* Gathers a line, or the head, which ends with an empty one; returns how much of the data belongs to it. */
static size_t gather(struct answer *answer, const char *data, size_t length) {
    const char *stop = answer->part == HEAD ? "\r\n\r\n" : "\r\n";
    size_t before = answer->line.length, room = LINE_LIMIT - before;
    if (!room) {
        answer->part = BROKEN;
        return 0;
    }
    buffer_append(&answer->line, data, length < room ? length : room);
    const char *found = memmem(answer->line.data, answer->line.length, stop, strlen(stop));
    if (!found) return answer->line.length - before;
    answer->line.length = (size_t)(found - answer->line.data) + strlen(stop);
    size_t taken = answer->line.length - before;
    read_line(answer);
    return taken;
}

size_t answer_feed(struct answer *answer, const char *data, size_t length, event_fn *on_event, void *context) {
    size_t at = 0;
    while (at < length && answer->part != WHOLE && answer->part != BROKEN) {
        if (answer->part != SIZED && answer->part != CHUNK_DATA) {
            at += gather(answer, data + at, length - at);
            continue;
        }
        size_t piece = length - at < answer->left ? length - at : answer->left;
        read_body(answer, data + at, piece, on_event, context);
        at += piece;
        if (!answer->left) answer->part = answer->part == SIZED ? WHOLE : CHUNK_END;
    }
    return at;
}
