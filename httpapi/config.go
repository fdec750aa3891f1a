package httpapi

import (
	"net/http"

	"github.com/wirepost/wirepost"
)

// config is GET /v1/config.
func (a *api) config(w http.ResponseWriter, _ *request) error {
	if a.settings == nil {
		return wirepost.Errorf(wirepost.CodeNotFound, "the program that this server is a part of does not show its settings")
	}
	return writeJSON(w, http.StatusOK, map[string]any{"settings": a.settings})
}
