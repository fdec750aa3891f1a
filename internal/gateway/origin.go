package gateway

import (
	"net/http"
	"strings"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/origin"
)

// checkOrigin refuses requests that pages of other sites make a browser send, with the
// user's cookies. A request without Origin does not come from a page, or comes from a
// page of the server's own origin, or is a link, an image or the like; a browser tells
// these apart in Sec-Fetch-Site. Nothing here may be linked to from other sites: even a
// poll whose response the page cannot read registers a device of the user.
func (g *Gateway) checkOrigin(r *http.Request) error {
	header := strings.Join(r.Header["Origin"], ",") // several origins are never allowed
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
