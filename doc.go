// Package wirepost pushes messages to users and keeps them for users that are offline.
//
// Two functions are enough to begin with. [New] makes a [Server], which is an
// http.Handler for the WebSocket connections of clients. [Server.Push] sends a message
// to a user's inbox, whose name [InboxOf] returns, or to any other channel. To stop,
// call [Server.Shutdown], and close the engine after it.
//
// # Guarantees
//
//   - Push returns when the message is stored. With an engine on disk (engine/pebble)
//     that is after an fsync: the message survives a crash of the process and a power
//     cut. The default engine keeps everything in memory and loses it with the process,
//     and so do the channels of a NonDurable [Policy].
//   - Within a channel, every connection receives the messages in the order of their
//     sequence numbers. Sequence numbers increase, but not always by one.
//   - A device receives each live message of its inbox and of its durable memberships
//     at least once, until it has acknowledged the message. Repeats occur only after a
//     reconnect.
//   - If retention (30 days or 100 000 messages, unless a [Policy] sets other limits)
//     removes messages that a device has not acknowledged, a wirepost.v1 client receives
//     a gap frame. Plain mode has no such frame; the metric wirepost_gaps_total counts
//     the gap.
//   - A connection is a cursor in a log. A slow client delays no other client and has no
//     queue: at most Options.Window messages (256) or Options.WindowBytes (1 MiB) of it
//     are in flight, and all others stay in the log.
//
// # Connections
//
// Mount the Server where clients connect, usually at /ws. It accepts WebSocket
// handshakes (RFC 6455 §4.2) over HTTP/1.1. Options.Authenticate identifies the user by
// a cookie or header of the program; or Options.VerifyToken does, by a token in the
// Authorization header, in ?token=, in the cookie named by [TokenCookie] or in a
// subprotocol entry. Pages of other origins are refused unless Options.AllowOrigins
// lists them. Every refusal is an HTTP error before the upgrade.
//
// A client that offers no subprotocol is in plain mode: a frame is exactly the data that
// was pushed, and the pong to the ping that follows it (RFC 6455 §5.5.3) acknowledges
// it. The pong proves that the browser has received the message, not that the page has
// processed it. A client that offers wirepost.v1 sends acknowledgements itself, and can
// also subscribe, publish, mark as read and call the program. docs/protocol.md describes
// both.
//
// # Units and errors
//
// Sizes are in bytes. Go types use [time.Time] and [time.Duration]; JSON has milliseconds
// since the Unix epoch. Every refusal and every mistake of a caller is an [*Error] with a
// [Code]; [errors.Is] compares it with [ErrNotFound] and the like, [AsError] makes one of
// any error, and [WriteError] responds to an HTTP request with one as problem details
// (RFC 9457). An error of New is an [*OptionError].
package wirepost
