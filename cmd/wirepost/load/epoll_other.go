//go:build !linux

package load

func newDriver(c *crowd, sessions []*session) (driver, error) {
	return &portable{crowd: c, sessions: sessions}, nil
}
