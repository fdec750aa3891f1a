package webpush

import (
	"encoding/json"
	"fmt"

	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/wire"
)

// The content types of what is sent.
const (
	declaredType = "application/notification+json" // a browser can show it without a service worker
	plainType    = "application/octet-stream"
)

// payload is what is sent: a Declarative Web Push message, if there is a notification with a
// title, and what the service worker needs.
type payload struct {
	WebPush      int                        `json:"web_push,omitempty"` // 8030 declares the notification
	Notification map[string]json.RawMessage `json:"notification,omitempty"`
	Wirepost     about                      `json:"wirepost"`
}

// about says which message it is, with its data as in a message of wirepost.v1.
type about struct {
	Channel     string          `json:"channel"`
	Seq         uint64          `json:"seq"`
	ID          string          `json:"id"`
	ContentType string          `json:"content_type,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataBase64  *[]byte         `json:"data_base64,omitempty"`
	Truncated   bool            `json:"truncated,omitempty"` // the data is too large to be sent
}

const declared = 8030 // the number of the RFC; see https://www.w3.org/TR/push-api/

// encode returns the text of a notification, and its content type. Without whole, and if they
// do not fit, the data are left out.
func encode(m *escalation.Message, whole bool) (text []byte, contentType string, err error) {
	p := payload{Wirepost: about{Channel: m.Channel, Seq: m.Seq, ID: m.ID}}
	contentType = plainType
	if m.Notification != nil {
		if err := json.Unmarshal(m.Notification, &p.Notification); err != nil {
			return nil, "", fmt.Errorf("the notification is not a JSON object: %w", err)
		}
		p.navigate()
		if p.WebPush != 0 {
			contentType = declaredType
		}
	}
	if w := &p.Wirepost; whole && len(m.Data) > 0 {
		if w.Data, w.DataBase64, err = wire.EncodeData(m.Data, m.ContentType); err != nil {
			return nil, "", err
		}
		if m.ContentType != wire.JSONType {
			w.ContentType = m.ContentType
		}
		if text, err = wire.EncodeJSON(&p); err != nil || len(text) <= maxText {
			return text, contentType, err
		}
		w.ContentType, w.Data, w.DataBase64 = "", nil, nil
	}
	p.Wirepost.Truncated = len(m.Data) > 0
	if text, err = wire.EncodeJSON(&p); err == nil && len(text) > maxText {
		err = fmt.Errorf("the notification has %d bytes with what Wirepost adds, more than %d", len(text), maxText)
	}
	return text, contentType, err
}

// navigate makes the notification one that browsers can show by themselves: they need a title,
// and where a click leads, which the API calls url.
func (p *payload) navigate() {
	n := p.Notification
	if n["title"] == nil {
		return
	}
	p.WebPush = declared
	if n["navigate"] == nil {
		n["navigate"] = n["url"]
	}
	if n["navigate"] == nil {
		n["navigate"] = json.RawMessage(`"/"`)
	}
	delete(n, "url")
}
