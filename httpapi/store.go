package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
)

// maxStored is the largest number of users and channels that are counted.
const maxStored = 100_000

// storeResponse is the body of a response to GET /v1/store.
type storeResponse struct {
	Epoch string       `json:"epoch"`
	Files *storeFiles  `json:"files,omitempty"`
	Disk  *storeDisk   `json:"disk,omitempty"`
	Syncs *storeSyncs  `json:"syncs,omitempty"`
	Count *storeCounts `json:"count,omitempty"`
}

type storeFiles struct {
	Bytes      uint64 `json:"bytes"`
	Log        uint64 `json:"log_bytes"`
	Tables     uint64 `json:"tables"`
	ReadLevels int    `json:"read_levels"`
	Debt       uint64 `json:"compaction_debt_bytes"`
}

type storeDisk struct {
	Free uint64 `json:"free_bytes"`
	Size uint64 `json:"size_bytes"`
}

type storeSyncs struct {
	Count   uint64       `json:"count"`
	LastMS  float64      `json:"last_ms"`
	MeanMS  float64      `json:"mean_ms"`
	Buckets []syncBucket `json:"buckets"`
}

// syncBucket is how many syncs took up to a time, and longer than the bucket before it.
type syncBucket struct {
	UpToMS float64 `json:"up_to_ms"`
	Count  uint64  `json:"count"`
}

type storeCounts struct {
	Users    int `json:"users"`
	Channels int `json:"channels"`
}

// store is GET /v1/store.
func (a *api) store(w http.ResponseWriter, r *request) error {
	response := storeResponse{Epoch: a.srv.Stats().Epoch}
	if s := a.srv.Store(); s != nil {
		response.Files = &storeFiles{s.Bytes, s.LogBytes, s.Tables, s.ReadLevels, s.CompactionDebt}
		response.Syncs = newStoreSyncs(s)
		if s.DiskSize > 0 {
			response.Disk = &storeDisk{s.DiskFree, s.DiskSize}
		}
	}
	if r.query.Has("count") {
		most, err := r.number("count", 0, 1, maxStored)
		if err != nil {
			return err
		}
		users, channels, err := a.srv.CountStored(r.Context(), int(most))
		if err != nil {
			return err
		}
		response.Count = &storeCounts{users, channels}
	}
	return writeJSON(w, http.StatusOK, response)
}

func newStoreSyncs(s *wirepost.StoreStats) *storeSyncs {
	syncs := &storeSyncs{Count: s.Syncs.Count, LastMS: milliseconds(s.LastSync), Buckets: []syncBucket{}}
	if s.Syncs.Count > 0 {
		syncs.MeanMS = milliseconds(time.Duration(s.Syncs.Sum / float64(s.Syncs.Count) * float64(time.Second)))
	}
	below := uint64(0)
	for _, bound := range slices.Sorted(maps.Keys(s.Syncs.Buckets)) {
		n := s.Syncs.Buckets[bound]
		syncs.Buckets = append(syncs.Buckets, syncBucket{milliseconds(time.Duration(bound * float64(time.Second))), n - below})
		below = n
	}
	return syncs
}
