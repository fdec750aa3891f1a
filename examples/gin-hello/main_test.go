package main

import (
	"context"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"

	"github.com/wirepost/wirepost/examples/internal/trial"
)

func TestMain(m *testing.M) { trial.Main(m, main) }

func TestHello(t *testing.T) {
	page := trial.Start(t, "-every", "10ms").Dial("/hello")
	page.Expect("hello, WebSocket", "hello, WebSocket", "hello, WebSocket")
}

// TestNothingStays connects and disconnects many clients, and checks that no
// goroutine is left.
func TestNothingStays(t *testing.T) {
	srv, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		greet(ctx, srv, 10*time.Millisecond)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		srv.Shutdown(context.Background())
	})
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.GET("/hello", gin.WrapH(srv))
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)

	before := runtime.NumGoroutine()
	for range 50 {
		page := trial.Dial(t, server.URL+"/hello")
		page.Expect("hello, WebSocket")
		page.Close(websocket.StatusNormalClosure, "")
	}
	trial.Until(t, func() bool {
		online, err := srv.Online(t.Context(), "guest")
		return err == nil && online == 0 && runtime.NumGoroutine() <= before
	})
}
