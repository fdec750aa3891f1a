/**
 * The service worker, /wirepost-sw.js: it shows what the server sends by Web Push, and
 * opens the page of a notification that is clicked. A page's own worker can import it with
 * importScripts: it leaves alone what is not from the server. What notifications show by
 * default is in the URL of the worker's script, where `enableNotifications` put it, or in
 * `self.wirepostNotification`.
 */

/** What a push carries: a declarative message, which Safari shows by itself, and what it is about. */
interface Pushed {
  readonly notification?: unknown
  readonly wirepost: About
}

/** The message that a push is about. */
export interface About {
  readonly channel: string
  readonly seq: number
  readonly id?: string
  /** Its data, as in a frame `message`, unless they are too large. */
  readonly content_type?: string
  readonly data?: unknown
  readonly data_base64?: string
  readonly truncated?: boolean
}

/** The `data` of a notification. */
export interface Shown {
  readonly wirepost: About
  /** The notification's own. */
  readonly data?: unknown
  /** The page to open. */
  readonly url: string | undefined
  /** Those of its buttons. */
  readonly actions: Readonly<Record<string, string | undefined>>
}

/** NotificationOptions, with what TypeScript's library lacks. */
interface Look extends NotificationOptions {
  readonly title?: unknown
  readonly navigate?: unknown
  readonly actions?: unknown
  readonly url?: unknown
}

interface Window {
  readonly url: string
  focus(): Promise<unknown>
  postMessage(message: unknown): void
}

interface Lasting extends Event {
  waitUntil(work: Promise<unknown>): void
}

interface Events {
  push: Lasting & { readonly data: { text(): string } | null }
  notificationclick: Lasting & { readonly notification: Notification; readonly action: string }
  pushsubscriptionchange: Lasting & { readonly oldSubscription?: PushSubscription | null; readonly newSubscription?: PushSubscription | null }
}

/** ServiceWorkerGlobalScope: TypeScript's library has those of workers or those of pages. */
interface Scope {
  readonly location: Location
  readonly registration: ServiceWorkerRegistration
  readonly clients: {
    matchAll(options: { type: "window"; includeUncontrolled: true }): Promise<readonly Window[]>
    openWindow(url: string): Promise<unknown>
  }
  readonly wirepostNotification?: unknown
  addEventListener<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): void
}

const worker = self as unknown as Scope

worker.addEventListener("push", (event) => {
  const pushed = parse(event.data?.text())
  if (pushed) event.waitUntil(show(pushed))
})

worker.addEventListener("notificationclick", (event) => {
  const { wirepost, url, actions = {} } = Object(event.notification.data) as Partial<Shown>
  if (!wirepost) return // another's
  event.notification.close()
  event.waitUntil(open(event.action ? actions[event.action] : url))
})

worker.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)))

/** Returns a push of the server; undefined for anything else. */
function parse(text = ""): Pushed | undefined {
  try {
    const pushed = Object(JSON.parse(text)) as Partial<Pushed>
    const { channel, seq } = Object(pushed.wirepost) as Partial<About>
    return typeof channel === "string" && typeof seq === "number" ? (pushed as Pushed) : undefined
  } catch {
    return undefined
  }
}

async function show({ notification, wirepost }: Pushed): Promise<void> {
  const defaults = Object.assign(Object.fromEntries(new URLSearchParams(worker.location.search)), worker.wirepostNotification) as Look
  const text = typeof wirepost.data === "string" ? { body: wirepost.data } : {}
  const all = notification === undefined ? { ...text, ...defaults } : { ...defaults, body: "", ...(Object(notification) as Look) }
  const { title, navigate, url, actions, data, ...look } = all as Look
  const name = typeof title === "string" && title ? title : worker.location.hostname
  const buttons = (Array.isArray(actions) ? actions : []).map((action) => Object(action) as { action?: unknown; navigate?: unknown })
  const basic = {
    body: typeof look.body === "string" ? look.body : "",
    tag: typeof look.tag === "string" && look.tag ? look.tag : `${wirepost.channel} ${wirepost.seq}`, // a push that comes twice is shown once
    data: {
      wirepost,
      data,
      // The server has to say where a click leads: "/" if the backend did not.
      url: web(navigate === "/" ? url : (navigate ?? url)),
      actions: Object.fromEntries(buttons.map(({ action, navigate }) => [String(action), web(navigate)])),
    } satisfies Shown,
  }
  try {
    await worker.registration.showNotification(name, { ...look, actions, ...basic } as NotificationOptions)
  } catch {
    // A wrong value somewhere in it. Browsers want every push to be shown.
    await worker.registration.showNotification(name, basic)
  }
}

/** Returns the URL of a page; undefined for anything else, such as a script. */
function web(url: unknown): string | undefined {
  try {
    const { href, protocol } = new URL(url as string, worker.location.origin)
    return typeof url === "string" && /^https?:$/.test(protocol) ? href : undefined
  } catch {
    return undefined
  }
}

/** Shows a page: in the window that has it, or a new one. Without a URL any window of the origin will do: the last one used comes first. */
async function open(url?: string): Promise<void> {
  const windows = await worker.clients.matchAll({ type: "window", includeUncontrolled: true })
  const page = (url: string) => url.split("#")[0]
  const there = windows.find((window) => !url || page(window.url) === page(url))
  await (there ? there.focus() : worker.clients.openWindow(url ?? "/"))
}

/** The browser has ended the subscription: subscribes anew, and has the pages send that to the server. */
async function renew({ oldSubscription: old, newSubscription }: Events["pushsubscriptionchange"]): Promise<void> {
  if (old && !newSubscription) await worker.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: old.options.applicationServerKey })
  for (const window of await worker.clients.matchAll({ type: "window", includeUncontrolled: true })) window.postMessage("wirepost:subscription")
}
