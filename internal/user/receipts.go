package user

import (
	"slices"
	"strings"
)

// Receipt is the state of a message on one device.
type Receipt struct {
	Device string
	State  ReceiptState
}

// ReceiptState is one of four states. Each includes those before it.
type ReceiptState string

// The states of a receipt. Read holds for all devices of the user.
const (
	Stored       ReceiptState = "stored"
	Sent         ReceiptState = "sent"
	Acknowledged ReceiptState = "acknowledged"
	Read         ReceiptState = "read"
)

// Receipts returns the receipts of the user's devices. A device without a cursor in the
// channel has received nothing yet. A message before the start of the user's mark was
// not sent to the user and has no receipts.
func (u *User) Receipts(channel string, seq uint64, sent map[string]bool) []Receipt {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(channel)
	read := m != nil && m.read >= seq
	if m != nil && m.since >= seq {
		return nil
	}
	var list []Receipt
	for _, d := range u.mu.devices {
		r := Receipt{Device: d.name, State: Stored}
		switch p := d.find(channel); {
		case read:
			r.State = Read
		case p != nil && p.seq >= seq:
			r.State = Acknowledged
		case sent[d.name]:
			r.State = Sent
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		r := Receipt{State: Stored}
		if read {
			r.State = Read
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Receipt) int { return strings.Compare(a.Device, b.Device) })
	return list
}

// Progress returns the devices that have acknowledged a message, and whether the user has
// read it.
func (u *User) Progress(channel string, seq uint64) (acknowledged []string, read bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, d := range u.mu.devices {
		if p := d.find(channel); p != nil && p.seq >= seq {
			acknowledged = append(acknowledged, d.name)
		}
	}
	slices.Sort(acknowledged)
	return acknowledged, u.readLocked(channel) >= seq
}

// Cursors returns the sequences that the user's devices acknowledged in a channel.
func (u *User) Cursors(channel string) map[string]uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := map[string]uint64{}
	for _, d := range u.mu.devices {
		if p := d.find(channel); p != nil {
			m[d.name] = p.seq
		}
	}
	return m
}
