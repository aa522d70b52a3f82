// What the C programs of this folder share: clocks, a listening socket, and the little of RFC 6455 they speak.

#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum opcode { TEXT = 0x1, BINARY = 0x2, CLOSE = 0x8, PING = 0x9, PONG = 0xA };
enum { FIN = 0x80, RESERVED = 0x70, MASKED = 0x80, LONGEST_HEADER = 10 };

static const char WEBSOCKET_GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 section 1.3

static inline void fail(const char *what)
{
    perror(what);
    exit(1);
}

// -- clocks

static inline double monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static inline int64_t wall_microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// -- sockets

static inline struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline int listen_on(int port, int flags)
{
    int listener = socket(AF_INET, SOCK_STREAM | flags, 0), on = 1;
    struct sockaddr_in address = loopback(port);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    listen(listener, 4096);
    return listener;
}

static inline void send_without_delay(int socket)
{
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// -- frames

// Writes the header of an unmasked frame, as servers send it, and returns its length.
static inline size_t frame_header(unsigned char *header, enum opcode opcode, size_t length)
{
    header[0] = FIN | opcode;
    if (length < 126) {
        header[1] = length;
        return 2;
    }
    header[1] = 126;
    header[2] = length >> 8;
    header[3] = length;
    return 4;
}

// -- the handshake

static inline uint32_t rotated(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

static inline void sha1_block(uint32_t hash[5], const unsigned char *block)
{
    uint32_t word[80];
    for (int i = 0; i < 16; i++)
        word[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        word[i] = rotated(word[i - 3] ^ word[i - 8] ^ word[i - 14] ^ word[i - 16], 1);
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (int i = 0; i < 80; i++) {
        uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                         : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                         : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                                  : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = rotated(a, 5) + mixed + e + word[i];
        e = d, d = c, c = rotated(b, 30), b = a, a = next;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e;
}

// The SHA-1 of at most 119 bytes: two blocks.
static inline void sha1(const unsigned char *data, size_t length, unsigned char digest[20])
{
    uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char padded[128] = {0};
    size_t total = length + 9 <= 64 ? 64 : 128;
    memcpy(padded, data, length);
    padded[length] = 0x80;
    padded[total - 2] = length * 8 >> 8;
    padded[total - 1] = length * 8;
    for (size_t start = 0; start < total; start += 64)
        sha1_block(hash, padded + start);
    for (int i = 0; i < 20; i++)
        digest[i] = hash[i / 4] >> (24 - 8 * (i % 4));
}

static inline void base64(const unsigned char *data, size_t length, char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        uint32_t three = data[i] << 16;
        three |= i + 1 < length ? data[i + 1] << 8 : 0;
        three |= i + 2 < length ? data[i + 2] : 0;
        *text++ = letters[three >> 18];
        *text++ = letters[three >> 12 & 63];
        *text++ = i + 1 < length ? letters[three >> 6 & 63] : '=';
        *text++ = i + 2 < length ? letters[three & 63] : '=';
    }
    *text = 0;
}

// Answers the request of a client that wants a WebSocket. False when it has no key of a sane length.
static inline int answer_handshake(int socket, const char *request)
{
    const char *name = "Sec-WebSocket-Key: ";
    const char *key = strcasestr(request, name), *end = key ? strchr(key, '\r') : NULL;
    if (!end || end - key > 64)
        return 0;
    key += strlen(name);
    char keyed[128], accept[32], response[256];
    unsigned char digest[20];
    int length = snprintf(keyed, sizeof keyed, "%.*s%s", (int)(end - key), key, WEBSOCKET_GUID);
    sha1((unsigned char *)keyed, length, digest);
    base64(digest, sizeof digest, accept);
    length = snprintf(response, sizeof response,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\n\r\n",
                      accept);
    return send(socket, response, length, MSG_NOSIGNAL) == length;
}

#endif
