package torture

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fault is a fault of the program, with its relative frequency.
type fault struct {
	weight int
	do     func(*run, *process)
}

// wiped counts the starts with a damaged store, and lists the damage.
type wiped struct {
	started, refused int
	what             []string
}

var everyday = []fault{
	{5, func(r *run, _ *process) { r.restart(true) }},
	{2, func(r *run, _ *process) { r.restart(false) }},
	{1, func(r *run, _ *process) { r.proxy.cutAll() }},
}

// TestProgram runs against the real program, with several settings.
func TestProgram(t *testing.T) {
	for _, v := range []struct {
		name    string
		prepare func(*run, *process)
		faults  []fault
	}{
		{"plain", func(*run, *process) {}, everyday},
		{"tls", withCertificate, everyday},
		{"damaged", func(*run, *process) {}, append([]fault{{4, wipe}}, everyday...)},
		{"descriptors", func(_ *run, p *process) { p.files = 160 }, append([]fault{{8, crowd}}, everyday...)},
		{"memory", func(r *run, p *process) {
			p.memory = 128 << 20
			p.more = append(p.more, "--memory", "128MiB")
			r.bulk = true
		}, append([]fault{{16, (*run).letItFill}}, everyday...)},
	} {
		t.Run(v.name, func(t *testing.T) {
			var started, refused int
			torture(t, 2*time.Second, func(r *run, length time.Duration) *report {
				p := newProcess(r.t)
				r.target = p
				v.prepare(r, p)
				found := r.do(plan{length: length, fault: func(r *run) { r.pick(v.faults).do(r, p) }})
				started, refused = started+r.wiped.started, refused+r.wiped.refused
				if r.t.Failed() {
					r.t.Log("damaged were ", strings.Join(r.wiped.what, "; "))
				}
				return found
			})
			if started+refused > 0 {
				t.Logf("started %d times with a damaged file, refused to start %d times", started, refused)
			}
		})
	}
}

// pick picks a fault by weight.
func (r *run) pick(faults []fault) fault {
	sum := 0
	for _, f := range faults {
		sum += f.weight
	}
	n := r.random.IntN(sum)
	for _, f := range faults {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	panic("unreachable")
}

// letItFill is not a fault: it gives the program time to use as much memory as it can.
func (r *run) letItFill(*process) { r.progress() }

// withCertificate makes the program use TLS, with a certificate that the run's clients
// trust.
func withCertificate(r *run, p *process) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		r.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		r.t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	for name, text := range map[string][]byte{
		"cert.pem": public, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	p.more = append(p.more, "--tls-cert", filepath.Join(p.dir, "cert.pem"), "--tls-key", filepath.Join(p.dir, "key.pem"))
	r.tls = &tls.Config{RootCAs: x509.NewCertPool()}
	r.tls.RootCAs.AppendCertsFromPEM(public)
}

// crowd opens connections of other users until the program refuses more, while the
// publishers continue. After they close, everything must work again without a restart.
func crowd(r *run, p *process) {
	var all []net.Conn
	for range 2 * p.files {
		c, err := net.DialTimeout("tcp", p.address, time.Second)
		if err != nil {
			break // it refuses more
		}
		all = append(all, c)
	}
	r.progress()
	for _, c := range all {
		c.Close()
	}
}

// wipe kills the program, damages a file of its store and starts it: it must either
// refuse to start and name a command that helps, or keep all data, which the run then
// checks.
func wipe(r *run, p *process) {
	r.h.add(event{kind: crash})
	p.kill()
	r.h.add(event{kind: crash})
	r.proxy.turn("")
	sound := filepath.Join(p.dir, "sound")
	if err := os.CopyFS(sound, os.DirFS(p.data())); err != nil {
		r.t.Fatal(err)
	}
	what := damage(r, p.data(), false)
	said := len(p.errors.String())
	if err := p.tryStart(); err != nil {
		if text := []byte(p.errors.String()[said:]); !bytes.Contains(text, []byte("wirepost check")) {
			r.fail("%s: the server refused to start without naming a remedy: %s", what, text)
		}
		if err := os.RemoveAll(p.data()); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Rename(sound, p.data()); err != nil {
			r.t.Fatal(err)
		}
		p.start()
		r.wiped.refused++
	} else {
		os.RemoveAll(sound) //nolint:errcheck // the directory goes with the test
		r.wiped.started++
	}
	r.wiped.what = append(r.wiped.what, what)
	r.proxy.turn(p.address)
}

// damage overwrites some bytes of one of the store's files, truncates it or removes it,
// and describes the damage. Damage of tables is found only when they are read.
func damage(r *run, dir string, tables bool) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && (tables || filepath.Ext(e.Name()) != ".sst") && e.Name() != "LOCK" {
			names = append(names, e.Name())
		}
	}
	name := names[r.random.IntN(len(names))]
	path := filepath.Join(dir, name)
	content, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	content = bytes.TrimRight(content, "\x00") // a log is allocated ahead
	how := r.random.IntN(8)
	if len(content) == 0 || how == 0 {
		if err := os.Remove(path); err != nil {
			r.t.Fatal(err)
		}
		return name + " removed"
	}
	if how == 1 {
		length := r.random.IntN(len(content))
		if err := os.Truncate(path, int64(length)); err != nil {
			r.t.Fatal(err)
		}
		return fmt.Sprintf("%s cut to %d bytes of %d", name, length, len(content))
	}
	return name + " overwritten at " + overwrite(r, path, len(content))
}

// overwrite overwrites some bytes of a file, and describes them.
func overwrite(r *run, path string, size int) string {
	at := r.random.IntN(size)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, min(size-at, 1+r.random.IntN(64)))
	if _, err := f.ReadAt(b, int64(at)); err != nil {
		r.t.Fatal(err)
	}
	for i := range b {
		b[i] ^= byte(1 + r.random.IntN(255))
	}
	if _, err := f.WriteAt(b, int64(at)); err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%d, %d bytes of %d", at, len(b), size)
}
