/* A hand elsewhere, in C: the same as zmq_peer.py, with no library but libzmq.
 *
 *     cc -O2 -Wall -o zmq_peer zmq_peer.c -lzmq
 *     ./zmq_peer tcp://127.0.0.1:5610 tcp://127.0.0.1:5611
 *
 * The names come back as they came: their bytes are copied.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { MUSCLES = 39, JOINTS = 23, LONGEST = 16384 };

/* --- reading MessagePack: a cursor that stops at the end ------------------------------ */

typedef struct { const uint8_t *at, *end; int bad; } Reader;
typedef struct { const uint8_t *at; size_t size; } Span;

static uint64_t big_endian(Reader *r, int bytes) {
    uint64_t value = 0;
    if (r->end - r->at < bytes) { r->bad = 1; r->at = r->end; return 0; }
    while (bytes--) value = value << 8 | *r->at++;
    return value;
}

static double number(Reader *r) {
    uint8_t tag = (uint8_t)big_endian(r, 1);
    uint64_t bits;
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return (int8_t)tag;
    switch (tag) {
    case 0xca: { uint32_t b = (uint32_t)big_endian(r, 4); float f; memcpy(&f, &b, 4); return f; }
    case 0xcb: { bits = big_endian(r, 8); double d; memcpy(&d, &bits, 8); return d; }
    case 0xcc: case 0xcd: case 0xce: case 0xcf: return (double)big_endian(r, 1 << (tag - 0xcc));
    case 0xd0: return (int8_t)big_endian(r, 1);
    case 0xd1: return (int16_t)big_endian(r, 2);
    case 0xd2: return (int32_t)big_endian(r, 4);
    case 0xd3: return (double)(int64_t)big_endian(r, 8);
    }
    r->bad = 1;
    return 0;
}

/* The length of a string (fix 0xa0), an array (0x90) or a map (0x80). */
static uint64_t length(Reader *r, uint8_t fix, uint8_t mask, uint8_t wide) {
    uint8_t tag = (uint8_t)big_endian(r, 1);
    if ((tag & ~mask) == fix) return tag & mask;
    if (fix == 0xa0 && tag == 0xd9) return big_endian(r, 1);
    if (tag == wide) return big_endian(r, 2);
    r->bad = 1;
    return 0;
}
static uint64_t map_size(Reader *r) { return length(r, 0x80, 0x0f, 0xde); }
static uint64_t array_size(Reader *r) { return length(r, 0x90, 0x0f, 0xdc); }

static Span text(Reader *r) {
    uint64_t size = length(r, 0xa0, 0x1f, 0xda);
    Span found = {r->at, size};
    if ((uint64_t)(r->end - r->at) < size) { r->bad = 1; found.size = 0; return found; }
    r->at += size;
    return found;
}

/* Passes over one value, whatever it is; its bytes. */
static Span skip(Reader *r, int depth) {
    const uint8_t *from = r->at;
    uint8_t tag = r->at < r->end ? *r->at : 0xc1;
    if (depth > 8 || r->bad) { r->bad = 1; }
    else if ((tag & 0xe0) == 0xa0 || tag == 0xd9 || tag == 0xda) text(r);
    else if ((tag & 0xf0) == 0x90 || tag == 0xdc)
        for (uint64_t n = array_size(r); n && !r->bad; n--) skip(r, depth + 1);
    else if ((tag & 0xf0) == 0x80 || tag == 0xde)
        for (uint64_t n = 2 * map_size(r); n && !r->bad; n--) skip(r, depth + 1);
    else if (tag == 0xc0 || tag == 0xc2 || tag == 0xc3) r->at++;
    else number(r);
    return (Span){from, (size_t)(r->at - from)};
}

typedef struct {
    double version, seq, t_mono_ns, ttl_ms, reset, excitation[MUSCLES];
    int valid, count;
    Span session, muscles, joints;
} Told;

static int is(Span key, const char *name) {
    return key.size == strlen(name) && !memcmp(key.at, name, key.size);
}

static int read_command(Reader r, Told *told) {
    memset(told, 0, sizeof *told);
    for (uint64_t n = map_size(&r); n && !r.bad; n--) {
        Span key = text(&r);
        if (is(key, "version")) told->version = number(&r);
        else if (is(key, "seq")) told->seq = number(&r);
        else if (is(key, "t_mono_ns")) told->t_mono_ns = number(&r);
        else if (is(key, "ttl_ms")) told->ttl_ms = number(&r);
        else if (is(key, "reset")) told->reset = number(&r);
        else if (is(key, "valid")) told->valid = big_endian(&r, 1) == 0xc3;
        else if (is(key, "session")) told->session = skip(&r, 0);
        else if (is(key, "muscles")) told->muscles = skip(&r, 0);
        else if (is(key, "joints")) told->joints = skip(&r, 0);
        else if (is(key, "excitation"))
            for (uint64_t i = 0, size = array_size(&r); i < size && !r.bad; i++) {
                double value = number(&r);
                if (i < MUSCLES && isfinite(value)) told->excitation[told->count++] = value;
            }
        else skip(&r, 0);
    }
    return !r.bad && told->version == 1 && told->count == MUSCLES && told->session.size < 64 &&
           told->session.size && told->muscles.size && told->joints.size;
}

/* --- writing --------------------------------------------------------------------------- */

static uint8_t out[2 * LONGEST], *put_at;

static void put(const void *bytes, size_t size) { memcpy(put_at, bytes, size); put_at += size; }
static void put_tag(uint8_t tag, uint64_t value, int bytes) {
    *put_at++ = tag;
    while (bytes--) *put_at++ = (uint8_t)(value >> 8 * bytes);
}
static void put_text(const char *words) {
    put_tag(0xd9, strlen(words), 1);
    put(words, strlen(words));
}
static void put_count(const char *key, uint64_t value) { put_text(key); put_tag(0xcf, value, 8); }
static void put_real(double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put_tag(0xcb, bits, 8);
}
static void put_reals(const char *key, const double *values, int count) {
    put_text(key);
    put_tag(0xdc, (uint64_t)count, 2);
    for (int i = 0; i < count; i++) put_real(values ? values[i] : 0.0);
}
static void put_span(const char *key, Span span) { put_text(key); put(span.at, span.size); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv) {
    void *context = zmq_ctx_new();
    void *hears = zmq_socket(context, ZMQ_SUB), *says = zmq_socket(context, ZMQ_PUB);
    int on = 1;
    char me[32];
    uint8_t frame[LONGEST], session[64] = {0};
    double activation[MUSCLES] = {0}, until = 0, heard = 0, lag = 1e300, newest = -1;
    size_t session_size = 0;
    uint64_t seq = 0;
    snprintf(me, sizeof me, "c-%d-%llu", getpid(), (unsigned long long)now_ns());
    zmq_setsockopt(hears, ZMQ_CONFLATE, &on, sizeof on); /* before connect, on this side only */
    zmq_setsockopt(hears, ZMQ_SUBSCRIBE, "command\0", 8);
    if (zmq_connect(hears, argc > 1 ? argv[1] : "tcp://127.0.0.1:5610") ||
        zmq_connect(says, argc > 2 ? argv[2] : "tcp://127.0.0.1:5611")) {
        fprintf(stderr, "zmq_peer: %s\n", zmq_strerror(zmq_errno()));
        return 1;
    }
    for (;;) {
        zmq_pollitem_t poll = {hears, 0, ZMQ_POLLIN, 0};
        zmq_poll(&poll, 1, 5);
        int size = zmq_recv(hears, frame, sizeof frame, ZMQ_DONTWAIT);
        double now = (double)now_ns();
        if (now >= until) /* nothing valid: relax */
            for (int i = 0; i < MUSCLES; i++) activation[i] *= 0.9;
        Told told;
        if (size < 8 || size > LONGEST || memcmp(frame, "command", 8)) continue;
        if (!read_command((Reader){frame + 8, frame + size, 0}, &told)) continue;
        int ours = told.session.size == session_size &&
                   !memcmp(told.session.at, session, session_size);
        if (!ours && now - heard > 0.5e9) { /* a new daemon, and ours is gone */
            memcpy(session, told.session.at, session_size = told.session.size);
            newest = -1, lag = 1e300, ours = 1;
        }
        if (!ours || told.seq <= newest) continue;
        newest = told.seq, heard = now;
        lag = fmin(lag + 1e3, now - told.t_mono_ns); /* of the quickest; clocks drift */
        if (now - told.t_mono_ns - lag > told.ttl_ms * 1e6) continue; /* lay somewhere too long */
        until = told.valid ? now + told.ttl_ms * 1e6 : 0;
        if (told.valid) memcpy(activation, told.excitation, sizeof activation); /* your hardware */
        put_at = out;
        put("feedback", 9);
        *put_at++ = 0x8b; /* a map of 11 */
        put_count("version", 1);
        put_span("session", told.session);
        put_count("seq", ++seq);
        put_count("t_mono_ns", now_ns());
        put_text("valid"), *put_at++ = 0xc3;
        put_text("peer"), put_text(me);
        put_count("reply_to", (uint64_t)told.seq);
        put_count("reset", (uint64_t)told.reset);
        put_span("muscles", told.muscles);
        put_span("joints", told.joints);
        put_text("hand"), *put_at++ = 0x84; /* a map of 4 */
        put_text("time_s"), put_real(now / 1e9);
        put_reals("joint_pos", 0, JOINTS);
        put_reals("joint_vel", 0, JOINTS);
        put_reals("activation", activation, MUSCLES);
        zmq_send(says, out, (size_t)(put_at - out), ZMQ_DONTWAIT);
    }
}
