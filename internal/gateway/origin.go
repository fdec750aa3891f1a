package gateway

import (
	"net/http"
	"strings"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/origin"
)

// checkOrigin refuses what pages of other sites make a browser send, with the user's
// cookies. What comes without Origin comes from no page, from a page of the server's
// own origin, or is a link, an image or the like; a browser says in Sec-Fetch-Site
// which of these, and nothing here is meant to be linked to: even a poll that nobody
// can read makes a device of its user known.
func (g *Gateway) checkOrigin(r *http.Request) error {
	header := strings.Join(r.Header["Origin"], ",") // several are no origin that could be allowed
	if header == "" {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			return &fault.Error{Code: fault.Forbidden, Field: "Sec-Fetch-Site", Message: "pages of other origins may not link to this or embed it"}
		}
		return nil
	}
	if o, ok := origin.Parse(header); ok && origin.Same(o, r) || g.origins.Match(header) {
		return nil
	}
	return &fault.Error{Code: fault.Forbidden, Field: "Origin", Message: "pages from this origin may not connect here"}
}
