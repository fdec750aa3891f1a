package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func request(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: http STATUS METHOD URL [BODY] [HEADER: VALUE]…")
	}
	body := ""
	if len(args) > 3 {
		body = args[3]
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, args[1], args[2], strings.NewReader(body))
	ts.Check(err)
	if len(args) > 4 {
		for _, header := range args[4:] {
			name, value, _ := strings.Cut(header, ": ")
			r.Header.Set(name, value)
		}
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	ts.Check(err)
	defer response.Body.Close()
	io.Copy(ts.Stdout(), response.Body)
	response.Header.Write(ts.Stderr())
	if got := fmt.Sprint(response.StatusCode); got != args[0] {
		ts.Fatalf("%s %s: %s, want %s", args[1], args[2], response.Status, args[0])
	}
}

// unready waits, because a node logs what it waits for in the same moment, and asks for it
// again and again.
func unready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unready URL RE")
	}
	re := regexp.MustCompile(args[1])
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		response, err := http.Get(args[0] + "/readyz")
		ts.Check(err)
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		ts.Check(err)
		if response.StatusCode == http.StatusServiceUnavailable && re.Match(body) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("/readyz says %s %s", response.Status, body)
		}
	}
}

func stuck(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stuck URL")
	}
	u, err := url.Parse(args[0])
	ts.Check(err)
	c, err := net.Dial("tcp", u.Host)
	ts.Check(err)
	ts.Defer(func() { c.Close() })
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", u.RequestURI(), u.Host)
	c.SetReadDeadline(time.Now().Add(patience))
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	ts.Check(err)
	if response.StatusCode != http.StatusSwitchingProtocols {
		ts.Fatalf("%s: %s", args[0], response.Status)
	}
}

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

func tokenEnv(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("WIREPOST_TOKEN", strings.TrimSpace(ts.ReadFile(args[0])))
}

func setPort(ts *testscript.TestScript, _ bool, args []string) {
	u, err := url.Parse(args[0])
	ts.Check(err)
	ts.Setenv("port", u.Port())
}

func setFreePorts(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	all, err := freePorts(n)
	ts.Check(err)
	ts.Setenv(args[0], strings.Join(all, ","))
	for i, at := range all {
		ts.Setenv(args[0]+strconv.Itoa(i+1), at)
	}
}

func damage(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "MANIFEST-*"))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("%s has no manifest", args[0])
	}
	for _, file := range files {
		ts.Check(os.WriteFile(file, []byte("this is no manifest"), 0o600))
	}
}

// flip changes a bit in the first part of the last file of a kind.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*."+args[1]))
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("%s has no such file", args[0])
	}
	name := slices.Max(names)
	text, err := os.ReadFile(name)
	ts.Check(err)
	text[30] ^= 1
	ts.Check(os.WriteFile(name, text, 0o600))
}
