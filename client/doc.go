// Package client is the Go client of a Wirepost server, for programs that receive
// messages and for backends that push them.
//
// # Receiving
//
// [Dial] connects as a user, and the loop over [Client.Messages] receives:
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
// The loop promises:
//
//   - Messages of a channel come in the order of its log, each once. A message is
//     acknowledged when the loop's body has finished with it. If the program leaves
//     the loop in the middle of the body, or crashes, the message comes again. With
//     Options.ManualAck only [Message.Ack] acknowledges; workers that finish out of
//     order know by the package acks which message to call it on.
//   - A connection that breaks is replaced, after a random pause that grows up to
//     Options.MaxWait, or after the time that the server asked for. Messages that the
//     server repeats then are dropped by their sequence.
//   - With Options.Store the client's positions are kept, so that this holds from one
//     run of the program to the next. [OpenFile] keeps them in a file.
//   - Messages that retention removed before this device had them are reported as a
//     [Gap].
//   - The loop ends only with an error: that of its context, [ErrClosed] after Close,
//     a [*CloseError] or [*RefusedError] that another attempt would not change, or
//     that of the store.
//   - Memory is bounded whatever the server does: Options.MaxMessage for a message,
//     16 MiB for the messages that wait for the loop.
//
// A client does not reconnect after a refusal such as 400 or 403, after a close code
// for which [CloseError.MayReconnect] is false, such as 4403 or 4409, or when the
// server does not speak wirepost.v1. It reconnects after everything else: failures of
// the network, 429 and 5xx, and an expired token if Options.Token has another one.
//
// Once the client has been connected, only the server itself can end it: a refusal
// counts when it is the server's problem document (application/problem+json with a
// code). After the error page of a proxy, whatever its status, the client tries again.
//
// With Options.Nodes the client knows several nodes of a cluster. It stays at one until the
// connection ends, and tries the others when it cannot be made again.
//
// # Pushing
//
// [NewBackend] makes a client of the HTTP API. [Backend.Push] pushes one message; calls
// from many goroutines share requests. [Backend.Stream] pushes many, in order, without
// waiting for each:
//
//	b, err := client.NewBackend("https://push.example.com", client.BackendOptions{Key: key})
//	…
//	result, err := b.Push(ctx, client.Push{To: "user:42", Data: []byte(`{"order":7}`), ID: "order-7"})
//
// The other methods are the other routes: users and their connections, read marks,
// memberships and tokens; channels, their messages and receipts; counters. Errors
// compare with the codes of the API:
//
//	if err := b.Leave(ctx, "42", "room:7"); errors.Is(err, client.ErrNotFound) {
//		// 42 was not a member
//	}
//
// The protocol is described in docs/protocol.md, the API for backends in
// docs/http-api.md.
package client
