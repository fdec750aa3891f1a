// Package client receives what a Wirepost server pushes, and pushes to it.
//
// A program that receives needs two functions. [Dial] connects as a user, and
// [Client.Messages] is the loop:
//
//	c, err := client.Dial(ctx, "wss://push.example.com/ws", client.Options{Token: token})
//	…
//	defer c.Close()
//	for msg, err := range c.Messages(ctx) {
//		if err != nil {
//			return err // always the last
//		}
//		fmt.Println(msg.Channel, msg.Seq, string(msg.Data))
//	}
//
// A backend that pushes needs two others: [NewPusher], and [Pusher.Push] or, for
// many, [Pusher.Stream].
//
// # What the loop promises
//
//   - Messages of a channel come in the order of its log, each once. A message is
//     acknowledged when the loop's body has come to its end for it, so that nothing
//     is lost if the body does not: leave the loop in the middle, or let the program
//     crash, and the message comes again. With Options.ManualAck only [Message.Ack]
//     acknowledges.
//   - A connection that breaks is made again, after a random pause that grows to
//     Options.MaxWait, or after what the server asked for. What the server repeats
//     then is dropped by its sequence.
//   - With Options.Store the places are kept, so that this holds from one life of
//     the program to the next. [OpenFile] keeps them in a file.
//   - What retention has removed before this device had it is told as a [Gap].
//   - The loop ends with an error and not before: that of its context, [ErrClosed]
//     after Close, a [*CloseError] or [*RefusedError] that another try would not
//     change, or that of the store.
//   - Memory is bounded whatever the server does: Options.MaxMessage for a message,
//     16 MiB for what waits for the loop.
//
// # Which errors end a client
//
// Connecting again is of no use after a refusal like 400 or 403, after a close code
// for which [CloseError.MayReconnect] says no, such as 4403 or 4409, or when the
// peer does not speak wirepost.v1. Everything else is tried again: networks that
// fail, 429 and 5xx, and a token that has expired if Options.Token brings another.
//
// Once the client was connected, only the server itself can end it: a refusal counts
// when it is the server's problem document (application/problem+json with a code).
// An answer of a proxy in its place, whatever its status, is tried again.
//
// The protocol is described in docs/protocol.md, the API for backends in
// docs/http-api.md.
package client
