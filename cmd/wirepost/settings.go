package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost"
)

const variablePrefix = "WIREPOST_"

// settings are the values of flags that are not on the command line: from the
// environment, or else from the configuration file. It is a kong.Resolver.
type settings struct {
	environ map[string]string
	otel    map[string]string // variables of OpenTelemetry
	file    *configFile       // nil: none, or not loaded yet
	tried   bool              // all values of the server's settings
	args    []string          // the command line, which dev --cluster passes on to its nodes
	origins map[string]string // of the values that Resolve returned, by flag
}

func newSettings(environ []string) *settings {
	s := &settings{environ: map[string]string{}, otel: map[string]string{}, origins: map[string]string{}}
	for _, e := range environ {
		// An empty variable counts as unset: compose files and unit files omit
		// variables that way.
		name, value, _ := strings.Cut(e, "=")
		switch ours := strings.HasPrefix(name, variablePrefix); {
		case value == "":
		case ours:
			s.environ[name] = value
		case strings.HasPrefix(name, otelPrefix):
			s.otel[name] = value
		}
	}
	return s
}

// policies returns the channel policies of the file, and their positions in it.
func (s *settings) policies() (policies []wirepost.Policy, sources []string) {
	if s.file == nil {
		return nil, nil
	}
	for _, line := range s.file.lines {
		sources = append(sources, s.file.source(line, "channels"))
	}
	return s.file.channels, sources
}

// endpoints returns the endpoints of events in the file.
func (s *settings) endpoints() []wirepost.EventEndpoint {
	if s.file == nil {
		return nil
	}
	return s.file.endpoints
}

// settingError is an invalid value or unknown name outside the command line.
type settingError struct {
	source string // "WIREPOST_WINDOW", or "wirepost.yml:3: window"
	err    error
}

func (e *settingError) Error() string { return e.source + ": " + e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

// Validate rejects unknown variables. A misspelt one would otherwise be silently
// ignored.
func (s *settings) Validate(app *kong.Application) error {
	known := knownVariables(app)
	for _, name := range slices.Sorted(maps.Keys(s.environ)) {
		if !slices.Contains(known, name) && !byKubernetes.MatchString(name) {
			return &settingError{name, errors.New("is not a Wirepost variable" + didYouMean(name, known))}
		}
	}
	return nil
}

// byKubernetes matches the variables that Kubernetes sets in every container if
// there is a Service whose name begins with wirepost.
var byKubernetes = regexp.MustCompile(`^WIREPOST(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_[A-Z]+(_PROTO|_PORT|_ADDR)?)?)$`)

// Resolve returns the value of a flag that is not on the command line. It parses the
// value first, because only here its source is known.
func (s *settings) Resolve(c *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if !applies(parent.Node(), flag) {
		return nil, nil
	}
	name := variableOf(parent.Node(), flag)
	if value, ok := s.environ[name]; ok && name != "" {
		s.origins[flag.Name] = name
		return value, try(flag, value, name)
	}
	if !isServer(parent.Node()) || flag.Name == "config" || flag.Hidden {
		return nil, nil
	}
	if err := s.loadFile(c); err != nil {
		return nil, err
	}
	if err := s.tryAll(parent.Node()); err != nil {
		return nil, err
	}
	if s.file != nil {
		if value, ok := s.file.values[flag.Name]; ok {
			s.origins[flag.Name] = fmt.Sprintf("%s:%d", s.file.path, value.line)
			return value.value, nil
		}
	}
	value, name, err := s.openTelemetry(flag.Name)
	if name == "" {
		return nil, err
	}
	s.origins[flag.Name] = name
	return value, try(flag, value, name)
}

// applies reports whether a flag may be set outside the command line: a development server
// must not join a cluster because of a shared file.
func applies(command *kong.Node, flag *kong.Flag) bool {
	return command == nil || command.Name != "dev" || !strings.HasPrefix(flag.Name, clusterGroup+"-")
}

// tryAll parses the values of all settings of a server once: an invalid one is an error even
// if another value takes precedence.
func (s *settings) tryAll(server *kong.Node) error {
	if s.tried {
		return nil
	}
	s.tried = true
	for _, flag := range server.Flags {
		if err := s.tryBoth(server, flag); err != nil {
			return err
		}
	}
	return nil
}

// tryBoth parses the values of a setting in the environment and in the file.
func (s *settings) tryBoth(server *kong.Node, flag *kong.Flag) error {
	if !applies(server, flag) {
		return nil
	}
	name := variableOf(server, flag)
	if value, ok := s.environ[name]; ok && name != "" {
		if err := try(flag, value, name); err != nil {
			return err
		}
	}
	if s.file == nil {
		return nil
	}
	value, ok := s.file.values[flag.Name]
	if !ok {
		return nil
	}
	return try(flag, value.value, s.file.source(value.line, flag.Name))
}

// try parses a value as kong will. Only the file has lists.
func try(flag *kong.Flag, value any, source string) error {
	if _, list := value.([]any); list && !flag.IsSlice() {
		return &settingError{source, errors.New("one value is needed, not a list")}
	}
	target := reflect.New(flag.Target.Type()).Elem()
	err := flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), target)
	if err == nil {
		return nil
	}
	if _, expected, ok := wordValueError(err, nil); ok {
		err = errors.New(expected)
	} else if inner := errors.Unwrap(err); inner != nil { // without the flag's name
		err = inner
	}
	return &settingError{source, err}
}

// loadFile loads the file once, if there is one.
func (s *settings) loadFile(c *kong.Context) error {
	if s.file != nil {
		return nil
	}
	path := s.environ[variablePrefix+"CONFIG"]
	for _, p := range c.Path {
		if p.Flag != nil && p.Flag.Name == "config" {
			path, _ = c.FlagValue(p.Flag).(string)
		}
	}
	if path == "" {
		return nil
	}
	file, err := readConfigFile(path, serverNames(c.Model))
	if err != nil {
		return err
	}
	s.file = file
	return nil
}

// isServer reports whether a command takes every setting from the environment and
// the file.
func isServer(command *kong.Node) bool {
	switch {
	case command == nil:
		return false
	case command.Name == "check":
		return command.Parent.Name == "config" // its flags are those of serve
	}
	return command.Name == "dev" || command.Name == "serve"
}

// variableOf returns the variable of a flag, or "".
func variableOf(command *kong.Node, flag *kong.Flag) string {
	if flag.Hidden {
		return ""
	}
	if isServer(command) {
		return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
	}
	return flag.Tag.Get("variable")
}

func knownVariables(app *kong.Application) []string {
	var names []string
	for _, command := range app.Leaves(false) {
		for _, flag := range command.Flags {
			if name := variableOf(command, flag); name != "" && flag.Name != "help" {
				names = append(names, name)
			}
		}
	}
	return names
}

// serverNames returns the names allowed in a file: dev and serve share one.
func serverNames(app *kong.Application) []string {
	var names []string
	for _, command := range app.Children {
		for _, flag := range command.Flags {
			if isServer(command) && flag.Name != "help" && flag.Name != "config" && !flag.Hidden {
				names = append(names, flag.Name)
			}
		}
	}
	return append(names, "channels", endpointsName)
}

// helpWithVariable adds the variable to the help of a client command's flag; for the
// servers' flags the rule is explained once.
func helpWithVariable(value *kong.Value) string {
	if name := value.Tag.Get("variable"); name != "" {
		return fmt.Sprintf("%s ($%s)", value.Help, name)
	}
	return value.Help
}

// didYouMean returns a suggestion for an unknown name.
func didYouMean(name string, known []string) string {
	best := slices.MinFunc(known, func(a, b string) int {
		return cmp.Compare(distance(name, a), distance(name, b))
	})
	if distance(name, best) > 1+len(name)/4 {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance returns the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
