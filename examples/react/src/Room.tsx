import { useMessages, usePresence, useWirepost } from "wirepost/react"
import { submitted } from "./App"

interface Line {
  text: string
}

/** A room: what was said, what is said now, and by whom. */
export function Room({ channel }: { channel: string }) {
  const { client } = useWirepost()
  const { messages, hasOlder, older, error } = useMessages<Line>(channel, { history: 20 })
  const { users } = usePresence(channel)
  if (error) return <p role="alert">{error.message}</p>
  return (
    <main>
      <p>Here: <span id="users">{users.map((u) => u.user).join(", ")}</span></p>
      {hasOlder && <button onClick={() => void older()}>Earlier messages</button>}
      <ol id="lines">
        {messages.map((m) => (
          <li key={m.seq}>
            <b>{m.from}</b> {m.data.text}
          </li>
        ))}
      </ol>
      <form id="say" onSubmit={(event) => void client?.publish(channel, { text: submitted(event) } satisfies Line)}>
        <label>Message <input name="text" autoComplete="off" required /></label>
        <button>Say</button>
      </form>
    </main>
  )
}
