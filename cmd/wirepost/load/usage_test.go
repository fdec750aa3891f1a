package load

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
)

func TestParseMetrics(t *testing.T) {
	u := parseMetrics([]byte(`# HELP process_cpu_seconds_total Total.
process_cpu_seconds_total 1.25
process_resident_memory_bytes 2.5870336e+07
go_memstats_heap_inuse_bytes 2.547712e+06
go_info{version="go1.26.8"} 1
process_open_fds 11
process_max_fds nonsense
`))
	want := usage{cpu: 1.25, rss: 25870336, heap: 2547712, stack: -1, files: 11, maxFiles: -1, goVersion: "go1.26.8"}
	if u != want {
		t.Errorf("got %+v, want %+v", u, want)
	}
	if u := parseMetrics(nil); u.known() {
		t.Errorf("nothing gave %+v", u)
	}
}

func TestParseProc(t *testing.T) {
	cpu, err := parseStat("42 (a ) (b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 1 2 3")
	if err != nil || cpu != 2 {
		t.Errorf("got %g, %v", cpu, err)
	}
	if _, err := parseStat("42 (a) S"); err == nil {
		t.Error("a short stat was taken")
	}
	if rss := parseRollup("00400000-7fff [rollup]\nRss:   1024 kB\nPss:   512 kB\n"); rss != 1<<20 {
		t.Errorf("got %g", rss)
	}
	if n := parseLimits("Max open files            1024                 20000                files\n"); n != 1024 {
		t.Errorf("got %g", n)
	}
}

func TestListenerOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	if pid := listenerOf(port); pid != os.Getpid() {
		t.Errorf("process %d listens on %d, want %d", pid, port, os.Getpid())
	}
	u, err := readProc(os.Getpid())
	if err != nil || u.rss < 1<<20 || u.cpu < 0 || u.files < 3 || u.maxFiles < u.files {
		t.Errorf("got %+v, %v", u, err)
	}
	if _, err := readProc(1 << 30); err == nil {
		t.Error("a process that is not there was read")
	}
}

func TestLimits(t *testing.T) {
	if err := checkLimits(10, 1); err != nil {
		t.Error(err)
	}
	if err := checkLimits(1<<30, 1<<20); err == nil {
		t.Error("a billion connections were allowed")
	}
	loopback, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")
	if n := sources(other, 9, 9); n != 1 {
		t.Errorf("%d source addresses for another machine", n)
	}
	if n := sources(loopback, 0, 20_000); runtime.GOOS == "linux" && n < 2 {
		t.Errorf("%d source addresses for 20 000 connections", n)
	}
	if n := sources(loopback, 999, 1); n > maxSources {
		t.Errorf("%d source addresses", n)
	}
}
