/* A mock model server: as fast as one thread can answer, so that what is measured is what stands before it.
 *
 * POST /v1/chat/completions answers a chat completion of about 400 bytes; of 100 KB or 1 MB where the model's name ends
 * in "-100k" or "-1m" (a name passes through any gateway, a header or path may not). With "stream":true it answers
 * --chunks chunks, one each --interval-ms, then a finish chunk, a usage chunk and [DONE]. Each chunk's text begins with
 * the time at which it was sent.
 */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, HEAD_LIMIT = 64 << 10, BODY_LIMIT = 8 << 20, READ_SIZE = 64 << 10, SETTINGS_SPAN = 4096 };

struct connection {
    int fd;
    struct buffer in, out;
    size_t sent;         /* bytes of `out` that the socket has taken */
    size_t request_size; /* bytes of the request at the front of `in`; 0: its head is not complete */
    size_t head_size;
    int chunks_left;     /* of the stream under way */
    bool streaming, waits_to_write;
    uint64_t due;        /* when its next chunk is to be sent */
    struct connection *before, *after;
};

static struct {
    int epoll, listener, timer;
    int chunks;
    size_t chunk_bytes;
    uint64_t interval, alarm; /* alarm: what the timer is set to */
    struct buffer small, medium, large, not_found, too_large, stream_head, chunk, stream_end;
    size_t stamp_at; /* where in `chunk` the time goes */
    struct connection *first, *last; /* streams by due time: one interval for all keeps a plain queue in order */
} server = {.chunks = 100, .chunk_bytes = 0, .interval = 20000000, .alarm = UINT64_MAX};

/* ---- answers, made once ---- */

static const char FILLER[] = "A freehold is property that you own outright; a leasehold is rented. ";

static struct buffer filler(size_t length) {
    struct buffer text = {0};
    while (text.length + sizeof FILLER <= length) buffer_append(&text, FILLER, sizeof FILLER - 1);
    return text;
}

static struct buffer answer(const char *status, const struct buffer *body) {
    struct buffer whole = {0};
    buffer_print(&whole, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status,
                 body->length);
    buffer_append(&whole, body->data, body->length);
    return whole;
}

static struct buffer completion(size_t length) {
    struct buffer text = filler(length), body = {0};
    buffer_print(&body, "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1760000000,"
                        "\"model\":\"mock-1\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
    buffer_append(&body, text.data, text.length);
    buffer_print(&body, "End of answer.\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                        "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":20,\"total_tokens\":32}}");
    struct buffer whole = answer("200 OK", &body);
    buffer_free(&text);
    buffer_free(&body);
    return whole;
}

static struct buffer failure(const char *status, const char *message) {
    struct buffer body = {0};
    buffer_print(&body, "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\",\"code\":null}}", message);
    struct buffer whole = answer(status, &body);
    buffer_free(&body);
    return whole;
}

static void transfer_chunk(struct buffer *to, const struct buffer *data) {
    buffer_print(to, "%zx\r\n", data->length);
    buffer_append(to, data->data, data->length);
    buffer_append(to, "\r\n", 2);
}

static void event_open(struct buffer *event) {
    buffer_print(event, "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
                        "\"model\":\"mock-1\",\"system_fingerprint\":null,\"choices\":[");
}

static struct buffer content_chunk(size_t length) {
    struct buffer text = filler(length), event = {0}, chunk = {0};
    event_open(&event);
    buffer_print(&event, "{\"index\":0,\"delta\":{\"content\":\"%c%*s ", STAMP_MARK, STAMP_LENGTH, "");
    buffer_append(&event, text.data, text.length);
    buffer_print(&event, "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    transfer_chunk(&chunk, &event);
    buffer_free(&text);
    buffer_free(&event);
    return chunk;
}

static struct buffer ending(void) {
    struct buffer end = {0}, event = {0};
    event_open(&event);
    buffer_print(&event, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n");
    transfer_chunk(&end, &event);
    event.length = 0;
    event_open(&event);
    buffer_print(&event, "],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
                 server.chunks, server.chunks + 12);
    transfer_chunk(&end, &event);
    event.length = 0;
    buffer_print(&event, "data: [DONE]\n\n");
    transfer_chunk(&end, &event);
    buffer_print(&end, "0\r\n\r\n");
    buffer_free(&event);
    return end;
}

static void make_answers(void) {
    server.small = completion(120);
    server.medium = completion(100 << 10);
    server.large = completion(1 << 20);
    server.not_found = failure("404 Not Found", "The mock upstream knows POST /v1/chat/completions");
    server.too_large = failure("413 Content Too Large", "The mock upstream takes bodies of 8 MB with a Content-Length");
    server.chunk = content_chunk(server.chunk_bytes);
    server.stamp_at = (size_t)((char *)memchr(server.chunk.data, STAMP_MARK, server.chunk.length) - server.chunk.data) + 1;
    server.stream_end = ending();
    buffer_print(&server.stream_head, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                                      "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
}

/* ---- connections ---- */

static void enqueue(struct connection *c) {
    c->before = server.last;
    c->after = NULL;
    *(server.last ? &server.last->after : &server.first) = c;
    server.last = c;
}

static void dequeue(struct connection *c) {
    *(c->before ? &c->before->after : &server.first) = c->after;
    *(c->after ? &c->after->before : &server.last) = c->before;
}

static void hang_up(struct connection *c) {
    if (c->streaming) dequeue(c);
    close(c->fd);
    buffer_free(&c->in);
    buffer_free(&c->out);
    free(c);
}

static void watch(struct connection *c, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (c->waits_to_write ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(server.epoll, operation, c->fd, &event)) die("epoll_ctl");
}

static void wait_to_write(struct connection *c, bool wait) {
    if (c->waits_to_write == wait) return;
    c->waits_to_write = wait;
    watch(c, EPOLL_CTL_MOD);
}

/* A socket that broke is noticed when it is read. */
static size_t write_some(struct connection *c, const char *data, size_t length) {
    ssize_t written = send(c->fd, data, length, MSG_NOSIGNAL);
    return written < 0 ? 0 : (size_t)written;
}

static void say(struct connection *c, const struct buffer *what) {
    size_t written = c->out.length ? 0 : write_some(c, what->data, what->length);
    if (written == what->length) return;
    buffer_append(&c->out, what->data + written, what->length - written);
    wait_to_write(c, true);
}

static void flush(struct connection *c) {
    c->sent += write_some(c, c->out.data + c->sent, c->out.length - c->sent);
    if (c->sent < c->out.length) return;
    c->out.length = c->sent = 0;
    wait_to_write(c, false);
}

/* ---- streams ---- */

static void send_chunk(struct connection *c, uint64_t now) {
    stamp_write(server.chunk.data + server.stamp_at, now);
    say(c, &server.chunk);
    c->chunks_left--;
    c->due += server.interval;
}

static void start_stream(struct connection *c) {
    uint64_t now = now_ns();
    c->streaming = true;
    c->chunks_left = server.chunks;
    c->due = now;
    say(c, &server.stream_head);
    send_chunk(c, now);
    enqueue(c);
}

static void answer_requests(struct connection *c);

static void continue_stream(struct connection *c) {
    dequeue(c);
    if (c->chunks_left > 0) {
        send_chunk(c, now_ns());
        enqueue(c);
        return;
    }
    c->streaming = false;
    say(c, &server.stream_end);
    answer_requests(c);
}

static void send_what_is_due(void) {
    uint64_t now = now_ns();
    while (server.first && server.first->due <= now) continue_stream(server.first);
    uint64_t next = server.first ? server.first->due : UINT64_MAX;
    if (next != server.alarm) timer_at(server.timer, server.alarm = next);
}

/* ---- requests ---- */

static const char *find(const char *data, size_t length, const char *text) {
    return memmem(data, length, text, strlen(text));
}

static const char *after_key(const char *data, size_t length, const char *key) {
    const char *value = find(data, length, key), *end = data + length;
    if (!value) return NULL;
    for (value += strlen(key); value < end && strchr(" :\t\r\n", *value); value++) {
    }
    return value < end ? value : NULL;
}

static bool asks_true(const char *data, size_t length, const char *key) {
    const char *value = after_key(data, length, key);
    return value && data + length - value >= 4 && memcmp(value, "true", 4) == 0;
}

/* Settings stand at either end of a body; a megabyte of messages between them is not looked through. */
static bool wants_stream(const char *body, size_t length) {
    if (length <= 2 * SETTINGS_SPAN) return asks_true(body, length, "\"stream\"");
    return asks_true(body, SETTINGS_SPAN, "\"stream\"") ||
           asks_true(body + length - SETTINGS_SPAN, SETTINGS_SPAN, "\"stream\"");
}

static const struct buffer *completion_for(const char *body, size_t length) {
    const char *model = after_key(body, length, "\"model\"");
    const char *end = model && *model == '"' ? memchr(model + 1, '"', (size_t)(body + length - model - 1)) : NULL;
    if (!end) return &server.small;
    if (end - model > 5 && memcmp(end - 5, "-100k", 5) == 0) return &server.medium;
    if (end - model > 3 && memcmp(end - 3, "-1m", 3) == 0) return &server.large;
    return &server.small;
}

static void answer_request(struct connection *c, const char *head, const char *body, size_t body_length) {
    static const char COMPLETIONS[] = "POST /v1/chat/completions ";
    if (strncmp(head, COMPLETIONS, sizeof COMPLETIONS - 1) != 0)
        say(c, &server.not_found);
    else if (wants_stream(body, body_length))
        start_stream(c);
    else
        say(c, completion_for(body, body_length));
}

/* False: this request cannot be served, nor any after it. */
static bool measure_request(struct connection *c) {
    const char *end = find(c->in.data, c->in.length, "\r\n\r\n");
    if (!end) return c->in.length < HEAD_LIMIT;
    c->head_size = (size_t)(end - c->in.data) + 4;
    const char *length = header(c->in.data, c->head_size, "content-length");
    size_t body = length ? strtoull(length, NULL, 10) : 0;
    if (body > BODY_LIMIT || header(c->in.data, c->head_size, "transfer-encoding")) return false;
    c->request_size = c->head_size + body;
    return true;
}

static void refuse(struct connection *c) {
    say(c, &server.too_large);
    shutdown(c->fd, SHUT_WR);
    c->in.length = 0;
}

static void answer_requests(struct connection *c) {
    while (!c->streaming && c->in.length) {
        if (!c->request_size && !measure_request(c)) {
            refuse(c);
            return;
        }
        if (!c->request_size || c->in.length < c->request_size) return;
        answer_request(c, c->in.data, c->in.data + c->head_size, c->request_size - c->head_size);
        buffer_drop(&c->in, c->request_size);
        c->request_size = 0;
    }
}

/* ---- the loop ---- */

static bool hear(struct connection *c) {
    size_t missing = c->request_size > c->in.length ? c->request_size - c->in.length : 0;
    buffer_reserve(&c->in, missing > READ_SIZE ? missing : READ_SIZE);
    ssize_t got = recv(c->fd, c->in.data + c->in.length, c->in.capacity - c->in.length, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    c->in.length += (size_t)got;
    answer_requests(c);
    return true;
}

static void welcome(void) {
    for (;;) {
        int fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        if (!c) die("memory");
        c->fd = fd;
        watch(c, EPOLL_CTL_ADD);
    }
}

static void serve(const struct epoll_event *event) {
    struct connection *c = event->data.ptr;
    if (event->data.ptr == &server.listener)
        welcome();
    else if (event->data.ptr == &server.timer)
        timer_clear(server.timer);
    else if (event->events & ~(uint32_t)EPOLLOUT && !hear(c))
        hang_up(c);
    else if (event->events & EPOLLOUT)
        flush(c);
}

static void watch_own(int *fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, *fd, &event)) die("epoll_ctl");
}

static uint16_t read_options(int count, char **words) {
    static const struct option OPTIONS[] = {{"port", required_argument, 0, 'p'},
                                            {"chunks", required_argument, 0, 'n'},
                                            {"interval-ms", required_argument, 0, 'i'},
                                            {"chunk-bytes", required_argument, 0, 'b'},
                                            {0}};
    uint16_t port = 9100;
    for (int option; (option = getopt_long(count, words, "", OPTIONS, NULL)) != -1;) {
        if (option == 'p') port = (uint16_t)atoi(optarg);
        else if (option == 'n') server.chunks = atoi(optarg);
        else if (option == 'i') server.interval = (uint64_t)(atof(optarg) * 1e6);
        else if (option == 'b') server.chunk_bytes = (size_t)atoi(optarg);
        else exit(2);
    }
    return port;
}

int main(int count, char **words) {
    uint16_t port = read_options(count, words);
    make_answers();
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.listener = listen_on(port);
    server.timer = timer_new();
    watch_own(&server.listener);
    watch_own(&server.timer);
    for (struct epoll_event events[EVENTS];;) {
        int ready = epoll_wait(server.epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) serve(&events[i]);
        send_what_is_due();
    }
}
