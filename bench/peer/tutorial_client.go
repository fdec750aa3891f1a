package peer

import (
	"time"

	"github.com/gorilla/websocket"
)

type tutorialClient struct {
	conn *websocket.Conn
	send chan []byte
}

const (
	writeWait  = 10 * time.Second
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
)

func (t *tutorial) readPump(user string, c *tutorialClient) {
	defer func() {
		t.mu.Lock()
		t.removeLocked(user, c)
		t.mu.Unlock()
		c.conn.Close()
	}()
	c.conn.SetReadLimit(512)
	c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (c *tutorialClient) writePump() {
	ticker := time.NewTicker(pingPeriod)
	defer ticker.Stop()
	defer c.conn.Close()
	for {
		kind, message := websocket.PingMessage, []byte(nil)
		select {
		case m, ok := <-c.send:
			if !ok {
				c.conn.SetWriteDeadline(time.Now().Add(writeWait))
				c.conn.WriteMessage(websocket.CloseMessage, nil) //nolint:errcheck // the connection is closed anyway
				return
			}
			kind, message = websocket.TextMessage, m
		case <-ticker.C:
		}
		c.conn.SetWriteDeadline(time.Now().Add(writeWait))
		if err := c.conn.WriteMessage(kind, message); err != nil {
			return
		}
	}
}
