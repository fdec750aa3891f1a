package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// webPushEntry is a subscription in a list. It has no keys.
type webPushEntry struct {
	Name     string `json:"name"`
	Endpoint string `json:"endpoint"`
	Device   string `json:"device"`
	Since    int64  `json:"since"`
	Expires  int64  `json:"expires,omitempty"`
}

// webPush is GET /v1/users/{user}/webpush.
func (a *api) webPush(w http.ResponseWriter, r *request) error {
	list, err := a.srv.WebPush(r.Context(), r.user)
	if err != nil {
		return err
	}
	entries := make([]webPushEntry, len(list))
	for i, sub := range list {
		entries[i] = webPushEntry{Name: sub.Name, Endpoint: sub.Endpoint, Device: sub.Device, Since: sub.Since.UnixMilli()}
		if !sub.Expires.IsZero() {
			entries[i].Expires = sub.Expires.UnixMilli()
		}
	}
	return writeJSON(w, http.StatusOK, map[string]any{"subscriptions": entries})
}

// addWebPush is PUT /v1/users/{user}/webpush. Unlike other bodies, a PushSubscription may have
// members that are not known: it is the browser that makes them.
func (a *api) addWebPush(w http.ResponseWriter, r *request) error {
	err := readJSONBody(w, r, func(body []byte) error { return a.srv.AddWebPush(r.Context(), r.user, body) })
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// removeWebPush is DELETE /v1/users/{user}/webpush.
func (a *api) removeWebPush(w http.ResponseWriter, r *request) error {
	endpoint, err := r.narrow("endpoint", "all subscriptions are removed")
	if err == nil {
		err = a.srv.RemoveWebPush(r.Context(), r.user, endpoint)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// vapid is GET /v1/vapid.
func (a *api) vapid(w http.ResponseWriter, _ *request) error {
	key, err := a.srv.VAPIDKey()
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]string{"vapid": key})
}

// importVAPID is PUT /v1/vapid.
func (a *api) importVAPID(w http.ResponseWriter, r *request) error {
	key := ""
	err := readJSON(w, r, func(name string, value json.RawMessage) (err error) {
		if name != "key" {
			return parse.ErrUnknown
		}
		key, err = parse.Text(name, value)
		return err
	})
	if err != nil {
		return err
	}
	if key == "" {
		return parse.BadRequest("key", "the private key is needed, as PEM or base64url")
	}
	if err := a.srv.ImportVAPIDKey(r.Context(), key); err != nil {
		return err
	}
	return a.vapid(w, r)
}
