// What the load generator makes of an update: how old it is, and whether its symbol's price or time went back.

#ifndef UPDATES_H
#define UPDATES_H

#include "websocket.h"

enum { BUCKET_US = 10, BUCKETS = 1000000 }; // ages up to ten seconds

struct update {
    double price;
    int64_t timestamp; // microseconds, or milliseconds where it has 13 digits
};

static struct {
    int symbols;
    struct update *last; // [client * symbols + symbol]
    uint32_t ages[BUCKETS];
    uint64_t aged;
    int64_t oldest;
    uint64_t other, bad, backwards; // no updates; updates that lack something; updates older than the one before
} updates;

static inline void expect_updates(int clients, int symbols)
{
    updates.symbols = symbols;
    updates.last = calloc((size_t)clients * symbols, sizeof *updates.last);
}

static inline struct update *last_update(int client, int symbol)
{
    return &updates.last[client * updates.symbols + symbol];
}

static inline void note_age(int64_t timestamp)
{
    int64_t microseconds = timestamp < 100000000000000LL ? timestamp * 1000 : timestamp;
    int64_t age = wall_microseconds() - microseconds;
    age = age < 0 ? 0 : age;
    updates.oldest = age > updates.oldest ? age : updates.oldest;
    age /= BUCKET_US;
    updates.ages[age < BUCKETS ? age : BUCKETS - 1]++;
    updates.aged++;
}

static inline const unsigned char *after(const unsigned char *text, const unsigned char *end, const char *key)
{
    const unsigned char *found = memmem(text, end - text, key, strlen(key));
    return found ? found + strlen(key) : NULL;
}

// A text frame; a byte that ends numbers follows it.
static inline void look_into(int client, const unsigned char *text, size_t length, int timed)
{
    const unsigned char *end = text + length, *symbol, *price, *timestamp;
    if (!after(text, end, "\"price_update\"")) {
        updates.other++;
        return;
    }
    if (!(symbol = after(text, end, "\"symbol\":\"s")) || !(price = after(symbol, end, "\"price\":")) ||
        !(timestamp = after(price, end, "\"timestamp\":")) || atoi((char *)symbol) >= updates.symbols) {
        updates.bad++;
        return;
    }
    struct update now = {strtod((char *)price, NULL), strtoll((char *)timestamp, NULL, 10)};
    struct update *last = last_update(client, atoi((char *)symbol));
    updates.backwards += now.price < last->price || now.timestamp < last->timestamp;
    *last = now;
    if (timed)
        note_age(now.timestamp);
}

// The age in milliseconds that this share of the updates did not exceed.
static inline double percentile(double share)
{
    uint64_t rank = updates.aged ? (updates.aged - 1) * share : 0, passed = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((passed += updates.ages[i]) > rank)
            return i * BUCKET_US / 1e3;
    return 0;
}

#endif
