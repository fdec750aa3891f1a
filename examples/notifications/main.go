// Notifications is a notification bell with an unread count. Opening the list in one
// tab, or on one device, clears the count on all of them. What nobody takes goes further: to
// the user's browser by Web Push, then by e-mail.
//
//	go run ./notifications
//
// Open http://127.0.0.1:8080/?user=ann in two tabs, and notify Ann, online or
// offline:
//
//	curl -d 'your order has shipped' http://127.0.0.1:8080/notify/ann
//
// Click "Notify me when this page is closed", then "In 10 s", and close all tabs: 5 s after
// the message was pushed, because no page of Ann's has acknowledged it, the browser shows it,
// and a click opens the page. If you do not click it within 30 s, the program sends an
// e-mail, or would: it logs that.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/js"
)

//go:embed page.html
var page []byte

// program is the backend.
type program struct {
	srv   *wirepost.Server
	steps []wirepost.EscalationStep
	mu    struct {
		sync.Mutex
		mails []string
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	webPush := flag.Duration("web-push", 5*time.Second, "when the browser shows what no page has acknowledged")
	mail := flag.Duration("mail", 30*time.Second, "when it is sent by e-mail")
	flag.Parse()

	p := &program{steps: []wirepost.EscalationStep{
		{After: *webPush, Via: wirepost.ViaWebPush},
		{After: *mail, Via: wirepost.ViaEvent},
	}}
	var err error
	p.srv, err = wirepost.New(wirepost.Options{
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: userOf(r)}, nil
		},
		// Push services write there if something is wrong. Loopback is for the tests.
		WebPush: wirepost.WebPushOptions{Subject: "mailto:dev@example.com", AllowLoopback: true},
		Events:  wirepost.EventOptions{Types: []string{string(wirepost.EventMessageUnacknowledged)}},
		OnEvent: p.mail,
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /ws", p.srv)
	for _, script := range []string{"wirepost.js", "wirepost-more.js", "wirepost-notify.js", "wirepost-sw.js"} {
		http.Handle("GET /"+script, js.Handler())
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	http.HandleFunc("GET /notifications", p.list)
	http.HandleFunc("GET /mails", p.mailed)
	http.HandleFunc("POST /notify/{user}", p.notify)

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("open http://%s/?user=ann\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

// userOf accepts any user. A production program checks its session cookie.
func userOf(r *http.Request) string { return r.URL.Query().Get("user") }

// list serves the messages that a newly opened page shows. Later messages are
// pushed.
func (p *program) list(w http.ResponseWriter, r *http.Request) {
	messages, _, err := p.srv.Inbox(r.Context(), userOf(r), 0, wirepost.MaxLimit)
	if err != nil {
		wirepost.WriteError(w, err)
		return
	}
	json.NewEncoder(w).Encode(messages)
}

// notify pushes a message, at once or later.
func (p *program) notify(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	delay, err := time.ParseDuration(cmp.Or(r.URL.Query().Get("in"), "0s"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	user := r.PathValue("user")
	notification, err := json.Marshal(map[string]string{
		"title": "For " + user, "body": string(text), "url": "/?user=" + url.QueryEscape(user),
	})
	if err != nil {
		wirepost.WriteError(w, err)
		return
	}
	_, err = p.srv.Push(r.Context(), wirepost.Push{
		To:           wirepost.InboxOf(user),
		ContentType:  "text/plain",
		Data:         text,
		Delay:        delay,
		Escalate:     p.steps,
		Notification: notification,
	})
	if err != nil {
		wirepost.WriteError(w, err)
	}
}

// mail is called when the last step of a message is due, and no page has acknowledged it. A
// production program sends the mail here; with an error it would be called again.
func (p *program) mail(ctx context.Context, e wirepost.Event) error {
	messages, _, err := p.srv.Inbox(ctx, e.User, e.Data.Seq-1, 1)
	if err != nil || len(messages) == 0 {
		return err
	}
	mail := fmt.Sprintf("to %s: %s", e.User, messages[0].Data)
	log.Print("e-mail ", mail)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.mails = append(p.mu.mails, mail)
	return nil
}

func (p *program) mailed(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	json.NewEncoder(w).Encode(p.mu.mails)
}
