package main

import "runtime/debug"

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "wirepost (devel)"
	}
	return "wirepost " + info.Main.Version
}
