// loadgen PORT N K S all|rand|cohort WARM SECONDS SAMPLE [PATH]
//
// N WebSocket clients in one thread. Each subscribes to S of the K symbols s00, s01, ...: all of them to the first S
// (all), each to random ones of its own (rand), or to one of K/S disjoint sets (cohort). After WARM seconds it counts
// every frame for SECONDS, and looks into each SAMPLE-th: its age by the "timestamp" (microseconds, or milliseconds
// where it has 13 digits), and whether a price or time of its symbol went back.
//
// Environment:
//   LAZY_US     microseconds of sleep between two looks at the sockets. Waking a reader that waits costs the server,
//               not the reader, so throughput is measured with a reader that does not wait.
//   NEVER_READ  clients that subscribe and never read again; below 1 a fraction of N. Their receive buffers are the
//               kernel's own choice.
//   LAST_PRICE  the last price of symbol sNN will be LAST_PRICE + NN. After SECONDS it reads on until nothing comes
//               any more and counts who did not get it. Every frame is looked into.
//
// Prints CONNECTED, MEASURE and MEASURED as it reaches them, and at last one line of JSON.

#define _GNU_SOURCE
#include "updates.h"
#include <sys/epoll.h>
#include <sys/resource.h>

enum { MOST_SYMBOLS = 64, AT_ONCE = 64, EVENTS = 1024, LARGEST_READ = 1 << 18 };
static const double CONNECT_PATIENCE = 120.0; // seconds
static const double SILENCE = 2.0;            // seconds without a frame after which no more are expected
static const double FINISH_PATIENCE = 30.0;

enum stage { CONNECTING, SHAKING_HANDS, STREAMING, DEAF, GONE };
enum phase { CONNECT, WARM, MEASURE, FINISH, DONE };

struct client {
    int socket;
    enum stage stage;
    uint64_t symbols; // bit k: subscribed to symbol k
    uint64_t frames;
    unsigned char *rest; // the beginning of a frame that has not come whole
    size_t rest_length;
};

static int port, clients_wanted, symbols, symbols_each, sample;
static const char *sets, *path = "/ws";
static double warm, seconds, last_price;
static int lazy, deaf_wanted;

static struct client *clients;
static int poller, started, connected;
static enum phase phase = CONNECT;
static double phase_began, last_frame_at;
static unsigned char buffer[LARGEST_READ + 1];

static struct {
    uint64_t frames, bytes, receives, looks; // while measuring
    uint64_t control, broken, closed;        // always; broken = headers that a server must not send
    double seconds, cpu, connect_seconds;
} count;

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

// -- what a client says

static uint32_t random_number(void)
{
    static uint64_t state = 88172645463325252ULL; // fixed: every server meets the same clients
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 11;
}

static void say(struct client *client, enum opcode opcode, const void *payload, size_t length)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    unsigned char frame[4096];
    size_t header = frame_header(frame, opcode, length);
    frame[1] |= MASKED;
    memcpy(frame + header, mask, sizeof mask);
    unsigned char *masked = frame + header + sizeof mask;
    for (size_t i = 0; i < length; i++)
        masked[i] = ((const unsigned char *)payload)[i] ^ mask[i & 3];
    size_t whole = header + sizeof mask + length;
    if (send(client->socket, frame, whole, MSG_NOSIGNAL) != (ssize_t)whole)
        perror("send");
}

static int choose_symbol(const struct client *client, int nth)
{
    if (!strcmp(sets, "all"))
        return nth;
    if (!strcmp(sets, "cohort"))
        return (client - clients) % (symbols / symbols_each) * symbols_each + nth;
    int symbol;
    do
        symbol = random_number() % symbols;
    while (client->symbols >> symbol & 1);
    return symbol;
}

static void subscribe(struct client *client)
{
    char message[2048];
    int length = sprintf(message, "{\"type\":\"subscribe\",\"symbols\":[");
    for (int i = 0; i < symbols_each; i++) {
        int symbol = choose_symbol(client, i);
        client->symbols |= 1ull << symbol;
        length += sprintf(message + length, "%s\"s%02d\"", i ? "," : "", symbol);
    }
    length += sprintf(message + length, "]}");
    say(client, TEXT, message, length);
}

// -- what a client hears

static void leave(struct client *client)
{
    count.closed++;
    client->stage = GONE;
    epoll_ctl(poller, EPOLL_CTL_DEL, client->socket, NULL);
}

static void on_frame(struct client *client, int opcode, unsigned char *payload, size_t length)
{
    static int since_sample;
    if (opcode != TEXT && opcode != BINARY) {
        count.control++;
        if (opcode == PING)
            say(client, PONG, payload, length);
        if (opcode == CLOSE)
            leave(client);
        return;
    }
    client->frames += phase == MEASURE;
    count.frames += phase == MEASURE;
    if (++since_sample < sample)
        return;
    since_sample = 0;
    look_into(client - clients, payload, length, phase == MEASURE);
}

// Handles the whole frames in these bytes and returns how many bytes they had.
static size_t read_frames(struct client *client, unsigned char *data, size_t length)
{
    size_t at = 0;
    while (length - at >= 2) {
        unsigned char *frame = data + at;
        size_t header = 2, payload = frame[1] & 0x7F;
        if (payload == 126) {
            if (length - at < 4)
                break;
            header = 4;
            payload = frame[2] << 8 | frame[3];
        } else if (payload == 127) {
            if (length - at < LONGEST_HEADER)
                break;
            header = LONGEST_HEADER;
            payload = 0;
            for (int i = 2; i < LONGEST_HEADER; i++)
                payload = payload << 8 | frame[i];
        }
        if (length - at < header + payload)
            break;
        count.broken += !(frame[0] & FIN) || frame[0] & RESERVED || frame[1] & MASKED;
        on_frame(client, frame[0] & 0xF, frame + header, payload);
        at += header + payload;
    }
    return at;
}

static void keep_rest(struct client *client, const unsigned char *rest, size_t length)
{
    if (length) {
        client->rest = realloc(client->rest, length + 1);
        memcpy(client->rest, rest, length);
        client->rest[length] = 0;
    }
    client->rest_length = length;
}

// Puts what was left over and what came new into the buffer. Returns its length, 0 when nothing came or the client is
// gone.
static size_t receive(struct client *client)
{
    size_t rest = client->rest_length;
    if (rest == LARGEST_READ) {
        fprintf(stderr, "loadgen: a frame longer than %d bytes\n", LARGEST_READ);
        exit(1);
    }
    memcpy(buffer, client->rest, rest);
    ssize_t got = recv(client->socket, buffer + rest, LARGEST_READ - rest, 0);
    if (got > 0) {
        buffer[rest + got] = 0;
        count.receives += phase == MEASURE;
        count.bytes += phase == MEASURE ? got : 0;
        return rest + got;
    }
    if (got == 0 || errno != EAGAIN)
        leave(client);
    return 0;
}

// -- one client, from the connection to the last frame

static void watch(struct client *client, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    epoll_ctl(poller, operation, client->socket, &event);
}

static void dial(void)
{
    struct client *client = &clients[started++];
    struct sockaddr_in address = loopback(port);
    struct linger reset = {1, 0}; // thousands of sockets in TIME_WAIT would use up the ports
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->socket < 0)
        fail("socket");
    send_without_delay(client->socket);
    setsockopt(client->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(client->socket, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        fail("connect");
    watch(client, EPOLL_CTL_ADD, EPOLLOUT);
}

static void ask_for_websocket(struct client *client)
{
    char request[512];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        errno = error;
        fail("connect");
    }
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                          path, port);
    send(client->socket, request, length, MSG_NOSIGNAL);
    client->stage = SHAKING_HANDS;
    watch(client, EPOLL_CTL_MOD, EPOLLIN);
}

// Clients that never read are spread evenly among the others.
static int is_deaf(int64_t number)
{
    return (number + 1) * deaf_wanted / clients_wanted > number * deaf_wanted / clients_wanted;
}

static void finish_handshake(struct client *client, size_t length)
{
    char *end = strstr((char *)buffer, "\r\n\r\n");
    if (!end) {
        keep_rest(client, buffer, length);
        return;
    }
    if (strncmp((char *)buffer, "HTTP/1.1 101", 12)) {
        fprintf(stderr, "loadgen: refused: %.300s\n", buffer);
        exit(1);
    }
    client->stage = STREAMING;
    subscribe(client);
    size_t used = end + 4 - (char *)buffer;
    used += read_frames(client, buffer + used, length - used);
    keep_rest(client, buffer + used, length - used);
    if (is_deaf(client - clients)) {
        client->stage = DEAF;
        watch(client, EPOLL_CTL_DEL, 0);
    }
    connected++;
    if (started < clients_wanted)
        dial();
}

static void serve(struct client *client)
{
    if (client->stage == CONNECTING) {
        ask_for_websocket(client);
        return;
    }
    size_t length = receive(client);
    if (!length) {
        if (client->stage == GONE && phase == CONNECT) {
            fprintf(stderr, "loadgen: the server hung up on a client that was connecting\n");
            exit(1);
        }
        return;
    }
    if (client->stage == SHAKING_HANDS) {
        finish_handshake(client, length);
        return;
    }
    size_t used = read_frames(client, buffer, length);
    keep_rest(client, buffer + used, length - used);
    if (used)
        last_frame_at = monotonic();
}

// -- the course of the measurement

static void enter(enum phase next, const char *announcement)
{
    phase = next;
    phase_began = monotonic();
    if (announcement) {
        printf("%s\n", announcement);
        fflush(stdout);
    }
}

static void advance(double now)
{
    if (phase == CONNECT && connected == clients_wanted) {
        count.connect_seconds = now - phase_began;
        enter(WARM, "CONNECTED");
    } else if (phase == CONNECT && now - phase_began > CONNECT_PATIENCE) {
        fprintf(stderr, "loadgen: only %d of %d clients connected\n", connected, clients_wanted);
        exit(1);
    } else if (phase == WARM && now - phase_began >= warm) {
        enter(MEASURE, "MEASURE");
        count.cpu = -cpu_seconds();
    } else if (phase == MEASURE && now - phase_began >= seconds) {
        count.seconds = monotonic() - phase_began;
        count.cpu += cpu_seconds();
        enter(last_price ? FINISH : DONE, "MEASURED");
        last_frame_at = phase_began;
    } else if (phase == FINISH && (now - last_frame_at > SILENCE || now - phase_began > FINISH_PATIENCE)) {
        enter(DONE, NULL);
    }
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    int ready = 0;
    enter(CONNECT, NULL);
    while (started < clients_wanted && started < AT_ONCE)
        dial();
    while (phase != DONE) {
        if (lazy && phase != CONNECT && ready < EVENTS)
            usleep(lazy);
        ready = epoll_wait(poller, events, EVENTS, 50);
        count.looks += phase == MEASURE;
        for (int i = 0; i < ready; i++)
            serve(events[i].data.ptr);
        advance(monotonic());
    }
}

// -- the report

// Pairs of a client and a symbol whose last price was not the newest.
static uint64_t not_newest(void)
{
    uint64_t missing = 0;
    for (int i = 0; last_price && i < clients_wanted; i++)
        for (int k = 0; clients[i].stage == STREAMING && k < symbols; k++)
            missing += clients[i].symbols >> k & 1 && last_update(i, k)->price != last_price + k;
    return missing;
}

static void report(void)
{
    uint64_t fewest = UINT64_MAX, most = 0;
    for (int i = 0; i < clients_wanted; i++) {
        if (is_deaf(i))
            continue;
        fewest = clients[i].frames < fewest ? clients[i].frames : fewest;
        most = clients[i].frames > most ? clients[i].frames : most;
    }
    printf("{\"clients\": %d, \"deaf\": %d, \"connect_seconds\": %.3f, \"seconds\": %.3f, \"frames\": %lu, "
           "\"deliveries\": %.0f, \"megabytes\": %.1f, \"receives\": %.0f, \"looks\": %.0f, \"load_cpu\": %.3f, ",
           clients_wanted, deaf_wanted, count.connect_seconds, count.seconds, count.frames,
           count.frames / count.seconds, count.bytes / count.seconds / 1e6, count.receives / count.seconds,
           count.looks / count.seconds, count.cpu / count.seconds);
    printf("\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, \"max_ms\": %.2f, \"samples\": %lu, ",
           percentile(0.5), percentile(0.99), percentile(0.999), updates.oldest / 1e3, updates.aged);
    printf("\"bad\": %lu, \"backwards\": %lu, \"not_newest\": %lu, \"closed\": %lu, \"other\": %lu, \"control\": %lu, "
           "\"fewest\": %lu, \"most\": %lu}\n",
           count.broken + updates.bad, updates.backwards, not_newest(), count.closed, updates.other, count.control,
           fewest, most);
}

static double from_environment(const char *name)
{
    const char *value = getenv(name);
    return value ? atof(value) : 0;
}

int main(int arguments, char **argument)
{
    if (arguments < 9) {
        fprintf(stderr, "usage: loadgen PORT N K S all|rand|cohort WARM SECONDS SAMPLE [PATH]\n");
        return 1;
    }
    port = atoi(argument[1]);
    clients_wanted = atoi(argument[2]);
    symbols = atoi(argument[3]);
    symbols_each = atoi(argument[4]);
    sets = argument[5];
    warm = atof(argument[6]);
    seconds = atof(argument[7]);
    last_price = from_environment("LAST_PRICE");
    sample = last_price ? 1 : atoi(argument[8]);
    path = arguments > 9 ? argument[9] : path;
    lazy = from_environment("LAZY_US");
    double never_read = from_environment("NEVER_READ");
    deaf_wanted = never_read < 1 ? never_read * clients_wanted : never_read;
    if (symbols_each > symbols || symbols > MOST_SYMBOLS || clients_wanted < 1) {
        fprintf(stderr, "loadgen: S is at most K, K at most %d, N at least 1\n", MOST_SYMBOLS);
        return 1;
    }
    clients = calloc(clients_wanted, sizeof *clients);
    expect_updates(clients_wanted, symbols);
    poller = epoll_create1(0);
    run();
    report();
    return 0;
}
