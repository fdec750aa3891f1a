package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
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

// grammar is the command line, described by kong's tags.
type grammar struct {
	Dev   devCommand   `cmd:"" help:"Start a development server: loopback only, no keys, data in ./wirepost-data."`
	Serve serveCommand `cmd:"" help:"Start a production server. It requires an API key and a token secret or key set."`

	Push   pushCommand   `cmd:"" help:"Push a message to a user or channel."`
	Listen listenCommand `cmd:"" help:"Print a user's messages as they arrive."`
	Token  tokenCommand  `cmd:"" help:"Create a client token."`
	Echo   echoCommand   `cmd:"" help:"Send the time to a server's /echo and print the responses."`
	Bench  benchCommand  `cmd:"" help:"Measure a server under load."`

	VAPID vapidCommand `cmd:"" name:"vapid" help:"Print a server's public key for Web Push, or import a key pair."`

	Health  healthCommand  `cmd:"" help:"Ask a server whether it is healthy, as the health check of a container does."`
	Check   checkCommand   `cmd:"" help:"Verify the store of a stopped server."`
	Backup  backupCommand  `cmd:"" help:"Write a copy of a running server's store to a file."`
	Restore restoreCommand `cmd:"" help:"Make a new data directory of a backup."`
	Salvage salvageCommand `cmd:"" help:"Write a new store with everything readable in a damaged one."`

	Cluster clusterCommand `cmd:"" help:"Prepare and inspect a cluster."`

	Config  configCommand  `cmd:"" help:"Check the settings of serve."`
	Version versionCommand `cmd:"" help:"Print the version and how the program was built."`
	Help    helpCommand    `cmd:"" help:"Print the help of a command."`

	Completion completionCommand `cmd:"" help:"Print the completions for a shell, such as for: source <(wirepost completion bash)."`
	Man        manCommand        `cmd:"" help:"Print the manual page, such as for: wirepost man | man -l -."`

	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// run runs the program and returns its exit status.
func run(args, environ []string, t *terminal) int {
	ctx, stop := interruptible(t)
	defer stop()
	err := dispatch(ctx, args, environ, t)
	if err == nil || errors.Is(err, errHelped) {
		return exitOK
	}
	// Each line of a joined error gets its own prefix.
	for line := range strings.Lines(err.Error()) {
		t.warnf("%s", strings.TrimSpace(line))
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// errHelped reports that kong has printed help or the version.
var errHelped = errors.New("helped")

// dispatch parses the command line, resolves settings and runs the command.
func dispatch(ctx context.Context, args, environ []string, t *terminal) (err error) {
	settings := newSettings(environ)
	settings.args = args
	parser, err := newParser(&grammar{}, settings, t)
	if err != nil {
		return err
	}
	// kong requires Exit not to return.
	defer func() {
		if e := recover(); e == errHelped {
			err = errHelped
		} else if e != nil {
			panic(e)
		}
	}()
	command, err := parseArgs(parser, args)
	if err != nil {
		return err
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return command.Run(t, settings)
}

// parseArgs parses the command line.
func parseArgs(parser *kong.Kong, args []string) (*kong.Context, error) {
	if len(args) == 0 {
		return nil, usagef("missing command (see wirepost --help)")
	}
	command, err := parser.Parse(joinNegative(args))
	if err != nil {
		return nil, usageError{wordParseError(err)}
	}
	return command, nil
}

func newParser(g *grammar, s *settings, t *terminal) (*kong.Kong, error) {
	return kong.New(
		g, kong.Name("wirepost"),
		kong.Description("Wirepost pushes messages to connected users, and stores them for offline users."),
		kong.Writers(t.Out, t.Err), kong.Resolvers(s),
		kong.Exit(func(int) { panic(errHelped) }),
		kong.Vars{"version": "wirepost " + version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(helpWithVariable),
	)
}

// wordParseError removes kong's prefix from errors of settings, which name their
// source themselves, and words its other errors.
func wordParseError(err error) error {
	if e, ok := errors.AsType[*settingError](err); ok {
		return e
	}
	command := "wirepost"
	if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context != nil {
		selected := e.Context.Selected()
		if selected != nil {
			command = selected.FullPath()
		}
		switch flag, expected, ok := wordValueError(e, e.Context); {
		case ok:
			err = fmt.Errorf("%s: %s", flag, expected)
		case selected != nil && len(selected.Positional) > 0 && unknownShort.MatchString(err.Error()):
			err = fmt.Errorf("%s: if an argument begins with -, put -- before the arguments, as in %s -- …", unknownShort.FindString(err.Error()), command)
		}
	}
	return fmt.Errorf("%w (see %s --help)", err, command)
}

// interruptible returns a context that the first SIGINT or SIGTERM cancels. The
// second signal exits immediately.
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
					t.warnf("received %s again: exiting immediately", s)
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
