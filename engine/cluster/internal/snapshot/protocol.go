// Package snapshot copies the store of a node to another one, over the bus between them.
package snapshot

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/fields"
)

// Nodes use the bus, so that they need neither an address nor a secret besides those of the
// log:
//
//	offer   to all      any node that is ready responds with its name
//	begin   to the node  it takes a snapshot, or shares the one it has, and responds with its
//	                     ID and the size of the list of files
//	read    to the node  a chunk of a file, or of the list
//	done    to the node  the snapshot is not needed any more
//
// The node that fetches has one request under way. It repeats those that fail, and begins
// again with another node if they continue to fail.
const offerTopic = "snapshot.offer"

// topicOf is the topic of begin, read and done.
func topicOf(node string) string { return "snapshot.of." + node }

const (
	// chunkBytes is the most bytes of a file in a response. It leaves room for what the Bus
	// adds to a message.
	chunkBytes = engine.MaxBusMessage * 3 / 4
	// maxListBytes limits the list of files, and with it the files: to about a million.
	maxListBytes = 64 << 20
)

// request is encoded as JSON.
type request struct {
	Op      string   `json:"op,omitempty"`
	Cluster string   `json:"cluster"`
	Node    string   `json:"node"`             // that requests it
	Fetch   string   `json:"fetch,omitempty"`  // names this attempt
	Except  []string `json:"except,omitempty"` // nodes that are not to make an offer
	ID      string   `json:"id,omitempty"`     // of the snapshot
	File    int      `json:"file,omitempty"`   // an index into the list, or listFile
	Offset  int64    `json:"offset,omitempty"`
}

// listFile is the index of the list itself.
const listFile = -1

// offer is the response to an offer, encoded as JSON.
type offer struct {
	Node string `json:"node"`
}

// begun is the response to begin, encoded as JSON.
type begun struct {
	ID        string `json:"id"`
	ListBytes int64  `json:"list_bytes"`
}

// A response begins with a byte that says what follows.
const (
	respondDone  = 0 // what was asked for: JSON, or a checksum and the chunk
	respondWait  = 1 // JSON: the nanoseconds after which to ask again
	respondError = 2 // a text
	respondGone  = 3 // the snapshot does not exist (any more)
)

var (
	// errGone says that a node has not the snapshot that was asked for.
	errGone      = errors.New("the node has removed the snapshot")
	errMalformed = errors.New("the response is malformed")
)

// waitError says that a node wants to be asked later.
type waitError time.Duration

func (e waitError) Error() string { return "asked to wait " + time.Duration(e).String() }

func respondJSON(kind byte, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return append([]byte{respondError}, err.Error()...)
	}
	return append([]byte{kind}, data...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of a chunk. It includes which one it is.
func sumOf(r *request, data []byte) uint32 {
	sum := crc32.Checksum([]byte(r.ID), castagnoli)
	sum = crc32.Update(sum, castagnoli, binary.BigEndian.AppendUint64(nil, uint64(r.File)))
	sum = crc32.Update(sum, castagnoli, binary.BigEndian.AppendUint64(nil, uint64(r.Offset)))
	return crc32.Update(sum, castagnoli, data)
}

// openResponse returns what follows the first byte of a response, or the error that it says.
func openResponse(response []byte) ([]byte, error) {
	if len(response) == 0 {
		return nil, errMalformed
	}
	switch kind, rest := response[0], response[1:]; kind {
	case respondDone:
		return rest, nil
	case respondWait:
		var wait time.Duration
		if err := json.Unmarshal(rest, &wait); err != nil {
			return nil, err
		}
		return nil, waitError(min(max(wait, time.Millisecond), idleAfter/2))
	case respondError:
		return nil, errors.New(string(rest))
	case respondGone:
		return nil, errGone
	}
	return nil, errMalformed
}

// openChunk returns the data of a chunk.
func openChunk(r *request, response []byte) ([]byte, error) {
	rest, err := openResponse(response)
	if err != nil {
		return nil, err
	}
	if len(rest) < 4 || sumOf(r, rest[4:]) != binary.BigEndian.Uint32(rest) {
		return nil, fmt.Errorf("the checksum of a chunk is wrong (file %d at %d)", r.File, r.Offset)
	}
	return rest[4:], nil
}

// appendFiles encodes a list of files.
func appendFiles(dst []byte, files []engine.SnapshotFile) []byte {
	for _, f := range files {
		dst = binary.AppendUvarint(fields.AppendText(dst, f.Name), uint64(f.Size))
	}
	return dst
}

func decodeFiles(data []byte) (files []engine.SnapshotFile, err error) {
	in := fields.Of(data)
	for in.More() {
		f := engine.SnapshotFile{Name: in.Text(), Size: int64(in.Number())}
		if in.Bad() || f.Size < 0 {
			return nil, fmt.Errorf("the list of files: %w", errMalformed)
		}
		files = append(files, f)
	}
	return files, nil
}
