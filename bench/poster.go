package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/wirepost/wirepost/bench/peer"
)

// poster sends POST requests over one connection, one after the other, at a lower
// cost than net/http, because the client shares the machine with the server.
type poster struct {
	conn net.Conn
	in   *bufio.Reader
	out  bytes.Buffer
}

func dialPoster(address netip.AddrPort) (*poster, error) {
	c, err := net.Dial("tcp", address.String())
	if err != nil {
		return nil, err
	}
	return &poster{conn: c, in: bufio.NewReader(c)}, nil
}

func (p *poster) close() { p.conn.Close() }

func (p *poster) post(path string, body []byte) error {
	p.out.Reset()
	fmt.Fprintf(&p.out, "POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, apiKey, len(body), body)
	if _, err := p.conn.Write(p.out.Bytes()); err != nil {
		return err
	}
	response, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("POST %s: %s: %s", path, response.Status, answer)
	}
	return err
}

// pushRequest returns a push of the given size to user i.
func pushRequest(name string, i, size int) (path string, body []byte) {
	switch name {
	case pushNchan:
		return fmt.Sprintf("/push/u%d", i), peer.Message(size)
	case pushTutorial:
		return fmt.Sprintf("/push/u%d", i), fmt.Appendf(nil, `{"data":%s}`, peer.Message(size))
	}
	return "/v1/push", pushLine(i, size)
}

func pushLine(i, size int) []byte {
	return fmt.Appendf(nil, `{"to":"user:u%d","data":%s}`, i, peer.Message(size))
}

// together runs n workers and returns an error if one failed.
func together(workers int, work func(worker int) error) error {
	errs := make(chan error, workers)
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			if err := work(i); err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs // nil when it is empty
}
