package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/glob"
)

// configFile is a configuration file: its keys are the names of the flags, with - or
// _, or with a dot after the name of a group, and channels. Its nodes are decoded one by
// one, so that every error has its line.
type configFile struct {
	path      string
	values    map[string]fileValue
	channels  []wirepost.Policy
	lines     []int // of channels
	endpoints []wirepost.EventEndpoint
}

// fileValue is the text of one setting, or a []any of texts.
type fileValue struct {
	value any
	line  int
}

// source returns a position in the file, for messages.
func (f *configFile) source(line int, name string) string {
	return fmt.Sprintf("%s:%d: %s", f.path, line, name)
}

func (f *configFile) errorf(node ast.Node, name, format string, args ...any) error {
	return &settingError{f.source(lineOf(node), name), fmt.Errorf(format, args...)}
}

// readConfigFile reads a file with these names allowed.
func readConfigFile(path string, names []string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &settingError{"config", err}
	}
	return parseConfigFile(path, data, names)
}

func parseConfigFile(path string, data []byte, names []string) (*configFile, error) {
	f := &configFile{path: path, values: map[string]fileValue{}}
	document, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, f.syntaxError(err)
	}
	if len(document.Docs) > 1 {
		return nil, f.errorf(document.Docs[1].Body, "---", "a second document; only one is allowed")
	}
	if len(document.Docs) == 0 || document.Docs[0].Body == nil {
		return f, nil // empty, or only comments
	}
	pairs, ok := pairsOf(document.Docs[0].Body)
	if !ok {
		return nil, f.errorf(document.Docs[0].Body, "the file", "is not a map of names to values, such as `listen: 127.0.0.1:8080`")
	}
	for _, pair := range pairs {
		if err := f.setGroup(pair, names); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// clusterGroup is the group of the settings of a cluster.
const clusterGroup = "cluster"

// groups are names in the file that settings share, with what their flags begin with. In
// the file the name may have a dot after it, or be a map of its own.
var groups = map[string]string{clusterGroup: clusterGroup, "hooks": "hook", "events": "events", "webpush": "webpush", "traces": "traces"}

// setGroup adds one pair of the file, or those of the map of a group.
func (f *configFile) setGroup(pair *ast.MappingValueNode, names []string) error {
	inner, ok := pairsOf(pair.Value)
	group := textOfKey(pair)
	if !ok || groups[group] == "" {
		return f.set(pair, group, names)
	}
	for _, p := range inner {
		if err := f.set(p, group+"."+textOfKey(p), names); err != nil {
			return err
		}
	}
	return nil
}

// flagOf returns the flag that a name in the file stands for.
func flagOf(name string) string {
	if group, rest, ok := strings.Cut(name, "."); ok && groups[group] != "" {
		name = groups[group] + "-" + rest
	}
	return strings.ReplaceAll(name, "_", "-")
}

func (f *configFile) syntaxError(err error) error {
	if e, ok := errors.AsType[*yaml.SyntaxError](err); ok && e.Token != nil && e.Token.Position != nil {
		return &settingError{fmt.Sprintf("%s:%d", f.path, e.Token.Position.Line), errors.New(e.Message)}
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return &settingError{f.path, errors.New(message)}
}

// set adds one pair of the file.
func (f *configFile) set(pair *ast.MappingValueNode, written string, names []string) error {
	name := flagOf(written)
	if !slices.Contains(names, name) {
		return f.errorf(pair.Key, name, "is not a Wirepost setting%s", didYouMean(name, names))
	}
	if _, twice := f.values[name]; twice || name == "channels" && f.channels != nil || name == endpointsName && f.endpoints != nil {
		return f.errorf(pair.Key, name, "is set twice")
	}
	if name == "channels" {
		return f.setChannels(pair.Value)
	}
	if name == endpointsName {
		return f.setEndpoints(pair.Value)
	}
	if text, ok := textOf(pair.Value); ok {
		f.values[name] = fileValue{text, lineOf(pair.Key)}
		return nil
	}
	sequence, ok := pair.Value.(*ast.SequenceNode)
	if !ok {
		return f.errorf(pair.Key, name, "a value is needed")
	}
	list := []any{}
	for _, item := range sequence.Values {
		text, ok := textOf(item)
		if !ok {
			return f.errorf(item, name, "a list of plain values is needed")
		}
		list = append(list, text)
	}
	f.values[name] = fileValue{list, lineOf(pair.Key)}
	return nil
}

// setChannels sets the policies: a list of maps.
func (f *configFile) setChannels(value ast.Node) error {
	sequence, ok := value.(*ast.SequenceNode)
	if !ok {
		return f.errorf(value, "channels", "a list is needed, each entry with a pattern: `- pattern: room:*`")
	}
	for _, item := range sequence.Values {
		policy, err := f.policy(item)
		if err != nil {
			return err
		}
		for _, earlier := range f.channels {
			if glob.Covers(earlier.Pattern, policy.Pattern) {
				return f.errorf(item, "channels", "the entry %q never applies: the earlier %q matches all its channels", policy.Pattern, earlier.Pattern)
			}
		}
		f.channels, f.lines = append(f.channels, policy), append(f.lines, lineOf(item))
	}
	return nil
}

func (f *configFile) policy(item ast.Node) (wirepost.Policy, error) {
	var p wirepost.Policy
	pairs, ok := pairsOf(item)
	if !ok {
		return p, f.errorf(item, "channels", "an entry is a map with a pattern: `- pattern: room:*`")
	}
	var seen []string
	for _, pair := range pairs {
		name := strings.ReplaceAll(textOfKey(pair), "-", "_")
		if slices.Contains(seen, name) {
			return p, f.errorf(pair.Key, "channels: "+name, "is set twice")
		}
		seen = append(seen, name)
		if name == "escalate" {
			if err := f.setEscalation(&p, pair.Value); err != nil {
				return p, err
			}
			continue
		}
		text, ok := textOf(pair.Value)
		if !ok {
			return p, f.errorf(pair.Key, "channels: "+name, "a value is needed")
		}
		if err := setPolicy(&p, name, text); err != nil {
			return p, f.errorf(pair.Key, "channels: "+name, "%w", err)
		}
	}
	if p.Pattern == "" {
		return p, f.errorf(item, "channels", "an entry needs a pattern, such as `pattern: room:*`")
	}
	return p, nil
}

var policyNames = []string{"pattern", "durable", "max_age", "max_messages", "subscribe", "publish", "presence", "escalate", "until"}

// setPolicy sets one field of a policy.
func setPolicy(p *wirepost.Policy, name, text string) error {
	switch name {
	case "pattern":
		if strings.ContainsAny(text, " \t\n,?") {
			return fmt.Errorf("%q cannot match a channel: names contain no white space, ',' or '?'", text)
		}
		p.Pattern = text
	case "durable":
		durable, err := yesOrNo(text)
		p.NonDurable = !durable
		return err
	case "presence":
		yes, err := yesOrNo(text)
		p.Presence = yes
		return err
	case "max_age":
		return (*duration)(&p.MaxAge).UnmarshalText([]byte(text))
	case "max_messages":
		return (*count)(&p.MaxMessages).UnmarshalText([]byte(text))
	case "subscribe":
		return setAccess(&p.Subscribe, text)
	case "publish":
		return setAccess(&p.Publish, text)
	case "until":
		return choice(&p.Until, []byte(text), wirepost.UntilAcknowledged, wirepost.UntilRead)
	default:
		return errors.New("is not a channel setting" + didYouMean(name, policyNames))
	}
	return nil
}

func yesOrNo(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is not true or false", text)
}

func setAccess(a *wirepost.Access, text string) error {
	return choice(a, []byte(text), wirepost.AccessByToken, wirepost.AccessAnyone, wirepost.AccessBackendOnly, wirepost.AccessHook)
}

// pairsOf returns the pairs of a map. The parser represents a map with one pair as
// that pair.
func pairsOf(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func textOfKey(pair *ast.MappingValueNode) string {
	return pair.Key.GetToken().Value
}

// textOf returns a scalar as it is written, without quotes.
func textOf(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

func lineOf(node ast.Node) int {
	if pairs, ok := pairsOf(node); ok && len(pairs) > 0 {
		node = pairs[0].Key
	}
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return 1
	}
	return node.GetToken().Position.Line
}
