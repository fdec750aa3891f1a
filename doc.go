// Package wirepost pushes messages to users and keeps them for those who are away.
//
// Two functions are enough to begin with. [New] makes a [Server], which is an
// [http.Handler] for the WebSockets of clients; [Server.Push] sends a message to
// a user's inbox, named by [InboxOf], or to any other channel. Who stops the
// program calls [Server.Shutdown], and closes the engine after that.
//
// # What it promises
//
//   - Push returns when the message is stored. With an engine on disk
//     (engine/pebble) that means after an fsync: it outlives the process and a
//     power cut. The engine in memory, which is the default, keeps nothing beyond
//     the process, and neither do the channels of a MemoryOnly [Policy].
//   - Within a channel every connection gets the messages in the order of their
//     sequences. A sequence only grows; it can have holes, so no one should
//     compute with differences.
//   - A device gets each live message of its inbox and of its durable memberships
//     at least once, until it has acknowledged it. Repeats come only after a
//     reconnect.
//   - If retention (30 days or 100 000 messages, unless a Policy says otherwise)
//     took messages that a device had not acknowledged, a wirepost.v1 client is
//     told by a gap frame. A plain client cannot be told; the metric
//     wirepost_gaps_total counts it.
//   - A connection is a cursor over a log. A slow client delays nobody and has no
//     queue: it has at most Options.Window messages (256) or Options.WindowBytes
//     (1 MiB) unacknowledged, and the rest waits in the log.
//
// # Where sessions come from
//
// Mount the Server where clients connect, usually at /ws. It answers WebSocket
// handshakes (RFC 6455 §4.2) on HTTP/1.1 and nothing else. [Options].Authenticate
// says who sent the request, by the program's own cookie or header; or
// Options.VerifyToken does, for a token in the Authorization header, in ?token=,
// in the cookie named by [TokenCookie] or in a subprotocol entry. Pages of other
// origins are refused unless Options.AllowOrigins names them. Every refusal is an
// HTTP error before the upgrade.
//
// A client that offers no subprotocol is in plain mode: one frame is exactly what
// was pushed, and the pong to a ping that follows it (RFC 6455 §5.5.3)
// acknowledges it. That proves that the browser has received the message, not
// that the page has processed it. A client that offers wirepost.v1 acknowledges
// by itself, and can also subscribe, publish, mark as read and call the program.
// docs/protocol.md describes both.
//
// # Units and errors
//
// Sizes are in bytes, lengths of time are a [time.Duration], and times in JSON are
// milliseconds since the epoch. What a caller did wrong, and every refusal, is an
// [*Error] with a [Code]; [AsError] makes one of any error, and [WriteError]
// answers an HTTP request with it as problem details (RFC 9457). New fails with an
// Error whose Field names the option.
package wirepost
