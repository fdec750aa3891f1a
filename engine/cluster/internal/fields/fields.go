// Package fields encodes and decodes the fields of which the entries of a log and the note
// of a replica consist: numbers are varints, texts have their length before them.
package fields

import "encoding/binary"

// Reader reads fields. After bad input everything that it returns is zero.
type Reader struct {
	rest []byte
	bad  bool
}

// Of returns a reader of data. What it returns of bytes are slices of data.
func Of(data []byte) Reader { return Reader{rest: data} }

// Bad reports whether the input was bad.
func (r *Reader) Bad() bool { return r.bad }

// More reports whether there is more to read.
func (r *Reader) More() bool { return len(r.rest) > 0 }

// Fail says that what was read is bad.
func (r *Reader) Fail() { r.bad, r.rest = true, nil }

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Bytes reads n bytes.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.Fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Number reads an unsigned number.
func (r *Reader) Number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.Fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// Signed reads a signed number.
func (r *Reader) Signed() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.Fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// Length reads the number of things that follow, of which each has a byte at least.
func (r *Reader) Length() int {
	n := r.Number()
	if n > uint64(len(r.rest)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Text reads a text.
func (r *Reader) Text() string { return string(r.Bytes(r.Length())) }

// Texts reads texts and their number before them.
func (r *Reader) Texts() (all []string) {
	for range r.Length() {
		all = append(all, r.Text())
	}
	return all
}

// AppendText appends a text.
func AppendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendTexts appends texts and their number before them.
func AppendTexts(dst []byte, all []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(all)))
	for _, s := range all {
		dst = AppendText(dst, s)
	}
	return dst
}
