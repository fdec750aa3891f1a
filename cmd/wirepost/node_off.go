//go:build nocluster

package main

import (
	"context"

	"github.com/wirepost/wirepost/engine"
)

func openNode(context.Context, nodeOptions) (engine.Shared, error) {
	return nil, usagef("--cluster-name: this program was built without clusters (with the build tag nocluster)")
}
