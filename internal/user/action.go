package user

// Action is something that a user did, or that was done for the user, and that is stored.
type Action struct {
	Kind    ActionKind
	User    string
	Device  string // of an acknowledgement
	Channel string
	Seq     uint64 // of an acknowledgement or a read mark
}

// ActionKind says what an Action is.
type ActionKind uint8

// The kinds of actions.
const (
	ActionAcknowledged ActionKind = iota // a device has acknowledged all messages up to Seq
	ActionRead                           // the user has read all messages up to Seq
	ActionJoined                         // the user is a member of the channel
	ActionLeft                           // the user is no longer a member of the channel
)

// actionsLocked appends the actions among the unsaved changes.
func (u *User) actionsLocked(actions []Action) []Action {
	name := u.Name()
	if r := u.mu.removed; r != nil {
		for _, channel := range r.left {
			if channel != tokenMark {
				actions = append(actions, Action{Kind: ActionLeft, User: name, Channel: channel})
			}
		}
	}
	for i := range u.mu.marks {
		if m := &u.mu.marks[i]; m.dirty && m.joined && m.channel != tokenMark {
			actions = append(actions, Action{Kind: ActionJoined, User: name, Channel: m.channel})
		}
	}
	for _, d := range u.mu.devices { // before what was read: to read it, a device received it
		for i := range d.cursors {
			if c := &d.cursors[i]; c.dirty && c.acked {
				actions = append(actions, Action{Kind: ActionAcknowledged, User: name, Device: d.name, Channel: c.channel, Seq: c.seq})
			}
		}
	}
	for i := range u.mu.marks {
		m := &u.mu.marks[i]
		if m.dirty && !m.joined && m.channel != tokenMark && m.read > m.since { // else nothing was read, see since
			actions = append(actions, Action{Kind: ActionRead, User: name, Channel: m.channel, Seq: m.read})
		}
	}
	return actions
}
