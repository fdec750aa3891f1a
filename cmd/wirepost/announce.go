package main

import (
	"fmt"
	"io"
	"strings"
)

// announce prints the server's address, beginning with the line for scripts that
// starts with "listening".
func announce(w io.Writer, c *Config, base string) {
	fmt.Fprintf(w, "listening %s\n", base)
	if !c.Dev {
		return
	}
	if path, unix := c.Listen.socket(); unix {
		fmt.Fprintf(w, "\n  push        curl --unix-socket %s -d hello http://localhost/v1/push/user:42\n  listen      wirepost listen --server %s --user 42\n", path, base)
		return
	}
	socket := "ws" + strings.TrimPrefix(base, "http")
	connect := socket + "/ws?user=42"
	if c.of(c.HookConnect) != "" {
		connect = socket + "/ws" // with a user, the hook would not be asked
	}
	fmt.Fprintln(w)
	if c.Console {
		fmt.Fprintf(w, "  console     %s/console\n", base)
	}
	fmt.Fprintf(w, `  connect     %s
  push        curl -d hello %s/v1/push/user:42
`, connect, base)
	if c.Echo {
		fmt.Fprintf(w, "  echo        %s/echo\n", socket)
	}
	if c.Engine == enginePebble {
		fmt.Fprintf(w, "  data        %s\n", c.Data)
	}
	fmt.Fprintf(w, `
In the developer tools of the console, or in your own page:

  const ws = new WebSocket(%q)
  ws.onmessage = (event) => console.log(event.data)

A page of another origin, such as a bundler's, needs --allow-origin http://localhost:5173.
`, connect)
}
