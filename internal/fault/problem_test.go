package fault

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProblemsAreReadable(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Write(w, Field("token", "as bearer.<token> & co"))
	if body := w.Body.String(); !strings.Contains(body, `"detail":"as bearer.<token> & co"`) || !strings.HasSuffix(body, "}\n") {
		t.Errorf("the problem is %s", body)
	}
}
