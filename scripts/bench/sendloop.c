// sendloop PORT N K RATE B
//
// What this machine can do at most: epoll and one send() per client and turn, nothing else. Waits until N clients
// have subscribed, then publishes updates of the K symbols s00, s01, ... (64 at most), B to a turn of the loop,
// joined into one send. RATE is in updates a second, each stamped with the moment it was due; 0 = as fast as it
// goes, below 0 = none.

#define _GNU_SOURCE
#include "websocket.h"
#include <math.h>
#include <sys/epoll.h>

enum { MOST_TURNS_LATE = 64 }; // published before the sockets are looked at again
enum { MOST_CLIENTS = 65536, MOST_SYMBOLS = 64, MOST_UPDATES = 1024, LONGEST_UPDATE = 192, LONGEST_REQUEST = 4096 };
static const double SETTLE = 0.2;          // seconds between the last client's subscription and the first update
static const double FIRST_PRICE = 20000.0; // rises by a cent with each update, so that order can be checked

struct client {
    int socket; // below 0: gone
    int upgraded;
    uint64_t symbols; // bit k: subscribed to symbol k
    unsigned char *unsent;
    size_t unsent_length, unsent_offset;
    char *request; // what was received and not yet understood
    size_t request_length;
};

struct update {
    int symbol;
    size_t length;
    unsigned char frame[LONGEST_UPDATE];
};

static struct client *clients[MOST_CLIENTS];
static int accepted, subscribed, behind;
static int poller, listener, wanted, symbols, batch;
static double rate, start_at, began;
static struct update updates[MOST_UPDATES];

static void watch(struct client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    epoll_ctl(poller, EPOLL_CTL_MOD, client->socket, &event);
}

static void drop(struct client *client)
{
    close(client->socket);
    client->socket = -1;
    behind -= client->unsent != NULL;
    subscribed -= client->symbols != 0;
    free(client->unsent);
    free(client->request);
    client->unsent = NULL;
    client->request = NULL;
    client->symbols = 0;
}

static void accept_clients(void)
{
    int socket;
    while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (accepted == MOST_CLIENTS)
            fail("too many clients");
        struct client *client = calloc(1, sizeof *client);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        client->socket = socket;
        clients[accepted++] = client;
        send_without_delay(socket);
        epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event);
    }
}

// -- what clients say

static void subscribe(struct client *client, const char *message)
{
    uint64_t before = client->symbols;
    for (const char *at = message; (at = strstr(at, "\"s")); at += 2)
        if (at[2] >= '0' && at[2] <= '9' && atoi(at + 2) < MOST_SYMBOLS)
            client->symbols |= 1ull << atoi(at + 2);
    subscribed += !before && client->symbols;
}

// Acts on the first frame of the request and takes it out. False when it has not come whole, or the client is gone.
static int read_frame(struct client *client)
{
    unsigned char *frame = (unsigned char *)client->request;
    if (client->request_length < 6)
        return 0;
    size_t length = frame[1] & 0x7F, header = 2;
    if (length == 126) {
        length = frame[2] << 8 | frame[3];
        header = 4;
    }
    size_t whole = header + 4 + length;
    if (client->request_length < whole)
        return 0;
    unsigned char *mask = frame + header, *payload = mask + 4;
    char message[LONGEST_REQUEST];
    for (size_t i = 0; i < length; i++)
        message[i] = payload[i] ^ mask[i & 3];
    message[length] = 0;
    if ((frame[0] & 0xF) == CLOSE) {
        drop(client);
        return 0;
    }
    if ((frame[0] & 0xF) == TEXT)
        subscribe(client, message);
    client->request_length -= whole;
    memmove(frame, frame + whole, client->request_length);
    return 1;
}

static void read_handshake(struct client *client)
{
    char *end = strstr(client->request, "\r\n\r\n");
    if (!end)
        return;
    if (!answer_handshake(client->socket, client->request)) {
        drop(client);
        return;
    }
    client->upgraded = 1;
    size_t used = end + 4 - client->request;
    client->request_length -= used;
    memmove(client->request, client->request + used, client->request_length);
}

static void read_client(struct client *client)
{
    if (!client->request)
        client->request = malloc(LONGEST_REQUEST);
    char *free_space = client->request + client->request_length;
    ssize_t got = recv(client->socket, free_space, LONGEST_REQUEST - 1 - client->request_length, MSG_DONTWAIT);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            drop(client);
        return;
    }
    client->request_length += got;
    client->request[client->request_length] = 0;
    if (!client->upgraded)
        read_handshake(client);
    while (client->upgraded && client->request && read_frame(client))
        ;
    if (!client->request_length) {
        free(client->request);
        client->request = NULL;
    }
}

// -- what clients are sent

static void keep(struct client *client, const unsigned char *data, size_t length)
{
    if (!client->unsent) {
        behind++;
        watch(client, EPOLLIN | EPOLLOUT);
    }
    client->unsent = realloc(client->unsent, client->unsent_length + length);
    memcpy(client->unsent + client->unsent_length, data, length);
    client->unsent_length += length;
}

static void deliver(struct client *client, const unsigned char *data, size_t length)
{
    if (client->unsent) {
        keep(client, data, length);
        return;
    }
    ssize_t taken = send(client->socket, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken == (ssize_t)length)
        return;
    if (taken < 0 && errno != EAGAIN) {
        drop(client);
        return;
    }
    taken = taken < 0 ? 0 : taken;
    keep(client, data + taken, length - taken);
}

static void send_kept(struct client *client)
{
    size_t left = client->unsent_length - client->unsent_offset;
    ssize_t taken = send(client->socket, client->unsent + client->unsent_offset, left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0) {
        if (errno != EAGAIN)
            drop(client);
        return;
    }
    client->unsent_offset += taken;
    if (client->unsent_offset < client->unsent_length)
        return;
    free(client->unsent);
    client->unsent = NULL;
    client->unsent_length = client->unsent_offset = 0;
    behind--;
    watch(client, EPOLLIN);
}

static void make_update(struct update *update, uint64_t number, int64_t milliseconds)
{
    char text[LONGEST_UPDATE - LONGEST_HEADER];
    update->symbol = number % symbols;
    int length = snprintf(text, sizeof text,
                          "{\"type\":\"price_update\",\"symbol\":\"s%02d\",\"price\":%.2f,\"change_24h\":2.3456,"
                          "\"volume_24h\":28500000000,\"timestamp\":%ld}",
                          update->symbol, FIRST_PRICE + number * 0.01, (long)milliseconds);
    size_t header = frame_header(update->frame, TEXT, length);
    memcpy(update->frame + header, text, length);
    update->length = header + length;
}

// The frames of this turn that a client with these symbols wants, joined. Returns their length.
static size_t join(uint64_t wants, unsigned char *joined)
{
    size_t length = 0;
    for (int i = 0; i < batch; i++) {
        if (!(wants >> updates[i].symbol & 1))
            continue;
        memcpy(joined + length, updates[i].frame, updates[i].length);
        length += updates[i].length;
    }
    return length;
}

static void publish_turn(uint64_t turn, int64_t milliseconds)
{
    static unsigned char joined[MOST_UPDATES * LONGEST_UPDATE];
    uint64_t changed = 0, joined_for = 0;
    size_t length = 0;
    for (int i = 0; i < batch; i++) {
        make_update(&updates[i], turn * batch + i, milliseconds);
        changed |= 1ull << updates[i].symbol;
    }
    for (int i = 0; i < accepted; i++) {
        uint64_t wants = clients[i]->symbols & changed;
        if (!wants)
            continue;
        // Neighbours with the same symbols share the joined frames.
        if (wants != joined_for) {
            length = join(wants, joined);
            joined_for = wants;
        }
        deliver(clients[i], joined, length);
    }
}

// -- when

static double due(uint64_t turn) { return began + turn * batch / rate; }

static double wall(void) { return wall_microseconds() / 1e6; }

// Publishes what is due, and returns how many milliseconds there are until the next.
static int publish(void)
{
    static uint64_t turn;
    if (rate < 0 || subscribed < wanted)
        return 100;
    if (!start_at) {
        start_at = monotonic() + SETTLE;
        // On a whole millisecond, so that stamps in milliseconds tell the very moment.
        began = ceil((wall() + SETTLE) * 1e3) / 1e3;
    }
    if (monotonic() < start_at)
        return 1;
    if (rate > 0) {
        for (int i = 0; i < MOST_TURNS_LATE && due(turn) <= wall(); i++, turn++)
            publish_turn(turn, llround(due(turn) * 1e3));
        double wait = due(turn) - wall();
        return wait > 0 ? wait * 1e3 : 0; // cut: the last millisecond is spent asking, for accuracy
    }
    if (behind)
        return 100;
    publish_turn(turn++, wall_microseconds() / 1000);
    return behind ? 100 : 0;
}

int main(int count, char **arguments)
{
    if (count != 6) {
        fprintf(stderr, "usage: sendloop PORT N K RATE B\n");
        return 1;
    }
    listener = listen_on(atoi(arguments[1]), SOCK_NONBLOCK);
    wanted = atoi(arguments[2]);
    symbols = atoi(arguments[3]);
    rate = atof(arguments[4]);
    batch = atoi(arguments[5]);
    if (symbols < 1 || symbols > MOST_SYMBOLS || batch < 1 || batch > MOST_UPDATES) {
        fprintf(stderr, "sendloop: K is 1 to %d, B 1 to %d\n", MOST_SYMBOLS, MOST_UPDATES);
        return 1;
    }
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN}, events[1024];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (int wait = 0;;) {
        int ready = epoll_wait(poller, events, 1024, wait);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!client) {
                accept_clients();
                continue;
            }
            if (client->unsent && events[i].events & EPOLLOUT)
                send_kept(client);
            if (client->socket >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_client(client);
        }
        wait = publish();
    }
}
