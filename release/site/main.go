// Command site makes the documentation site: one directory of static files that a web
// server can serve, or that a browser opens from disk. Its pages are the Markdown files of
// the repository, in English and Chinese.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	root := flag.String("root", "../..", "directory of the repository")
	out := flag.String("out", "../../public", "directory for the site, which is replaced")
	flag.Parse()
	if err := build(*root, *out); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

// build makes the site of a repository.
func build(root, out string) error {
	s, err := load(root)
	if err != nil {
		return err
	}
	if err := s.renderAll(); err != nil {
		return err
	}
	return s.write(out)
}
