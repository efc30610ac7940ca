/* A load generator: sends one request over and over, checks every answer, prints one JSON object.
 *
 * Closed loop: each of --connections sends its next request as soon as it has its answer. With --rate requests are due at
 * fixed times instead, and the wait for a free connection counts as latency. Nothing is counted in the first
 * --settle seconds; the run ends after --seconds more, or after --requests. Streams are measured by their chunks: the
 * delay of a chunk is the time since the upstream wrote it.
 */
#define _GNU_SOURCE
#include "answer.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, READ_SIZE = 256 << 10, ERRORS_LIMIT = 1000 };
static const double SECOND = 1e9;

struct connection {
    int fd;
    bool busy, waits_to_write;
    uint64_t started; /* when its request was sent, or due */
    size_t unsent;    /* bytes of the request that the socket has not taken yet */
    struct answer answer;
    struct connection *next_idle;
};

struct samples {
    uint64_t *values;
    size_t count, capacity;
};

static struct {
    uint16_t port;
    const char *path, *body_file, *expect;
    struct buffer headers;
    int connections;
    double seconds, settle, ramp, rate;
    long requests;
    int events; /* that a whole stream has; 0: the answer is no stream */
    uint64_t least_body;
    int watched; /* the process whose CPU time is taken over the same window; 0: none */
} options = {.path = "/v1/chat/completions", .expect = "", .connections = 1, .seconds = 1};

static struct {
    int epoll, timer;
    struct buffer request;
    struct connection *connections, *idle;
    int opened;
    long started, finished; /* requests since the start */
    uint64_t begun, window, ended;
    bool counting;
    double cpu_before;
} run;

static struct {
    long requests, bad_status, incomplete, closed;
    uint64_t bytes, chunks;
    struct samples latency, delay;
    int first_bad_status;
    char first_bad_body[TAIL_LENGTH];
    size_t first_bad_length;
} result;

/* ---- measuring ---- */

static void take(struct samples *samples, uint64_t value) {
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity ? samples->capacity * 2 : 1 << 16;
        samples->values = realloc(samples->values, samples->capacity * sizeof *samples->values);
        if (!samples->values) die("memory");
    }
    samples->values[samples->count++] = value;
}

static int ascending(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* CPU seconds of a process and all its threads, user and system. */
static double cpu_seconds(int process) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(process, &clock) || clock_gettime(clock, &used)) die("the watched process");
    return (double)used.tv_sec + (double)used.tv_nsec / SECOND;
}

static void open_window(uint64_t now) {
    if (options.watched) run.cpu_before = cpu_seconds(options.watched);
    run.counting = true;
    run.window = now;
}

/* ---- connections ---- */

static void watch(struct connection *c, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (c->waits_to_write ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(run.epoll, operation, c->fd, &event)) die("epoll_ctl");
}

static void open_connection(struct connection *c) {
    c->fd = connect_to(options.port);
    if (c->fd < 0) die("connect");
    c->unsent = 0;
    c->waits_to_write = false;
    watch(c, EPOLL_CTL_ADD);
}

static void send_more(struct connection *c) {
    ssize_t sent = send(c->fd, run.request.data + run.request.length - c->unsent, c->unsent, MSG_NOSIGNAL);
    if (sent > 0) c->unsent -= (size_t)sent;
    if (c->waits_to_write == (c->unsent > 0)) return;
    c->waits_to_write = !c->waits_to_write;
    watch(c, EPOLL_CTL_MOD);
}

static void start(struct connection *c, uint64_t due) {
    run.started++;
    c->busy = true;
    c->started = due;
    c->unsent = run.request.length;
    answer_begin(&c->answer);
    send_more(c);
}

static bool may_start(void) {
    return !options.requests || run.started < options.requests;
}

static void rest(struct connection *c) {
    c->busy = false;
    if (!options.rate) {
        if (may_start()) start(c, now_ns());
        return;
    }
    c->next_idle = run.idle;
    run.idle = c;
}

/* ---- answers ---- */

static void on_event(void *context, uint64_t stamp) {
    (void)context;
    if (!run.counting || !stamp) return;
    result.chunks++;
    take(&result.delay, now_ns() - stamp);
}

static void remember_failure(const struct answer *answer) {
    if (result.first_bad_status) return;
    result.first_bad_status = answer->status ? answer->status : -1;
    result.first_bad_length = answer->tail_length;
    memcpy(result.first_bad_body, answer->tail, answer->tail_length);
}

static bool is_complete(const struct answer *answer) {
    if (answer->part != WHOLE) return false;
    if (options.events) return answer->said_done && answer->events == options.events;
    return answer->body_length >= options.least_body &&
           memmem(answer->tail, answer->tail_length, options.expect, strlen(options.expect));
}

static void judge(struct connection *c) {
    run.finished++;
    bool whole = is_complete(&c->answer), good = whole && c->answer.status == 200;
    if (!good) remember_failure(&c->answer);
    if (c->answer.part == WHOLE && c->answer.status != 200)
        result.bad_status++;
    else if (!whole)
        result.incomplete++;
    if (!run.counting || !good) return;
    result.requests++;
    result.bytes += c->answer.body_length;
    take(&result.latency, now_ns() - c->started);
}

static void reopen(struct connection *c) {
    close(c->fd);
    open_connection(c);
}

static void finish(struct connection *c) {
    judge(c);
    if (c->answer.part == BROKEN || !c->answer.keep_alive) reopen(c);
    rest(c);
}

static void lost(struct connection *c) {
    bool was_busy = c->busy;
    reopen(c);
    if (!was_busy) return;
    result.closed++;
    run.finished++;
    remember_failure(&c->answer);
    rest(c);
}

static void hear(struct connection *c) {
    static char data[READ_SIZE];
    ssize_t got = recv(c->fd, data, sizeof data, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || !c->busy) {
        lost(c);
        return;
    }
    bool too_much = answer_feed(&c->answer, data, (size_t)got, on_event, NULL) < (size_t)got;
    if (too_much) c->answer.part = BROKEN;
    if (c->answer.part == WHOLE || c->answer.part == BROKEN) finish(c);
}

/* ---- time ---- */

static uint64_t opening_time(int connection) {
    return run.begun + (uint64_t)(options.ramp * SECOND * connection / options.connections);
}

static void open_due(uint64_t now) {
    while (run.opened < options.connections && opening_time(run.opened) <= now) {
        struct connection *c = &run.connections[run.opened++];
        open_connection(c);
        rest(c);
    }
}

static uint64_t due_time(void) {
    return run.begun + (uint64_t)((double)run.started * SECOND / options.rate);
}

static void start_due(uint64_t now) {
    while (options.rate && run.idle && may_start() && due_time() <= now) {
        struct connection *c = run.idle;
        run.idle = c->next_idle;
        start(c, due_time());
    }
}

static uint64_t sooner(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t next_time(uint64_t window, uint64_t end) {
    uint64_t next = run.counting ? end : window;
    if (run.opened < options.connections) next = sooner(next, opening_time(run.opened));
    if (options.rate && run.idle && may_start()) next = sooner(next, due_time());
    return next;
}

static bool is_over(uint64_t now, uint64_t end) {
    long errors = result.bad_status + result.incomplete + result.closed;
    if (errors >= ERRORS_LIMIT) return true;
    return options.requests ? run.finished >= options.requests : now >= end;
}

static void work(void) {
    static struct epoll_event events[EVENTS];
    run.begun = now_ns();
    uint64_t window = run.begun + (uint64_t)((options.ramp + options.settle) * SECOND);
    uint64_t end = options.requests ? UINT64_MAX : window + (uint64_t)(options.seconds * SECOND);
    for (uint64_t now = run.begun, alarm = 0; !is_over(now, end); now = now_ns()) {
        if (!run.counting && now >= window) open_window(now);
        open_due(now);
        start_due(now);
        uint64_t next = next_time(window, end);
        if (next != alarm) timer_at(run.timer, alarm = next);
        int ready = epoll_wait(run.epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) timer_clear(run.timer);
            else if (events[i].events & ~(uint32_t)EPOLLOUT) hear(c);
            else send_more(c);
        }
    }
    run.ended = now_ns();
}

/* ---- the result ---- */

static void print_quantiles(const char *name, struct samples *samples) {
    static const struct {
        const char *name;
        double share;
    } QUANTILES[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    printf("\"%s\":", name);
    if (!samples->count) {
        printf("null,");
        return;
    }
    qsort(samples->values, samples->count, sizeof *samples->values, ascending);
    for (size_t i = 0; i < sizeof QUANTILES / sizeof *QUANTILES; i++) {
        size_t at = (size_t)(QUANTILES[i].share * (double)(samples->count - 1));
        printf("%c\"%s\":%.1f", i ? ',' : '{', QUANTILES[i].name, (double)samples->values[at] / 1e3);
    }
    printf("},");
}

static void print_text(const char *name, const char *text, size_t length) {
    printf("\"%s\":\"", name);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c > '~') putchar(' ');
        else if (c == '"' || c == '\\') printf("\\%c", c);
        else putchar(c);
    }
    printf("\"");
}

static void print_result(void) {
    double seconds = (double)(run.ended - run.window) / SECOND;
    double cpu = options.watched ? cpu_seconds(options.watched) - run.cpu_before : 0;
    printf("{\"seconds\":%.6f,\"requests\":%ld,\"bytes\":%llu,\"chunks\":%llu,\"cpu_seconds\":%.6f,", seconds,
           result.requests, (unsigned long long)result.bytes, (unsigned long long)result.chunks, cpu);
    print_quantiles("latency_us", &result.latency);
    print_quantiles("chunk_delay_us", &result.delay);
    printf("\"errors\":{\"status\":%ld,\"incomplete\":%ld,\"closed\":%ld},\"first_bad_status\":%d,", result.bad_status,
           result.incomplete, result.closed, result.first_bad_status);
    print_text("first_bad_body", result.first_bad_body, result.first_bad_length);
    printf("}\n");
}

/* ---- the start ---- */

static void read_options(int count, char **words) {
    static const struct option OPTIONS[] = {{"port", required_argument, 0, 'p'},
                                            {"path", required_argument, 0, 'P'},
                                            {"body", required_argument, 0, 'b'},
                                            {"header", required_argument, 0, 'H'},
                                            {"connections", required_argument, 0, 'c'},
                                            {"seconds", required_argument, 0, 's'},
                                            {"settle", required_argument, 0, 'w'},
                                            {"ramp", required_argument, 0, 'a'},
                                            {"requests", required_argument, 0, 'n'},
                                            {"rate", required_argument, 0, 'r'},
                                            {"events", required_argument, 0, 'e'},
                                            {"least-body", required_argument, 0, 'l'},
                                            {"expect", required_argument, 0, 'x'},
                                            {"watch", required_argument, 0, 'W'},
                                            {0}};
    for (int option; (option = getopt_long(count, words, "H:", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'p': options.port = (uint16_t)atoi(optarg); break;
        case 'P': options.path = optarg; break;
        case 'b': options.body_file = optarg; break;
        case 'H': buffer_print(&options.headers, "%s\r\n", optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'w': options.settle = atof(optarg); break;
        case 'a': options.ramp = atof(optarg); break;
        case 'n': options.requests = atol(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'e': options.events = atoi(optarg); break;
        case 'l': options.least_body = strtoull(optarg, NULL, 10); break;
        case 'x': options.expect = optarg; break;
        case 'W': options.watched = atoi(optarg); break;
        default: exit(2);
        }
    }
}

static void read_file(struct buffer *into, const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) die(path);
    for (ssize_t got = 1; got > 0; into->length += (size_t)got) {
        buffer_reserve(into, READ_SIZE);
        got = read(fd, into->data + into->length, READ_SIZE);
        if (got < 0) die(path);
    }
    close(fd);
}

static void make_request(void) {
    struct buffer body = {0};
    read_file(&body, options.body_file);
    buffer_print(&run.request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n",
                 options.path, options.port);
    buffer_append(&run.request, options.headers.data, options.headers.length);
    buffer_print(&run.request, "Content-Length: %zu\r\n\r\n", body.length);
    buffer_append(&run.request, body.data, body.length);
    buffer_free(&body);
}

int main(int count, char **words) {
    read_options(count, words);
    if (!options.port || !options.body_file || options.connections < 1) {
        fprintf(stderr, "load --port PORT --body FILE [--connections N] [--seconds S | --requests N] ...\n");
        return 2;
    }
    make_request();
    run.connections = calloc((size_t)options.connections, sizeof *run.connections);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    run.timer = timer_new();
    struct epoll_event timer = {.events = EPOLLIN, .data.ptr = NULL};
    if (!run.connections || epoll_ctl(run.epoll, EPOLL_CTL_ADD, run.timer, &timer)) die("start");
    work();
    print_result();
    return 0;
}
