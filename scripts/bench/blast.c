// blast PORT SECONDS [FRAMES]
//
// A venue that never stops: waits for one WebSocket client, sends it the same ticker for SECONDS as fast as it is
// read, FRAMES (64) to one send, and closes. Prints {"bytes", "frames", "seconds"}: the length of a ticker, how
// many were sent, and in what time.

#define _GNU_SOURCE
#include "websocket.h"

enum { PATIENCE = 60 };                 // seconds until it gives up, whatever happens
static const double CLIENT_SETTLES = 0.1; // seconds between the handshake and the first frame

static const char TICKER[] =
    "{\"type\":\"ticker\",\"sequence\":92803384121,\"product_id\":\"BTC-USD\",\"price\":\"67234.56\","
    "\"open_24h\":\"65804.01\",\"volume_24h\":\"12345.67890123\",\"low_24h\":\"65500.00\",\"high_24h\":\"68000.00\","
    "\"volume_30d\":\"412345.67890123\",\"best_bid\":\"67234.55\",\"best_bid_size\":\"0.12345678\","
    "\"best_ask\":\"67234.57\",\"best_ask_size\":\"0.03000000\",\"side\":\"buy\","
    "\"time\":\"2026-11-22T21:41:01.123456Z\",\"trade_id\":712345678,\"last_size\":\"0.00123\"}";

static int accept_client(int port)
{
    char request[4096] = "";
    size_t length = 0;
    int client = accept(listen_on(port, 0), NULL, NULL);
    send_without_delay(client);
    while (!strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(client, request + length, sizeof request - 1 - length, 0);
        if (got <= 0)
            fail("handshake");
        length += got;
        request[length] = 0;
    }
    if (!answer_handshake(client, request))
        fail("handshake");
    return client;
}

static int send_all(int client, const unsigned char *data, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t taken = send(client, data + sent, length - sent, MSG_NOSIGNAL);
        if (taken <= 0)
            return 0;
        sent += taken;
    }
    return 1;
}

int main(int count, char **arguments)
{
    if (count < 3) {
        fprintf(stderr, "usage: blast PORT SECONDS [FRAMES]\n");
        return 1;
    }
    double seconds = atof(arguments[2]);
    int frames = count > 3 ? atoi(arguments[3]) : 64;
    size_t ticker = strlen(TICKER), length = 0;
    unsigned char *burst = malloc(frames * (ticker + LONGEST_HEADER));
    for (int i = 0; i < frames; i++) {
        length += frame_header(burst + length, TEXT, ticker);
        memcpy(burst + length, TICKER, ticker);
        length += ticker;
    }

    alarm(PATIENCE);
    int client = accept_client(atoi(arguments[1]));
    usleep(CLIENT_SETTLES * 1e6);
    double began = monotonic();
    long sent = 0;
    while (monotonic() - began < seconds && send_all(client, burst, length))
        sent += frames;

    unsigned char goodbye[] = {FIN | CLOSE, 2, 1000 >> 8, 1000 & 0xFF};
    send_all(client, goodbye, sizeof goodbye);
    printf("{\"bytes\": %zu, \"frames\": %ld, \"seconds\": %.3f}\n", ticker, sent, monotonic() - began);
    fflush(stdout);
    shutdown(client, SHUT_WR);
    char rest[256];
    while (recv(client, rest, sizeof rest, 0) > 0)
        ;
    return 0;
}
