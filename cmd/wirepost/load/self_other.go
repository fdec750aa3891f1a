//go:build !unix

package load

import "time"

func selfCPU() time.Duration { return 0 }

func maxFiles() (int, bool) { return 0, false }
