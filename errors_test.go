package wirepost_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/wirepost/wirepost"
)

func TestErrorIs(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("for order 7: %w", wirepost.Errorf(wirepost.CodeNotFound, "no such message"))
	if !errors.Is(err, wirepost.ErrNotFound) || errors.Is(err, wirepost.ErrForbidden) {
		t.Errorf("%v is not ErrNotFound alone", err)
	}
	if e := wirepost.AsError(nil); e != nil {
		t.Errorf("no error became %v", e)
	}
}
