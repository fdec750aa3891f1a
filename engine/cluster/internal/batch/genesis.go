package batch

import (
	"encoding/binary"

	"github.com/wirepost/wirepost/engine/cluster/internal/fields"
)

// Genesis is the first entry of the log of a shard. Several nodes may have proposed one;
// the first in the log counts. After a repair the log goes on with another genesis, of the
// next generation.
type Genesis struct {
	Cluster string // its name
	Shards  int
	Data    bool // the cluster began with data that is not in the log
}

func (g *Genesis) append(dst []byte) []byte {
	dst = fields.AppendText(append(dst, kindGenesis), g.Cluster)
	dst = binary.AppendUvarint(dst, uint64(g.Shards))
	if g.Data {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func readGenesis(r *fields.Reader) *Genesis {
	g := &Genesis{Cluster: r.Text()}
	if shards := r.Number(); shards <= maxShards {
		g.Shards = int(shards)
	} else {
		r.Fail()
	}
	g.Data = r.Byte() != 0
	return g
}

// maxShards is the most shards of a cluster.
const maxShards = 1024
