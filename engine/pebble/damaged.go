package pebble

import (
	"errors"
	"fmt"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
)

// unopened is the error of a start that met damage the survey does not look for, such as
// a block of a table.
func unopened(dir string, err error) error {
	if !pdb.IsCorruptionError(err) && !errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %s; %s", ErrDamaged, strings.TrimPrefix(disk.Plain(err), ErrDamaged.Error()+": "), directory.Advice(dir))
}

// ErrDamaged is engine.ErrDamaged.
var ErrDamaged = engine.ErrDamaged
