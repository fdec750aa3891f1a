package wirepost

// question is what a node asks another one about its connections.
type question struct {
	Kind       questionKind `json:"kind"`
	User       string       `json:"user,omitempty"`
	Device     string       `json:"device,omitempty"`
	Connection string       `json:"connection,omitempty"` // "": all of the user
	Channel    string       `json:"channel,omitempty"`
	Seq        uint64       `json:"seq,omitempty"`
	Code       int          `json:"code,omitempty"` // of a close
	Reason     string       `json:"reason,omitempty"`
	Binary     bool         `json:"binary,omitempty"`
	Data       []byte       `json:"data,omitempty"`
	Before     uint64       `json:"before,omitempty"` // in ms since the epoch
}

type questionKind string

const (
	askSessions questionKind = "sessions" // of User
	askClose    questionKind = "close"    // Connection of User
	askSend     questionKind = "send"     // a frame to Connection of User
	askOld      questionKind = "old"      // sessions of User with tokens from Before
	askEndOld   questionKind = "end_old"  // and close them
	askSent     questionKind = "sent"     // which subscribers have been sent Seq of Channel
	askForget   questionKind = "forget"   // the messages of Channel up to Seq were removed
	askCursors  questionKind = "cursors"  // what Device of User has acknowledged
)

// answer answers a question.
type answer struct {
	Count    int       `json:"count,omitempty"` // of the sessions concerned
	NotPlain bool      `json:"not_plain,omitempty"`
	Sessions []Session `json:"sessions,omitempty"`
	Sent     []sentTo  `json:"sent,omitempty"`
	Cut      bool      `json:"cut,omitempty"` // there is more than fits into the answer
	// Cursors is what a device has acknowledged, by channel.
	Cursors map[string]uint64 `json:"cursors,omitempty"`
}

// sentTo is a subscriber of a channel, and whether it has been sent a message.
type sentTo struct {
	User   string `json:"user"`
	Device string `json:"device"`
	Sent   bool   `json:"sent"`
}
