package manual

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Page writes the manual page of a program, in section 1 and with the macros of man(7).
func Page(w io.Writer, app *kong.Application, version string, date time.Time) error {
	var b strings.Builder
	name := app.Name
	fmt.Fprintf(&b, ".TH %s 1 %s %s\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), quoted(date.Format(time.DateOnly)), quoted(name+" "+version), name, roff(lower(strings.TrimSuffix(app.Help, "."))))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I COMMAND\n.RI [ ARGUMENT ]...\n", name)
	b.WriteString(".SH DESCRIPTION\n" + roff(app.Help) + "\n.SH COMMANDS\n")
	for _, c := range commands(app)[1:] {
		if len(c.below()) == 0 {
			section(&b, name, &c)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// section writes a command with its arguments and flags.
func section(b *strings.Builder, program string, c *command) {
	fmt.Fprintf(b, ".SS %s\n.B %s\n", quoted(program+" "+c.name(" ")), roff(program+" "+c.name(" ")))
	for _, p := range c.node.Positional {
		fmt.Fprintf(b, ".I %s\n", roff(p.Summary()))
	}
	fmt.Fprintf(b, ".RI [ FLAG ]...\n.PP\n%s\n", roff(c.node.Help))
	if c.node.Detail != "" {
		fmt.Fprintf(b, ".PP\n%s\n", roff(c.node.Detail))
	}
	for _, p := range c.node.Positional {
		fmt.Fprintf(b, ".TP\n.I %s\n%s\n", roff(strings.ToUpper(p.Name)), roff(p.Help))
	}
	for _, f := range c.flags() {
		if f.Name == "help" {
			continue
		}
		fmt.Fprintf(b, ".TP\n.B %s", roff(strings.Join(options(f), ", ")))
		if valued(f) {
			fmt.Fprintf(b, " \\fI%s\\fR", roff(f.FormatPlaceHolder()))
		}
		fmt.Fprintf(b, "\n%s\n", roff(f.Help))
	}
}

// roff escapes what roff interprets.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// quoted returns one argument of a macro.
func quoted(text string) string { return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"` }

// lower begins a text with a small letter, unless it begins with a name.
func lower(text string) string {
	if first, rest, found := strings.Cut(text, " "); found && first == "Wirepost" {
		return rest
	}
	return text
}
