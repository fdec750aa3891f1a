package wirepost_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/httpapi"
)

// pusherTest uses the class of the page from many threads, without its pauses. It ends with
// the process of the test, which its standard input is connected to.
const pusherTest = `
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
time.sleep = lambda seconds: None
pusher = Pusher("URL", "KEY")
def numbers(thread):
    return [pusher.push("log", thread * 10 + i) for i in range(10)]
with ThreadPoolExecutor(64) as threads:
    seqs = [message["seq"] for list in threads.map(numbers, range(64)) for message in list]
assert len(set(seqs)) == 640, seqs
for refused, want in (lambda: pusher.push("no channel", 1), "contains"), (lambda: Pusher("URL", "wrong").push("log", 1), "key"):
    try:
        refused()
    except ValueError as problem:
        assert want in str(problem), problem
    else:
        raise AssertionError(want)
`

// TestPythonPusher runs the class of docs/push-from-your-backend.md against a server
// that fails in every way: each push gets its own result, and no message is stored twice.
func TestPythonPusher(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: the Python class in docs/push-from-your-backend.md is not tested")
	}
	blocks := fenced(t, "docs/push-from-your-backend.md", "python")
	i := slices.IndexFunc(blocks, func(b string) bool { return strings.Contains(b, "class Pusher:") })
	if i < 0 {
		t.Fatal("there is no class Pusher")
	}
	class, _, _ := strings.Cut(blocks[i], "\npusher = ")

	const key = "the-key-of-the-python-test"
	srv, err := wirepost.New(wirepost.Options{
		Engine: memory.New(memory.Options{}), Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{}, wirepost.ErrForbidden },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Shutdown(t.Context()) }) //nolint:errcheck // nobody is connected
	api := httpapi.New(srv, httpapi.Options{Keys: []string{key}, Logger: slog.New(slog.DiscardHandler)})
	var requests atomic.Int64
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch requests.Add(1) % 5 {
		case 1:
			api.ServeHTTP(&cutResponse{w, 2}, r)
		case 2:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(`{"status":503,"code":"unavailable"}`)) //nolint:errcheck // it is read
		case 3:
			api.ServeHTTP(&cutResponse{w, 0}, r)
		case 4:
			w.WriteHeader(http.StatusBadGateway)
			w.Write([]byte("<h1>back soon</h1>")) //nolint:errcheck // it is read
		default:
			api.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(hs.Close)
	script := strings.NewReplacer("URL", hs.URL, `"KEY"`, `"`+key+`"`).Replace(class + pusherTest)
	cmd := exec.CommandContext(t.Context(), python, "-c", script)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list, _, err := srv.Messages(t.Context(), "log", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]bool{}
	for _, m := range list {
		stored[string(m.Data)] = true
	}
	if len(list) != 640 || len(stored) != 640 {
		t.Errorf("%d messages are stored, %d different ones", len(list), len(stored))
	}
	if n := requests.Load(); n > 320 {
		t.Errorf("%d requests for 640 pushes", n)
	}
}

// cutResponse breaks the connection after a part of a response: nothing, or 1/part of
// the first write.
type cutResponse struct {
	http.ResponseWriter
	part int
}

func (c *cutResponse) Write(text []byte) (int, error) {
	if c.part > 0 {
		c.ResponseWriter.Write(text[:len(text)/c.part])      //nolint:errcheck // it breaks anyway
		http.NewResponseController(c.ResponseWriter).Flush() //nolint:errcheck // the same
	}
	panic(http.ErrAbortHandler)
}

func (c *cutResponse) Unwrap() http.ResponseWriter { return c.ResponseWriter }
