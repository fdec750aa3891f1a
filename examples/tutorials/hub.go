// Package tutorials has the push hub that tutorials about WebSocket in Go arrive at, and tests
// that show what breaks in it, beside the same with Wirepost. See docs/from-the-tutorials.md.
package tutorials

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Hub maps users to clients, as in many a tutorial. It is here to be broken: do not use it.
type Hub struct {
	mu      sync.Mutex
	clients map[string]*client
	unread  map[string][]string // for users that are offline, until they connect
}

// client is a connection with a channel of messages to write.
type client struct {
	conn *websocket.Conn
	news chan string
}

// NewHub makes a Hub.
func NewHub() *Hub {
	return &Hub{clients: map[string]*client{}, unread: map[string][]string{}}
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// GetPushNews connects a user.
func (h *Hub) GetPushNews(w http.ResponseWriter, r *http.Request) {
	user := r.URL.Query().Get("userId")
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &client{conn: conn, news: make(chan string, 100)}
	h.mu.Lock()
	h.clients[user] = c
	for _, text := range h.unread[user] {
		c.news <- text
	}
	delete(h.unread, user)
	h.mu.Unlock()
	go c.write()
	go c.heartbeat(10 * time.Second)

	for { // until the client closes the connection
		if _, _, err := conn.ReadMessage(); err != nil {
			break
		}
	}
	h.DeleteClient(user)
}

// write writes the messages of the channel.
func (c *client) write() {
	for text := range c.news {
		if err := c.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			fmt.Println("write:", err)
		}
	}
}

// heartbeat pings the client.
func (c *client) heartbeat(every time.Duration) {
	for range time.Tick(every) {
		if err := c.ping(); err != nil {
			return
		}
	}
}

func (c *client) ping() error { return c.conn.WriteMessage(websocket.PingMessage, nil) }

// Push sends a message to a user, or keeps it until the user connects. It reports whether the
// user is online.
func (h *Hub) Push(user, text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, online := h.clients[user]
	if online {
		c.news <- text
	} else {
		h.unread[user] = append(h.unread[user], text)
	}
	return online
}

// DeleteClient disconnects a user.
func (h *Hub) DeleteClient(user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, online := h.clients[user]; online {
		c.conn.Close()
		delete(h.clients, user)
	}
}

// client returns the client of a user; nil if the hub takes the user to be offline.
func (h *Hub) client(user string) *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clients[user]
}
