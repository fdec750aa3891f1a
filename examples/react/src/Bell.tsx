import { useState } from "react"
import { useMessages, useUnread } from "wirepost/react"

interface Reminder {
  text: string
}

/** The user's inbox. Opening it clears the unread count on all devices. */
export function Bell() {
  const [open, setOpen] = useState(false)
  const unread = useUnread()
  const { messages, read } = useMessages<Reminder>()
  const toggle = () => {
    setOpen(!open)
    void read()
  }
  return (
    <>
      <button id="bell" aria-expanded={open} onClick={toggle}>Reminders: {unread}</button>
      {open && <ul id="reminders">{messages.map((m) => <li key={m.seq}>{m.data.text}</li>)}</ul>}
    </>
  )
}
