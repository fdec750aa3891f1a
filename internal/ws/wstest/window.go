package wstest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/klauspost/compress/flate"
)

// InflateWithin decompresses a message like a client with a window of that many bytes:
// a longer reference is an error. It is written from RFC 1951 alone.
func InflateWithin(message []byte, window int) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	d := &narrowInflater{in: append(bytes.Clone(message), tail...), window: window}
	for d.pos/8 < len(d.in) {
		d.block()
	}
	return d.out, nil
}

type narrowInflater struct {
	in     []byte
	pos    int // in bits
	out    []byte
	window int
}

func (d *narrowInflater) bits(n int) (v int) {
	for i := range n {
		v |= int(d.in[d.pos/8]>>(d.pos%8)&1) << i
		d.pos++
	}
	return v
}

// huffman holds the codes of a block, by length and value.
type huffman map[[2]int]int

func newHuffman(lengths []int) huffman {
	h, code := huffman{}, 0
	for n := 1; n <= 15; n++ {
		for symbol, length := range lengths {
			if length == n {
				h[[2]int{n, code}] = symbol
				code++
			}
		}
		code <<= 1
	}
	return h
}

func (d *narrowInflater) symbol(h huffman) int {
	for n, code := 1, 0; n <= 15; n++ {
		code = code<<1 | d.bits(1)
		if s, ok := h[[2]int{n, code}]; ok {
			return s
		}
	}
	panic(errors.New("no such code"))
}

func (d *narrowInflater) block() {
	d.bits(1)
	switch d.bits(2) {
	case 0:
		at := (d.pos + 7) / 8
		n := int(d.in[at]) | int(d.in[at+1])<<8
		d.out = append(d.out, d.in[at+4:at+4+n]...)
		d.pos = (at + 4 + n) * 8
	case 1:
		var lengths []int
		for symbol := range 288 {
			switch {
			case symbol < 144:
				lengths = append(lengths, 8)
			case symbol < 256:
				lengths = append(lengths, 9)
			case symbol < 280:
				lengths = append(lengths, 7)
			default:
				lengths = append(lengths, 8)
			}
		}
		d.compressed(newHuffman(lengths), newHuffman(bytesToInts(strings.Repeat("\x05", 30))))
	case 2:
		d.compressed(d.tables())
	default:
		panic(errors.New("no such block"))
	}
}

func bytesToInts(s string) (ints []int) {
	for _, b := range []byte(s) {
		ints = append(ints, int(b))
	}
	return ints
}

func (d *narrowInflater) tables() (literals, distances huffman) {
	nl, nd, nc := d.bits(5)+257, d.bits(5)+1, d.bits(4)+4
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	codes := make([]int, 19)
	for _, i := range order[:nc] {
		codes[i] = d.bits(3)
	}
	h := newHuffman(codes)
	var lengths []int
	for len(lengths) < nl+nd {
		s, times := d.symbol(h), 1
		switch s {
		case 16:
			s, times = lengths[len(lengths)-1], 3+d.bits(2)
		case 17:
			s, times = 0, 3+d.bits(3)
		case 18:
			s, times = 0, 11+d.bits(7)
		}
		for range times {
			lengths = append(lengths, s)
		}
	}
	return newHuffman(lengths[:nl]), newHuffman(lengths[nl:])
}

func (d *narrowInflater) compressed(literals, distances huffman) {
	for {
		s := d.symbol(literals)
		switch {
		case s < 256:
			d.out = append(d.out, byte(s))
			continue
		case s == 256:
			return
		}
		length := 258
		if s < 285 {
			length = d.value(s-257, 4, 3)
		}
		distance := d.value(d.symbol(distances), 2, 1)
		if distance > min(len(d.out), d.window) {
			panic(fmt.Errorf("a distance of %d at offset %d, the window is %d", distance, len(d.out), d.window))
		}
		for range length {
			d.out = append(d.out, d.out[len(d.out)-distance])
		}
	}
}

// value decodes a length or a distance: group codes each have the same number of extra
// bits, the first two groups none.
func (d *narrowInflater) value(code, group, first int) int {
	extra, value := 0, first
	for i := range code {
		if extra = i/group - 1; extra < 0 {
			extra = 0
		}
		value += 1 << extra
	}
	if extra = code/group - 1; extra < 0 {
		extra = 0
	}
	return value + d.bits(extra)
}

// Narrow compresses like a client that negotiated a window.
func Narrow(s string, bits int) string {
	var b bytes.Buffer
	w, err := flate.NewWriterWindow(&b, 1<<bits)
	if err == nil {
		_, err = w.Write([]byte(s))
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), tail)
}

// Apart repeats a random block at that distance, so that each match is as far back as
// possible.
func Apart(distance, n int) string { return strings.Repeat(Noise(distance), n/distance+1)[:n] }
