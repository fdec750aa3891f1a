package load

import (
	"fmt"
	"net/netip"
	"runtime"
)

const (
	// Linux gives 28 232 ports to an address by default; a few are in use.
	portsPerSource = 28_000
	// perSource is the default number of connections per source address: recently
	// used ports may not be free yet.
	perSource  = 5_000
	maxSources = 254
	// ownFiles is what the process needs besides connections.
	ownFiles = 64
)

// sources returns the number of loopback source addresses. Only Linux has all of
// 127.0.0.0/8 without configuration.
func sources(target netip.Addr, asked, connections int) int {
	if !target.Is4() || !target.IsLoopback() || runtime.GOOS != "linux" {
		return 1
	}
	if asked == 0 {
		asked = 4 + connections/perSource
	}
	return min(asked, maxSources)
}

// checkLimits reports limits before the run that would make it fail.
func checkLimits(connections, sources int) error {
	if files, ok := maxFiles(); ok && connections+ownFiles > files {
		return fmt.Errorf("%d connections are too many: this process may have %d files open, so %d are possible; raise the limit (ulimit -n) or run several processes",
			connections, files, max(files-ownFiles, 0))
	}
	if most := max(sources, 1) * portsPerSource; connections > most {
		return fmt.Errorf("%d connections are too many: %d source addresses have ports for %d; give more with --source-addresses",
			connections, max(sources, 1), most)
	}
	return nil
}
