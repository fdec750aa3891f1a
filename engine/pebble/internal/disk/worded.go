package disk

import (
	"fmt"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
)

// Worded says of an error that it comes from damage, if it does.
func Worded(err error) error {
	if pdb.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", engine.ErrDamaged, err)
	}
	return err
}
