package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wirepost/wirepost/internal/browser"
	"github.com/wirepost/wirepost/internal/pgtest"
)

// patience limits every wait of a script. It only expires if something is broken.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if signal.Ignored(syscall.SIGHUP) {
		// Tests may run under nohup, and the servers that scripts start would
		// inherit that.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Main(browser.With(m), map[string]func(){"wirepost": main})
}

// TestScripts runs the stories in testdata/script with the real main. Besides
// testscript's own commands they use:
//
//	start NAME ARGS…              runs wirepost in the background
//	startdeaf NAME ARGS…          the same, with a stderr that is not read
//	restart NAME PROGRAM ARGS…    the same, with a command line that wirepost printed
//	await NAME stdout|stderr RE   waits for a line; a group of RE becomes $NAME
//	signal NAME INT|TERM|HUP|KILL
//	finish NAME STATUS            waits for its exit; stdout and stderr check its output
//	http STATUS METHOD URL [BODY] [HEADER: VALUE]…
//	unready URL RE                waits until /readyz refuses with such a reason
//	stuck URL                     a WebSocket client that does not read
//	status N PROGRAM ARGS…        like exec, but the exit status must be N
//	try PROGRAM ARGS…             like exec, but it may fail
//	tokenenv FILE                 WIREPOST_TOKEN is what the file says
//	port URL                      $port is the URL's port
//	freeports NAME N              $NAME is N free addresses, $NAME1 … $NAMEN are each of them
//	damage DIR                    damages a store
//	flip DIR KIND                 flips a bit in the last file of a kind
//	certificate                   makes cert.pem and key.pem for 127.0.0.1
//	nats NAME start|startlazy     a NATS server, whose URL is $NAME; a lazy one does not sync
//	newer URL CLUSTER             writes an operation of a newer program into the log in NATS
//	postgres NAME start|kill      a PostgreSQL server, whose URL is $NAME; after kill it starts again
func TestScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("processes get no signals there")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			j := &jobs{byName: map[string]*job{}}
			e.Values["jobs"], e.Values[postgresKey] = j, map[string]*pgtest.Server{}
			// With -race a process otherwise sleeps for a second before it exits.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			e.Defer(j.end)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "startdeaf": startDeaf, "restart": restart, "freeports": setFreePorts, "await": await, "signal": sendSignal, "finish": finish,
			"try": attempt, "http": request, "unready": unready, "stuck": stuck, "status": status, "tokenenv": tokenEnv,
			"port": setPort, "damage": damage, "flip": flip, "certificate": certificate, "postgres": postgresServer,
			"nats": natsServer, "newer": newerBatch,
		},
	})
}

// jobs are a script's background processes.
type jobs struct{ byName map[string]*job }

type job struct {
	cmd            *exec.Cmd
	stdout, stderr output
	ended          chan struct{}
}

func (j *jobs) end() {
	for _, job := range j.byName {
		job.cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-job.ended
	}
}

func jobOf(ts *testscript.TestScript, name string) *job {
	j := ts.Value("jobs").(*jobs).byName[name]
	if j == nil {
		ts.Fatalf("nothing was started as %s", name)
	}
	return j
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed by the next write; nil: nobody waits
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return o.text.Write(p)
}

func (o *output) read() (text string, more <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more == nil {
		o.more = make(chan struct{})
	}
	return o.text.String(), o.more
}

func start(ts *testscript.TestScript, neg bool, args []string) { launch(ts, neg, args, nil) }

// startDeaf starts a process whose stderr is a pipe without a reader.
func startDeaf(ts *testscript.TestScript, neg bool, args []string) {
	r, w, err := os.Pipe()
	ts.Check(err)
	r.Close()       //nolint:errcheck // nobody reads
	defer w.Close() //nolint:errcheck // the process has its own
	launch(ts, neg, args, w)
}

// restart starts a process with a line that wirepost has printed.
func restart(ts *testscript.TestScript, neg bool, args []string) {
	line := strings.Fields(strings.Join(args[1:], " "))
	launch(ts, neg, append([]string{args[0]}, line[1:]...), nil)
}

// launch starts a process; stderr nil is collected.
func launch(ts *testscript.TestScript, neg bool, args []string, stderr *os.File) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME ARGS…")
	}
	path, err := lookPath(ts, "wirepost")
	ts.Check(err)
	j := &job{cmd: exec.Command(path, args[1:]...), ended: make(chan struct{})}
	j.cmd.Dir = ts.MkAbs(".")
	j.cmd.Stdout, j.cmd.Stderr = &j.stdout, &j.stderr
	if stderr != nil {
		j.cmd.Stderr = stderr
	}
	for _, name := range []string{
		"PATH", "TMPDIR", "HOME", "SystemRoot", "SSL_CERT_FILE", "GOCOVERDIR", "GORACE",
		"WIREPOST_API_KEY", "WIREPOST_TOKEN_SECRET", "WIREPOST_SERVER", "WIREPOST_TOKEN",
	} {
		if value := ts.Getenv(name); value != "" {
			j.cmd.Env = append(j.cmd.Env, name+"="+value)
		}
	}
	ts.Check(j.cmd.Start())
	go func() {
		j.cmd.Wait() //nolint:errcheck // ProcessState tells
		close(j.ended)
	}()
	all := ts.Value("jobs").(*jobs)
	if all.byName[args[0]] != nil {
		<-all.byName[args[0]].ended // a second life under the same name
	}
	all.byName[args[0]] = j
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if path, err := exec.LookPath(dir + string(os.PathSeparator) + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in PATH", name)
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: await NAME stdout|stderr REGEXP")
	}
	j, re := jobOf(ts, args[0]), regexp.MustCompile("(?m)"+args[2])
	out := &j.stdout
	if args[1] == "stderr" {
		out = &j.stderr
	}
	timeout := time.After(patience)
	for ended := false; ; {
		text, more := out.read()
		if m := re.FindStringSubmatch(text); m != nil {
			if len(m) > 1 {
				ts.Setenv(args[0], m[1])
			}
			return
		}
		if ended {
			ts.Fatalf("%s ended (%s) without %s on %s:\n%s%s", args[0], j.cmd.ProcessState, args[2], args[1], j.stdout.text.String(), j.stderr.text.String())
		}
		select {
		case <-more:
		case <-j.ended:
			ended = true
		case <-timeout:
			ts.Fatalf("%s did not write %s to %s:\n%s", args[0], args[2], args[1], text)
		}
	}
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME INT|TERM|HUP|KILL")
	}
	s, ok := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": os.Kill}[args[1]]
	if !ok {
		ts.Fatalf("no signal %s", args[1])
	}
	ts.Check(jobOf(ts, args[0]).cmd.Process.Signal(s))
}

// attempt runs a program that may fail.
func attempt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: try PROGRAM ARGS…")
	}
	if err := ts.Exec(args[0], args[1:]...); err != nil {
		ts.Logf("%v", err)
	}
}

func finish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: finish NAME STATUS")
	}
	j := jobOf(ts, args[0])
	select {
	case <-j.ended:
	case <-time.After(patience):
		ts.Fatalf("%s did not end:\n%s%s", args[0], j.stdout.text.String(), j.stderr.text.String())
	}
	stdout, _ := j.stdout.read()
	stderr, _ := j.stderr.read()
	io.WriteString(ts.Stdout(), stdout)
	io.WriteString(ts.Stderr(), stderr)
	if got := fmt.Sprint(j.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("%s ended with %s, want %s:\n%s%s", args[0], j.cmd.ProcessState, args[1], stdout, stderr)
	}
}
