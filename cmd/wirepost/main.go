// Command wirepost is the push server and its tools. `wirepost dev` starts a
// development server, `wirepost serve` a production server; `wirepost --help` lists
// the other commands.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), &terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
