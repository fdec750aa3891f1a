package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// terminal is what a command reads and writes.
type terminal struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// warnf tells something beside the command's output.
func (t *terminal) warnf(format string, args ...any) {
	fmt.Fprintf(t.Err, "wirepost: "+format+"\n", args...)
}

// live reports whether somebody looks at Err as it is written.
func (t *terminal) live() bool {
	file, ok := t.Err.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// grammar is the command line; kong reads the tags.
type grammar struct {
	Dev   devCommand   `cmd:"" help:"Start a server for development: this machine only, no keys, data in ./wirepost-data."`
	Serve serveCommand `cmd:"" help:"Start a server for production. It needs an API key and a token secret or key set."`

	Push   pushCommand   `cmd:"" help:"Push a message to a user or channel of a running server."`
	Listen listenCommand `cmd:"" help:"Follow a user's messages in the terminal."`
	Token  tokenCommand  `cmd:"" help:"Make a token for a client."`
	Echo   echoCommand   `cmd:"" help:"Send the time to a server's /echo and print what comes back."`
	Bench  benchCommand  `cmd:"" help:"Put load on a server and measure it."`

	Check   checkCommand   `cmd:"" help:"Look for damage in a store that no server has open."`
	Salvage salvageCommand `cmd:"" help:"Write a new store with what a damaged one still has."`

	Version kong.VersionFlag `help:"Print the version."`
}

// usageError is a mistake in how the command was called or configured.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// run is the program: it gives the exit status.
func run(args, environ []string, t *terminal) int {
	ctx, stop := interruptible(t)
	defer stop()
	err := dispatch(ctx, args, environ, t)
	if err == nil || errors.Is(err, errHelped) {
		return exitOK
	}
	// Every line of a message stands for itself.
	for line := range strings.Lines(err.Error()) {
		t.warnf("%s", strings.TrimSpace(line))
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// errHelped says that kong has printed help or the version, and that is all.
var errHelped = errors.New("helped")

// dispatch finds the command, fills in its settings and runs it.
func dispatch(ctx context.Context, args, environ []string, t *terminal) (err error) {
	settings := newSettings(environ)
	parser, err := newParser(&grammar{}, settings, t)
	if err != nil {
		return err
	}
	// kong expects its Exit not to return.
	defer func() {
		if e := recover(); e == errHelped {
			err = errHelped
		} else if e != nil {
			panic(e)
		}
	}()
	if len(args) == 0 {
		return usagef("a command is needed (see wirepost --help)")
	}
	command, err := parser.Parse(args)
	if err != nil {
		return usageError{wordParseError(err)}
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return command.Run(t, settings)
}

func newParser(g *grammar, s *settings, t *terminal) (*kong.Kong, error) {
	return kong.New(
		g, kong.Name("wirepost"),
		kong.Description("Wirepost pushes messages to users, wherever they are connected, and keeps them for those who are not."),
		kong.Writers(t.Out, t.Err), kong.Resolvers(s),
		kong.Exit(func(int) { panic(errHelped) }),
		kong.Vars{"version": version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(helpWithVariable),
	)
}

// wordParseError leaves away what kong puts before the errors of settings, which
// name their source themselves.
func wordParseError(err error) error {
	if e, ok := errors.AsType[*settingError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context != nil && e.Context.Selected() != nil {
		return fmt.Errorf("%w (see %s --help)", err, e.Context.Selected().FullPath())
	}
	return fmt.Errorf("%w (see wirepost --help)", err)
}

// interruptible gives a context that the first SIGINT or SIGTERM ends. The
// second one ends the process at once.
func interruptible(t *terminal) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case s := <-signals:
				if n > 0 {
					t.warnf("%s again: stopped at once", s)
					os.Exit(exitFailed)
				}
				cancel()
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "wirepost (devel)"
	}
	return "wirepost " + info.Main.Version
}
