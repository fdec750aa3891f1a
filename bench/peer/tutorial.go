package peer

import (
	"encoding/json"
	"net"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"
)

// tutorial is the server of most tutorials and programs: Gin, gorilla's chat example with a
// map from users to clients, a channel and two goroutines for each client, and a ping
// ticker. As in that example, a client that is too slow for its channel is disconnected.
type tutorial struct {
	engine *gin.Engine

	mu      sync.RWMutex
	clients map[string]*tutorialClient
}

func newTutorial() (Server, error) {
	gin.SetMode(gin.ReleaseMode)
	t := &tutorial{engine: gin.New(), clients: map[string]*tutorialClient{}}
	t.engine.Use(gin.Recovery())
	t.engine.GET("/ws", t.connect)
	t.engine.POST("/push/:user", t.push)
	return t, nil
}

func (t *tutorial) Serve(l net.Listener) error { return http.Serve(l, t.engine) }

var tutorialUpgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}

func (t *tutorial) connect(g *gin.Context) {
	conn, err := tutorialUpgrader.Upgrade(g.Writer, g.Request, nil)
	if err != nil {
		return
	}
	c := &tutorialClient{conn: conn, send: make(chan []byte, 256)}
	user := g.Query("user")
	t.mu.Lock()
	t.clients[user] = c
	t.mu.Unlock()
	go c.writePump()
	go t.readPump(user, c)
}

func (t *tutorial) removeLocked(user string, c *tutorialClient) {
	if t.clients[user] == c {
		delete(t.clients, user)
		close(c.send)
	}
}

func (t *tutorial) push(g *gin.Context) {
	var body struct {
		Data json.RawMessage `json:"data" binding:"required"`
	}
	if err := g.ShouldBindJSON(&body); err != nil {
		g.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	t.mu.RLock()
	c, online := t.clients[g.Param("user")]
	if online {
		select {
		case c.send <- body.Data:
		default:
			online = false
		}
	}
	t.mu.RUnlock()
	g.JSON(http.StatusOK, gin.H{"online": online})
}

func (t *tutorial) Publish(data []byte, times int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range times {
		for user, c := range t.clients {
			select {
			case c.send <- data:
			default:
				t.removeLocked(user, c)
			}
		}
	}
	return nil
}

func (t *tutorial) Online() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.clients)
}
