//go:build unix

package httpapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/engine/pebble"
)

// The benchmarks push 256 bytes over loopback from a separate process, so that the CPU
// time they report (cpu-ns/op) is that of the server alone: parsing, commit and response,
// including the store. The time per operation includes the client's, which shares the
// cores. With pebble every push is synced before its response: put TMPDIR on a disk.
//
//	go test -run xxx -bench Push ./httpapi

func BenchmarkPushJSON(b *testing.B) {
	for _, conns := range []int{1, 64, 256} {
		benchEngines(b, fmt.Sprintf("conns=%d", conns), benchJob{Connections: conns})
	}
}

func BenchmarkPushNDJSON(b *testing.B) {
	for _, conns := range []int{1, 4, 16} {
		benchEngines(b, fmt.Sprintf("streams=%d", conns), benchJob{Connections: conns, Lines: true})
	}
}

// benchJob is the job of the child process.
type benchJob struct {
	Address     string
	Connections int
	Lines       bool // NDJSON
	N           int
}

const benchClientEnv = "WIREPOST_BENCH_CLIENT"

func init() {
	if job := os.Getenv(benchClientEnv); job != "" {
		os.Exit(benchClient(job)) // a child of a benchmark
	}
}

func benchEngines(b *testing.B, name string, job benchJob) {
	b.Run("memory/"+name, func(b *testing.B) { benchPush(b, memory.New(memory.Options{}), job) })
	b.Run("pebble/"+name, func(b *testing.B) {
		e, err := pebble.Open(b.TempDir(), pebble.Options{})
		if err != nil {
			b.Fatal(err)
		}
		benchPush(b, e, job)
	})
}

func benchPush(b *testing.B, e engine.Engine, job benchJob) {
	s := newSite(b, func(o *wirepost.Options) { o.Engine = e })
	job.Address, job.N = strings.TrimPrefix(s.url, "http://"), b.N
	text, err := json.Marshal(job)
	if err != nil {
		b.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), benchClientEnv+"="+string(text))
	child.Stderr = os.Stderr
	in, _ := child.StdinPipe()
	out, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	ready := bufio.NewReader(out)
	if _, err := ready.ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := cpuTime()
	b.ResetTimer()
	in.Close()
	if _, err := ready.ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
	if err := child.Wait(); err != nil {
		b.Fatal(err)
	}
	if got := s.Stats().Pushes; got != uint64(b.N) {
		b.Fatalf("%d pushes were stored", got)
	}
}

// cpuTime returns the CPU time used by this process, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) //nolint:errcheck // it cannot fail with a valid argument
	return u.Utime.Nano() + u.Stime.Nano()
}

// benchClient is the child process: it reports that it is ready, waits for the end of its
// standard input, does its job and reports that it is done.
func benchClient(text string) int {
	var job benchJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conns := make([]net.Conn, job.Connections)
	for i := range conns {
		c, err := net.Dial("tcp", job.Address)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		conns[i] = c
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // only the end of the input matters
	var wg sync.WaitGroup
	errs := make(chan error, len(conns))
	for i, c := range conns {
		n := job.N / len(conns)
		if i < job.N%len(conns) {
			n++
		}
		wg.Go(func() {
			work := pushOneByOne
			if job.Lines {
				work = pushInLines
			}
			if err := work(c, i, n); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	fmt.Println("done")
	if len(errs) > 0 {
		fmt.Fprintln(os.Stderr, <-errs)
		return 1
	}
	return 0
}

// benchBody is a push with 256 bytes of data.
func benchBody(conn, i int) string {
	data := fmt.Sprintf(`{"type":"order.shipped","order":"A-%08d","items":[{"sku":"x1","n":2},{"sku":"y7","n":1}],"note":"`, i)
	return fmt.Sprintf(`{"to":"user:%d","data":%s%s"}}`, (i*31+conn)%1000, data, strings.Repeat("n", 254-len(data)))
}

const benchHead = "POST /v1/push HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + testKey + "\r\n"

func pushOneByOne(c net.Conn, conn, n int) error {
	in := bufio.NewReader(c)
	for i := range n {
		body := benchBody(conn, i)
		if _, err := fmt.Fprintf(c, "%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", benchHead, len(body), body); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusAccepted {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
	}
	return nil
}

func pushInLines(c net.Conn, conn, n int) error {
	fmt.Fprintf(c, "%sContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n", benchHead)
	sent := make(chan error, 1)
	go func() {
		out := bufio.NewWriterSize(c, 64<<10)
		for i := range n {
			line := benchBody(conn, i)
			fmt.Fprintf(out, "%x\r\n%s\n\r\n", len(line)+1, line)
		}
		out.WriteString("0\r\n\r\n")
		sent <- out.Flush()
	}()
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 64<<10), nil)
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for range n {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(line), `{"messages"`) {
			return fmt.Errorf("result %q", line)
		}
	}
	return <-sent
}

// BenchmarkWrongKey measures the handler for a request with a wrong key.
func BenchmarkWrongKey(b *testing.B) {
	h := newHandler(newCounting(), quiet(Options{Keys: []string{"one-key-of-several", "another-key-of-several", testKey}}))
	r := httptest.NewRequest("GET", "http://localhost/v1/stats", nil)
	r.Header.Set("Authorization", "Bearer a-guess")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
