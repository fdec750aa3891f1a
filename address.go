package wirepost

import (
	"encoding/binary"
	"net/netip"
)

// address is a peer's IP address and port, in less room than a string or a
// netip.AddrPort takes. The zero value is no address.
type address struct {
	ip   [16]byte
	port [2]byte
}

// parseAddress reads the address of a request. Middleware may have put one there
// without a port; what is no address at all is not kept.
func parseAddress(remote string) (a address) {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		addr, err := netip.ParseAddr(remote)
		if err != nil {
			return a
		}
		ap = netip.AddrPortFrom(addr, 0)
	}
	a.ip = ap.Addr().As16()
	binary.BigEndian.PutUint16(a.port[:], ap.Port())
	return a
}

// String shows the address, with the port if it is known.
func (a address) String() string {
	if a == (address{}) {
		return ""
	}
	addr := netip.AddrFrom16(a.ip).Unmap()
	port := binary.BigEndian.Uint16(a.port[:])
	if port == 0 {
		return addr.String()
	}
	return netip.AddrPortFrom(addr, port).String()
}
