// A page with every hook; render shows it with other properties.
import { StrictMode, useState } from "react"
import { flushSync } from "react-dom"
import { createRoot } from "react-dom/client"
import { connect } from "wirepost"
import { useChannel, useMessages, usePresence, useUnread, useWirepost, WirepostProvider } from "wirepost/react"

interface Note {
  text: string
}

interface Properties {
  /** Without one nothing is shown. */
  url?: string
  room?: string
  inbox?: boolean
}

function State() {
  const { state, user = "nobody", transport = "none" } = useWirepost()
  return <p id="state">{`${state} ${user} ${transport} ${useUnread()}`}</p>
}

function Inbox() {
  const { messages, ready, hasOlder, older, read } = useMessages<Note>(undefined, { history: 3, max: 8 })
  return (
    <section>
      <p id="inbox">{`${ready} ${hasOlder} ${messages.map((m) => m.data.text).join()}`}</p>
      <button id="older" onClick={() => void older()}>Older</button>
      <button id="read" onClick={() => void read()}>Read</button>
    </section>
  )
}

function Room({ name }: { name: string }) {
  const [last, setLast] = useState("none")
  const { ready, error, publish } = useChannel<Note>(name, ({ data }) => setLast(data.text))
  const room = useMessages<Note>(name)
  const { users, count } = usePresence(name)
  return (
    <section>
      <p id="channel">{`${ready} ${error?.code} ${last}`}</p>
      <p id="room">{`${room.ready} ${room.error?.code} ${room.messages.map((m) => m.data.text).join()}`}</p>
      <p id="present">{`${count} ${users.map((u) => u.user).join()}`}</p>
      <button id="publish" onClick={() => void publish({ text: "published" } satisfies Note)}>Publish</button>
    </section>
  )
}

const root = createRoot(document.querySelector("main")!)

function render({ url, room, inbox }: Properties): void {
  const page = url && (
    <StrictMode>
      <WirepostProvider url={url}>
        <State />
        {inbox && <Inbox />}
        {room && <Room name={room} />}
      </WirepostProvider>
    </StrictMode>
  )
  flushSync(() => root.render(page))
}

Object.assign(window, { render, connect })
