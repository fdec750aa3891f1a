// Command wirepost is the push server and its tools. `wirepost dev` starts one on
// this machine, `wirepost serve` one for production; `wirepost --help` tells the
// rest.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), &terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
