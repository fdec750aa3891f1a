package ws

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/internal/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Frames of clients, from wstest.
var (
	masked       = wstest.Masked
	textFrame    = wstest.Text
	controlFrame = wstest.Control
	closeFrame   = wstest.Close
	begins       = wstest.Begins
	ends         = wstest.Ends
	frames       = wstest.Join
	pieces       = wstest.Pieces

	deflatedText  = wstest.Deflated
	finalText     = wstest.Final
	squeezed      = wstest.Squeezed
	squeezedIn    = wstest.SqueezedIn
	bomb          = wstest.Bomb
	sample        = wstest.JSON
	noise         = wstest.Noise
	apart         = wstest.Apart
	inflateWithin = wstest.InflateWithin

	parseCases   = wstest.Parsed
	deflateCases = wstest.Inflated
)

const testMax = wstest.MaxMessage

func serverText(s string) []byte { return AppendFrame(nil, OpText, []byte(s)) }
