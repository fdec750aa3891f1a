package wire

// Message is the message object of wirepost.v1.
type Message struct {
	Channel     string
	Seq, Prev   uint64
	ID          string
	Time        int64 // ms since the epoch
	Expires     int64 // ms since the epoch; 0: none
	Key         string
	ContentType string
	From        string
	Data        []byte
}

func AppendMessage(dst []byte, m *Message) []byte { panic("stub") }
