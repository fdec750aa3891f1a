package wirepost_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// Callbacks may return the codes as errors, also wrapped.
func TestCodesAsErrors(t *testing.T) {
	t.Parallel()
	for _, err := range []error{wirepost.ErrForbidden, fmt.Errorf("room 7: %w", wirepost.ErrForbidden)} {
		e := wirepost.AsError(err)
		if e.Code != wirepost.CodeForbidden || e.Message != "forbidden" || !errors.Is(e, wirepost.ErrForbidden) {
			t.Errorf("%v: %+v", err, e)
		}
		w := httptest.NewRecorder()
		if wirepost.WriteError(w, err); w.Code != 403 {
			t.Errorf("%v: status %d", err, w.Code)
		}
		n := newNode(t, func(o *wirepost.Options) {
			o.Authenticate = func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{}, err }
		})
		if _, response, dialErr := n.tryDial("user=42"); dialErr == nil || response.StatusCode != 403 {
			t.Errorf("%v from Authenticate: %v, %v", err, response, dialErr)
		}
	}
	w := httptest.NewRecorder()
	if wirepost.WriteError(w, nil); w.Code != 500 {
		t.Errorf("nil: status %d", w.Code)
	}
}

func TestCloseInfoError(t *testing.T) {
	t.Parallel()
	for info, want := range map[wirepost.CloseInfo]string{
		{Code: 1005}:                  "wirepost: closed: 1005",
		{Code: 4000, Reason: "moved"}: "wirepost: closed: 4000 moved",
	} {
		if got := info.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
