package format

// A hole is a sequence of a channel that is not a live message: a message that was
// collapsed, revoked or swept after its time to live, or a revocation. Every other sequence
// above the floor is a message, so messages are counted without reading records.
//
// The store holds, for each block of 256 sequences with holes, a list of them: one
// byte for each, in the order in which they were made. A list grows by a merge,
// which concatenates, so the committer adds a hole without reading anything. A
// block that is nothing but holes has an empty list, and 256 such blocks in a row, a
// group, have one key. Of a channel in use the length of each list is in memory:
// two bytes for 256 sequences, and only where there are holes.
const (
	BlockBits = 8
	BlockSize = 1 << BlockBits
	GroupBits = 8
	GroupSize = 1 << (BlockBits + GroupBits)
	// WholeGroup is the bit in a block's number that makes it a group's.
	WholeGroup = 1 << 63
)

// BlockOf returns the block of a sequence.
func BlockOf(seq uint64) uint64 { return seq >> BlockBits }

// GroupOf returns the group of a block.
func GroupOf(block uint64) uint64 { return block >> GroupBits }
