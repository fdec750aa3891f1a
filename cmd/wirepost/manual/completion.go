package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Shells are the shells that Complete knows.
var Shells = []string{"bash", "zsh", "fish"}

// Complete writes the completions of a program for a shell.
func Complete(w io.Writer, app *kong.Application, shell string) error {
	write, ok := map[string]func(*strings.Builder, *kong.Application){"bash": bash, "zsh": zsh, "fish": fish}[shell]
	if !ok {
		return fmt.Errorf("%q is not one of the shells %s", shell, strings.Join(Shells, ", "))
	}
	var b strings.Builder
	write(&b, app)
	_, err := io.WriteString(w, b.String())
	return err
}

// bash writes a function that finds the command among the words before the cursor, and
// offers its commands and flags. After a flag with a value, and where nothing matches, bash
// completes file names.
func bash(b *strings.Builder, app *kong.Application) {
	name := app.Name
	fmt.Fprintf(b, `# bash completion for %[1]s
_%[1]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path="" word i
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case "$path/$word" in
`, name)
	all := commands(app)
	for i := range all[1:] {
		fmt.Fprintf(b, "\t\t%s) path=%s ;;\n", "/"+all[1+i].name("/"), "/"+all[1+i].name("/"))
	}
	b.WriteString("\t\tesac\n\tdone\n\tlocal words=\"\" values=\"\"\n\tcase $path in\n")
	for i := range all {
		c := &all[i]
		var values []string
		words := c.below()
		for _, f := range c.flags() {
			words = append(words, options(f)...)
			if valued(f) {
				values = append(values, options(f)...)
			}
		}
		path := ""
		if len(c.words) > 0 {
			path = "/" + c.name("/")
		}
		fmt.Fprintf(b, "\t%q) words=%q values=%q ;;\n", path, strings.Join(words, " "), strings.Join(values, " "))
	}
	fmt.Fprintf(b, `	esac
	COMPREPLY=()
	case " $values " in *" $prev "*) return ;; esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _%[1]s %[1]s
`, name)
}

// zsh writes a function for each command.
func zsh(b *strings.Builder, app *kong.Application) {
	name := app.Name
	fmt.Fprintf(b, "#compdef %s\n", name)
	for _, c := range commands(app) {
		function := "_" + strings.Join(append([]string{name}, c.words...), "_")
		fmt.Fprintf(b, "\n%s() {\n", function)
		below := c.below()
		if len(below) > 0 {
			b.WriteString("\tlocal context state state_descr line\n\ttypeset -A opt_args\n\tlocal -a commands\n\tcommands=(\n")
			for _, child := range c.node.Children {
				if !child.Hidden {
					fmt.Fprintf(b, "\t\t%s\n", single(child.Name+":"+summary(child.Help)))
				}
			}
			b.WriteString("\t)\n\t_arguments -C \\\n")
		} else {
			b.WriteString("\t_arguments \\\n")
		}
		for _, f := range c.flags() {
			for _, option := range options(f) {
				fmt.Fprintf(b, "\t\t%s \\\n", single(zshOption(f, option)))
			}
		}
		if len(below) == 0 {
			b.WriteString("\t\t'*:argument:_files'\n}\n")
			continue
		}
		b.WriteString("\t\t'1:command:->command' \\\n\t\t'*::argument:->argument'\n\tcase $state in\n\tcommand) _describe command commands ;;\n\targument)\n\t\tcase $words[1] in\n")
		for _, child := range below {
			fmt.Fprintf(b, "\t\t%s) %s_%s ;;\n", child, function, child)
		}
		b.WriteString("\t\tesac\n\t\t;;\n\tesac\n}\n")
	}
	fmt.Fprintf(b, "\nif [ \"$funcstack[1]\" = _%[1]s ]; then _%[1]s \"$@\"; else compdef _%[1]s %[1]s; fi\n", name)
}

func zshOption(f *kong.Flag, option string) string {
	repeat := ""
	if f.IsSlice() {
		repeat = "*"
	}
	text := fmt.Sprintf("%s%s[%s]", repeat, option, strings.NewReplacer("[", "(", "]", ")", ":", `\:`).Replace(summary(f.Help)))
	if valued(f) {
		text += ":" + strings.ToLower(f.FormatPlaceHolder()) + ":_files"
		text = strings.Replace(text, "[", "=[", 1)
	}
	return text
}

// fish writes a line for each command and flag, with a condition that names the commands
// before it.
func fish(b *strings.Builder, app *kong.Application) {
	name := app.Name
	fmt.Fprintf(b, `# fish completion for %[1]s
function __%[1]s_at
	set -l known %[2]s
	set -l path ""
	for word in (commandline -opc)[2..-1]
		set -l next (string trim -l -c / -- $path/$word)
		if contains -- $next $known
			set path $next
		end
	end
	test "$path" = "$argv[1]"
end
`, name, fishKnown(app))
	for _, c := range commands(app) {
		at := fmt.Sprintf("-n '__%s_at \"%s\"'", name, c.name("/"))
		for _, child := range c.node.Children {
			if !child.Hidden {
				fmt.Fprintf(b, "complete -c %s %s -f -a %s -d %s\n", name, at, child.Name, single(summary(child.Help)))
			}
		}
		for _, f := range c.flags() {
			line := fmt.Sprintf("complete -c %s %s -l %s", name, at, f.Name)
			if f.Short != 0 {
				line += " -s " + string(f.Short)
			}
			if valued(f) {
				line += " -r"
			}
			fmt.Fprintf(b, "%s -d %s\n", line, single(summary(f.Help)))
			if f.Tag.Negatable != "" {
				fmt.Fprintf(b, "complete -c %s %s -l no-%s\n", name, at, f.Name)
			}
		}
	}
}

func fishKnown(app *kong.Application) string {
	var known []string
	for _, c := range commands(app)[1:] {
		known = append(known, c.name("/"))
	}
	return strings.Join(known, " ")
}

// single quotes a text for a shell.
func single(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
