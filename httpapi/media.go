package httpapi

import (
	"net/http"
	"strings"
)

// The types of bodies that the API reads.
const (
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson"
	formType   = "application/x-www-form-urlencoded"
)

// mediaType is the type of the body without parameters, in lower case.
func mediaType(h http.Header) string {
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// isJSON takes a body without a type for JSON.
func isJSON(mediaType string) bool {
	return mediaType == "" || mediaType == jsonType || strings.HasSuffix(mediaType, "+json")
}

func isNDJSON(mediaType string) bool {
	return mediaType == ndjsonType || mediaType == "application/ndjson"
}
