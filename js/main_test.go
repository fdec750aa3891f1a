package js_test

import (
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/internal/browser"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(withScratch{browser.With(m)}) }

type withScratch struct{ tests interface{ Run() int } }

func (w withScratch) Run() int {
	dir, err := os.MkdirTemp("", "wirepost-js")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	scratch = dir
	defer http.DefaultClient.CloseIdleConnections()
	return w.tests.Run()
}
