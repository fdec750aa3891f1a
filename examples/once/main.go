// Once connects, sends one message, prints the response to the handshake and the reply,
// closes the connection and exits: a WebSocket client in its shortest form.
//
//	go run ./reply                  # in another terminal: a server that replies
//	go run ./once hello             # received: hello
//	go run ./once -url ws://127.0.0.1:8080/echo hello
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
)

func main() {
	url := flag.String("url", "ws://127.0.0.1:8080/ws", "where to connect")
	flag.Parse()
	if err := once(*url, strings.Join(flag.Args(), " ")); err != nil {
		log.Fatal(err)
	}
}

func once(url, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, response, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	show(response)
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return err
	}
	_, reply, err := c.Read(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", reply)
	return c.Close(websocket.StatusNormalClosure, "") // the server's close frame is awaited
}

// show prints what the server answered to the handshake (RFC 6455 §4.2.2).
func show(response *http.Response) {
	fmt.Fprintln(os.Stderr, response.Proto, response.Status)
	response.Header.Write(os.Stderr) //nolint:errcheck // it is for the reader only
	fmt.Fprintln(os.Stderr)
}
