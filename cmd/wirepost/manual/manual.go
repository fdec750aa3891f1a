// Package manual writes what a shell and man show of a command line: completions and a
// manual page, both from the definitions that the program parses its arguments with.
package manual

import (
	"strings"

	"github.com/alecthomas/kong"
)

// command is one command of a program: the program itself, or one below it.
type command struct {
	words []string // without the program
	node  *kong.Node
}

// name returns the words, joined.
func (c *command) name(separator string) string { return strings.Join(c.words, separator) }

// commands returns the program and all commands that are not hidden, each after its parent.
func commands(app *kong.Application) []command {
	var list []command
	var add func(n *kong.Node, words []string)
	add = func(n *kong.Node, words []string) {
		list = append(list, command{words, n})
		for _, child := range n.Children {
			if !child.Hidden {
				add(child, append(append([]string{}, words...), child.Name))
			}
		}
	}
	add(app.Node, nil)
	return list
}

// below returns the names of the commands below a command.
func (c *command) below() (names []string) {
	for _, child := range c.node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return names
}

// flags returns the flags of a command itself, without those of its parents except --help.
func (c *command) flags() (list []*kong.Flag) {
	for _, group := range c.node.AllFlags(true) {
		for _, f := range group {
			if f.Name == "help" || isOwn(c.node, f) {
				list = append(list, f)
			}
		}
	}
	return list
}

func isOwn(n *kong.Node, f *kong.Flag) bool {
	for _, own := range n.Flags {
		if own == f {
			return true
		}
	}
	return false
}

// options returns the ways to write a flag, with dashes.
func options(f *kong.Flag) []string {
	list := []string{"--" + f.Name}
	if f.Short != 0 {
		list = append([]string{"-" + string(f.Short)}, list...)
	}
	if f.Tag.Negatable != "" {
		list = append(list, "--no-"+f.Name)
	}
	return list
}

// valued reports whether a value follows the flag.
func valued(f *kong.Flag) bool { return !f.IsBool() && !f.IsCounter() }

// summary returns the first sentence of a flag's or command's help.
func summary(help string) string {
	if first, _, found := strings.Cut(help, ". "); found {
		return first
	}
	return strings.TrimSuffix(help, ".")
}
