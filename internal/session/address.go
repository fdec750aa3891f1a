package session

import (
	"encoding/binary"
	"net/netip"
)

// Address is a peer's IP address and port, in less memory than a string or a
// netip.AddrPort. The zero value is not an address.
type Address struct {
	ip   [16]byte
	port [2]byte
}

// ParseAddress parses the address of a request. Middleware may have set one without a
// port; an invalid address is ignored.
func ParseAddress(remote string) (a Address) {
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

// Addr is the IP address alone.
func (a Address) Addr() netip.Addr { return netip.AddrFrom16(a.ip).Unmap() }

// String shows the address, with the port if it is known.
func (a Address) String() string {
	if a == (Address{}) {
		return ""
	}
	addr := a.Addr()
	port := binary.BigEndian.Uint16(a.port[:])
	if port == 0 {
		return addr.String()
	}
	return netip.AddrPortFrom(addr, port).String()
}
