package wirepost

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/wirepost/wirepost/engine"
)

// errNoCluster says that this is a single node.
var errNoCluster = &Error{Code: CodeNotFound, Message: "this server is a single node, not part of a cluster"}

// Cluster describes the cluster that the server's engine belongs to, as this node knows
// it. It returns false if the engine is not shared by nodes.
func (s *Server) Cluster() (engine.Cluster, bool) {
	if s.shared == nil {
		return engine.Cluster{}, false
	}
	return s.shared.Cluster(), true
}

// RepairCluster makes the log of a cluster that has lost acknowledged batches go on after
// what this node has, see engine.Shared, and returns the shards that were repaired.
// Messages that are in the log and that this node does not have are given up. It refuses
// that if another node has or may have more than this one, see there for abandon.
func (s *Server) RepairCluster(ctx context.Context, abandon bool) (shards []int, err error) {
	if s.shared == nil {
		return nil, errNoCluster
	}
	shards, err = s.shared.Repair(ctx, abandon)
	return shards, operation(err)
}

// ForgetNode removes a node that has left the cluster for good from its members.
func (s *Server) ForgetNode(ctx context.Context, node string) error {
	if s.shared == nil {
		return errNoCluster
	}
	return operation(s.shared.Forget(ctx, node))
}

// operation is an error of something that the operator of a cluster wanted. Operators may
// see why.
func operation(err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Code: CodeBadRequest, Status: http.StatusConflict, Message: strings.ReplaceAll(err.Error(), "\n", "; "), Err: err}
	for _, of := range []struct {
		err  error
		code Code
	}{
		{engine.ErrUnknownNode, CodeNotFound},
		{engine.ErrUnavailable, CodeUnavailable},
		{engine.ErrClosed, CodeUnavailable},
		{context.Canceled, CodeUnavailable},
		{context.DeadlineExceeded, CodeUnavailable},
	} {
		if errors.Is(err, of.err) {
			e.Code, e.Status = of.code, 0
		}
	}
	return e
}
